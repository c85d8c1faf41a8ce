"""Pulling a file from mirrors that serve in pieces, break off, lie, dawdle and are not there."""

import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app import mirrors
from app.errors import PullCancelled, PullFailed, WeightsUnwritable
from app.manifest import Pulled
from app.mirrors import partial, pull
from app.places import CHECKOUT
from app.transfer import Transfer
from app.weights import place
from tests.conftest import NOWHERE
from tests.mirror import Mirror, serving_mirror

CONTENT = bytes(range(256)) * 40  # ten pieces and a bit
ORIGIN = Pulled(path="net/net.onnx", file="net.onnx", bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())

Start = Callable[..., Mirror]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts mirrors of the content; they stop when the test ends."""
    with ExitStack() as running:
        yield lambda **how: running.enter_context(serving_mirror(Mirror(**{"content": CONTENT, **how})))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries nothing is waited for."""
    monkeypatch.setattr(mirrors, "pause", lambda *_: None)


def fetch(tmp_path: Path, *bases: str, origin: Pulled = ORIGIN) -> Path:
    return pull(origin, tmp_path, bases, Transfer(origin.bytes))


def nothing_but(tmp_path: Path, *names: str) -> None:
    folder = place(tmp_path, ORIGIN).parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_a_file_in_pieces_is_fetched_once_and_told_as_it_comes(tmp_path: Path, start: Start) -> None:
    mirror, told = start(), list[int]()
    path = pull(ORIGIN, tmp_path, [mirror.url + "/"], Transfer(ORIGIN.bytes, told.append))
    assert path.read_bytes() == CONTENT
    assert mirror.paths == ["/net/net.onnx"]
    assert told == sorted(told) and told[-1] == len(CONTENT)
    nothing_but(tmp_path, "net.onnx", "net.onnx.verified")
    assert fetch(tmp_path, NOWHERE) == path  # it is here: nobody is asked
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_break_is_continued_where_it_was(tmp_path: Path, start: Start, chunked: bool) -> None:
    mirror = start(breaks_after=lambda number: (3000, 2000, None)[number], chunked=chunked)
    assert fetch(tmp_path, mirror.url).read_bytes() == CONTENT
    assert mirror.asked == ["", "bytes=3000-", "bytes=5000-"]


def test_a_server_that_cannot_continue_starts_again(tmp_path: Path, start: Start) -> None:
    mirror = start(breaks_after=lambda number: 3000 if number == 0 else None, ranges=False)
    assert fetch(tmp_path, mirror.url).read_bytes() == CONTENT
    assert mirror.asked == ["", "bytes=3000-"]


def test_the_next_mirror_continues_what_the_first_began(tmp_path: Path, start: Start) -> None:
    first = start(breaks_after=lambda number: 4000 if number == 0 else 0)
    second = start()
    assert fetch(tmp_path, NOWHERE, first.url, second.url).read_bytes() == CONTENT
    assert second.asked == ["bytes=4000-"]


def test_what_is_kept_of_a_failed_pull_is_continued_by_the_next(tmp_path: Path, start: Start) -> None:
    broken = start(breaks_after=lambda number: 4000 if number == 0 else 0)
    with pytest.raises(PullFailed, match=r"4,000 of 10,240 bytes are kept") as failed:
        fetch(tmp_path, broken.url)
    assert "broke off after 4,000 of 10,240 bytes" in failed.value.detail
    nothing_but(tmp_path, ".net.onnx.partial")
    mirror = start()
    assert fetch(tmp_path, mirror.url).read_bytes() == CONTENT
    assert mirror.asked == ["bytes=4000-"]


def test_what_was_kept_wrongly_is_fetched_anew(tmp_path: Path, start: Start) -> None:
    left = partial(place(tmp_path, ORIGIN))
    left.parent.mkdir(parents=True)
    left.write_bytes(b"?" * 5000)
    mirror = start()
    assert fetch(tmp_path, mirror.url).read_bytes() == CONTENT
    assert mirror.asked == ["bytes=5000-", ""]


def test_more_than_a_file_left_over_is_fetched_anew(tmp_path: Path, start: Start) -> None:
    left = partial(place(tmp_path, ORIGIN))
    left.parent.mkdir(parents=True)
    left.write_bytes(CONTENT + b"more")
    assert fetch(tmp_path, start().url).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"status": 404}, r"has no such file \(404\)"),
        ({"status": 403}, "answers with status 403"),
        ({"status": 503}, "answers with status 503"),
        ({"content": b"?" + CONTENT[1:]}, "another file: its digest is"),
        ({"content": CONTENT[:-1]}, "says 10,239 bytes, 10,240 are right"),
        ({"content": CONTENT + b"?"}, "says 10,241 bytes, 10,240 are right"),
        ({"content": CONTENT[:-1], "chunked": True}, "ends after 10,239 of 10,240 bytes"),
        (
            {"content": CONTENT[:-1], "chunked": True, "breaks_after": lambda number: 0 if number == 2 else None},
            "ends after 10,239 of 10,240 bytes, then does not continue the file",
        ),
        ({"content": CONTENT + b"?" * 1000, "chunked": True}, "gives more than 10,240 bytes"),
        ({"content": CONTENT[:5000], "length": 10240}, "broke off after 5,000 of 10,240 bytes"),
    ],
)
def test_a_mirror_without_the_right_file_is_told_and_the_next_is_asked(
    tmp_path: Path, start: Start, how: dict[str, Any], message: str
) -> None:
    wrong = start(**how)
    with pytest.raises(PullFailed, match=message) as failed:
        fetch(tmp_path, wrong.url)
    assert wrong.url in failed.value.detail and "CONVSCOPE_PULL_URLS" in failed.value.detail
    assert not place(tmp_path, ORIGIN).exists()
    assert fetch(tmp_path, wrong.url, start().url).read_bytes() == CONTENT


def test_every_mirror_is_told_of_when_none_answers(tmp_path: Path, start: Start) -> None:
    gone = start(status=404)
    with pytest.raises(PullFailed) as failed:
        fetch(tmp_path, NOWHERE, gone.url)
    assert f"{NOWHERE}/net/net.onnx cannot be reached" in failed.value.detail
    assert "404" in failed.value.detail
    nothing_but(tmp_path)
    with pytest.raises(PullFailed) as failed:
        fetch(tmp_path, gone.url.replace("://", "://somebody:secret@"))
    assert "secret" not in failed.value.detail and f"{gone.url}/net/net.onnx has no such file" in failed.value.detail
    with pytest.raises(PullFailed, match="no base URL is set"):
        fetch(tmp_path)


def test_a_slow_server_is_waited_for_and_a_silent_one_is_not(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.3)
    silent = start(gate=threading.Event(), silent=True)
    with pytest.raises(PullFailed, match="gave no byte for a while"):
        fetch(tmp_path, silent.url)
    assert fetch(tmp_path, start().url).read_bytes() == CONTENT


def test_a_stop_keeps_what_came(tmp_path: Path, start: Start) -> None:
    mirror = start(gate=threading.Event())
    transfer = Transfer(ORIGIN.bytes)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            pull(ORIGIN, tmp_path, [mirror.url], transfer)
        except PullCancelled as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: transfer.done > 0)
    transfer.cancelled.set()
    assert mirror.gate
    mirror.gate.set()
    thread.join(20)
    assert failed and 0 < partial(place(tmp_path, ORIGIN)).stat().st_size <= len(CONTENT)
    assert fetch(tmp_path, start().url).read_bytes() == CONTENT


def test_pulls_of_one_file_share_it(tmp_path: Path, start: Start) -> None:
    mirror = start(gate=threading.Event())
    transfers = [Transfer(ORIGIN.bytes) for _ in range(3)]
    threads = [
        threading.Thread(target=pull, args=(ORIGIN, tmp_path, [mirror.url], transfer)) for transfer in transfers
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: sorted(one.state for one in transfers) == ["pulling", "waiting", "waiting"])
    wait_until(lambda: all(one.done > 0 for one in transfers))  # those who wait see it come, too
    assert mirror.gate
    mirror.gate.set()
    for thread in threads:
        thread.join(20)
    assert mirror.asked == [""]
    assert [one.done for one in transfers] == [len(CONTENT)] * 3


PULL = """
import sys
from pathlib import Path
from app.manifest import Pulled
from app.mirrors import pull
from app.transfer import Transfer
origin = Pulled.model_validate_json(sys.argv[1])
print(pull(origin, Path(sys.argv[2]), [sys.argv[3]], Transfer(origin.bytes)))
"""


def start_process(tmp_path: Path, url: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", PULL, ORIGIN.model_dump_json(), str(tmp_path), url]
    return subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def test_processes_share_it_and_one_that_is_killed_leaves_it_to_the_other(tmp_path: Path, start: Start) -> None:
    mirror = start(gate=threading.Event())
    assert mirror.gate
    first = start_process(tmp_path, mirror.url)
    wait_until(lambda: partial(place(tmp_path, ORIGIN)).exists() and bool(mirror.asked))
    second = start_process(tmp_path, mirror.url)
    time.sleep(0.5)
    assert second.poll() is None and len(mirror.asked) == 1  # it waits for the first
    first.kill()
    first.communicate()
    wait_until(lambda: len(mirror.asked) == 2)
    mirror.gate.set()
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 0
    assert Path(out.strip()).read_bytes() == CONTENT


def test_too_little_space_is_told_before_anything_is_fetched(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = start()
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(WeightsUnwritable, match=r"needs 10,240 more bytes .* 1,000 are free.*CONVSCOPE_CACHE_DIR"):
        fetch(tmp_path, mirror.url)
    assert mirror.asked == []


def test_a_disk_that_fills_up_is_told_and_left_empty(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = mirrors.Part.write

    def full(part: mirrors.Part, chunk: bytes) -> None:
        if part.size + len(chunk) > 4000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(part, chunk)

    monkeypatch.setattr(mirrors.Part, "write", full)
    with pytest.raises(WeightsUnwritable, match=r"disk is full.*CONVSCOPE_CACHE_DIR"):
        fetch(tmp_path, start().url)
    nothing_but(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, start: Start) -> None:
    (tmp_path / "weights").write_text("in the way")
    with pytest.raises(WeightsUnwritable, match="cannot be written"):
        fetch(tmp_path, start().url)


def test_the_rate_is_of_the_last_seconds_and_not_of_what_was_kept() -> None:
    now = [0.0]
    transfer = Transfer(1000, clock=lambda: now[0])
    transfer.moved(400)  # kept from before
    assert (transfer.rate, transfer.seconds_left) == (0, None)
    for now[0], done in ((1.0, 500), (2.0, 600)):
        transfer.moved(done)
    assert transfer.rate == pytest.approx(100)
    assert transfer.seconds_left == pytest.approx(4)
    now[0] = 4.0  # nothing came for two seconds
    assert transfer.rate == pytest.approx(50)
    transfer.moved(0)  # started again
    assert transfer.rate == 0


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)

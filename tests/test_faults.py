"""Faults of the machine: a clock that jumps, no home, nowhere to write, damaged files, Redis gone.

Each shows in /readyz and in the log, and what does not need the broken part is served. Starts that are killed or run
out of disk are in test_unpacking, pulls in test_mirrors.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.catalog import Catalog
from app.main import create_app
from app.places import BUNDLED, CHECKOUT
from app.salt import read_salt
from app.settings import Settings
from app.weights import place, write_numbers
from tests.conftest import MakeSettings, Serve, post_run, problem_of, serving
from tests.stage import build_stage, write_network
from tests.test_mirrors import wait_until
from tests.test_redis_records import Redis, redis
from tests.test_unpacking import mounted, write_packed

__all__ = ["redis"]  # the fixture

INLINE = {"id": "own", "title": "Own", "labels": list("abcde")}
DAY = 24 * 3600.0


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """Two small networks: `packed` has to be unpacked, `whole` has its numbers inside."""
    write_packed(tmp_path / "bundled" / "packed", side=16, classes=5)
    write_network(tmp_path / "bundled", "whole", INLINE)
    return tmp_path / "bundled"


@contextmanager
def started(settings: Settings, bundled: Path) -> Iterator[httpx.Client]:
    """A service with the networks of that folder, as it starts."""
    app = create_app(settings, Catalog.open(settings, bundled=bundled, pullable=bundled / "nothing"))
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def is_ready(client: httpx.Client) -> bool:
    return client.get("/readyz").status_code == 200


# --- the clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [100 * DAY, -100 * DAY])
def test_a_run_lives_as_long_as_was_said_when_the_clock_jumps(
    jump: float, serve: Serve, catalog: Catalog, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.main.SWEEP_SECONDS", 0.1)
    kept, brief = serve(), serve(run_ttl_seconds=2)
    model, begun = catalog.models[0].id, time.monotonic()
    runs = [post_run(client, model, photo) for client in (kept, brief)]
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + jump)
    assert kept.get(f"/api/v1/runs/{runs[0]['id']}").json() == runs[0]  # not gone too early, the same answer
    assert kept.post(f"/api/v1/models/{model}/runs", content=photo).json() == runs[0]
    if time.monotonic() - begun < 1.5:
        assert brief.get(f"/api/v1/runs/{runs[1]['id']}").status_code == 200
    wait_until(lambda: brief.get(f"/api/v1/runs/{runs[1]['id']}").status_code == 404)  # nor kept too long
    assert time.monotonic() - begun >= 2


# --- nowhere to be ----------------------------------------------------------------------------------------------

HOMELESS = """
import pwd, sys
def nobody(_):
    raise KeyError("no entry")
pwd.getpwuid = nobody
from app.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_user_without_a_home_has_a_cache_among_the_temporary_files(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "CONVSCOPE_CACHE_DIR")}
    environment["TMPDIR"] = str(tmp_path)
    command = [sys.executable, "-c", HOMELESS, "cache"]
    ran = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert str(tmp_path / f"convscope-{os.getuid()}") in ran.stdout


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """A folder on a file system of its own, and what makes it read-only."""
    folder = tmp_path / "disk"
    own = os.getuid() == 0
    if own and not mounted(folder, 20):
        pytest.skip("no file system may be mounted here, and root may write everywhere")
    folder.mkdir(exist_ok=True)

    def lock() -> Path:
        if own:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        else:
            for path in (*folder.rglob("*"), folder):
                path.chmod(0o500 if path.is_dir() else 0o400)
        return folder

    yield lock
    if own:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
    else:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)


def test_an_empty_cache_that_cannot_be_written(
    locked: Callable[[], Path],
    bundled: Path,
    make_settings: MakeSettings,
    photo: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = locked()
    with started(make_settings(cache_dir=cache), bundled) as client:
        wait_until(lambda: "could not be prepared" in client.get("/readyz").text)
        problem = problem_of(client.get("/readyz"), 503, "not-ready")
        assert "packed.bin cannot be written" in problem["detail"] and "CONVSCOPE_CACHE_DIR" in problem["detail"]
        assert str(cache) not in problem["detail"] and str(cache) in caplog.text
        assert client.get("/healthz").status_code == 200
        assert [one["id"] for one in client.get("/api/v1/models").json()["models"]] == ["packed", "whole"]
        problem_of(client.post("/api/v1/models/packed/runs", content=photo), 409, "weights-not-ready")
        run = post_run(client, "whole", photo)
        assert client.get(f"/api/v1/runs/{run['id']}/input.png").status_code == 200
    assert f"{cache / 'salt'} cannot be kept" in caplog.text


def test_a_full_cache_that_cannot_be_written_serves_everything(
    locked: Callable[[], Path], bundled: Path, make_settings: MakeSettings, photo: bytes, tmp_path: Path
) -> None:
    settings = make_settings(cache_dir=tmp_path / "disk")
    Catalog.open(settings, bundled=bundled, pullable=bundled / "nothing").prepare()
    salt = read_salt("", settings.cache_dir)
    locked()
    with started(settings, bundled) as client:
        wait_until(lambda: is_ready(client))
        assert client.get("/readyz").json()["status"] == "ready"
        for model in ("packed", "whole"):
            post_run(client, model, photo)
    assert read_salt("", settings.cache_dir) == salt


def test_a_disk_that_has_room_again_is_used_without_a_restart(
    bundled: Path, make_settings: MakeSettings, photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True

    def write(chunks: Iterator[bytes], path: Path, progress: Callable[[int], None] | None = None) -> tuple[int, str]:
        def some() -> Iterator[bytes]:
            yield next(iter(chunks))
            raise OSError(28, os.strerror(28))  # ENOSPC

        return write_numbers(some() if full else chunks, path, progress)

    monkeypatch.setattr("app.weights.write_numbers", write)
    monkeypatch.setattr("app.main.AGAIN_SECONDS", 0.1)
    with started(make_settings(cache_dir=tmp_path / "cache"), bundled) as client:
        wait_until(lambda: "disk is full" in client.get("/readyz").text)
        full = False
        wait_until(lambda: is_ready(client))
        post_run(client, "packed", photo)


def test_a_cache_folder_that_is_emptied_under_the_server_is_filled_again(
    bundled: Path, make_settings: MakeSettings, photo: bytes, tmp_path: Path
) -> None:
    settings = make_settings(cache_dir=tmp_path / "cache")
    with started(settings, bundled) as client:
        wait_until(lambda: is_ready(client))
        shutil.rmtree(settings.cache_dir)
        run = post_run(client, "packed", photo)  # loaded only now
        shutil.rmtree(settings.cache_dir)
        answer = client.post("/api/v1/models/packed/predictions", content=photo)  # by a session of its own
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(
            [one["probability"] for one in answer.json()["predictions"]],
            [one["probability"] for one in run["predictions"]],
            rtol=1e-5,
        )
        shutil.rmtree(settings.cache_dir)
        layers = client.get("/api/v1/models/packed").json()["layers"]
        for layer in layers:
            filters = client.get(f"/api/v1/models/packed/layers/{layer['name']}/filters.npy")
            assert filters.status_code in (200, 404), filters.text  # not every layer has any
            place = f"units/{'/'.join('0' for _ in layer['shape'])}"
            unit = client.get(f"/api/v1/runs/{run['id']}/layers/{layer['name']}/{place}")
            assert unit.status_code == 200, unit.text
        assert is_ready(client)


# --- damaged files ------------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("manifest.json", truncate, "is not JSON"),
        ("packed.onnx", flip, "has the digest"),
        ("packed.onnx", Path.unlink, "cannot be read"),
        ("packed.xz", flip, "packed.xz is damaged: its digest is"),
    ],
)
def test_a_damaged_network_is_named_and_the_others_are_served(
    file: str,
    damage: Callable[[Path], None],
    said: str,
    bundled: Path,
    make_settings: MakeSettings,
    photo: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(bundled / "packed" / file)
    with started(make_settings(cache_dir=tmp_path / "cache"), bundled) as client:
        wait_until(lambda: "could not be prepared" in client.get("/readyz").text)
        detail = problem_of(client.get("/readyz"), 503, "not-ready")["detail"]
        assert said in detail and file in detail and str(tmp_path) not in detail
        assert said in caplog.text and str(bundled / "packed" / file) in caplog.text
        listed = [one["id"] for one in client.get("/api/v1/models").json()["models"]]
        assert listed == (["packed", "whole"] if file == "packed.xz" else ["whole"])
        post_run(client, "whole", photo)
        assert client.get("/").status_code == 200


def test_a_damaged_tour_leaves_its_network(make_settings: MakeSettings, tmp_path: Path) -> None:
    toured = next(iter(sorted(BUNDLED.glob("*/tour.json")))).parent
    shutil.copytree(toured, tmp_path / "bundled" / toured.name)
    truncate(tmp_path / "bundled" / toured.name / "tour.json")
    settings = make_settings()
    catalog = Catalog.open(settings, bundled=tmp_path / "bundled", pullable=tmp_path / "nothing")
    catalog.prepare()
    with serving(create_app(settings, catalog)) as url, httpx.Client(base_url=url, timeout=60) as client:
        state = client.get("/readyz").json()
        assert (state["status"], state["models"]) == ("degraded", [toured.name])
        (said,) = state["problems"]
        assert f"{toured.name}/tour.json is not JSON" in said and str(tmp_path) not in said


@pytest.mark.parametrize("damage", [truncate, flip])
def test_damaged_weights_are_found_named_and_unpacked_anew(
    damage: Callable[[Path], None],
    bundled: Path,
    make_settings: MakeSettings,
    photo: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = make_settings(cache_dir=tmp_path / "cache")
    with started(settings, bundled) as client:
        wait_until(lambda: is_ready(client))
        before = post_run(client, "packed", photo)["predictions"]
    (file,) = settings.cache_dir.glob("weights/*/packed.bin")
    whole = file.read_bytes()
    damage(file)
    with started(settings, bundled) as client:
        wait_until(lambda: is_ready(client))
        assert post_run(client, "packed", photo)["predictions"] == before
    assert file.read_bytes() == whole
    assert f"{file} is damaged: its digest is" in caplog.text


def test_damaged_pulled_weights_are_found_named_and_fetched_anew(
    make_settings: MakeSettings, tmp_path: Path, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as running:
        stage = build_stage(running, tmp_path, make_settings)
        stage.pull("POST")
        wait_until(lambda: stage.state() == "ready")
        origin = stage.catalog.pullable[0].weights.origin
        assert origin.kind == "pulled"
        file = place(stage.cache, origin)
        flip(file)
        assert stage.state() == "absent"  # its times tell
        problem_of(
            stage.client.post("/api/v1/models/small/runs?weights=more", content=photo), 409, "weights-not-ready"
        )
        stage.catalog.prepare()  # as a start does
        assert f"{file} is damaged: its digest is" in caplog.text
        stage.pull("POST")
        wait_until(lambda: stage.state() == "ready")
        assert file.read_bytes() == stage.mirror.content
        assert stage.client.post("/api/v1/models/small/runs?weights=more", content=photo).status_code == 201


@pytest.mark.parametrize("content", [b"", b"half", b"\xff" * 64, b"z" * 64])
def test_a_damaged_salt_is_named_and_made_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "salt").write_bytes(content)
    made = read_salt("", tmp_path)
    assert len(made) == 64 and made != content
    assert read_salt("", tmp_path) == made
    assert "salt is damaged" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[]", '["x"]'])
def test_a_damaged_mark_of_verification_costs_a_look_at_the_file(
    content: str, bundled: Path, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(cache_dir=tmp_path / "cache")
    for _ in range(2):
        catalog = Catalog.open(settings, bundled=bundled, pullable=bundled / "nothing")
        catalog.prepare()
        assert catalog.ready
        (mark,) = settings.cache_dir.glob("weights/*/packed.bin.verified")
        assert len(json.loads(mark.read_text())) == 3
        mark.write_text(content)


# --- Redis ----------------------------------------------------------------------------------------------------------


def test_a_start_without_redis_serves_and_finds_it_later(
    redis: Redis, serve: Serve, catalog: Catalog, photo: bytes
) -> None:
    redis.stop()
    first, second, model = serve(runs=redis.url), serve(runs=redis.url), catalog.models[0].id
    assert first.get("/readyz").json()["status"] == "degraded"
    assert first.post(f"/api/v1/models/{model}/predictions", content=photo).status_code == 200
    problem_of(first.post(f"/api/v1/models/{model}/runs", content=photo), 503, "runs-unavailable")
    redis.start()
    run = post_run(first, model, photo)
    assert second.get(f"/api/v1/runs/{run['id']}").json() == run


def test_replicas_agree_on_ids_after_redis_came_back_empty(
    redis: Redis, serve: Serve, catalog: Catalog, photo: bytes, tmp_path: Path
) -> None:
    model = catalog.models[0].id
    first = serve(runs=redis.url)
    post_run(first, model, photo)
    redis.stop()
    redis.start()
    # a machine of its own, which asks the empty Redis before the first one does
    other = serve(runs=redis.url, cache_dir=tmp_path / "other")
    runs = [post_run(client, model, photo)["id"] for client in (other, first)]
    assert runs[0] == runs[1]


def test_a_redis_that_hangs_holds_up_nothing_else(
    redis: Redis, serve: Serve, catalog: Catalog, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client, model = serve(runs=redis.url), catalog.models[0].id
    run = post_run(client, model, photo)
    assert redis.process is not None
    caplog.set_level(logging.WARNING)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert client.get("/readyz").json()["status"] == "degraded"
        problem_of(client.get(f"/api/v1/runs/{run['id']}"), 503, "runs-unavailable")
        assert time.monotonic() - begun < 30
        assert client.post(f"/api/v1/models/{model}/predictions", content=photo).status_code == 200
    finally:
        redis.process.send_signal(signal.SIGCONT)
    wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
    assert client.get(f"/api/v1/runs/{run['id']}").json() == run
    assert "is gone" in caplog.text and "is back" in caplog.text

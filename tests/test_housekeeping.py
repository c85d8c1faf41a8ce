"""The commands `pull` and `cache`: what they fetch, say, clear and refuse."""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock

from app.cache import stored
from app.catalog import Catalog
from app.cli import main
from app.int8 import Int8Network
from app.weights import locked_by, place
from tests.conftest import MakeSettings
from tests.stage import Stage, build_stage

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stage(tmp_path: Path, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A mirror with the weights of two small networks, which the commands know."""
    opened, root = Catalog.open, tmp_path / "networks"
    with ExitStack() as running:
        built = build_stage(running, tmp_path, make_settings)
        monkeypatch.setattr(
            Catalog, "open", lambda settings: opened(settings, bundled=root / "bundled", pullable=root / "pullable")
        )
        monkeypatch.setenv("CONVSCOPE_CACHE_DIR", str(built.cache))
        monkeypatch.setenv("CONVSCOPE_PULL_URLS", f"http://127.0.0.1:9, {built.mirror.url}")
        monkeypatch.setattr("app.mirrors.pause", lambda *_: None)
        yield built


@pytest.fixture
def run(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command: exit status, stdout, stderr."""

    def command(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return command


def test_pull_lists_fetches_and_says_where(run: Command, stage: Stage) -> None:
    status, out, _ = run("pull")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["small", "more"], ["further", "more"]]
    assert "here" not in out
    status, out, err = run("pull", "small")
    path = place(stage.cache, stage.catalog.pullable[0].weights.origin)  # type: ignore[arg-type]
    assert (status, out) == (0, f"small: 'more' is here, 0.0 MB in {path}\n")
    assert path.read_bytes() == stage.mirror.content
    assert "100%" in err  # the bar
    assert run("pull", "small", "further")[0] == 0
    assert len(stage.mirror.asked) == 1  # both are the same file
    assert all(line.endswith("here") for line in run("pull")[1].splitlines())
    assert "not here" not in run("models")[1]


def test_models_says_what_is_not_here(run: Command) -> None:
    out = run("models")[1]
    assert re.search(r"small +more .* not here: convscope pull small\n", out)
    assert "further" not in out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("pull", "nothing"), 2, "There is nothing to pull for 'nothing'. There is for: small, further."),
        (("pull", "small", "--weights", "nothing"), 2, "has no weights 'nothing'"),
        (("pull", "small", "--weights", "own"), 1, "part of this installation"),
        (("pull", "small", "--pull-urls", "ftp://x"), 2, "--pull-urls is 'ftp://x'"),
        (("pull", "small", "--pull-urls", "http://127.0.0.1:9"), 1, "cannot be reached"),
        (("cache", "--weights", "more"), 2, "needs --model"),
        (("cache", "clear", "--model", "nothing"), 2, "no network 'nothing'"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(run: Command, words: tuple[str, ...], status: int, message: str) -> None:
    told = run(*words)
    assert told[0] == status
    assert message in told[2]
    assert re.search(r"^convscope: .*\n", told[2], re.MULTILINE)


def test_a_failed_pull_does_not_stop_the_others(run: Command, stage: Stage) -> None:
    stage.mirror.status = 404
    status, out, err = run("pull", "small", "further")
    assert (status, out) == (1, "")
    assert err.count("404") == 2


def test_cache_says_what_lies_there_and_clears_it(run: Command, stage: Stage) -> None:
    assert run("cache")[1] == f"{'total':<25} {'0.0 MB':>10}  in {stage.cache}\n"
    run("pull", "small")
    folder = stage.cache / "weights" / ("0123456789abcdef" * 2)  # of an older version
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "old.bin").write_bytes(bytes(3_000_000))
    somebodys = stage.cache / "weights" / "yolo"
    somebodys.mkdir()
    (somebodys / "best.pt").write_bytes(bytes(2_000_000))
    lines = run("cache")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["small", "(other)", "total"]
    assert "3.0 MB" in lines[1] and "3.0 MB" in lines[2]
    assert run("cache", "clear", "--model", "small")[0] == 0
    assert [line.split()[0] for line in run("cache")[1].splitlines()] == ["(other)", "total"]
    status, out, _ = run("cache", "clear")
    assert (status, out) == (0, f"3.0 MB removed from {stage.cache}\n")
    assert [path.name for path in (stage.cache / "weights").rglob("*")] == ["yolo", "best.pt"], "is not ours"


def test_a_half_fetched_file_is_listed_and_cleared(run: Command, stage: Stage) -> None:
    stage.mirror.breaks_after = lambda number: 1000 if number == 0 else 0
    assert run("pull", "small")[0] == 1
    assert "incomplete" in run("cache")[1]
    assert run("cache", "clear")[0] == 0
    assert run("cache")[1].startswith("total")


def test_what_is_being_written_is_not_cleared(run: Command, stage: Stage) -> None:
    run("pull", "small")
    path = place(stage.cache, stage.catalog.pullable[0].weights.origin)  # type: ignore[arg-type]
    with FileLock(locked_by(path)):
        status, _, err = run("cache", "clear")
    assert status == 1
    assert "being written by another process" in err
    assert path.exists()


def test_a_cache_folder_that_cannot_be_read_is_named(run: Command, stage: Stage, tmp_path: Path) -> None:
    run("pull", "small")

    def closed(path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with pytest.MonkeyPatch.context() as patch:  # root, who runs these tests in CI, may read everything
        patch.setattr(Path, "iterdir", closed)
        status, _, err = run("cache")
    assert status == 1
    assert f"The cache folder {stage.cache} cannot be read: Permission denied." in err


def test_the_8_bit_file_is_its_networks(
    cache_dir: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = min((one for one in catalog.networks if one.weights.ranges), key=lambda one: one.graph.parameters)
    path = Int8Network(network).path_of_graph
    _ = Int8Network(network).quantised
    monkeypatch.setenv("CONVSCOPE_CACHE_DIR", str(cache_dir))
    assert main(["cache", "--model", network.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(rf"{network.id} +{network.weights_id} +[0-9.]+ MB  8 bits", line) for line in lines)
    (entry,) = [
        one for one in stored(cache_dir, catalog.everything) if one.precision == "int8" and one.model == network.id
    ]
    assert entry.folder == path.parent and entry.whole

"""Unpacking at start: killed half-way, on a full disk, by several processes at once."""

import hashlib
import json
import logging
import lzma
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import safetensors.numpy
from filelock import FileLock

from app import numbers, weights
from app.catalog import Catalog
from app.main import create_app
from app.manifest import Packed
from app.places import CHECKOUT
from tests.conftest import MakeSettings, problem_of, serving
from tests.small_onnx import classifier
from tests.test_mirrors import wait_until

WIDE = 600  # maps: a full layer of 38 million numbers, 154 MB


def write_packed(folder: Path, side: int = 256, classes: int = WIDE) -> Packed:
    """A network whose numbers are packed; the manifest beside them."""
    folder.mkdir(parents=True)
    model = classifier(size=side, classes=classes)
    rng = np.random.default_rng(1)
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int8 | np.float32]]] = {}
    for tensor in model.graph.initializer:
        shape = tuple(tensor.dims)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "packed.bin"
        if len(shape) == 1:
            arrays[tensor.name] = np.zeros(shape, np.float32)
        else:
            arrays[tensor.name] = np.tile(
                rng.integers(-9, 9, shape[1:], np.int8), (shape[0], *[1] * (len(shape) - 1))
            )
            arrays[f"{tensor.name}.scale"] = np.full(shape[0], 1e-3, np.float32)
    numbers.place_externally(model, "packed.bin")
    (folder / "packed.xz").write_bytes(lzma.compress(safetensors.numpy.save(arrays), preset=0))
    archive = hashlib.sha256((folder / "packed.xz").read_bytes()).hexdigest()
    digest, size = hashlib.sha256(), 0
    for chunk in numbers.packed_chunks(model, folder / "packed.xz", archive):
        digest.update(chunk)
        size += len(chunk)
    origin = Packed(
        archive="packed.xz", archive_sha256=archive, file="packed.bin", bytes=size, sha256=digest.hexdigest()
    )
    (folder / "packed.onnx").write_bytes(model.SerializeToString())
    entry_of_manifest = {
        "id": "own",
        "title": "Own",
        "graph": "packed.onnx",
        "sha256": hashlib.sha256((folder / "packed.onnx").read_bytes()).hexdigest(),
        "origin": origin.model_dump(),
        "preprocessing": {"kind": "photo", "resize": side, "crop": [side, side]},
    }
    manifest = {"id": "packed", "title": "Packed", "default_weights": "own", "weights": [entry_of_manifest]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return origin


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one packed network, large enough to be killed half-way."""
    root = tmp_path_factory.mktemp("packed")
    write_packed(root / "packed")
    yield root
    shutil.rmtree(root, ignore_errors=True)


PREPARE = """
import sys
from pathlib import Path
from app.catalog import Catalog
from app.settings import Settings
catalog = Catalog.open(Settings(cache_dir=Path(sys.argv[1])), bundled=Path(sys.argv[2]), pullable=Path("nothing"))
catalog.prepare()
print(catalog.ready, catalog.problem)
"""


def start_preparing(cache: Path, bundled: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PREPARE, str(cache), str(bundled)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "weights").rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_start_that_is_killed_half_way_leaves_the_next_one_clean(tmp_path: Path, bundled: Path) -> None:
    cache = tmp_path / "cache"
    killed = start_preparing(cache, bundled)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 1_000_000 for path in cache.glob(f"weights/*/.*{weights.UNFINISHED}")):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    (left,) = files(cache)
    assert left.startswith(".packed.bin.") and left.endswith(weights.UNFINISHED)  # nothing under the final name
    again = start_preparing(cache, bundled)
    out, _ = again.communicate(timeout=120)
    assert out == "True None\n"
    assert files(cache) == ["packed.bin", "packed.bin.verified"]  # and what was left is swept


def test_processes_that_start_at_once_unpack_once(tmp_path: Path, bundled: Path) -> None:
    cache = tmp_path / "cache"
    both = [start_preparing(cache, bundled) for _ in range(2)]
    most = 0
    while any(one.poll() is None for one in both):
        most = max(most, len(list(cache.glob(f"weights/*/.packed.bin.*{weights.UNFINISHED}"))))
        time.sleep(0.005)
    assert [one.communicate()[0] for one in both] == ["True None\n"] * 2
    assert most == 1
    assert files(cache) == ["packed.bin", "packed.bin.verified"]


def test_what_others_are_writing_is_not_swept(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "abc"
    folder.mkdir(parents=True)
    (folder / f".a.bin.123{weights.UNFINISHED}").write_bytes(bytes(100))
    with FileLock(folder.with_suffix(".lock")):
        assert weights.sweep(tmp_path) == 0
    assert weights.sweep(tmp_path) == 100
    assert list(folder.iterdir()) == []


def mounted(place: Path, megabytes: int) -> bool:
    """Whether a small file system of its own could be mounted there."""
    place.mkdir()
    asked = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    try:
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(params=["tmpfs", "write"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder without enough space: a real one where the system lets us, and one whose writes fail."""
    place = tmp_path / "small"
    if request.param == "tmpfs":
        if not mounted(place, 20):
            pytest.skip("no file system may be mounted here")
        yield place
        subprocess.run(["umount", str(place)], check=False)
        return
    write_numbers = weights.write_numbers

    def fill_up(chunks: Iterator[bytes], path: Path, progress: weights.Progress | None = None) -> tuple[int, str]:
        def some() -> Iterator[bytes]:
            yield next(iter(chunks))
            raise OSError(28, os.strerror(28))  # ENOSPC

        return write_numbers(some(), path, progress)

    monkeypatch.setattr(weights, "write_numbers", fill_up)
    yield place


def test_a_full_disk_is_told_in_the_log_and_by_readyz_and_is_left_empty(
    full_disk: Path, bundled: Path, make_settings: MakeSettings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    settings = make_settings(cache_dir=full_disk)
    catalog = Catalog.open(settings, bundled=bundled, pullable=tmp_path / "nothing")
    with (
        caplog.at_level(logging.INFO),
        serving(create_app(settings, catalog)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        wait_until(lambda: "could not be prepared" in client.get("/readyz").text, 60)
        problem = problem_of(client.get("/readyz"), 503, "not-ready")
        for said in (problem["detail"], caplog.text):
            assert "disk is full" in said and "packed.bin" in said and "CONVSCOPE_CACHE_DIR" in said
        assert client.get("/healthz").status_code == 200
    assert files(full_disk) == []


def test_unpacking_is_told_in_the_log(
    tmp_path: Path,
    bundled: Path,
    make_settings: MakeSettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.main.TELL_SECONDS", 0.01)
    settings = make_settings(cache_dir=tmp_path / "cache")
    catalog = Catalog.open(settings, bundled=bundled, pullable=tmp_path / "nothing")
    with (
        caplog.at_level(logging.INFO, "app.main"),
        serving(create_app(settings, catalog)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200, 120)
    lines = [line for line in caplog.messages if line.startswith("Unpacking the networks' weights")]
    assert len(lines) >= 2 and f"of {catalog.bytes_total / 1e6:.0f} MB" in lines[-1]

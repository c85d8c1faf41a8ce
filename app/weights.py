"""Weight files: from a manifest's origin to numbers on disk, verified by digest, never half-written.

A graph whose numbers are not inside it names one external data file (ONNX, `TensorProto.data_location`), which
onnxruntime memory-maps, so that processes on one machine share its pages. This module makes that file once, in a
folder named by its digest, and opens its arrays. Pulled files (app.mirrors) lie there in the same way.
"""

import errno
import hashlib
import json
import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import onnx
from filelock import FileLock
from onnx import numpy_helper

from app.errors import NetworkUnusable, WeightsUnwritable
from app.manifest import Packed, Pulled, Seeded
from app.numbers import external_location, packed_chunks, seeded_chunks

log = logging.getLogger(__name__)

UNFINISHED = ".part"  # ends the name of a file that is being written
VERIFIED: dict[Path, list[Any]] = {}  # what is known of files in a folder that cannot be written to

Progress = Callable[[int], None]  # told the number of bytes done since the last call


def write_numbers(chunks: Iterable[bytes], path: Path, progress: Progress | None = None) -> tuple[int, str]:
    """Write an external file to `path`; returns its bytes and its sha256.

    Written beside `path` under another name, then renamed: `path` is whole or not there.

    Raises:
        WeightsUnwritable: the folder cannot be written or the disk is full; nothing is left behind.
    """
    digest, size = hashlib.sha256(), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if progress:
                    progress(len(chunk))
    except OSError as error:
        raise unwritable(path, error) from error
    return size, digest.hexdigest()


def unwritable(path: Path, error: OSError) -> WeightsUnwritable:
    """What to say where the system refuses to write a weight file."""
    full = " The disk is full: free some space, or" if error.errno == errno.ENOSPC else " Check it, or"
    return WeightsUnwritable(
        f"The weight file {path} cannot be written: {error.strerror}.{full} choose another folder with "
        "CONVSCOPE_CACHE_DIR.",
        str(path),
    )


def write_seeded(model: onnx.ModelProto, seed: int, path: Path) -> tuple[int, str]:
    """Write the external file of an untrained network to `path`; returns its bytes and its sha256."""
    return write_numbers(seeded_chunks(model, seed), path)


def ensure(
    model: onnx.ModelProto, origin: Seeded | Packed, beside: Path, cache_dir: Path, progress: Progress | None = None
) -> Path:
    """The folder that holds the network's external file, made or verified now.

    A file verified once is trusted while its size and modification time stay the same; otherwise its digest is
    computed again, and a file that differs is made anew.

    Args:
        model: the graph that names the file.
        origin: how the numbers come about.
        beside: the folder of the graph, where a packed network's archive lies.
        cache_dir: where the file goes.
        progress: told the bytes as they are done.

    Raises:
        WeightsUnwritable: the file cannot be made, or its digest is not the manifest's.
    """
    path = place(cache_dir, origin)
    if not is_verified(path, origin.sha256):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(locked_by(path)):  # of several processes that start at once, one makes it
                sweep_folder(path.parent)
                if not is_verified(path, origin.sha256):
                    make(model, origin, beside, path, progress)
                    return path.parent
        except OSError as error:
            raise unwritable(path, error) from error
    if progress:
        progress(origin.bytes)
    return path.parent


def make(
    model: onnx.ModelProto, origin: Seeded | Packed, beside: Path, path: Path, progress: Progress | None
) -> None:
    """Make the external file at `path`; raises as `ensure` does, and then leaves nothing."""
    chunks = (
        seeded_chunks(model, origin.seed)
        if isinstance(origin, Seeded)
        else packed_chunks(model, beside / origin.archive, origin.archive_sha256)
    )
    _, digest = write_numbers(chunks, path, progress)
    if digest != origin.sha256:
        path.unlink(missing_ok=True)
        raise WeightsUnwritable(
            f"The numbers made for {origin.file} have the digest {digest}, not {origin.sha256} as the manifest "
            "says. The installation is damaged or its numpy differs: install it again.",
            digest,
        )
    stamp(path, digest)


def place(cache_dir: Path, origin: Seeded | Packed | Pulled) -> Path:
    """Where the file of these weights lies in the cache folder, whether or not it is there."""
    return cache_dir / "weights" / origin.sha256[:32] / origin.file


def locked_by(path: Path) -> Path:
    """The lock file of whoever writes `path`, beside its folder."""
    return path.parent.with_suffix(".lock")


def sweep_folder(folder: Path) -> int:
    """Remove what writers that were killed left behind in a folder (whose lock is held); returns its bytes."""
    freed = 0
    for left in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):  # gone already, or not ours to remove
            size = left.stat().st_size
            left.unlink()
            freed += size
    return freed


def sweep(cache_dir: Path) -> int:
    """Remove what killed writers left anywhere in the cache folder, beside those at work; returns its bytes."""
    freed = 0
    try:
        folders = {left.parent for left in (cache_dir / "weights").glob(f"*/.*{UNFINISHED}")}
    except OSError:  # a folder that cannot be read is told of by whoever wants to write into it
        return 0
    for folder in folders:
        with suppress(OSError), FileLock(folder.with_suffix(".lock"), timeout=0):  # busy: somebody writes there
            freed += sweep_folder(folder)
    return freed


def is_verified(path: Path, sha256: str) -> bool:
    """Whether the file is there with that digest; reads it whole only when it changed since last verified."""
    if is_stamped(path, sha256):
        return True
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return False
    if digest != sha256:
        log.warning(
            "%s is damaged: its digest is %s, not %s. It is made anew, or has to be pulled.", path, digest, sha256
        )
        return False
    stamp(path, digest)
    return True


def is_intact(path: Path) -> bool:
    """Whether a file that was made here is as it was stamped; reads it whole only when it changed since."""
    try:
        digest, *_ = VERIFIED.get(path) or json.loads(_stamp(path).read_text())
    except (OSError, ValueError):
        return False  # never finished, or the stamp is damaged
    return is_verified(path, digest)


def is_stamped(path: Path, sha256: str) -> bool:
    """Whether the file was verified with that digest, and has not changed since; reads nothing of it."""
    try:
        stat = path.stat()
        known = VERIFIED.get(path) or json.loads(_stamp(path).read_text())
    except (OSError, ValueError):
        return False  # not there, never verified, or the stamp is damaged
    return bool(known == [sha256, stat.st_size, stat.st_mtime_ns])


def open_initializers(model: onnx.ModelProto, folder: Path | None) -> dict[str, npt.NDArray[Any]]:
    """Every initializer with numbers, by name; external ones are memory-mapped read-only, not loaded."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for tensor in model.graph.initializer:
        place = external_location(tensor)
        if not place:
            arrays[tensor.name] = numpy_helper.to_array(tensor)
        elif folder is not None and math.prod(tensor.dims) > 0:
            arrays[tensor.name] = np.memmap(
                folder / place["location"],
                dtype=onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).newbyteorder("<"),
                mode="r",
                offset=int(place.get("offset", "0")),
                shape=tuple(tensor.dims),
            )
    return arrays


def check_external(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a graph whose external data lies outside the graph's own folder, or is missing or short.

    Raises:
        NetworkUnusable: names the tensor and the place it points to.
    """
    folder = path.parent.resolve()
    for tensor in model.graph.initializer:
        place = external_location(tensor)
        if not place:
            continue
        location = place.get("location", "")
        target = (folder / location).resolve()
        if not target.is_relative_to(folder):
            raise NetworkUnusable(
                f"{path} keeps the tensor '{tensor.name}' in '{location}', outside its own folder. Move the data "
                "beside the ONNX file and save it again with a relative location.",
                location,
            )
        end = int(place.get("offset", "0")) + int(place.get("length", "0"))
        if not target.is_file() or target.stat().st_size < end:
            raise NetworkUnusable(
                f"{path} keeps the tensor '{tensor.name}' in '{location}', which is "
                f"{'too short' if target.is_file() else 'not there'}. Copy the data file beside the ONNX file.",
                location,
            )


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file written beside `path` and renamed onto it when the block ends well; removed when it does not."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def stamp(path: Path, digest: str) -> None:
    """Remember that the file has this digest as it is now."""
    stat = path.stat()
    known = [digest, stat.st_size, stat.st_mtime_ns]
    try:
        with replacing(_stamp(path)) as file:
            file.write(json.dumps(known).encode())
        VERIFIED.pop(path, None)
    except OSError:
        VERIFIED[path] = known

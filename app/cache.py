"""What lies in the cache folder, whose it is, and how to be rid of it. All of it can be made or fetched again."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from app.errors import WeightsUnwritable
from app.int8 import Int8Network
from app.manifest import Packed, Pulled, Seeded
from app.network import Network
from app.weights import is_intact, is_stamped, locked_by, place

OURS = re.compile(r"\.?[0-9a-f]{32}(\.doomed)?")  # by a digest; what else lies in such a folder is somebody's


@dataclass(frozen=True)
class Stored:
    """One folder of the cache. `model` and `weights` are empty where no network of this version uses it."""

    folder: Path
    model: str
    weights: str
    bytes: int
    whole: bool  # whether the file is there and verified, or a part of it only
    precision: str = "fp32"


def stored(cache_dir: Path, networks: Iterable[Network]) -> list[Stored]:
    """Every folder of the cache, those of networks first, in their order.

    Raises:
        WeightsUnwritable: the cache folder cannot be read.
    """
    there = folders(cache_dir)
    known: dict[Path, Stored] = {}
    for network in networks:
        for path, precision, whole in files(cache_dir, network):
            folder = path.parent
            if folder in there and folder not in known:
                known[folder] = Stored(folder, network.id, network.weights_id, there[folder], whole(), precision)
    other = [Stored(folder, "", "", size, False) for folder, size in there.items() if folder not in known]
    return [entry for entry in (*known.values(), *other) if entry.bytes or not entry.model]


def folders(cache_dir: Path) -> dict[Path, int]:
    """The folders that this program has made, and the bytes in each."""
    weights = cache_dir / "weights"
    try:
        names = sorted(weights.iterdir()) if weights.exists() else []
        return {path: size_of(path) for path in names if OURS.fullmatch(path.name) and path.is_dir()}
    except OSError as error:
        raise WeightsUnwritable(
            f"The cache folder {cache_dir} cannot be read: {error.strerror}. Check its permissions, or choose "
            "another with --cache-dir or CONVSCOPE_CACHE_DIR.",
            str(cache_dir),
        ) from error


def files(cache_dir: Path, network: Network) -> Iterator[tuple[Path, str, Callable[[], bool]]]:
    """The files that a network may have in the cache folder: where, of which precision, and whether it is whole."""
    origin = network.weights.origin
    if isinstance(origin, Seeded | Packed | Pulled):
        path = place(cache_dir, origin)
        yield path, "fp32", partial(is_stamped, path, origin.sha256)
    if network.weights.ranges:
        short = Int8Network(network).path_of_graph
        yield short, "int8", partial(is_intact, short)


def clear(entries: Sequence[Stored]) -> int:
    """Remove these folders; returns the bytes that are free now. A folder is removed whole or not at all.

    Raises:
        WeightsUnwritable: somebody is writing into one of them, or it may not be removed.
    """
    freed = 0
    for entry in entries:
        try:
            with FileLock(locked_by(entry.folder / "any"), timeout=0):
                doomed = entry.folder.with_name(f".{entry.folder.name}.doomed")
                shutil.rmtree(doomed, ignore_errors=True)
                entry.folder.replace(doomed)  # gone at once for whoever looks for it
                shutil.rmtree(doomed)
            locked_by(entry.folder / "any").unlink(missing_ok=True)
        except Timeout as error:
            raise WeightsUnwritable(
                f"{entry.folder} is being written by another process. Wait until it is done, or stop it.",
                str(entry.folder),
            ) from error
        except OSError as error:
            raise WeightsUnwritable(
                f"{entry.folder} cannot be removed: {error.strerror}.", str(entry.folder)
            ) from error
        freed += entry.bytes
    return freed


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder, and in those inside it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

"""What lies in the cache folder, whose it is, and how to be rid of it. All of it can be made or fetched again."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from app.errors import WeightsUnwritable
from app.manifest import Packed, Pulled, Seeded
from app.network import Network
from app.weights import is_stamped, locked_by, place


@dataclass(frozen=True)
class Stored:
    """One folder of the cache. `model` and `weights` are empty where no network of this version uses it."""

    folder: Path
    model: str
    weights: str
    bytes: int
    whole: bool  # whether the file is there and verified, or a part of it only


def stored(cache_dir: Path, networks: Iterable[Network]) -> list[Stored]:
    """Every folder of the cache, those of networks first, in their order."""
    owners: dict[Path, tuple[Network, Seeded | Packed | Pulled]] = {}
    for network, origin in cached(networks):
        owners.setdefault(place(cache_dir, origin).parent, (network, origin))
    there = {path: size_of(path) for path in sorted((cache_dir / "weights").glob("*")) if path.is_dir()}
    known = [
        Stored(
            folder,
            network.id,
            network.weights_id,
            there[folder],
            is_stamped(place(cache_dir, origin), origin.sha256),
        )
        for folder, (network, origin) in owners.items()
        if there.get(folder)
    ]
    other = [Stored(folder, "", "", size, False) for folder, size in there.items() if folder not in owners]
    return known + other


def cached(networks: Iterable[Network]) -> Iterable[tuple[Network, Seeded | Packed | Pulled]]:
    """The networks that keep a file in the cache folder, and what file."""
    for network in networks:
        origin = network.weights.origin
        if isinstance(origin, Seeded | Packed | Pulled):
            yield network, origin


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
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

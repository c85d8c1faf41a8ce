"""The deployment's salt: without it nobody can tell a run's id from its image."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

LENGTH = 64  # hexadecimal digits


def read_salt(given: str, cache_dir: Path) -> bytes:
    """The salt that was given, else the one in the cache folder, made at the first start.

    Replicas on one disk find the same; others are given the same. Where the folder cannot be written, it holds for
    this process alone.
    """
    if given:
        return given.encode()
    path = cache_dir / "salt"
    made = secrets.token_hex(LENGTH // 2)
    with suppress(OSError):
        if not path.is_file():
            cache_dir.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".salt.", suffix=".part", dir=cache_dir)  # readable by us alone
            part = Path(name)
            try:
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(made)
                path.hardlink_to(part)  # whole or not at all, and never over another's
            except FileExistsError:
                pass  # another replica was first
            finally:
                part.unlink(missing_ok=True)
        found = path.read_text(encoding="ascii")
        if len(found) == LENGTH:
            return found.encode()
    return made.encode()

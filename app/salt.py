"""The deployment's salt: without it nobody can tell a run's id from its image."""

import logging
import os
import re
import secrets
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

LENGTH = 64  # hexadecimal digits
SALT = re.compile(rb"[0-9a-f]{%d}" % LENGTH)


def read_salt(given: str, cache_dir: Path) -> bytes:
    """The salt that was given, else the one in the cache folder, made at the first start.

    Replicas on one disk find the same; others are given the same. A damaged one is named and made anew. Where the
    folder cannot be written, it holds for this process alone, and the log says so.
    """
    if given:
        return given.encode()
    path, made = cache_dir / "salt", secrets.token_hex(LENGTH // 2)
    try:
        found = find_salt(path)
        if found is None:
            keep_salt(path, made)
            found = find_salt(path)
    except OSError as error:
        log.warning(
            "%s cannot be kept (%s): after a restart the same image will be another run. Set CONVSCOPE_SALT.",
            path,
            error.strerror,
        )
        found = None
    return (found or made).encode()


def find_salt(path: Path) -> str | None:
    """The salt that is kept there, if there is one and it is whole; what is damaged is removed."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    if SALT.fullmatch(found):
        return found.decode()
    log.warning("%s is damaged and is made anew: images posted again will be new runs.", path)
    path.unlink()
    return None


def keep_salt(path: Path, salt: str) -> None:
    """Keep a salt there, whole or not at all, readable by us alone, and never over another replica's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".salt.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(salt)
        path.hardlink_to(part)
    except FileExistsError:
        pass  # another replica was first
    finally:
        part.unlink(missing_ok=True)

"""What the installer wrote down of the files that came with the package: their digests, in the wheel's RECORD."""

import base64
import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from app.places import INSTALLED

DISTRIBUTION = "convscope"


@cache
def recorded() -> dict[Path, str]:
    """File -> sha256 as installed; empty in a checkout, where files are edited.

    The wheel format's RECORD: path, digest in URL-safe base64 without padding, size (PEP 376, PEP 427).
    """
    if not INSTALLED:
        return {}
    try:
        files = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError:
        return {}
    return {
        Path(str(file.locate())).resolve(): base64.urlsafe_b64decode(file.hash.value + "=").hex()
        for file in files
        if file.hash is not None and file.hash.mode == "sha256"
    }


def differs(path: Path) -> bool:
    """Whether a file is not what the installer wrote. Raises OSError where it cannot be read."""
    digest = recorded().get(path.resolve())
    return digest is not None and hashlib.sha256(path.read_bytes()).hexdigest() != digest

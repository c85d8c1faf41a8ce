"""The version of this package: from its metadata when installed, from pyproject.toml in a checkout."""

import tomllib
from importlib import metadata

from app.places import CHECKOUT


def read_version() -> str:
    """The version, such as 0.1.0."""
    try:
        return metadata.version("convscope")
    except metadata.PackageNotFoundError:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["version"])


VERSION = read_version()

"""Where the files that come with the package lie: inside it when installed, beside it in a checkout."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent

INSTALLED = (PACKAGE / "bundled").is_dir()  # pyproject.toml maps these folders into the wheel

BUNDLED = PACKAGE / "bundled" if INSTALLED else CHECKOUT / "models" / "bundled"  # one folder a network
TEMPLATES = PACKAGE / "templates" if INSTALLED else CHECKOUT / "templates"  # Jinja2 pages
PAGE = (PACKAGE if INSTALLED else CHECKOUT) / "static" / "dist"  # the front end as Vite built it
PULLABLE = PACKAGE / "pullable" if INSTALLED else CHECKOUT / "models" / "pullable"  # what can be fetched
COURSE = PACKAGE / "coursebook" if INSTALLED else CHECKOUT / "models" / "course"  # what /course tells


def at_home(path: Path) -> Path:
    """The path with `~` as the home folder; as it is where there is none, or no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def default_cache() -> Path:
    """`~/.cache/convscope`; for a user without a home, a folder of their own among the temporary files."""
    try:
        return Path.home() / ".cache" / "convscope"
    except RuntimeError:  # neither HOME nor an entry for the user
        return Path(os.environ.get("TMPDIR", "/tmp")) / f"convscope-{os.getuid()}"

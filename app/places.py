"""Where the files that come with the package lie: inside it when installed, beside it in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent

INSTALLED = (PACKAGE / "bundled").is_dir()  # pyproject.toml maps the three folders into the wheel

BUNDLED = PACKAGE / "bundled" if INSTALLED else CHECKOUT / "models" / "bundled"  # one folder a network
TEMPLATES = PACKAGE / "templates" if INSTALLED else CHECKOUT / "templates"  # Jinja2 pages
PAGE = (PACKAGE if INSTALLED else CHECKOUT) / "static" / "dist"  # the front end as Vite built it
PULLABLE = PACKAGE / "pullable" if INSTALLED else CHECKOUT / "models" / "pullable"  # what can be fetched

"""The command line: `convscope serve | models | pull | cache | predict | activations | explain`.

Exit status: 0, 1 when the work failed, 2 when it was asked for wrongly; either way one sentence on stderr says why.
"""

import argparse
import io
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from app import housekeeping, serving, verbs
from app.errors import ConvscopeError, InvalidValue, NotFound
from app.settings import Settings
from app.verbs import complain, flag
from app.version import VERSION

EVERYWHERE = ("cache_dir", "onnx", "manifest", "threads", "provider", "max_pixels")  # settings of the other verbs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that a terminal cannot show is no failure
    try:
        status: int = options.verb(options)
        sys.stdout.flush()
    except (NotFound, InvalidValue) as error:
        status = complain(error.detail, 2)
    except ConvscopeError as error:
        status = complain(error.detail, 1)
    except BrokenPipeError:  # the reader of our output has seen enough
        forget_output()
        status = 0
    except OSError as error:
        forget_output()
        status = complain(f"{error.filename or 'The output'}: {error.strerror or error}.", 1)
    except KeyboardInterrupt:
        status = 130  # as a shell reports SIGINT
    return status


def forget_output() -> None:
    """What waits to be written to stdout goes nowhere: the interpreter would fail over it once more at its end."""
    with suppress(OSError, ValueError):  # there may be no such descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    """Every verb with its flags; settings become flags with their own help."""
    parser = argparse.ArgumentParser(
        prog="convscope",
        description="See what a convolutional network sees: predictions, every layer's activations, and where each "
        "number comes from.",
    )
    parser.add_argument("--version", action="version", version=f"convscope {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    verb = commands.add_parser("serve", help="serve the page and the REST API")
    verb.set_defaults(verb=serving.serve)
    add_settings(verb, Settings.model_fields)

    verb = commands.add_parser("models", help="list the networks")
    verb.set_defaults(verb=verbs.models)
    verb.add_argument("--prepare", action="store_true", help="make or verify every weight file in the cache folder")
    verb.add_argument("--json", action="store_true", help="one JSON object a line")
    add_settings(verb, EVERYWHERE)

    verb = commands.add_parser(
        "pull", help="fetch weights that do not come with the package: ImageNet's 1000 classes"
    )
    verb.set_defaults(verb=housekeeping.pull)
    verb.add_argument("models", nargs="*", metavar="ID", help="networks; without any, list what can be fetched")
    verb.add_argument("--weights", metavar="ID", help="only these weights of them")
    add_settings(verb, ("cache_dir", "pull_urls"))

    verb = commands.add_parser("cache", help="say what the cache folder holds, or clear it")
    verb.set_defaults(verb=housekeeping.cache)
    verb.add_argument("action", nargs="?", choices=("show", "clear"), default="show", help="default: show")
    verb.add_argument("--model", metavar="ID", help="only what belongs to this network")
    verb.add_argument("--weights", metavar="ID", help="only what belongs to these weights of it")
    add_settings(verb, ("cache_dir",))

    verb = commands.add_parser("predict", help="classify images")
    verb.set_defaults(verb=verbs.predict)
    add_images(verb, "+")
    verb.add_argument("--top", type=positive, default=5, metavar="N", help="how many classes (default 5)")
    verb.add_argument("--json", action="store_true", help="one JSON object a line")
    add_settings(verb, EVERYWHERE)

    verb = commands.add_parser("activations", help="write layers' activations as .npy files")
    verb.set_defaults(verb=verbs.activations)
    add_images(verb, "+")
    verb.add_argument("--layer", action="append", required=True, metavar="LAYER", help="a layer; may be repeated")
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE.npy|FOLDER",
        help="a file for one image and one layer; else a folder, which gets IMAGE.LAYER.npy files, in subfolders as "
        "the images are",
    )
    add_settings(verb, EVERYWHERE)

    verb = commands.add_parser("explain", help="say where one number of a layer comes from")
    verb.set_defaults(verb=verbs.explain)
    add_images(verb, 1)
    verb.add_argument("--layer", required=True, metavar="LAYER")
    verb.add_argument("--unit", type=coordinates, required=True, metavar="C,Y,X", help="or I, in a vector")
    verb.add_argument("--json", action="store_true", help="everything, with all values and weights")
    add_settings(verb, EVERYWHERE)
    return parser


def add_images(parser: argparse.ArgumentParser, count: int | str) -> None:
    """The images, and the network they go through."""
    what = "an image file" if count == 1 else "image files, or folders of them"
    parser.add_argument("images", type=a_path, nargs=count, metavar="IMAGE", help=what)
    parser.add_argument("--model", metavar="ID", help="the network (default: the one of --onnx)")
    parser.add_argument("--weights", metavar="ID", help="its weights (default: the manifest's choice)")
    parser.add_argument(
        "--precision", choices=["fp32", "int8"], default="fp32", help="its arithmetic (default: %(default)s)"
    )


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """A flag for each named setting; what is not given comes from the environment."""
    group = parser.add_argument_group("settings", "Also read from the environment, as CONVSCOPE_NAME.")
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default in (None, "") else f" (default {field.default})"
        group.add_argument(
            flag(name),
            default=argparse.SUPPRESS,
            metavar="VALUE",
            help=f"{field.description}{default}".replace("%", "%%"),
        )


def a_path(text: str) -> Path:
    """A path, for argparse; an empty one would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is no image")
    return Path(text)


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def coordinates(text: str) -> tuple[int, ...]:
    """`c,y,x` or `i`, for argparse."""
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is neither c,y,x nor i, of whole numbers from 0")
    return tuple(int(part) for part in parts)


if __name__ == "__main__":
    sys.exit(main())

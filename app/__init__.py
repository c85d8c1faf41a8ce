"""Convscope: every activation of a convolutional network, explained.

In a notebook::

    from app import open_network

    run = open_network("alexnet").run("cat.jpg")
    run.predictions, run["CONV2"], run.explain("CONV2", 0, 5, 7)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from app.network import Network

__all__ = ["open_network"]


def open_network(
    model: str | None = None,
    weights: str | None = None,
    precision: str = "fp32",
    *,
    onnx: "str | Path | None" = None,
    manifest: "str | Path | None" = None,
) -> "Network":
    """A network ready to run, by its id, with its default weights or the named ones, on fp32 or int8.

    Or an ONNX file of your own: `open_network(onnx="mine.onnx")`, perhaps with a manifest of its labels and
    preprocessing. Settings come from the environment (`CONVSCOPE_CACHE_DIR` and the others), as for the service.

    Raises:
        ModelNotFound, WeightsNotFound: naming what there is.
        InvalidValue: neither a network nor a file was named, another precision, or a setting that is wrong.
        NetworkUnusable: the file is no ONNX image classifier.
        NotSupported: int8, of weights whose ranges nobody has calibrated.
        WeightsUnwritable: the weights cannot be unpacked into the cache folder.

    Weights that are fetched on demand are not fetched here: using them before `convscope pull` raises
    WeightsNotReady, with the command.
    """
    # imported when called, so that `import app` stays light for the modules below it
    from app.catalog import Catalog  # noqa: PLC0415
    from app.errors import InvalidValue  # noqa: PLC0415
    from app.settings import read_settings  # noqa: PLC0415

    own = {name: value for name, value in (("onnx", onnx), ("manifest", manifest)) if value is not None}
    settings = read_settings(**own)
    catalog = Catalog.open(settings)
    if model is None and settings.onnx is None:
        known = ", ".join(one.id for one in catalog.models)
        raise InvalidValue(f"Say which network: one of {known}; or onnx=, a file of your own.")
    # the operator's own file is added last
    network = catalog.network(catalog.models[-1].id if model is None else model, weights, precision)
    network.prepare()
    return network

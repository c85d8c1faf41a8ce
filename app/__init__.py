"""Convscope: every activation of a convolutional network, explained.

In a notebook::

    from app import open_network

    run = open_network("alexnet").run("cat.jpg")
    run.predictions, run["CONV2"], run.explain("CONV2", 0, 5, 7)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.network import Network

__all__ = ["open_network"]


def open_network(model: str, weights: str | None = None, precision: str = "fp32") -> "Network":
    """A network ready to run, by its id, with its default weights or the named ones, on fp32 or int8.

    Settings come from the environment (`CONVSCOPE_CACHE_DIR` and the others), as for the service.

    Raises:
        ModelNotFound, WeightsNotFound: naming what there is.
        NotSupported: int8, of weights whose ranges nobody has calibrated.
        WeightsUnwritable: the weights cannot be unpacked into the cache folder.

    Weights that are fetched on demand are not fetched here: using them before `convscope pull` raises
    WeightsNotReady, with the command.
    """
    # imported when called, so that `import app` stays light for the modules below it
    from app.catalog import Catalog  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    network = Catalog.open(Settings()).network(model, weights, precision)
    network.prepare()
    return network

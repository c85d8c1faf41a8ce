"""What the commands `pull` and `cache` do: bring weights to this machine, say what lies there, and remove it."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from app.cache import clear, stored
from app.catalog import Catalog
from app.errors import ConvscopeError, InvalidValue
from app.mirrors import pull as fetch
from app.network import Network
from app.pulls import mirrors, origin_of
from app.transfer import Transfer
from app.verbs import complain, settings_of


def pull(options: argparse.Namespace) -> int:
    """Fetch the weights of the named networks, one after the other; without names, say what there is."""
    settings = settings_of(options)
    catalog = Catalog.open(settings)
    if not options.models:
        for network in catalog.pullable:
            state = "here" if network.ready else ""
            print(f"{network.id:<12} {network.weights_id:<12} {megabytes(origin_of(network).bytes):>10}  {state}")
        return 0
    status = 0
    for network in [chosen for model in options.models for chosen in choose(catalog, model, options.weights)]:
        origin = origin_of(network)
        try:
            with moving_bar(f"{network.id} {network.weights_id}", origin.bytes) as move:
                path = fetch(origin, settings.cache_dir, mirrors(settings), Transfer(origin.bytes, move))
        except ConvscopeError as error:
            status = complain(error.detail)
            continue
        print(f"{network.id}: '{network.weights_id}' is here, {megabytes(origin.bytes)} in {path}")
    return status


def choose(catalog: Catalog, model: str, weights: str | None) -> list[Network]:
    """The pullable weights of a network, all or the named ones.

    Raises:
        ModelNotFound, WeightsNotFound, NotSupported: naming what there is.
        InvalidValue: there is nothing to pull for that network.
    """
    if weights is not None:
        return [catalog.network(model, weights)]
    known = [network for network in catalog.pullable if network.id == model]
    if not known:
        names = ", ".join(dict.fromkeys(network.id for network in catalog.pullable))
        raise InvalidValue(f"There is nothing to pull for '{model}'. There is for: {names}.", model)
    return known


def cache(options: argparse.Namespace) -> int:
    """Say what the cache folder holds, or clear it."""
    settings = settings_of(options)
    catalog = Catalog.open(settings)
    if options.model is not None:
        catalog.network(options.model, options.weights)  # a name that is wrong is said
    elif options.weights is not None:
        raise InvalidValue("--weights needs --model: say whose.", options.weights)
    entries = [
        entry
        for entry in stored(settings.cache_dir, catalog.everything)
        if options.model in (None, entry.model) and options.weights in (None, entry.weights)
    ]
    if options.action == "clear":
        freed = clear(entries)
        print(f"{megabytes(freed)} removed from {settings.cache_dir}")
        return 0
    for entry in entries:
        name = (
            f"{entry.model:<12} {entry.weights:<12}" if entry.model else f"{'(other)':<12} {entry.folder.name[:12]}"
        )
        state = ["8 bits"] if entry.precision == "int8" else []
        state += ["incomplete"] if entry.model and not entry.whole else []
        print(f"{name} {megabytes(entry.bytes):>10}  {', '.join(state)}".rstrip())
    print(f"{'total':<25} {megabytes(sum(entry.bytes for entry in entries)):>10}  in {settings.cache_dir}")
    return 0


def megabytes(count: int) -> str:
    """A size for people: 243.9 MB."""
    return f"{count / 1e6:,.1f} MB"


@contextmanager
def moving_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with bytes, rate and time left; gives the function that puts it at so many bytes.

    Where nobody watches (a log) it is written every ten seconds.
    """
    pace = 0.2 if sys.stderr.isatty() else 10
    with tqdm(total=total, unit="B", unit_scale=True, desc=title, mininterval=pace) as bar:

        def move(done: int) -> None:
            if bar.n == 0 or done < bar.n:  # kept from an earlier pull, or started again: neither is speed
                bar.initial, bar.n = done, done
                bar.refresh()
            else:
                bar.update(done - bar.n)

        yield move

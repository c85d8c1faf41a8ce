"""Shipped networks as teachers of another."""

from pathlib import Path

from models.architectures import build
from models.architectures.network import Network
from models.bundle import BUNDLED
from models.describe import DESCRIPTIONS
from models.normalised import learning_form
from models.shipped import as_learned, load_numbers, shipped_numbers


def shipped_teacher(name: str, cache: Path) -> Network:
    """A bundled network with its shipped weights, quick in torch, in evaluation, for pictures of any size.

    Args:
        name: of the network.
        cache: folder that its numbers are unpacked in.

    Raises:
        ValueError: its shipped weights are not trained.
    """
    numbers = shipped_numbers(BUNDLED / name, cache)
    if numbers is None:
        raise ValueError(f"'{name}' cannot teach: its shipped weights are not trained. Train it first.")
    network = build(name, len(DESCRIPTIONS[name].labels))
    load_numbers(network, numbers)
    network = learning_form(network)
    as_learned(network)
    return network.eval().requires_grad_(False)

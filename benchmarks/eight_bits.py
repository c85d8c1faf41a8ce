"""The course deck's table of 8 bits, reproduced: what they gain, and what they cost in accuracy."""

from collections.abc import Iterator

from app.cores import adds_8_bit_products_whole
from app.network import Network
from benchmarks import floor
from benchmarks.measures import Measure, interleave
from models.paired import chance

GAINS = {"alexnet": 3.70, "googlenet": 3.01, "vgg16": 3.23, "resnet34": 3.42}  # the course deck's
BATCHES = (1, 2, 4, 8, 16, 32)  # as far as the service goes: large activations allow fewer images
IMAGES = 64  # enough of them for a median, where a batch is large


def eight_bits(network: Network, narrow: Network, threads: int, repetitions: int) -> Iterator[Measure]:
    """How many times faster 8 bits are: an image at a time, and each at the batch that serves it best.

    Against the floor, as all else is; and against the service's own float32, which may lie below the floor.
    """
    rows: list[list[float]] = []
    for batch in (one for one in BATCHES if one <= network.engine.batch):
        sides = [
            floor.forward(network, threads, batch),
            *(floor.served(one, batch) for one in (network, narrow)),
        ]
        calls = min(repetitions, max(5, IMAGES // batch))
        rows.append([took / batch for took in interleave(sides, calls)])
    best = [min(column) for column in zip(*rows, strict=True)]
    target = f">= {GAINS[network.id]}" if network.id in GAINS and adds_8_bit_products_whole() else ""
    for name, (plain, own, eight) in (("at batch 1", rows[0]), ("at the best batches", best)):
        detail = f"{plain:.2f} ms against {eight:.2f} ms an image"
        yield Measure(f"8 bits, gain {name}", network.id, plain / eight, target, detail)
        detail = f"{own:.2f} ms against {eight:.2f} ms an image"
        yield Measure(f"8 bits, gain over our own float32 {name}", network.id, own / eight, "", detail)
    yield from lost(network)


def lost(network: Network) -> Iterator[Measure]:
    """What 8 bits cost in accuracy, as `python -m models.accuracy` measured it."""
    whole, eight, differences = (
        network.weights.accuracy,
        network.weights.accuracy_int8,
        network.weights.paired_int8,
    )
    if whole is None or eight is None:
        return
    detail = f"{whole.top1:.2%} against {eight.top1:.2%} of {whole.images:,}"
    yield Measure("8 bits, points of top-1 lost", network.id, 100 * (whole.top1 - eight.top1), "", detail)
    if differences is not None:
        detail = f"right in float32 alone {differences.only_float32}, on 8 bits alone {differences.only_int8}"
        yield Measure("8 bits, paired test that none is lost, p", network.id, chance(differences), ">= 0.05", detail)

"""Every trained network knows what its manifest says it knows: a fixed part of its test set, on 32 and on 8 bits."""

import math

import pytest

from app.catalog import Catalog
from app.settings import Settings
from models.accuracy import TESTS, accuracy_of, answer

COUNT = 120  # test images of each network, evenly from all, which lie by class

TRAINED = [
    (manifest.id, precision)
    for manifest in Catalog.open(Settings()).manifests
    for weights in manifest.weights
    if weights.accuracy is not None and weights.id == manifest.default_weights and manifest.id in TESTS
    for precision in ("fp32", "int8")
    if precision == "fp32" or weights.ranges
]


@pytest.mark.parametrize(("model", "precision"), TRAINED)
def test_it_recognises_as_many_as_it_says(catalog: Catalog, model: str, precision: str) -> None:
    network = catalog.network(model, precision=precision)
    claimed = network.weights.accuracy if precision == "fp32" else network.weights.accuracy_int8
    assert claimed is not None
    try:
        examples = list(TESTS[model].read(None, claimed.images // COUNT))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert claimed.dataset == TESTS[model].name
    counts, _ = answer(network, examples)
    found = accuracy_of(counts, claimed.dataset)
    deviation = math.sqrt(claimed.top1 * (1 - claimed.top1) / found.images)  # of a sample's share
    assert abs(found.top1 - claimed.top1) <= 3 * deviation + 1 / found.images


def test_every_network_of_the_course_that_is_trained_has_been_measured() -> None:
    for manifest in Catalog.open(Settings()).manifests:
        weights = manifest.get_weights(manifest.default_weights)
        if weights.trained and manifest.id in TESTS:
            assert weights.accuracy is not None
            assert weights.unfamiliar_below is not None
            assert (weights.accuracy_int8 is not None) == bool(weights.ranges)

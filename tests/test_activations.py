"""What a run holds: the session's tensors, and ReLUs made from them, the same as onnxruntime makes them."""

import numpy as np
import pytest

from app.activations import Activations, relu
from app.catalog import Catalog
from app.overviews import draw_overviews

NAMES = ("image", "conv", "relu", "again", "fc")


@pytest.fixture
def few() -> Activations:
    rng = np.random.default_rng(1)
    computed = {
        "image": rng.normal(size=(3, 4, 4)).astype(np.float32),
        "conv": rng.normal(size=(6, 4, 4)).astype(np.float32),
        "fc": rng.normal(size=5).astype(np.float32),
    }
    return Activations(NAMES, computed, {"relu": "conv", "again": "conv"})


def test_every_layer_is_there_in_the_tables_order(few: Activations) -> None:
    assert tuple(few) == NAMES and len(few) == len(NAMES) and "relu" in few and "pool" not in few
    np.testing.assert_array_equal(few["relu"], np.maximum(few["conv"], 0))
    np.testing.assert_array_equal(few["again"], few["relu"])
    assert [few.shape(name) for name in few] == [array.shape for array in few.values()]
    assert few.nbytes == sum(array.nbytes for array in few.values())
    with pytest.raises(KeyError):
        few["pool"]


def test_a_relu_is_kept_when_it_is_read_whole_and_made_anew_for_a_part(few: Activations) -> None:
    assert few.part("relu") is not few.part("relu")
    some = few.part("relu", slice(2, 4))
    assert few["relu"] is few["relu"]
    np.testing.assert_array_equal(some, few["relu"][2:4])
    assert np.shares_memory(few.part("relu", slice(2, 4)), few["relu"])
    np.testing.assert_array_equal(few.part("fc", slice(1, 3)), few["fc"][1:3])


def test_some_of_them_can_be_had_without_what_they_are_made_from(few: Activations) -> None:
    some = few.among(["relu", "fc"])
    assert list(some) == ["relu", "fc"] and "conv" not in some
    assert some["relu"] is few["relu"]  # kept in both
    np.testing.assert_array_equal(some["relu"], few["relu"])
    assert list(draw_overviews(some, 2)) == ["relu", "relu.min", "relu.max", "fc", "fc.min", "fc.max"]


def test_not_a_number_stays_so() -> None:
    made = relu(np.array([np.nan, -1, 2, np.inf, -np.inf], np.float32))
    np.testing.assert_array_equal(made, np.array([np.nan, 0, 2, np.inf, 0], np.float32))


def test_a_relu_of_any_size_is_made_in_its_own_form() -> None:
    numbers = np.random.default_rng(2).normal(size=(3, 300, 301)).astype(np.float32)
    for array in (numbers, numbers.transpose(2, 0, 1), numbers[0, 0], numbers[:0], numbers[0, 0, 0:1]):
        np.testing.assert_array_equal(relu(array), np.where(array > 0, array, 0))


def test_relus_are_those_of_onnxruntime(catalog: Catalog) -> None:
    found = 0
    for network in (one for one in catalog.networks if one.ready):
        engine, graph = network.engine, network.graph
        tensor = np.random.default_rng(3).normal(size=graph.input_shape).astype(np.float32)
        activations = engine.run(tensor)
        made = [layer for layer in graph.layers if layer.op == "relu"]
        assert list(engine._relus) == [layer.name for layer in made]
        everything = engine._load(layer.tensor for layer in graph.layers if layer.op != "input")
        computed = everything.run([layer.tensor for layer in made], {graph.input_name: tensor[None]}) if made else []
        for layer, array in zip(made, computed, strict=True):
            np.testing.assert_array_equal(activations[layer.name], array.reshape(layer.shape), err_msg=layer.name)
            found += 1
    assert found

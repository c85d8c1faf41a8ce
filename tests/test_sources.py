"""Sources of a unit: many patches written at once are what they would be one by one."""

from dataclasses import asdict

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.sources import Patches, Source, to_json

shapes = st.tuples(st.integers(0, 12), st.integers(1, 3), st.integers(1, 3))


@given(st.data(), shapes, st.booleans(), st.sampled_from(["FC6", 'a "quoted" name', "inception_3a.1x1"]))
def test_patches_as_json_are_their_sources(
    data: st.DataObject, shape: tuple[int, int, int], weighted: bool, layer: str
) -> None:
    values = data.draw(arrays(np.float32, shape, elements=st.floats(width=32)))  # NaN and infinities too
    weights = data.draw(arrays(np.float32, shape, elements=st.floats(-9, 9, width=32))) if weighted else None
    patches = Patches(layer, range(3, 3 + shape[0]), -1, 2, values, weights)
    one_by_one = orjson.dumps([asdict(source) for source in patches], option=orjson.OPT_SERIALIZE_NUMPY)
    assert to_json(patches) == one_by_one
    assert len(patches) == shape[0]


def test_units_that_read_the_same_values_are_told_apart_and_other_values_too() -> None:
    values = np.arange(12, dtype=np.float32).reshape(12, 1, 1)
    for shape in ((12, 1, 1), (3, 2, 2), (12, 1, 1)):
        for weight in (1.0, 2.0):
            weights = np.full(shape, weight, np.float32)
            patches = Patches("FC6", range(shape[0]), 0, 0, values.reshape(shape), weights, shared=True)
            told = orjson.loads(to_json(patches))
            assert [one["values"] for one in told] == values.reshape(shape).tolist()
            assert [one["weights"] for one in told] == weights.tolist()
        values += 1  # in place, as another run's activation may come to lie there


def test_a_patch_is_found_by_its_place() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    patches = Patches("C3", [0, 4, 5], 1, 2, values, -values)
    second = patches[1]
    assert isinstance(second, Source)
    assert (second.layer, second.channel, second.top, second.left) == ("C3", 4, 1, 2)
    np.testing.assert_array_equal(second.weights, -values[1])
    assert [source.channel for source in patches[1:]] == [4, 5]
    assert [source.channel for source in patches] == [0, 4, 5]
    with pytest.raises(TypeError, match="JSON"):
        to_json({"what": object()})

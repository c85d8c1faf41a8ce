"""Packing: what comes out of an archive is the trained network, to 8 bits a weight."""

from pathlib import Path

import numpy as np
import onnx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, numpy_helper

from app.weights import ensure, open_initializers
from models.compress import pack, quantise
from tests.small_onnx import classifier

finite = st.floats(-1e3, 1e3, width=32, allow_subnormal=False)


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=finite))
def test_every_weight_becomes_one_of_the_two_steps_beside_it(
    weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    numbers, scales = quantise(weights)
    error = np.abs(numbers * scales[:, None] - weights)
    assert (error <= scales[:, None] * 1.0001 + 1e-40).all()
    assert (numbers[weights == 0] == 0).all()
    again, same = quantise(np.tile(weights, 2))  # copies of a weight stay copies
    assert (again == np.tile(numbers, 2)).all() and (same == scales).all()


def test_what_was_learned_in_less_than_half_a_step_is_kept_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    shipped = rng.integers(-100, 101, (1, 100_000)).astype(np.float32)  # a scale of 1
    shipped[0, 0] = 127
    stays, _ = quantise(shipped)
    assert (stays == shipped).all()
    learned = shipped + rng.normal(0.1, 0.02, shipped.shape).astype(np.float32)
    learned[0, 0] = 127
    numbers, _ = quantise(learned)
    assert abs(float((numbers - shipped).mean()) - 0.1) < 0.005  # the nearest steps would give 0
    assert abs(float((numbers - learned).std()) - 0.3) < 0.01  # a tenth of them is one step off: sqrt(0.1 * 0.9)


def test_a_packed_network_is_unpacked_into_the_same_weights(tmp_path: Path) -> None:
    trained, blank = classifier(), classifier()
    for tensor in blank.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="structure")
    origin = pack(trained, blank, tmp_path, "tiny")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.onnx", "tiny.xz"]
    shipped = onnx.load(tmp_path / "tiny.onnx", load_external_data=False)
    found = open_initializers(shipped, ensure(shipped, origin, tmp_path, tmp_path / "cache"))
    for tensor in trained.graph.initializer:
        exact = numpy_helper.to_array(tensor)
        if exact.ndim < 2:
            assert np.array_equal(found[tensor.name], exact)
            continue
        step = np.abs(exact.reshape(len(exact), -1)).max(axis=1) / 127
        assert (np.abs(found[tensor.name] - exact).reshape(len(exact), -1) <= step[:, None] * 1.0001).all()
        assert found[tensor.name].any()

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
def test_every_weight_is_off_by_half_a_step_at_most(
    weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    numbers, scales = quantise(weights)
    error = np.abs(numbers * scales[:, None] - weights)
    assert (error <= scales[:, None] * 0.5001 + 1e-40).all()
    assert (
        np.abs(weights[numbers == 0]) <= np.broadcast_to(scales[:, None], weights.shape)[numbers == 0] * 0.5001
    ).all()


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
        assert (np.abs(found[tensor.name] - exact).reshape(len(exact), -1) <= step[:, None] * 0.5001).all()
        assert found[tensor.name].any()

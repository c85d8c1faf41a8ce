"""Small ONNX classifiers, made by hand for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def classifier(
    *,
    channels: int = 3,
    size: int = 8,
    batch: int | str = "N",
    layout: str = "NCHW",
    softmax: bool = True,
    named: bool = True,
    seed: int = 0,
    classes: int = 5,
) -> onnx.ModelProto:
    """Conv 3x3 (4 maps) - ReLU - max pool 2x2 - flatten - full (5 classes, or others) [- softmax]."""
    rng = np.random.default_rng(seed)

    def number(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], name=output if named else "", **attributes)

    nhwc = layout == "NHWC"
    shape = [batch, size, size, channels] if nhwc else [batch, channels, size, size]
    nodes = [node("Transpose", ["image"], "turned", perm=[0, 3, 1, 2])] if nhwc else []
    nodes += [
        node("Conv", ["turned" if nhwc else "image", "kernel", "bias"], "a/conv", pads=[1, 1, 1, 1]),
        node("Relu", ["a/conv"], "a/relu"),
        node("MaxPool", ["a/relu"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["pool"], "flat"),
        node("Gemm", ["flat", "matrix", "offset"], "scores", transB=1),
    ]
    nodes += [node("Softmax", ["scores"], "shares", axis=1)] if softmax else []
    last = "shares" if softmax else "scores"
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, classes])],
        [
            number("kernel", 4, channels, 3, 3),
            number("bias", 4),
            number("matrix", classes, 4 * (size // 2) ** 2),
            number("offset", classes),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def rooted() -> onnx.ModelProto:
    """Global mean - square root - full (5 classes): NaN for an image that is below zero on average, such as black."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["mean"], name="mean"),
            helper.make_node("Sqrt", ["mean"], ["root"], name="root"),
            helper.make_node("Flatten", ["root"], ["flat"], name="flat"),
            helper.make_node("Gemm", ["flat", "matrix"], ["scores"], name="scores"),
        ],
        "rooted",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(np.eye(3, 5, dtype=np.float32), "matrix")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write the file and return its path."""
    onnx.save(model, path)
    return path

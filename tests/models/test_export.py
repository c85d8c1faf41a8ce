"""The exported graphs: the course's names, one operator a layer, and what cannot be exported."""

import onnx
import pytest
import torch
from onnx import shape_inference
from torch import Tensor, nn

from models.architectures import NETWORKS
from models.architectures.network import Network
from models.export import export, structure

LENET5 = ["C1", "S2", "C3", "S4", "C5", "F6", "OUTPUT", "PROB"]
ALEXNET = [
    *("CONV1", "RELU1", "POOL1", "NORM1", "CONV2", "RELU2", "POOL2", "NORM2", "CONV3", "RELU3"),
    *("CONV4", "RELU4", "CONV5", "RELU5", "POOL3", "FC6", "RELU6", "FC7", "RELU7", "FC8", "PROB"),
]


def structure_of(name: str) -> onnx.ModelProto:
    return structure(name, 10 if name == "lenet5" else 1000)


@pytest.mark.parametrize("name", NETWORKS)
def test_structures_are_valid_small_and_free_in_the_batch(name: str) -> None:
    model = structure_of(name)
    assert model.ByteSize() < 60_000
    assert model.opset_import[0].version == 17 and model.ir_version == 9
    nodes = [node.name for node in model.graph.node]
    tensors = [x.name for x in model.graph.initializer] + [out for node in model.graph.node for out in node.output]
    assert len(set(nodes)) == len(nodes) and len(set(tensors)) == len(tensors)
    assert not any("/" in node for node in nodes), "a name is a part of a URL"
    inferred = shape_inference.infer_shapes(model, strict_mode=True)
    for value in (inferred.graph.input[0], inferred.graph.output[0]):
        assert value.type.tensor_type.shape.dim[0].dim_param == "N"


def test_names_of_lenet5() -> None:
    model = structure_of("lenet5")
    outputs = [out for node in model.graph.node for out in node.output]
    assert [out for out in outputs if "." not in out and out != "flatten"] == LENET5
    assert [node.name for node in model.graph.node][:4] == ["C1.conv", "C1.scale", "C1.tanh", "C1.gain"]


def test_names_of_alexnet_and_its_one_lrn_operator() -> None:
    model = structure_of("alexnet")
    assert [node.name for node in model.graph.node if node.op_type != "Flatten"] == ALEXNET
    norm = next(node for node in model.graph.node if node.name == "NORM1")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in norm.attribute}
    assert norm.op_type == "LRN"
    assert attributes == pytest.approx({"size": 5, "alpha": 1e-4, "beta": 0.75, "bias": 2.0})


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("vgg16", ["conv1_1", "relu1_1", "conv5_3", "pool5", "fc6", "relu7", "fc8", "prob"]),
        ("vgg16_1x1", ["conv3_3", "conv4_3"]),
        (
            "googlenet",
            [
                *("conv1.7x7_s2", "inception_3a.1x1", "inception_3a.3x3_reduce", "inception_3a.3x3"),
                *("inception_3a.5x5_reduce", "inception_3a.5x5", "inception_3a.pool", "inception_3a.pool_proj"),
                *("inception_3a.output", "pool5.7x7_s1", "loss3.classifier", "prob"),
            ],
        ),
        ("resnet34", ["conv1", "relu1", "pool1", "conv2_1", "conv2_6", "shortcut3_1", "add5_3", "global_pool", "fc"]),
    ],
)
def test_names_of_the_others(name: str, some: list[str]) -> None:
    nodes = {node.name for node in structure_of(name).graph.node}
    assert set(some) <= nodes


def test_only_predicting_is_exported() -> None:
    operators = {node.op_type for name in NETWORKS for node in structure_of(name).graph.node}
    assert not operators & {"Dropout", "BatchNormalization", "Identity", "Constant", "Transpose", "Pow"}
    assert not [node for node in structure_of("googlenet").graph.node if "aux" in node.name]


class Odd(Network):
    """A network with a step that no rule covers."""

    input_shape = (3, 8, 8)

    def __init__(self, step: nn.Module | None) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) if self.step is None else self.step(x)

    def layer_names(self) -> dict[str, str]:
        return {"step": "STEP"}


def test_what_has_no_rule_is_named() -> None:
    with pytest.raises(TypeError, match="STEP: there is no ONNX rule for GELU"):
        export(Odd(nn.GELU()), "odd")
    with pytest.raises(TypeError, match=r"sigmoid.*is no submodule"):
        export(Odd(None), "odd")
    with pytest.raises(TypeError, match="adaptive pooling to 4"):
        export(Odd(nn.AdaptiveAvgPool2d(4)), "odd")

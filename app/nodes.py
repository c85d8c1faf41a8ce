"""An ONNX graph as read from its file: nodes, every tensor's shape, and the image input; refused where unusable."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from app.arithmetic import Window, auto_padding
from app.constants import QUANTISING, Array, Constants
from app.errors import NetworkUnusable

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
SMALL = 4096  # elements: shapes, axes, pads and scalars are below, weights are not needed to read a graph
IMAGE_CHANNELS = (1, 3)
STANDARD = ("", "ai.onnx")  # the two ways to write the domain of ONNX's own operators
EXTENSIONS = ("ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc")  # the other domains of onnxruntime's operators

Shapes = Mapping[str, tuple[int, ...]]  # tensor -> its shape, the batch included


@dataclass(frozen=True)
class Node:
    """One ONNX node that depends on the image."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def output(self) -> str:
        """The name of its first output; those that a node leaves out (all states of an LSTM, say) have no name."""
        return next(name for name in self.outputs if name)


@dataclass(frozen=True)
class Nodes:
    """A graph's nodes in topological order, and what is known of its tensors without running it.

    `shapes` hold the batch axis: `batch`, or 1 where any number of images may go in together. `dynamic` are the
    tensors that depend on the image; every other tensor is a constant.
    """

    title: str
    nodes: tuple[Node, ...]
    shapes: Shapes
    dynamic: frozenset[str]
    constants: Constants
    opset: int
    input_name: str
    input_layout: str
    input_shape: tuple[int, int, int]  # (C, H, W)
    batch: int | None
    outputs: tuple[str, ...]
    consumers: Mapping[str, int]  # tensor -> how many times it is used, by nodes and as an output

    def operands(self, node: Node) -> tuple[str, ...]:
        """The inputs of a node that depend on the image."""
        return tuple(name for name in node.inputs if name in self.dynamic)

    def constant_shape(self, name: str) -> tuple[int, ...]:
        """A constant's shape."""
        shape = self.shapes.get(name)
        if shape is None:
            value = self.constants.get(name)
            return () if value is None else value.shape
        return shape

    def inner_shape(self, tensor: str) -> tuple[int, ...]:
        """A tensor's shape without its batch axis.

        Raises:
            NetworkUnusable: shape inference could not tell it.
        """
        shape = self.shapes.get(tensor)
        if shape is None:
            raise self._untold(tensor)
        leads_with_batch = len(shape) > 0 and shape[0] == (self.batch or 1)
        return shape[1:] if leads_with_batch else shape

    def has_batch(self, tensor: str) -> bool:
        """Whether a tensor's first axis is the batch, so that its second holds the channels, as operators count.

        Raises:
            NetworkUnusable: shape inference could not tell its shape.
        """
        return len(self.inner_shape(tensor)) < len(self.shapes[tensor])

    def _untold(self, tensor: str) -> NetworkUnusable:
        """What to say of a shape that cannot be told: which operator, the first of its kind, stands in the way."""
        makers = {output: node for node in self.nodes for output in node.outputs}
        node = makers[tensor]
        while unknown := [name for name in node.inputs if name in makers and name not in self.shapes]:
            node = makers[unknown[0]]
        how = "not fixed. Export it with fixed height and width, and simplify it (onnx-simplifier)."
        if not onnx.defs.has(node.op, self.opset):
            how = (
                "neither in the file nor known to ONNX. Export the network with the operators of a standard opset, "
                "before onnxruntime optimises it; or save the shapes with it, which python -m "
                "onnxruntime.tools.symbolic_shape_infer does for some of these operators."
            )
        return NetworkUnusable(
            f"{self.title}: the shape of '{tensor}' cannot be told from the graph: {node.op} "
            f"'{node.name or node.output}' makes a tensor of a shape that is {how}",
            tensor,
        )


def read_nodes(model: onnx.ModelProto, title: str) -> Nodes:
    """Read a model's graph. The initializers' data may be absent.

    Raises:
        NetworkUnusable: not one image input, dynamic height or width, control flow, an unknown operator.
    """
    graph = model.graph
    _refuse_unusable(model, title)
    source = _image_input(graph, title)
    layout, (channels, height, width), batch = _layout(source, title)
    small = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if _has_data(tensor) and np.prod(tensor.dims, dtype=int) <= SMALL
    }
    shapes = _infer_shapes(model, source, batch or 1, small)
    consumers = Counter(
        [name for node in graph.node for name in node.input] + [output.name for output in graph.output]
    )
    dynamic, constant_nodes, nodes = {source.name}, [], []
    for proto in graph.node:
        if not any(proto.output):
            continue  # it computes for nobody
        if proto.op_type in ("Shape", "Size") or not any(name in dynamic for name in proto.input):
            constant_nodes.append(proto)
            continue
        dynamic.update(name for name in proto.output if name)
        nodes.append(_node(proto))
    if batch is None and not _keeps_apart(dynamic & consumers.keys(), shapes, _infer_shapes(model, source, 2, small)):
        batch = 1
    return Nodes(
        title=title,
        nodes=tuple(nodes),
        shapes=shapes,
        dynamic=frozenset(dynamic),
        constants=Constants(constant_nodes, list(model.opset_import), shapes, small),
        opset=opset_of(model),
        input_name=source.name,
        input_layout=layout,
        input_shape=(channels, height, width),
        batch=batch,
        outputs=tuple(output.name for output in sorted(graph.output, key=_holds_integers)),
        consumers=consumers,
    )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model is written in."""
    return max((opset.version for opset in model.opset_import if opset.domain in STANDARD), default=1)


def _holds_integers(output: onnx.ValueInfoProto) -> bool:
    """Whether an output is declared as something else than floats; those come last, as classes are seldom there."""
    return output.type.tensor_type.elem_type not in (*FLOATS, TensorProto.UNDEFINED)


def _node(proto: onnx.NodeProto) -> Node:
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in proto.attribute}
    return Node(proto.op_type, proto.name, tuple(proto.input), tuple(proto.output), attributes)


def _refuse_unusable(model: onnx.ModelProto, title: str) -> None:
    if model.functions:
        names = ", ".join(sorted({function.name for function in model.functions}))
        raise NetworkUnusable(
            f"{title}: the graph calls functions of its own ({names}), whose layers cannot be seen. Inline them "
            "with onnx.inliner.inline_local_functions and save the file again.",
            names,
        )
    opset = opset_of(model)
    for node in model.graph.node:
        if any(one.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for one in node.attribute):
            raise NetworkUnusable(
                f"{title}: the node '{node.name}' is control flow ({node.op_type}), whose layers change from run to "
                "run. Export the network with that branch decided, for instance by tracing it.",
                node.op_type,
            )
        if node.domain not in STANDARD and node.domain not in EXTENSIONS:
            raise NetworkUnusable(
                f"{title}: '{node.op_type}' (node '{node.name or node.output[0]}') is an operator of "
                f"'{node.domain}', which onnxruntime does not have. Export the network with the operators of a "
                "standard opset.",
                node.op_type,
            )
        if node.domain in STANDARD and not onnx.defs.has(node.op_type, opset):
            raise NetworkUnusable(
                f"{title}: '{node.op_type}' (node '{node.name or node.output[0]}') is not an ONNX operator of opset "
                f"{opset}, which the file is written in. Export the network with the operators of a standard opset.",
                node.op_type,
            )


def _image_input(graph: onnx.GraphProto, title: str) -> onnx.ValueInfoProto:
    """The one input that is no initializer (files before IR version 4 list those as inputs too)."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise NetworkUnusable(
            f"{title}: the graph has {len(inputs)} inputs ({names}); an image classifier has exactly one. Make the "
            "others constants, or export the part behind one image input.",
            names,
        )
    return inputs[0]


def _layout(source: onnx.ValueInfoProto, title: str) -> tuple[str, tuple[int, int, int], int | None]:
    """Layout ("NCHW" or "NHWC"), (C, H, W) and the fixed batch size of the image input."""
    tensor = source.type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(tensor.elem_type)
        raise NetworkUnusable(
            f"{title}: the input '{source.name}' is {kind}; it must be FLOAT (32 bit). Export the network with a "
            "float32 input.",
            kind,
        )
    dims = [one.dim_value if one.dim_value > 0 else None for one in tensor.shape.dim]
    shown = [one.dim_value if one.dim_value > 0 else one.dim_param or "?" for one in tensor.shape.dim]
    said = f"{title}: the input '{source.name}' has the shape {shown}"
    if len(dims) != 4 or (dims[1] not in IMAGE_CHANNELS and dims[3] not in IMAGE_CHANNELS):
        raise NetworkUnusable(
            f"{said}, which is no image: N x C x H x W or N x H x W x C with 1 or 3 channels is needed.", shown
        )
    batch, first, second, third = dims
    layout = "NCHW" if first in IMAGE_CHANNELS else "NHWC"
    channels, height, width = (first, second, third) if layout == "NCHW" else (third, first, second)
    if channels is None or height is None or width is None:
        raise NetworkUnusable(
            f"{said}: height and width are not fixed. Fix them, for instance with python -m "
            f"onnxruntime.tools.make_dynamic_shape_fixed --input_name {source.name} --input_shape 1,3,224,224.",
            shown,
        )
    return layout, (channels, height, width), batch


def _has_data(tensor: TensorProto) -> bool:
    """Whether the numbers are in the file itself (not external, and not only the dimensions)."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return False
    fields = (tensor.raw_data, tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data)
    return any(len(field) for field in (*fields, tensor.uint64_data)) or 0 in tensor.dims


def _infer_shapes(
    model: onnx.ModelProto, source: onnx.ValueInfoProto, batch: int, small: Mapping[str, Array]
) -> Shapes:
    """Every tensor's shape, by ONNX's own inference on a copy without the weights; else as the file itself has it."""
    light = onnx.ModelProto(ir_version=max(model.ir_version, 8))
    light.opset_import.extend(model.opset_import)
    light.graph.name = model.graph.name or "graph"
    light.graph.node.extend(model.graph.node)
    for node in light.graph.node:
        if node.op_type in QUANTISING:  # onnxruntime's own of these names make the same shapes
            node.ClearField("domain")
    light.graph.input.append(source)
    light.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    for tensor in model.graph.initializer:
        if tensor.name in small:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    for output in model.graph.output:
        light.graph.output.append(onnx.ValueInfoProto(name=output.name))
    told = _told(model.graph, source, batch)
    while True:
        inferred = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
        shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        for value in [*inferred.input, *inferred.value_info, *inferred.output]:
            if (shape := _whole_shape(value)) is not None:
                shapes[value.name] = shape
        changed = [_drop_empty_windows(node, shapes) for node in light.graph.node]
        missing = [told.pop(name) for name in list(told) if name not in shapes]
        for value in missing:
            given = next((output for output in light.graph.output if output.name == value.name), None)
            (given or light.graph.value_info.add()).CopyFrom(value)
        if not any(changed) and not missing:
            return shapes


def _told(graph: onnx.GraphProto, source: onnx.ValueInfoProto, batch: int) -> dict[str, onnx.ValueInfoProto]:
    """Tensor -> its type, where the file has a whole shape of it once the batch is put in.

    ONNX knows nothing of the operators that onnxruntime's optimiser and quantiser put into a graph.
    """
    free = source.type.tensor_type.shape.dim[0].dim_param
    made = {name for node in graph.node for name in node.output}
    told = {}
    for value in [*graph.value_info, *graph.output]:
        if value.name not in made:
            continue
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        for axis, dim in enumerate(copy.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") and (dim.dim_param == free if free else axis == 0):
                dim.dim_value = batch
        if _whole_shape(copy) is not None:
            told[copy.name] = copy
    return told


def _whole_shape(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    """A tensor's shape; None where some of it is not known."""
    dims = value.type.tensor_type.shape.dim
    if not value.type.tensor_type.HasField("shape") or not all(dim.HasField("dim_value") for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def _keeps_apart(tensors: Iterable[str], one: Shapes, two: Shapes) -> bool:
    """Whether images may go in together: the first axis of every tensor is the batch, 1 of one image and 2 of two.

    A traced view(1, -1) takes no second image; and where the batch lies on another axis (time first, in a sequence),
    an image's numbers do not lie behind one another, and another image's would be taken for them.
    """
    return all(one.get(name, ())[:1] == (1,) and two.get(name) == (2, *one[name][1:]) for name in tensors)


def _drop_empty_windows(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Correct ONNX's inference for ceil-mode pools; True where the node had to be changed.

    Inference (onnx 1.23) keeps a last window that starts in the trailing padding; runtimes drop it. Without
    ceil_mode and with trailing padding to match, inference gives what runtimes compute.
    """
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    seen, made = shapes.get(node.input[0]) if node.input else None, shapes.get(node.output[0])
    if node.op_type not in ("MaxPool", "AveragePool") or not attributes.get("ceil_mode"):
        return False
    if seen is None or made is None or len(seen) != 4:
        return False
    window = read_window(attributes, (seen[2], seen[3]))
    size = window.output((seen[2], seen[3]))
    if size == made[2:]:
        return False
    top, left, bottom, right = window.padding
    ends = [
        count * slide.stride - slide.stride + slide.extent - cells - slide.before
        for count, slide, cells in zip(size, (window.y, window.x), seen[2:], strict=True)
    ]
    kept = [one for one in node.attribute if one.name not in ("ceil_mode", "pads", "auto_pad")]
    del node.attribute[:]
    pads = [top, left, max(bottom, ends[0]), max(right, ends[1])]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", pads)])
    return True


def read_window(
    attributes: Mapping[str, Any], size: tuple[int, int], kernel: tuple[int, int] | None = None
) -> Window:
    """The sliding window of a Conv, MaxPool or AveragePool over maps of `size` (height, width)."""
    kernel = kernel or (attributes["kernel_shape"][0], attributes["kernel_shape"][1])
    stride = tuple(attributes.get("strides", (1, 1)))
    dilation = tuple(attributes.get("dilations", (1, 1)))
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    if auto == "VALID":
        top = left = bottom = right = 0
    elif auto.startswith("SAME"):
        (top, bottom), (left, right) = (
            auto_padding(size[axis], kernel[axis], stride[axis], dilation[axis], auto == "SAME_UPPER")
            for axis in (0, 1)
        )
    return Window.of(kernel, stride, (top, left, bottom, right), dilation, ceil=bool(attributes.get("ceil_mode", 0)))

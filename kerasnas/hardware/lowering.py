"""From layers to the operators and tensors of the `.tflite` file that the exporter writes.

The converter folds batch normalization into the convolution before it, fuses activations, and
drops what inference does not need; costs of flash and RAM are those of what is left.
"""

import dataclasses
import math

from kerasnas.hardware.graph import Graph, Node, Shape

FUSED_ACTIVATIONS = {"relu", "relu6"}
_FOLDING = {"Conv1D", "Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense"}
_FUSING = {*_FOLDING, "Add", "Subtract", "Multiply", "BatchNormalization", "AveragePooling2D",
           "MaxPooling2D"}  # fmt: skip
_DROPPED = {"Dropout", "SpatialDropout2D", "Identity"}
_SHARED = {"Activation", "MaxPooling2D", "AveragePooling2D"}
_OPERATORS = {
    "Conv1D": "CONV_2D",
    "Conv2D": "CONV_2D",
    "Conv2DTranspose": "TRANSPOSE_CONV",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Dense": "FULLY_CONNECTED",
    "MaxPooling2D": "MAX_POOL_2D",
    "AveragePooling2D": "AVERAGE_POOL_2D",
    "GlobalAveragePooling2D": "MEAN",
    "GlobalMaxPooling2D": "REDUCE_MAX",
    "Flatten": "RESHAPE",
    "Reshape": "RESHAPE",
    "Add": "ADD",
    "Subtract": "SUB",
    "Multiply": "MUL",
    "Average": "ADD",
    "Maximum": "MAXIMUM",
    "Minimum": "MINIMUM",
    "Concatenate": "CONCATENATION",
    "ZeroPadding2D": "PAD",
    "Cropping2D": "STRIDED_SLICE",
    "UpSampling2D": "RESIZE_NEAREST_NEIGHBOR",
    "Rescaling": "MUL",
}
_ACTIVATIONS = {
    "relu": ("RELU",),
    "relu6": ("RELU6",),
    "softmax": ("SOFTMAX",),
    "sigmoid": ("LOGISTIC",),
    "tanh": ("TANH",),
    "leaky_relu": ("LEAKY_RELU",),
    "silu": ("LOGISTIC", "MUL"),
    "swish": ("LOGISTIC", "MUL"),
    "hard_silu": ("HARD_SWISH",),
    "hard_swish": ("HARD_SWISH",),
}
# What TensorFlow calls the operation inside a layer's scope, where it is not the layer's class.
_GRAPH_NAMES = {
    "DepthwiseConv2D": "depthwise",
    "Dense": "MatMul",
    "BatchNormalization": "FusedBatchNormV3",
    "Add": "add",
    "Concatenate": "concat",
    "MaxPooling2D": "MaxPool",
    "AveragePooling2D": "AvgPool",
    "GlobalAveragePooling2D": "Mean",
    "GlobalMaxPooling2D": "Max",
    "Flatten": "Reshape",
}
# The scope of the model; that of a user's model may be some characters longer.
_PREFIX = "network/"
# Constant integer operands: axes of a mean, the new shape, paddings.
_OPERANDS = {"MEAN": 2, "REDUCE_MAX": 2, "PAD": 8, "STRIDED_SLICE": 12,
             "RESIZE_NEAREST_NEIGHBOR": 2, "TRANSPOSE_CONV": 4}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """A constant tensor of the file: its shape, role and number of quantization scales."""

    shape: Shape
    role: str  # "weight", "bias" or "operand"
    scales: int = 1

    def data_bytes(self, dtype: str) -> int:
        """Bytes of its values."""
        width = 4 if dtype == "float32" or self.role != "weight" else 1
        return width * math.prod(self.shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the file.

    Args:
        kind: TFLite's name of it.
        node: Position in the graph of the layer that it stems from.
        reads: Activations that it reads, by number.
        writes: The activation that it writes.
        constants: Its constant operands.
        name_bytes: Bytes of the names of its output and its constants: the converter names them
            after every layer that was fused.
    """

    kind: str
    node: int
    reads: tuple[int, ...]
    writes: int
    constants: tuple[Constant, ...] = ()
    name_bytes: int = 0


@dataclasses.dataclass(slots=True)
class Program:
    """Operators in the order of execution, and the shape of every activation, batch of one."""

    operators: list[Operator] = dataclasses.field(default_factory=list)
    activations: list[Shape] = dataclasses.field(default_factory=list)
    inputs: list[int] = dataclasses.field(default_factory=list)
    outputs: list[int] = dataclasses.field(default_factory=list)

    def activation(self, shape: Shape) -> int:
        """Number of a new activation."""
        self.activations.append(shape)
        return len(self.activations) - 1


def lower(graph: Graph) -> Program:
    """Translate a graph to the operators that its `.tflite` file will hold.

    Args:
        graph: A network.

    Returns:
        Its program.

    Raises:
        ValueError: A layer or an activation that has no operator here.
    """
    program = Program()
    schedule = graph.schedule()
    same = _twins(graph, schedule)
    order = [index for index in schedule if same[index] == index]
    chains = _chains(graph, order, same)
    inner = {index for chain in chains.values() for index in chain[:-1]}
    value: dict[int, int] = {}
    for index in order:
        node = graph.nodes[index]
        if index in inner:
            continue
        if node.kind == "InputLayer":
            value[index] = program.activation(node.shape)
            program.inputs.append(value[index])
            continue
        # A fused operator stands where the last of its layers stood.
        chain = chains.get(index, [index])
        reads = [value[same[i]] for i in graph.nodes[chain[0]].inputs]
        if node.kind in _DROPPED:
            value[index] = reads[0]
            continue
        value[index] = _emit(program, graph, chain, reads)
    program.outputs = [value[same[i]] for i in graph.outputs]
    return program


def _twins(graph: Graph, schedule: list[int]) -> dict[int, int]:
    """For each layer the first that computes the same: the converter keeps only that one."""
    same: dict[int, int] = {}
    first: dict[tuple[object, ...], int] = {}
    for index in schedule:
        node = graph.nodes[index]
        key = (node.kind, tuple(same[i] for i in node.inputs), node.config)
        same[index] = first.setdefault(key, index) if node.kind in _SHARED else index
    return same


def _chains(graph: Graph, order: list[int], same: dict[int, int]) -> dict[int, list[int]]:
    """Layers that become one operator, by the last of them."""
    readers: dict[int, list[int]] = {}
    for index in order:
        for i in graph.nodes[index].inputs:
            readers.setdefault(same[i], []).append(index)

    def follower(index: int) -> int | None:
        found = readers.get(index, [])
        return found[0] if len(found) == 1 and index not in graph.outputs else None

    chains: dict[int, list[int]] = {}
    taken: set[int] = set()
    for index in order:
        if index in taken:
            continue
        kind, chain, after = graph.nodes[index].kind, [index], follower(index)
        if kind in _FOLDING and after is not None and _is(graph.nodes[after], "BatchNormalization"):
            chain.append(after)
            after = follower(after)
        if kind in _FUSING and after is not None and _is(graph.nodes[after], "Activation"):
            chain.append(after)
        if len(chain) > 1:
            chains[chain[-1]] = chain
            taken.update(chain)
    return chains


def _is(node: Node, kind: str) -> bool:
    if kind == "Activation" == node.kind:
        return node.config[0] in FUSED_ACTIVATIONS
    return node.kind == kind


def _emit(program: Program, graph: Graph, chain: list[int], reads: list[int]) -> int:
    node = graph.nodes[chain[0]]
    shape = node.shape

    def operator(kind: str, inputs: list[int], constants: tuple[Constant, ...] = ()) -> int:
        out = program.activation(shape)
        names = _name_bytes([graph.nodes[i] for i in chain], constants)
        program.operators.append(Operator(kind, chain[0], tuple(inputs), out, constants, names))
        return out

    if node.kind == "Activation":
        function = str(node.config[0])
        if function == "linear":
            return reads[0]
        if function not in _ACTIVATIONS:
            raise ValueError(
                f"Activation {function!r} of layer {node.name!r} has no cost rule; use one of "
                f"{', '.join(_ACTIVATIONS)}"
            )
        first, *more = _ACTIVATIONS[function]
        out = operator(first, reads)
        for kind in more:
            out = operator(kind, [*reads, out])
        return out
    if node.kind == "BatchNormalization":
        channels = Constant(shape[-1:], "weight")
        return operator("ADD", [operator("MUL", reads, (channels,))], (channels,))
    if node.kind not in _OPERATORS:
        raise ValueError(
            f"Layer {node.name!r} of class {node.kind} has no cost rule; register one with "
            f"kerasnas.hardware.cost_rule({node.kind!r})"
        )
    kind = _OPERATORS[node.kind]
    if len(reads) > 2 and kind != "CONCATENATION":
        out = reads[0]
        for other in reads[1:]:
            out = operator(kind, [out, other])
        return out
    out = operator(kind, reads, _constants(node, kind))
    if node.kind in ("Average", "Rescaling"):
        # The division of an average, the offset of a rescaling.
        out = operator("MUL", [out], (Constant((1,), "weight"),))
    return out


def _constants(node: Node, kind: str) -> tuple[Constant, ...]:
    if kind == "RESHAPE":
        return (Constant((len(node.shape) + 1,), "operand", 0),)
    if kind in _OPERANDS and kind != "TRANSPOSE_CONV":
        return (Constant((_OPERANDS[kind],), "operand", 0),)
    if kind == "MUL" and not node.inputs[1:]:
        return (Constant((1,), "weight"),)
    if not node.weights:
        return ()
    channels = node.shape[-1]
    weight = Constant(node.weights[0], "weight", channels)
    bias = Constant((channels,), "bias", channels)
    return (weight, bias)


def _name_bytes(chain: list[Node], constants: tuple[Constant, ...]) -> int:
    """Bytes of the names of an operator's tensors, as the bridge's layers give them."""
    head = chain[0]
    own = _scoped(head)
    parts = [_scoped(node) for node in reversed(chain[1:])]
    biased = len(head.weights) > 1 and head.kind in _FOLDING
    if biased:
        parts += [f"{_PREFIX}{head.name}/BiasAdd", own]
        parts.append(f"{_PREFIX}{head.name}/BiasAdd/ReadVariableOp")
    else:
        parts.append(own)
    joined = ";".join(parts)
    folded = biased or any(node.kind == "BatchNormalization" for node in chain[1:])
    total = _padded(joined)
    for constant in constants:
        named = joined if constant.role == "bias" and folded else own
        total += _padded("arith.constant1" if constant.role == "bias" and not folded else named)
    return total


def _scoped(node: Node) -> str:
    operation = str(node.config[0]).capitalize() if node.kind == "Activation" else node.kind
    return f"{_PREFIX}{node.name}/{_GRAPH_NAMES.get(node.kind, operation)}"


def _padded(name: str) -> int:
    return (len(name) + 1 + 3) // 4 * 4

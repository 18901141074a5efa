"""Bytes of the names that the converter gives to the tensors of a file."""

from collections.abc import Sequence

from kerasnas.hardware.graph import Node
from kerasnas.hardware.lowering.program import KERNELS, Constant

# What TensorFlow calls the operation inside a layer's scope, where it is not the layer's class.
_GRAPH_NAMES = {
    "Add": "add",
    "AveragePooling2D": "AvgPool",
    "BatchNormalization": "FusedBatchNormV3",
    "Concatenate": "concat",
    "Conv1DTranspose": "conv1d_transpose",
    "Conv2DTranspose": "conv2d_transpose",
    "Dense": "MatMul",
    "DepthwiseConv1D": "depthwise",
    "DepthwiseConv2D": "depthwise",
    "Flatten": "Reshape",
    "GlobalAveragePooling1D": "Mean",
    "GlobalAveragePooling2D": "Mean",
    "GlobalMaxPooling1D": "Max",
    "GlobalMaxPooling2D": "Max",
    "MaxPooling2D": "MaxPool",
    "Multiply": "mul",
    "Rescaling": "mul",
    "Subtract": "sub",
    "ZeroPadding1D": "Pad",
    "ZeroPadding2D": "Pad",
}
# Of a tensor that enters or leaves the network.
END_BYTES = 28


def name_bytes(
    scope: str, kind: str, layers: Sequence[Node], constants: Sequence[Constant], leaves: bool
) -> int:
    """Bytes of the names of an operator's output and constants.

    Args:
        scope: Name of the model.
        kind: TFLite's name of the operator.
        layers: The layers that became the operator, in their order.
        constants: Its constants.
        leaves: Whether its output is one of the network's.

    Returns:
        Bytes, as the file pads them.
    """
    head = layers[0]
    dense = head.kind == "Dense"
    own = _parts(scope, head, dense)[0 if dense or _is_vector_norm(head) else -1]
    if kind == "RESHAPE":
        flat = head.kind in ("Flatten", "Reshape")
        operand = "arith.constant" if flat else f"{own}/ExpandDims"
        return _padded(operand) + (END_BYTES if leaves else _padded(f"{own}/ExpandDims1"))
    first = [own] if _is_vector_norm(head) else _parts(scope, head, dense)
    rest = [part for node in layers[1:] for part in _parts(scope, node, dense)]
    joined = ";".join(first + rest)
    batch = next((node for node in layers[1:] if node.kind == "BatchNormalization"), None)
    biased = len(head.weights) > 1 and head.kind in KERNELS
    folded = biased or batch is not None
    # A name that is taken gets a number behind it.
    total = END_BYTES if leaves else _padded(joined + ("1" if folded and not dense else ""))
    for constant in constants:
        if constant.role == "operand":
            named = f"{own}/operands"
        elif constant.role == "bias" and dense:
            named = _parts(scope, batch or head, dense)[-1]
        elif constant.role == "bias":
            named = joined if folded else "arith.constant1"
        elif batch is not None and _is_vector_norm(batch) and not dense:
            named = ";".join(_parts(scope, batch, dense)[1:3] + first[-2:])
        else:
            named = own
        total += _padded(named)
    return total


def _parts(scope: str, node: Node, dense: bool) -> list[str]:
    """Names of TensorFlow's operations in a layer, as they are joined; `dense`: into a Dense."""
    layer = f"{scope}/{node.name}"
    if _is_vector_norm(node):
        parts = ("mul_1", "add_1") if dense else ("add_1", "mul_1", "mul", "sub")
        return [f"{layer}/batchnorm/{part}" for part in parts]
    operation = str(node.config[0]).capitalize() if node.kind == "Activation" else node.kind
    own = f"{layer}/{_GRAPH_NAMES.get(node.kind, operation)}"
    biased = len(node.weights) > 1 and node.kind in KERNELS
    if node.kind == "Dense":
        return [own, f"{layer}/BiasAdd"] if biased else [own]
    squeezed = [f"{own}/Squeeze"] if node.kind == "Conv1D" else []
    if biased:
        return [f"{layer}/BiasAdd", *squeezed, f"{layer}/BiasAdd/ReadVariableOp", own]
    return [*squeezed, own]


def _is_vector_norm(node: Node) -> bool:
    """Whether it is a normalization, and not of images, for which TensorFlow has one operation."""
    return node.kind == "BatchNormalization" and len(node.shape) != 3


def _padded(name: str) -> int:
    return (len(name) + 1 + 3) // 4 * 4

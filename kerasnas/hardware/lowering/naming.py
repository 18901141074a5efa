"""Bytes of the names that the converter gives to the tensors of a file."""

from collections.abc import Sequence

from kerasnas.hardware.graph import Node
from kerasnas.hardware.lowering.program import Constant

# What TensorFlow calls the operation inside a layer's scope, where it is not the layer's class.
_GRAPH_NAMES = {
    "Add": "add",
    "AveragePooling2D": "AvgPool",
    "BatchNormalization": "FusedBatchNormV3",
    "Concatenate": "concat",
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
_KERNELS = {"Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose", "Dense", "DepthwiseConv1D",
            "DepthwiseConv2D"}  # fmt: skip
# Of a tensor that enters or leaves the network.
END_BYTES = 28


def name_bytes(
    scope: str, layers: Sequence[Node], constants: Sequence[Constant], leaves: bool
) -> int:
    """Bytes of the names of an operator's output and constants.

    Args:
        scope: Name of the model.
        layers: The layers that became the operator, in their order.
        constants: Its constants.
        leaves: Whether its output is one of the network's.

    Returns:
        Bytes, as the file pads them.
    """
    head = layers[0]
    own = _scoped(scope, head)
    parts = [_scoped(scope, node) for node in reversed(layers[1:])]
    biased = len(head.weights) > 1 and head.kind in _KERNELS
    if biased and head.kind == "Dense":
        parts += [own, f"{scope}/{head.name}/BiasAdd"]
    elif biased:
        parts += [f"{scope}/{head.name}/BiasAdd", own]
        parts.append(f"{scope}/{head.name}/BiasAdd/ReadVariableOp")
    else:
        parts.append(own)
    joined = ";".join(parts)
    folded = biased or any(node.kind == "BatchNormalization" for node in layers[1:])
    # A name that is taken gets a number behind it.
    total = END_BYTES if leaves else _padded(joined + ("1" if folded else ""))
    for constant in constants:
        if constant.role == "operand":
            named = "arith.constant" if own.endswith("Reshape") else f"{own}/operands"
        elif constant.role == "bias":
            named = joined if folded else "arith.constant1"
        else:
            named = own
        total += _padded(named)
    return total


def _scoped(scope: str, node: Node) -> str:
    operation = str(node.config[0]).capitalize() if node.kind == "Activation" else node.kind
    return f"{scope}/{node.name}/{_GRAPH_NAMES.get(node.kind, operation)}"


def _padded(name: str) -> int:
    return (len(name) + 1 + 3) // 4 * 4

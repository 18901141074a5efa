"""The operators and tensors of a `.tflite` file, as far as costs depend on them."""

import dataclasses
import math

from kerasnas.hardware.graph import Shape

# The operator that each kind of layer with a kernel becomes, and all of these operators.
KERNELS = {
    "Conv1D": "CONV_2D",
    "Conv1DTranspose": "TRANSPOSE_CONV",
    "Conv2D": "CONV_2D",
    "Conv2DTranspose": "TRANSPOSE_CONV",
    "Dense": "FULLY_CONNECTED",
    "DepthwiseConv1D": "DEPTHWISE_CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
}
KERNEL_OPERATORS = frozenset(KERNELS.values())


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """A constant tensor of the file.

    Args:
        shape: Its shape.
        role: "weight", "bias", or "operand" for integers such as axes and paddings.
        scales: Number of its quantization scales.
        owner: What tells it from others of shared layers, whose operators read the same tensor;
            None for a tensor that one operator reads.
    """

    shape: Shape
    role: str
    scales: int = 1
    owner: tuple[object, ...] | None = None

    @property
    def values(self) -> int:
        """Number of its values."""
        return math.prod(self.shape)


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
    """Operators in the order of execution, and every activation, for a batch of one.

    Args:
        dtype: What the file was quantized to.
        operators: The operators.
        activations: Shape of each activation.
        widths: Bytes of one value of each activation: in an int8 file some stay in floating point.
        states: Bytes of each tensor that lasts from one inference to the next.
        intermediates: Number of tensors that hold nothing but scales.
        inputs: Activations that are the network's inputs.
        outputs: Those that are its outputs.
    """

    dtype: str = "int8"
    operators: list[Operator] = dataclasses.field(default_factory=list)
    activations: list[Shape] = dataclasses.field(default_factory=list)
    widths: list[int] = dataclasses.field(default_factory=list)
    states: list[int] = dataclasses.field(default_factory=list)
    intermediates: int = 0
    inputs: list[int] = dataclasses.field(default_factory=list)
    outputs: list[int] = dataclasses.field(default_factory=list)

    def constants(self) -> list[tuple[Operator, Constant]]:
        """Every constant tensor once, with the first operator that reads it."""
        found = []
        seen = set()
        for operator in self.operators:
            for constant in operator.constants:
                if constant.owner is None or constant not in seen:
                    found.append((operator, constant))
                    seen.add(constant)
        return found

    def activation_bytes(self, index: int) -> int:
        """Bytes of an activation."""
        return self.widths[index] * math.prod(self.activations[index])


def without_ones(shape: Shape) -> Shape:
    """A shape without its axes of length one, which say nothing of the order of the values."""
    return tuple(size for size in shape if size > 1)


def operand(values: int) -> Constant:
    """Integers such as axes, paddings or a shape."""
    return Constant((values,), "operand", 0)

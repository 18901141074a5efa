"""The operators and tensors of a `.tflite` file, as far as costs depend on them."""

import dataclasses
import math

from kerasnas.hardware.graph import Shape
from kerasnas.tflite.kernels import KERNELS

KERNEL_OPERATORS = frozenset(KERNELS)


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """A constant tensor of the file.

    Args:
        shape: Its shape.
        role: "weight", "bias", "operand" for integers such as axes and paddings, or "float" for
            what stays in floating point.
        scales: Number of its quantization scales.
        owner: What it has in common with others that are the same tensor: the shared layer, or the
            values; None for a tensor that one operator reads.
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
        writes: The activation that it writes; the first of several.
        constants: Its constant operands.
        layer: Name of that layer, which its output and its constants have in the file.
        further: The other activations that it writes.
        transposed: Of a product of two, whether they are read transposed.
        macs: Its multiply-accumulates, where the layer is several kernels; None for the layer's.
    """

    kind: str
    node: int
    reads: tuple[int, ...]
    writes: int
    constants: tuple[Constant, ...] = ()
    layer: str = ""
    further: tuple[int, ...] = ()
    transposed: tuple[bool, bool] = (False, False)
    macs: int | None = None

    @property
    def outputs(self) -> tuple[int, ...]:
        """All activations that it writes."""
        return (self.writes, *self.further)


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
        unscaled: Activations that an int8 file keeps in integers without a scale, such as indices.
        inputs: Activations that are the network's inputs.
        outputs: Those that are its outputs.
    """

    dtype: str = "int8"
    operators: list[Operator] = dataclasses.field(default_factory=list)
    activations: list[Shape] = dataclasses.field(default_factory=list)
    widths: list[int] = dataclasses.field(default_factory=list)
    states: list[int] = dataclasses.field(default_factory=list)
    intermediates: int = 0
    unscaled: set[int] = dataclasses.field(default_factory=set)
    inputs: list[int] = dataclasses.field(default_factory=list)
    outputs: list[int] = dataclasses.field(default_factory=list)

    def constants(self) -> list[tuple[Operator, Constant]]:
        """Returns every constant tensor once, with the first operator that reads it."""
        found = []
        seen = set()
        for operator in self.operators:
            for constant in operator.constants:
                if constant.owner is None or constant not in seen:
                    found.append((operator, constant))
                    seen.add(constant)
        return found

    def has_scale(self, index: int) -> bool:
        """Returns whether an activation is quantized."""
        return self.dtype == "int8" and self.widths[index] == 1 and index not in self.unscaled

    def activation_bytes(self, index: int) -> int:
        """Returns the bytes of an activation."""
        return self.widths[index] * math.prod(self.activations[index])


def without_ones(shape: Shape) -> Shape:
    """Returns a shape without axes of length one, which do not change the order of values."""
    return tuple(size for size in shape if size > 1)


def operand(values: int) -> Constant:
    """Returns so many integers, such as axes or a shape, which no other operator reads."""
    return Constant((values,), "operand", 0)


def integers(*values: int) -> Constant:
    """Returns integers that the file holds once, however many operators read them."""
    return Constant((len(values),), "operand", 0, ("integers", *values))


def number(value: float) -> Constant:
    """Returns a factor or an offset that the file holds once, however many operators read it."""
    return Constant((), "weight", owner=("number", value))


def along(axis: int | Shape) -> Constant:
    """Returns the axes of a reduction; a single axis has no dimension."""
    if isinstance(axis, tuple):
        return integers(*axis)
    return Constant((), "operand", 0, ("integers", axis))


def scalar() -> Constant:
    """Returns a number that no other operator reads."""
    return Constant((), "weight")

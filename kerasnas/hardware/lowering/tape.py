"""The operators and tensors of a file while they are being put together, and may still change."""

import dataclasses
from collections.abc import Sequence

from kerasnas.hardware.graph import Graph, Node, Shape
from kerasnas.hardware.lowering.program import Constant, Operator, Program, integers, without_ones

_REDUCING = {"MEAN", "REDUCE_MAX"}
# Kernels that the int8 converter leaves in floating point.
_FLOAT_ONLY = {"CEIL", "CONV_3D", "CONV_3D_TRANSPOSE", "COS", "CUMSUM", "FLOOR", "NEG", "POW"}
_FLOAT_ONLY |= {"ROUND", "SIGN", "SIN", "SQUARE"}
_FLOAT_READING = {*_FLOAT_ONLY, "NOT_EQUAL"}
# Kernels that the exporter leaves in floating point only if they read floats.
_EITHER = {"ELU"}
# Kernels that read integers and floats alike, without a conversion before them.
_ANY_FORM = {"CAST"}
# Kernels whose inputs must have the scale of their output; and kernels whose output always has a
# scale of its own, so that it needs a conversion before one of the former.
_ONE_SCALE = {"CONCATENATION", "MAXIMUM", "MINIMUM", "PACK"}
_FIXED_SCALE = {"L2_NORMALIZATION", "LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH"}
# Kernels that write integers where they read integers.
_INTEGER_PASSING = {"ADD", "CONCATENATION", "MAXIMUM", "MINIMUM", "MUL", "RESHAPE", "SUB"}
# Kernels that write truth values.
_LOGICAL = {"EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_NOT"}
_LOGICAL |= {"LOGICAL_OR", "NOT_EQUAL", "REDUCE_ANY"}


@dataclasses.dataclass(slots=True, eq=False)
class Step:
    """An operator while it may still change."""

    kind: str
    reads: list[int]
    writes: int
    constants: tuple[Constant, ...]
    layers: list[int]
    activation: str | None = None
    further: tuple[int, ...] = ()
    transposed: tuple[bool, bool] = (False, False)
    macs: int | None = None


class Tape:
    """What the translation of a graph has written so far, as the converter would.

    Args:
        graph: A network, its merges of many split.
        origin: For each of its nodes the position of the one that it stems from.
        dtype: What the file is quantized to.
    """

    def __init__(self, graph: Graph, origin: Sequence[int], dtype: str) -> None:
        self.graph, self._origin = graph, origin
        self.dtype = dtype
        self.steps: list[Step] = []
        self.shapes: list[Shape] = []
        self.widths: list[int] = []
        # Tensors that hold integers without a scale.
        self.unscaled: set[int] = set()
        # By the first output of an operator of several, all of them.
        self.parts: dict[int, list[int]] = {}
        self._reshapes: dict[tuple[int, Shape], Step] = {}
        self._conversions: dict[tuple[int, str], int] = {}
        # As in `Program`.
        self.states: list[int] = []
        self.intermediates = 0
        self.maker: dict[int, Step] = {}
        # What dense layers read in the place of a tensor, and which of these are matrices of rows.
        self.lent: dict[int, int] = {}
        self.rows: set[int] = set()
        # How many operators, and outputs of the network, read a tensor.
        self.readers: dict[int, int] = {}
        self.index = 0
        # Whether the layer at hand takes the factors and offsets before it into its own values.
        self.takes = True

    @property
    def width(self) -> int:
        """Bytes of a value that is computed with."""
        return 1 if self.dtype == "int8" else 4

    def operator(
        self,
        kind: str,
        reads: Sequence[int],
        shape: Shape,
        constants: Sequence[Constant] = (),
        transposed: tuple[bool, bool] = (False, False),
        macs: int | None = None,
    ) -> int:
        """Appends an operator.

        Args:
            kind: TFLite's name of it.
            reads: Tensors that it reads.
            shape: Shape of what it writes, without the batch.
            constants: Its constant operands.
            transposed: Of a product of two, whether they are read transposed.
            macs: Its multiply-accumulates, where the layer is several kernels.

        Returns:
            The tensor that it writes.
        """
        follows = kind in _EITHER and self.widths[reads[0]] == 4
        if self.dtype == "int8" and kind not in _ANY_FORM:
            floats = kind in _FLOAT_READING or follows
            reads = [self.in_floats(x) if floats else self.in_integers(x) for x in reads]
            if kind in _ONE_SCALE:
                reads = [self._requantized(x) for x in reads]
        floats = kind in {*_FLOAT_ONLY, "CAST"} or follows
        width = 1 if kind in _LOGICAL else 4 if floats else self.width
        out = self.append(kind, list(reads), shape, tuple(constants), width)
        self.maker[out].transposed, self.maker[out].macs = transposed, macs
        moved = kind in _INTEGER_PASSING and set(reads) <= self.unscaled
        if moved:
            self.widths[out] = self.widths[reads[0]]
        if moved or kind in _LOGICAL:
            self.unscaled.add(out)
        return out

    def several(
        self,
        kind: str,
        reads: Sequence[int],
        shapes: Sequence[Shape],
        constants: Sequence[Constant] = (),
        all_read: bool = True,
    ) -> list[int]:
        """Appends an operator of several outputs.

        Args:
            kind: TFLite's name of it.
            reads: Tensors that it reads.
            shapes: Shapes of what it writes, without the batch.
            constants: Its constant operands.
            all_read: Whether each of them is read: one that is not has no range, and keeps all in
                floating point.

        Returns:
            The tensors that it writes.
        """
        if self.dtype == "int8" and not all_read:
            reads = [self.in_floats(x) for x in reads]
            first = self.append(kind, reads, shapes[0], tuple(constants), 4)
        else:
            first = self.operator(kind, reads, shapes[0], constants)
        step = self.maker[first]
        for shape in shapes[1:]:
            further = self.tensor(shape, self.widths[first])
            step.further += (further,)
            self.maker[further], self.readers[further] = step, 1
        self.parts[first] = [first, *step.further]
        return self.parts[first]

    def indices(self, tensor: int) -> int:
        """Declares that a tensor holds integers of 32 bits."""
        self.widths[tensor] = 4
        self.unscaled.add(tensor)
        return tensor

    def reshape(self, tensor: int, shape: Shape) -> int:
        """Appends a reshape: two in a row become one, and one to the same shape becomes none."""
        if self.shapes[tensor] == shape:
            return tensor
        step = self._reshapes.get((tensor, shape))
        if step in self.steps:  # The converter keeps one of two that do the same.
            self.readers[tensor] -= 1
            self.readers[step.writes] += 1
            return step.writes
        maker = self.maker.get(tensor)
        same = without_ones(self.shapes[tensor]) == without_ones(shape)
        if (
            same
            and maker is not None
            and maker.kind in _REDUCING
            and self.readers[tensor] == 1
            and len(shape) <= len(self.shapes[maker.reads[0]])
        ):
            self.shapes[tensor] = shape  # The reduction itself keeps its axes.
            return tensor
        if maker is not None and maker.kind == "RESHAPE":
            (source,) = maker.reads
            if self.readers[tensor] == 1:
                self.steps.remove(maker)
            else:
                self.readers[tensor] -= 1
                self.readers[source] += 1
            tensor = source
            if self.shapes[tensor] == shape:
                return tensor
        out = self.operator("RESHAPE", [tensor], shape, [integers(1, *shape)])
        self._reshapes[tensor, shape] = self.maker[out]
        return out

    def append(
        self, kind: str, reads: list[int], shape: Shape, constants: tuple[Constant, ...], width: int
    ) -> int:
        """Appends an operator as it is given, with the bytes of a value that it writes."""
        out = self.tensor(shape, width)
        step = Step(kind, reads, out, constants, [self.index])
        self.steps.append(step)
        self.maker[out] = step
        self.readers[out] = 1
        return out

    def tensor(self, shape: Shape, width: int) -> int:
        """Declares a tensor of values of so many bytes, which something else writes."""
        self.shapes.append(shape)
        self.widths.append(width)
        return len(self.shapes) - 1

    def in_floats(self, tensor: int) -> int:
        """Returns a tensor in floating point, with a conversion appended if it is in 8 bits."""
        if self.widths[tensor] == 4 or tensor in self.unscaled:
            return tensor
        return self._converted("DEQUANTIZE", tensor, 4)

    def in_integers(self, tensor: int) -> int:
        """Returns a tensor in 8 bits, with a conversion appended if it is in floating point."""
        if self.widths[tensor] == 1 or tensor in self.unscaled:
            return tensor
        return self._converted("QUANTIZE", tensor, 1)

    def _requantized(self, tensor: int) -> int:
        maker = self.maker.get(tensor)
        if maker is not None and maker.kind == "RESHAPE":
            maker.reads[0] = self._requantized(maker.reads[0])
        if maker is None or maker.kind not in _FIXED_SCALE:
            return tensor
        return self._converted("QUANTIZE", tensor, 1)

    def _converted(self, kind: str, tensor: int, width: int) -> int:
        """Returns a tensor in another form, converted as soon as the tensor is there."""
        if (tensor, kind) not in self._conversions:
            out = self.append(kind, [tensor], self.shapes[tensor], (), width)
            maker, step = self.maker.get(tensor), self.steps.pop()
            place = 0 if maker is None else self.steps.index(maker) + 1
            self.steps.insert(place, step)
            self._conversions[tensor, kind] = out
        return self._conversions[tensor, kind]

    def program(self, inputs: list[int], outputs: list[int]) -> Program:
        """Returns the program of the operators that are left, with the tensors numbered anew."""
        number: dict[int, int] = {}
        written = (x for step in self.steps for x in (step.writes, *step.further))
        for tensor in [*inputs, *written]:
            number.setdefault(tensor, len(number))
        nodes = self.graph.nodes
        program = Program(
            self.dtype,
            activations=[self.shapes[tensor] for tensor in number],
            widths=[self.widths[tensor] for tensor in number],
            states=self.states,
            intermediates=self.intermediates,
            unscaled={number[tensor] for tensor in self.unscaled},
            inputs=[number[tensor] for tensor in inputs],
            outputs=[number[tensor] for tensor in outputs],
        )
        for step in self.steps:
            layers = [nodes[i] for i in step.layers]
            program.operators.append(
                Operator(
                    step.kind,
                    self._origin[step.layers[0]],
                    tuple(number[tensor] for tensor in step.reads),
                    number[step.writes],
                    _owned(step.constants, layers),
                    layers[0].name.split("/")[0],
                    tuple(number[tensor] for tensor in step.further),
                    step.transposed,
                    step.macs,
                )
            )
        return program


def _owned(constants: tuple[Constant, ...], layers: Sequence[Node]) -> tuple[Constant, ...]:
    """Constants of an operator, known to be shared where all that went into them is."""
    weighted = [node for node in layers if node.weights]
    if not weighted or any(node.layer is None for node in weighted):
        return constants
    owner = tuple((node.layer, node.kind) for node in weighted)
    return tuple(
        dataclasses.replace(constant, owner=constant.owner or (*owner, place))
        for place, constant in enumerate(constants)
    )

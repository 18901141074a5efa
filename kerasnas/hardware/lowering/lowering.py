"""From layers to the operators and tensors of the `.tflite` file that the exporter writes.

The converter folds batch normalization into the convolution before it, fuses activations, and
drops what inference does not need; costs of flash and RAM are those of what is left.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from typing import cast

from kerasnas.hardware.graph import Graph, Node, Shape
from kerasnas.hardware.lowering.merging import split_merges, twins
from kerasnas.hardware.lowering.program import (
    KERNEL_OPERATORS,
    Constant,
    Operator,
    Program,
    integers,
    without_ones,
)

# Operators that apply a relu to what they write.
_FUSING = {*KERNEL_OPERATORS, "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"}
_FUSED = {"RELU", "RELU6", "RELU_N1_TO_1"}
# Where others read it without its relu, the converter computes it twice.
_COPIED = "FULLY_CONNECTED"
# A relu after one of these is done before it, where that fuses it.
_MOVING = {"RESHAPE", "TRANSPOSE"}
_REDUCING = {"MEAN", "REDUCE_MAX"}
# Kernels that the int8 converter leaves in floating point.
_FLOAT_ONLY = {
    "CONV_3D",
    "CONV_3D_TRANSPOSE",
    "CEIL",
    "COS",
    "CUMSUM",
    "FLOOR",
    "NEG",
    "POW",
    "ROUND",
    "SIGN",
    "SIN",
    "SQUARE",
}
_FLOAT_READING = {*_FLOAT_ONLY, "NOT_EQUAL"}
# Kernels that the exporter leaves in floating point only where that is what they read.
_EITHER = {"ELU"}
# Kernels that read what they are given.
_ANY_FORM = {"CAST"}
# Kernels whose inputs must have the scale of their output, and those that always write another.
_ONE_SCALE = {"CONCATENATION", "MAXIMUM", "MINIMUM", "PACK"}
_FIXED_SCALE = {"L2_NORMALIZATION", "LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH"}
# Kernels that write integers where they read integers.
_INTEGER_PASSING = {"ADD", "CONCATENATION", "MAXIMUM", "MINIMUM", "MUL", "RESHAPE", "SUB"}
# Kernels that write truth values.
_LOGICAL = {"EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_NOT"}
_LOGICAL |= {"LOGICAL_OR", "NOT_EQUAL", "REDUCE_ANY"}

# Bytes of a value that is no float.
_WIDTHS = {"bool": 1, "int16": 2, "int32": 4, "int64": 8, "int8": 1, "uint16": 2, "uint32": 4}
_WIDTHS |= {"uint64": 8, "uint8": 1}

# What to write for one layer: (lowering, node, tensors read) -> tensor written.
Rule = Callable[["Lowering", Node, list[int]], int]
RULES: dict[str, Rule] = {}


def lowers(*kinds: str) -> Callable[[Rule], Rule]:
    """Register the rule for nodes of the given kinds."""

    def register(rule: Rule) -> Rule:
        for kind in kinds:
            RULES[kind] = rule
        return rule

    return register


def lower(graph: Graph, dtype: str = "int8") -> Program:
    """Translate a graph to the operators that its `.tflite` file will hold.

    Args:
        graph: A network.
        dtype: What the file is quantized to; "int8" leaves some kernels in floating point.

    Returns:
        Its program.

    Raises:
        ValueError: A layer or an activation that has no operator here.
    """
    return Lowering(graph, dtype).run()


@dataclasses.dataclass(slots=True, eq=False)
class _Step:
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


class Lowering:
    """The translation of one graph, operator by operator, as the converter would rewrite it.

    Args:
        graph: A network.
        dtype: What the file is quantized to.
    """

    def __init__(self, graph: Graph, dtype: str) -> None:
        self._graph, self._origin = split_merges(graph)
        self.dtype = dtype
        self._steps: list[_Step] = []
        self._shapes: list[Shape] = []
        self._widths: list[int] = []
        self._unscaled: set[int] = set()
        self._parts: dict[int, list[int]] = {}
        self._reshapes: dict[tuple[int, Shape], _Step] = {}
        self._conversions: dict[tuple[int, str], int] = {}
        self._states: list[int] = []
        self._intermediates = 0
        self._maker: dict[int, _Step] = {}
        # What dense layers read in the place of a tensor, and which of these are matrices of rows.
        self._lent: dict[int, int] = {}
        self._rows: set[int] = set()
        # How many operators, and outputs of the network, read a tensor.
        self._readers: dict[int, int] = {}
        self._index = 0
        # Whether the layer at hand keeps its offsets.
        self._takes = True

    def run(self) -> Program:
        """Translate the whole graph."""
        nodes = self._graph.nodes
        schedule = self._graph.schedule()
        same = twins(self._graph, schedule)
        readers, dense, borrowers = self._count_readers(schedule, same)
        value: dict[int, int] = {}
        inputs = []
        for index in schedule:
            node = nodes[index]
            if same[index] != index:
                continue
            self._index = index
            self._takes = not borrowers[index]
            if node.kind == "InputLayer":
                value[index] = self._input(index)
                inputs.append(value[index])
            else:
                reads = [value[same[i]] for i in node.inputs]
                if node.kind not in RULES:
                    raise ValueError(
                        f"Node {node.name!r} is of kind {node.kind!r}, of which no operators are "
                        f"known. A cost rule can add nodes of {', '.join(sorted(RULES))}"
                    )
                value[index] = RULES[node.kind](self, node, reads)
            # What hands its input on as it is has that input's other readers, too.
            through = value[index] in [value[same[i]] for i in node.inputs]
            others = self._readers[value[index]] - 1 if through else 0
            self._readers[value[index]] = readers[index] + others
            if dense[index] and node.kind == "Dense" and len(node.weights) == 1:
                self._lend_rows(value[index], dense[index])
            elif borrowers[index] and node.kind not in ("Flatten", "Reshape"):
                self._lend(value[index], borrowers[index])
        outputs = [value[same[i]] for i in self._graph.outputs]
        if self.dtype == "int8":
            outputs = [self._integer(x) for x in outputs]
        return self._program(inputs, outputs)

    def operator(
        self,
        kind: str,
        reads: Sequence[int],
        shape: Shape,
        constants: Sequence[Constant] = (),
        transposed: tuple[bool, bool] = (False, False),
        macs: int | None = None,
    ) -> int:
        """Append an operator.

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
        if self.dtype == "int8" and kind not in _ANY_FORM:
            floats = kind in _FLOAT_READING or (kind in _EITHER and self._widths[reads[0]] == 4)
            reads = [self._float(x) if floats else self._integer(x) for x in reads]
            if kind in _ONE_SCALE:
                reads = [self._requantized(x) for x in reads]
        floats = kind in {*_FLOAT_ONLY, "CAST"} or (kind in _EITHER and self._widths[reads[0]] == 4)
        width = 1 if kind in _LOGICAL else 4 if floats else self._width
        out = self._append(kind, list(reads), shape, tuple(constants), width)
        self._maker[out].transposed, self._maker[out].macs = transposed, macs
        moved = kind in _INTEGER_PASSING and set(reads) <= self._unscaled
        if moved:
            self._widths[out] = self._widths[reads[0]]
        if moved or kind in _LOGICAL:
            self._unscaled.add(out)
        return out

    def several(
        self,
        kind: str,
        reads: Sequence[int],
        shapes: Sequence[Shape],
        constants: Sequence[Constant] = (),
        all_read: bool = True,
    ) -> list[int]:
        """Append an operator of several outputs.

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
            reads = [self._float(x) for x in reads]
            first = self._append(kind, reads, shapes[0], tuple(constants), 4)
        else:
            first = self.operator(kind, reads, shapes[0], constants)
        step = self._maker[first]
        for shape in shapes[1:]:
            further = self._tensor(shape, self._widths[first])
            step.further += (further,)
            self._maker[further], self._readers[further] = step, 1
        self._parts[first] = [first, *step.further]
        return self._parts[first]

    def read_parts(self, node: Node) -> int:
        """How many of a node's outputs are read."""
        place = self._index
        live = self._graph.live()
        parts = [self._graph.nodes[i] for i in live if self._graph.nodes[i].kind == "Part"]
        return sum(part.inputs == (place,) for part in parts)

    def part(self, first: int, number: int) -> int:
        """One of the outputs of an operator of several, by its first output."""
        return self._parts[first][number]

    def in_floats(self, tensor: int) -> int:
        """A tensor in floating point, which an int8 file computes where it is not."""
        return self._float(tensor) if self.dtype == "int8" else tensor

    def holds_integers(self, tensor: int) -> bool:
        """Whether a tensor holds integers without a scale."""
        return tensor in self._unscaled

    def is_cast(self, tensor: int) -> bool:
        """Whether a tensor has just been cast from integers."""
        maker = self._maker.get(tensor)
        return maker is not None and maker.kind == "CAST"

    def indices(self, tensor: int) -> int:
        """Declare that a tensor holds integers of 32 bits."""
        self._widths[tensor] = 4
        self._unscaled.add(tensor)
        return tensor

    def intermediates(self, number: int) -> None:
        """Declare tensors that only carry the scales of what a kernel computes inside."""
        self._intermediates += number

    def state(self, values: int, width: int) -> None:
        """Declare a tensor that lasts between inferences, of so many values of so many bytes."""
        self._states.append(values * width)

    def shape(self, tensor: int) -> Shape:
        """Shape of a tensor, without the batch."""
        return self._shapes[tensor]

    def reshape(self, tensor: int, shape: Shape) -> int:
        """Append a reshape; one after another becomes one, and one to the same shape none."""
        if self._shapes[tensor] == shape:
            return tensor
        step = self._reshapes.get((tensor, shape))
        if step in self._steps:  # The converter keeps one of two that do the same.
            self._readers[tensor] -= 1
            self._readers[step.writes] += 1
            return step.writes
        maker = self._maker.get(tensor)
        same = without_ones(self._shapes[tensor]) == without_ones(shape)
        if (
            same
            and maker is not None
            and maker.kind in _REDUCING
            and self._readers[tensor] == 1
            and len(shape) <= len(self._shapes[maker.reads[0]])
        ):
            self._shapes[tensor] = shape  # It keeps the axes that it reduces.
            return tensor
        if maker is not None and maker.kind == "RESHAPE":
            (source,) = maker.reads
            if self._readers[tensor] == 1:
                self._steps.remove(maker)
            else:
                self._readers[tensor] -= 1
                self._readers[source] += 1
            tensor = source
            if self._shapes[tensor] == shape:
                return tensor
        out = self.operator("RESHAPE", [tensor], shape, [integers(1, *shape)])
        self._reshapes[tensor, shape] = self._maker[out]
        return out

    def before_reshapes(self, tensors: list[int]) -> list[int]:
        """What stands before reshapes that nothing else reads, which are dropped.

        Args:
            tensors: What an operator reads.

        Returns:
            What the reshapes read, if all are such reshapes of one shape; else the tensors.
        """
        makers = [self._maker.get(tensor) for tensor in tensors]
        reshapes = [
            maker
            for maker in makers
            if maker is not None and maker.kind == "RESHAPE" and self._readers[maker.writes] == 1
        ]
        sources = [reshape.reads[0] for reshape in reshapes]
        one_shape = len({self._shapes[source] for source in sources}) == 1
        if not one_shape or len(sources) < len(tensors) or len(tensors) < 2:
            return tensors
        for reshape in reshapes:
            self._steps.remove(reshape)
        return sources

    def affine(self, tensor: int, steps: Sequence[tuple[str, Constant]]) -> int:
        """Append factors and offsets, or fold them into the operator before.

        Args:
            tensor: What is scaled.
            steps: The operators in their order, MUL for a factor, ADD or SUB for an offset, each
                with its constant: a number, or one a channel.

        Returns:
            The result.
        """
        maker = self._foldable(tensor, KERNEL_OPERATORS)
        if maker is not None and steps:
            if not any(c.role == "bias" for c in maker.constants):
                channels = self._shapes[maker.writes][-1]
                maker.constants += (Constant((channels,), "bias", channels),)
            self._join(maker)
            return tensor
        values = max((constant.values for _, constant in steps), default=1)
        moved = self._moves_before(tensor, values)
        if moved is not None:
            return self._move(moved, self.affine(moved.reads[0], steps))
        for kind, constant in steps:
            tensor = self.operator(kind, [tensor], self._shapes[tensor], [constant])
        return tensor

    def _moves_before(self, tensor: int, values: int) -> _Step | None:
        """The reshape or transposition that factors of so many values move before, if any."""
        maker = self._maker.get(tensor)
        if maker is None or maker.kind not in _MOVING or self._readers[tensor] > 1:
            return None
        same_channels = self._shapes[maker.reads[0]][-1] == self._shapes[tensor][-1]
        return maker if values == 1 or (same_channels and maker.kind == "RESHAPE") else None

    def activation(self, tensor: int, kind: str, constants: Sequence[Constant] = ()) -> int:
        """Append an activation of one operator, or fuse it into the operator before.

        Args:
            tensor: What is activated; nothing else reads it.
            kind: TFLite's name of an operator that takes each value by itself, and that changes
                places with a reshape before it.
            constants: Numbers that it takes.

        Returns:
            The result.
        """
        if kind in _FUSED:
            last = self._maker.get(tensor)
            single = self._readers[tensor] == 1
            if last is not None and kind in (last.kind, last.activation):
                return tensor
            if last is not None and (last.kind, last.activation, single) == (_COPIED, None, False):
                return self._copy(last, tensor, kind)
            maker = self._foldable(tensor, _FUSING, fused=kind)
            if maker is not None:
                maker.activation = kind
                self._join(maker)
                return tensor
        moved = self._moves_before(tensor, values=1)
        if moved is not None and moved.kind == "RESHAPE":
            return self._move(moved, self.activation(moved.reads[0], kind, constants))
        return self.operator(kind, [tensor], self._shapes[tensor], constants)

    def _copy(self, maker: _Step, tensor: int, activation: str) -> int:
        """Append a second kernel that applies an activation, of what others read without it."""
        self._readers[tensor] -= 1
        for read in maker.reads:
            self._readers[read] = self._readers.get(read, 1) + 1
        # In an int8 file each has the bias for itself.
        maker.constants = tuple(
            constant
            if (self.dtype, constant.role) == ("int8", "bias")
            else dataclasses.replace(constant, owner=constant.owner or ("copied", tensor, place))
            for place, constant in enumerate(maker.constants)
        )
        shape, constants = self._shapes[tensor], maker.constants
        out = self._append(maker.kind, maker.reads, shape, constants, self._width)
        copy = self._maker[out]
        copy.layers, copy.activation = [*maker.layers, self._index], activation
        return out

    def _move(self, moved: _Step, source: int) -> int:
        """Let a reshape or a transposition come after what was done before it."""
        moved.reads = [source]
        self._steps.remove(moved)
        self._steps.append(moved)
        return moved.writes

    def without_padding(self, tensor: int, window: Sequence[int], strides: Sequence[int]) -> int:
        """Drop the zeros before a convolution where they are those that "same" would add.

        Args:
            tensor: What the convolution reads.
            window: Height and width of its kernel, dilation included.
            strides: Its strides.

        Returns:
            What it reads without them; `tensor` itself where they are others, or none.
        """
        maker = self._maker.get(tensor)
        if maker is None or maker.kind != "PAD":
            return tensor
        (source,) = maker.reads
        padding = cast("tuple[Shape, ...]", self._graph.nodes[maker.layers[0]].config[0])
        sides = zip(self._shapes[source], window, strides, padding, strict=False)
        for size, across, step, given in sides:
            total = max((-(-size // step) - 1) * step + across - size, 0)
            if given != (total // 2, total - total // 2):
                return tensor
        self._readers[tensor] -= 1
        if self._readers[tensor]:
            self._readers[source] += 1
        else:
            self._steps.remove(maker)
        return source

    def without_affine(self, tensor: int, offsets: bool) -> int:
        """Drop numbers as factors and offsets before a kernel, which takes them into its values.

        Args:
            tensor: What the kernel reads.
            offsets: Whether it takes offsets, too.

        Returns:
            What it reads without them; `tensor` itself where there are none.
        """
        maker = self._maker.get(tensor)
        while maker is not None and self._readers[maker.writes] == 1 and len(maker.reads) == 1:
            shape = maker.constants[0].shape if maker.constants else (0, 0)
            taken = maker.kind == "MUL" or (offsets and maker.kind == "ADD")
            if not taken or maker.activation or len(shape) > 0:
                break
            self._steps.remove(maker)
            tensor = maker.reads[0]
            maker = self._maker.get(tensor)
        return tensor

    def without_idle_reshape(self, tensor: int) -> int:
        """What stands before a reshape that only drops axes of length one, dropped here."""
        maker = self._maker.get(tensor)
        if maker is None or maker.kind != "RESHAPE" or self._readers[tensor] > 1:
            return tensor
        (source,) = maker.reads
        # Of a vector: the outputs of what has rows are reshaped in its place.
        if self._shapes[source][-1:] != self._shapes[tensor]:
            return tensor
        self._steps.remove(maker)
        return source

    def without_turn(self, tensor: int) -> tuple[int, bool]:
        """What stands before an exchange of the last two axes, which a product does itself.

        Returns:
            What a product reads, and whether it must exchange the axes.
        """
        maker = self._maker.get(tensor)
        if maker is None or maker.kind != "TRANSPOSE" or self._readers[tensor] > 1:
            return tensor, False
        *rest, last = range(len(self._shapes[tensor]) + 1)
        exchange = ("integers", *rest[:-1], last, rest[-1])
        if maker.constants[0].owner != exchange:
            return tensor, False
        self._steps.remove(maker)
        return maker.reads[0], True

    def _foldable(
        self, tensor: int, kinds: Collection[str], fused: str | None = None
    ) -> _Step | None:
        """The operator that can take over what is done to its output, seen through reshapes."""
        maker = self._maker.get(tensor)
        while maker is not None and self._readers.get(maker.writes, 1) == 1:
            if maker.kind in kinds and maker.activation in (None, fused):
                return maker
            if maker.kind not in _MOVING:
                return None
            maker = self._maker.get(maker.reads[0])
        return None

    def _join(self, maker: _Step) -> None:
        """Let an operator stand where the layer stands that is being fused into it."""
        maker.layers.append(self._index)
        if self._maker.get(maker.writes) is maker and self._steps[-1] is not maker:
            later = self._steps[self._steps.index(maker) + 1 :]
            if not any(maker.writes in step.reads for step in later):
                self._steps.remove(maker)
                self._steps.append(maker)

    @property
    def _width(self) -> int:
        return 1 if self.dtype == "int8" else 4

    def _append(
        self,
        kind: str,
        reads: list[int],
        shape: Shape,
        constants: tuple[Constant, ...],
        width: int,
    ) -> int:
        out = self._tensor(shape, width)
        step = _Step(kind, reads, out, constants, [self._index])
        self._steps.append(step)
        self._maker[out] = step
        self._readers[out] = 1
        return out

    def _input(self, index: int) -> int:
        """An input of the network, whose config names its dtype where that is no float."""
        node = self._graph.nodes[index]
        tensor = self._tensor(node.shape, self._width)
        if self.dtype == "int8":
            # The exporter reads pixels as floats, and indices in floats as integers.
            if node.config == ("uint8",) and self._all_cast(index, ()):
                return tensor
            if not node.config and self._all_cast(index, ("int32",)):
                return self.indices(tensor)
        if node.config:
            self._widths[tensor] = _WIDTHS[str(node.config[0])]
            self._unscaled.add(tensor)
        return tensor

    def _all_cast(self, index: int, target: tuple[object, ...]) -> bool:
        """Whether all that reads an input casts it, for another layer than a Dense."""

        def readers(of: int) -> list[int]:
            return [i for i, node in enumerate(self._graph.nodes) if of in node.inputs]

        def casts(i: int) -> bool:
            node = self._graph.nodes[i]
            if node.kind in ("Flatten", "Reshape"):
                return all(casts(reader) for reader in readers(i))
            kinds = [self._graph.nodes[reader].kind for reader in readers(i)]
            return node.kind == "Cast" and node.config == target and "Dense" not in kinds

        found = readers(index)
        return bool(found) and all(casts(i) for i in found)

    def _tensor(self, shape: Shape, width: int) -> int:
        self._shapes.append(shape)
        self._widths.append(width)
        return len(self._shapes) - 1

    def _float(self, tensor: int) -> int:
        if self._widths[tensor] == 4 or tensor in self._unscaled:
            return tensor
        return self._converted("DEQUANTIZE", tensor, 4)

    def _integer(self, tensor: int) -> int:
        if self._widths[tensor] == 1 or tensor in self._unscaled:
            return tensor
        return self._converted("QUANTIZE", tensor, 1)

    def _requantized(self, tensor: int) -> int:
        maker = self._maker.get(tensor)
        if maker is None or maker.kind not in _FIXED_SCALE:
            return tensor
        return self._converted("QUANTIZE", tensor, 1)

    def _converted(self, kind: str, tensor: int, width: int) -> int:
        """A tensor in another form, which the converter writes as soon as it is there."""
        if (tensor, kind) not in self._conversions:
            out = self._append(kind, [tensor], self._shapes[tensor], (), width)
            maker, step = self._maker.get(tensor), self._steps.pop()
            place = 0 if maker is None else self._steps.index(maker) + 1
            self._steps.insert(place, step)
            self._conversions[tensor, kind] = out
        return self._conversions[tensor, kind]

    def _count_readers(
        self, schedule: list[int], same: dict[int, int]
    ) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
        """How many read each node: nodes and outputs; dense layers; those that take its offset."""
        readers, dense, borrowers = ({i: 0 for i in schedule} for _ in range(3))
        for index in reversed(schedule):
            if same[index] != index:
                continue
            node = self._graph.nodes[index]
            # A dense layer whose own offset another one takes has none to add to.
            takes = node.kind == "Dense" and len(node.weights) > 1 and not borrowers[index]
            for i in node.inputs:
                readers[same[i]] += 1
                dense[same[i]] += node.kind == "Dense"
                borrowers[same[i]] += takes
        for index in self._graph.outputs:
            readers[same[index]] += 1
        return readers, dense, borrowers

    def lent(self, tensor: int, biased: bool) -> int:
        """What the dense layer at hand reads in the place of a tensor.

        Args:
            tensor: What the layer reads in the network.
            biased: Whether it has offsets of its own, to which others can be added.

        Returns:
            The tensor before them, or before it got back the axes that a kernel has no need of.
        """
        before = self._lent.get(tensor, tensor)
        return before if (biased and self._takes) or before in self._rows else tensor

    def rows(self, tensor: int) -> bool:
        """Whether a tensor is a matrix, though the layer that made it has more axes."""
        return tensor in self._rows

    def as_rows(self, tensor: int, shape: Shape) -> int:
        """Give a matrix the axes of its layer back."""
        self._rows.add(tensor)
        return self.operator("RESHAPE", [tensor], shape, [integers(1, *shape)])

    def _lend_rows(self, tensor: int, borrowers: int) -> None:
        """Let dense layers read the matrix that a dense layer without offsets makes."""
        shape, maker = self._shapes[tensor], self._maker[tensor]
        if len(shape) == 1:
            return
        others = self._readers[tensor] - borrowers
        if maker.kind != "RESHAPE":
            matrix = maker.writes = self._tensor((math.prod(shape[:-1]), shape[-1]), self._width)
            self._maker[matrix], self._readers[matrix] = maker, 1
            place = self._steps.index(maker) + 1
            out = self.as_rows(matrix, shape)
            maker = self._maker.pop(out)
            self._steps.insert(place, self._steps.pop())
            maker.writes, self._maker[tensor] = tensor, maker
        (matrix,) = maker.reads
        self._readers[tensor] = others
        self._readers[matrix] += borrowers if others else borrowers - 1
        if not others:
            self._steps.remove(maker)
        self._lent[tensor] = matrix

    def _lend(self, tensor: int, borrowers: int) -> None:
        """Let biased dense layers read a tensor as it is before its factors and offsets.

        They take these into their own values. What others read keeps them, as operators of their
        own, though a kernel could have held them.
        """
        others = self._readers[tensor] - borrowers
        self._split(tensor, alone=not others)
        source, steps = tensor, []
        while self._is_affine(source) and (source == tensor or self._readers[source] == 1):
            steps.append(self._maker[source])
            source = steps[-1].reads[0]
        if not steps:
            return
        self._readers[tensor] = others
        self._readers[source] += borrowers if others else borrowers - 1
        if not others:
            for step in steps:
                self._steps.remove(step)
        self._lent[tensor] = source

    def _is_affine(self, tensor: int) -> bool:
        """Whether a factor or an offset of constants makes a tensor: a number, or one a channel."""
        maker = self._maker.get(tensor)
        if maker is None or maker.kind not in ("ADD", "MUL") or maker.activation:
            return False
        return len(maker.reads) == 1 and len(maker.constants[0].shape) <= 1

    def _split(self, tensor: int, alone: bool) -> None:
        """Take the factors and offsets of a kernel out of it again, into operators of their own."""
        maker = self._maker.get(tensor)
        last = maker
        if maker is not None and maker.kind == "RESHAPE":
            maker = self._maker.get(maker.reads[0])
        if maker is None or last is None or maker.kind not in KERNEL_OPERATORS or maker.activation:
            return
        first, *joined = (self._graph.nodes[i] for i in maker.layers)
        if any(node.kind != "BatchNormalization" for node in joined):
            return
        # A convolution takes the factors.
        kinds = ["ADD"] if len(first.weights) > 1 or joined else []
        if maker.kind == _COPIED:
            kinds = ["ADD"] if len(first.weights) > 1 else []
            kinds += ["MUL", "ADD"] * len(joined)
        if kinds and maker.kind in (_COPIED, "TRANSPOSE_CONV"):
            maker.constants = tuple(c for c in maker.constants if c.role != "bias")
        if alone or not kinds:
            return
        shape = self._shapes[tensor]
        last.writes = before = self._tensor(shape, self._widths[tensor])
        self._maker[before], self._readers[before] = last, 1
        place = self._steps.index(last) + 1
        for kind in kinds:
            each = Constant((shape[-1],), "weight")
            before = self._append(kind, [before], shape, (each,), self._width)
            self._steps.insert(place, self._steps.pop())
            place += 1
        self._maker[before].writes = tensor
        self._maker[tensor] = self._maker.pop(before)

    def _program(self, inputs: list[int], outputs: list[int]) -> Program:
        """What is left, with the tensors numbered anew."""
        number: dict[int, int] = {}
        written = (x for step in self._steps for x in (step.writes, *step.further))
        for tensor in [*inputs, *written]:
            number.setdefault(tensor, len(number))
        nodes = self._graph.nodes
        program = Program(
            self.dtype,
            activations=[self._shapes[tensor] for tensor in number],
            widths=[self._widths[tensor] for tensor in number],
            states=self._states,
            intermediates=self._intermediates,
            unscaled={number[tensor] for tensor in self._unscaled},
            inputs=[number[tensor] for tensor in inputs],
            outputs=[number[tensor] for tensor in outputs],
        )
        for step in self._steps:
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

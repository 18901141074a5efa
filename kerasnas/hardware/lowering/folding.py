"""What the converter folds into an operator, fuses with it, moves or drops."""

import dataclasses
from collections.abc import Collection, Sequence
from typing import cast

from kerasnas.hardware.graph import Shape
from kerasnas.hardware.lowering.program import KERNEL_OPERATORS, Constant
from kerasnas.hardware.lowering.tape import Step, Tape

# Operators that apply a relu to what they write.
_FUSING = {*KERNEL_OPERATORS, "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"}
_FUSED = {"RELU", "RELU6", "RELU_N1_TO_1"}
# If other layers read its output without the relu, the converter computes it a second time.
_COPIED = "FULLY_CONNECTED"
# A relu behind one of these moves before it, if it can then be fused.
_MOVING = {"RESHAPE", "TRANSPOSE"}


def affine(to: Tape, tensor: int, steps: Sequence[tuple[str, Constant]]) -> int:
    """Appends factors and offsets, or folds them into the operator before.

    `steps` are the operators in their order, MUL for a factor, ADD or SUB for an offset, each with
    its constant: a number, or one a channel.
    """
    maker = _foldable(to, tensor, KERNEL_OPERATORS)
    if maker is not None and steps:
        if not any(c.role == "bias" for c in maker.constants):
            channels = to.shapes[maker.writes][-1]
            maker.constants += (Constant((channels,), "bias", channels),)
        _join(to, maker)
        return tensor
    values = max((constant.values for _, constant in steps), default=1)
    moved = _moves_before(to, tensor, values)
    if moved is not None:
        return _move(to, moved, affine(to, moved.reads[0], steps))
    for kind, constant in steps:
        tensor = to.operator(kind, [tensor], to.shapes[tensor], [constant])
    return tensor


def activation(to: Tape, tensor: int, kind: str, constants: Sequence[Constant] = ()) -> int:
    """Appends an activation of one operator, or fuses it into the operator before.

    `kind` is TFLite's name of an operator that takes each value by itself, and that changes places
    with a reshape before it. Nothing else reads the tensor.
    """
    if kind in _FUSED:
        last = to.maker.get(tensor)
        single = to.readers[tensor] == 1
        if last is not None and kind in (last.kind, last.activation):
            return tensor
        if last is not None and (last.kind, last.activation, single) == (_COPIED, None, False):
            return _copy(to, last, tensor, kind)
        maker = _foldable(to, tensor, _FUSING, fused=kind)
        if maker is not None:
            maker.activation = kind
            _join(to, maker)
            return tensor
    moved = _moves_before(to, tensor, values=1)
    if moved is not None and moved.kind == "RESHAPE":
        return _move(to, moved, activation(to, moved.reads[0], kind, constants))
    return to.operator(kind, [tensor], to.shapes[tensor], constants)


def before_reshapes(to: Tape, tensors: list[int]) -> list[int]:
    """Returns what the reshapes that an operator reads are made of, and drops the reshapes.

    The tensors are returned as they are unless all are such reshapes, of tensors of one shape, that
    nothing else reads.
    """
    makers = (to.maker[tensor] for tensor in tensors if tensor in to.maker)
    reshapes = [m for m in makers if m.kind == "RESHAPE" and to.readers[m.writes] == 1]
    sources = [reshape.reads[0] for reshape in reshapes]
    one_shape = len({to.shapes[source] for source in sources}) == 1
    if not one_shape or len(sources) < len(tensors) or len(tensors) < 2:
        return tensors
    for reshape in reshapes:
        to.steps.remove(reshape)
    return sources


def without_padding(to: Tape, tensor: int, window: Sequence[int], strides: Sequence[int]) -> int:
    """Drops the zeros before a convolution if "same" would add the same ones.

    Returns what it reads without them; `tensor` itself where they are others, or none. `window` is
    the size of its kernel, dilation included.
    """
    maker = to.maker.get(tensor)
    if maker is None or maker.kind != "PAD":
        return tensor
    (source,) = maker.reads
    padding = cast("tuple[Shape, ...]", to.graph.nodes[maker.layers[0]].config[0])
    sides = zip(to.shapes[source], window, strides, padding, strict=False)
    for size, across, step, given in sides:
        total = max((-(-size // step) - 1) * step + across - size, 0)
        if given != (total // 2, total - total // 2):
            return tensor
    to.readers[tensor] -= 1
    if to.readers[tensor]:
        to.readers[source] += 1
    else:
        to.steps.remove(maker)
    return source


def without_affine(to: Tape, tensor: int, offsets: bool) -> int:
    """Drops numbers as factors and offsets before a kernel, which takes them into its values.

    Returns what it reads without them. It takes the offsets only if `offsets` says so.
    """
    maker = to.maker.get(tensor)
    while maker is not None and to.readers[maker.writes] == 1 and len(maker.reads) == 1:
        shape = maker.constants[0].shape if maker.constants else (0, 0)
        taken = maker.kind == "MUL" or (offsets and maker.kind == "ADD")
        if not taken or maker.activation or len(shape) > 0:
            break
        to.steps.remove(maker)
        tensor = maker.reads[0]
        maker = to.maker.get(tensor)
    return tensor


def without_idle_reshape(to: Tape, tensor: int) -> int:
    """Drops a reshape that only removes axes of length one, and returns what it reads."""
    maker = to.maker.get(tensor)
    if maker is None or maker.kind != "RESHAPE" or to.readers[tensor] > 1:
        return tensor
    (source,) = maker.reads
    # Only for vectors: if the source has rows, the output is reshaped instead.
    if to.shapes[source][-1:] != to.shapes[tensor]:
        return tensor
    to.steps.remove(maker)
    return source


def without_turn(to: Tape, tensor: int) -> tuple[int, bool]:
    """Drops an exchange of the last two axes, which a product of matrices does itself.

    Returns what the product reads, and whether it must exchange the axes.
    """
    maker = to.maker.get(tensor)
    if maker is None or maker.kind != "TRANSPOSE" or to.readers[tensor] > 1:
        return tensor, False
    *rest, last = range(len(to.shapes[tensor]) + 1)
    exchange = ("integers", *rest[:-1], last, rest[-1])
    if maker.constants[0].owner != exchange:
        return tensor, False
    to.steps.remove(maker)
    return maker.reads[0], True


def _moves_before(to: Tape, tensor: int, values: int) -> Step | None:
    """Returns the reshape or transposition that so many factors move before, or None."""
    maker = to.maker.get(tensor)
    if maker is None or maker.kind not in _MOVING or to.readers[tensor] > 1:
        return None
    same_channels = to.shapes[maker.reads[0]][-1] == to.shapes[tensor][-1]
    return maker if values == 1 or (same_channels and maker.kind == "RESHAPE") else None


def _copy(to: Tape, maker: Step, tensor: int, activation: str) -> int:
    """Appends a second kernel with an activation, since others read the first without it."""
    to.readers[tensor] -= 1
    for read in maker.reads:
        to.readers[read] = to.readers.get(read, 1) + 1
    # In an int8 file each has a bias of its own.
    maker.constants = tuple(
        constant
        if (to.dtype, constant.role) == ("int8", "bias")
        else dataclasses.replace(constant, owner=constant.owner or ("copied", tensor, place))
        for place, constant in enumerate(maker.constants)
    )
    shape, constants = to.shapes[tensor], maker.constants
    out = to.append(maker.kind, maker.reads, shape, constants, to.width)
    copy = to.maker[out]
    copy.layers, copy.activation = [*maker.layers, to.index], activation
    return out


def _move(to: Tape, moved: Step, source: int) -> int:
    """Moves a reshape or a transposition behind what was done to its output."""
    moved.reads = [source]
    to.steps.remove(moved)
    to.steps.append(moved)
    return moved.writes


def _foldable(
    to: Tape, tensor: int, kinds: Collection[str], fused: str | None = None
) -> Step | None:
    """Returns the operator, before reshapes, that can take over what is done to its output."""
    maker = to.maker.get(tensor)
    while maker is not None and to.readers.get(maker.writes, 1) == 1:
        if maker.kind in kinds and maker.activation in (None, fused):
            return maker
        if maker.kind not in _MOVING:
            return None
        maker = to.maker.get(maker.reads[0])
    return None


def _join(to: Tape, maker: Step) -> None:
    """Moves an operator to the place of the layer that is fused into it."""
    maker.layers.append(to.index)
    if to.maker.get(maker.writes) is maker and to.steps[-1] is not maker:
        later = to.steps[to.steps.index(maker) + 1 :]
        if not any(maker.writes in step.reads for step in later):
            to.steps.remove(maker)
            to.steps.append(maker)

"""Bytes of the `.tflite` file: constants, and what the flatbuffer adds to them.

Values, names, shapes and scales are counted; what the flatbuffer's tables take beside is fitted by
`benchmarks/cost_model.py --fit` to files that the exporter wrote.
"""

import collections
import dataclasses
import math
from collections.abc import Sequence

from kerasnas.hardware.lowering import KERNEL_OPERATORS, Constant, Operator, Program

_ALIGNMENT = 16
# Scale (float32) and zero point (int64) of one quantized channel.
_SCALE_BYTES = 12
# The converter leaves smaller kernels in floating point when only weights are quantized.
_LEAST_DYNAMIC = 1024
# Bytes of the name of an input or an output, with its padding.
_END_BYTES = 28
# The same for a state, whose name is not known here.
_OTHER_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Overhead:
    """Bytes that the file's tables take.

    Args:
        file: Once a file.
        kind: For each kind of operator that occurs.
        operator: For each operator.
        tensor: For each tensor, its entry in the list of buffers included.
        constant: More for each tensor with values.
        quantized: More for each tensor with scales.
        end: For each input and output of the network.
    """

    file: float
    kind: float
    operator: float
    tensor: float
    constant: float
    quantized: float
    end: float


OVERHEADS = {
    "int8": Overhead(
        file=558, kind=35.7, operator=38.8, tensor=37, constant=24.4, quantized=30.1, end=20
    ),
    "float32": Overhead(
        file=596, kind=29.2, operator=40.6, tensor=42.8, constant=25.6, quantized=0, end=20
    ),
    "float16": Overhead(
        file=764, kind=21.5, operator=57.1, tensor=30.9, constant=16.5, quantized=0, end=20
    ),
    "dynamic": Overhead(
        file=615, kind=29.8, operator=39.5, tensor=42.4, constant=25.7, quantized=44.1, end=20
    ),
}


@dataclasses.dataclass(slots=True)
class Contents:
    """What a file, or a part of it, is made of: how often each `Overhead` occurs in it.

    Args:
        counted: Bytes of values, names, shapes, scales and references.
        file: 1 for a whole file.
        kind: Number of kinds of operators.
        operator: Number of operators.
        tensor: Number of tensors.
        constant: Number of those with values.
        quantized: Number of those with scales.
        end: Number of the network's inputs and outputs.
    """

    counted: int = 0
    file: int = 0
    kind: int = 0
    operator: int = 0
    tensor: int = 0
    constant: int = 0
    quantized: int = 0
    end: int = 0

    def bytes(self, cost: Overhead) -> float:
        """Returns the bytes that they take in the file."""
        return float(self.counted + sum(getattr(self, n) * getattr(cost, n) for n in _OVERHEADS))


_OVERHEADS = tuple(field.name for field in dataclasses.fields(Overhead))


def _contents(
    program: Program,
    operator: Operator,
    constants: Sequence[Constant],
    named: collections.Counter[str],
) -> Contents:
    """Returns what an operator, its output and some of its constants add to the file.

    `named` counts the tensors that have the name of a layer.
    """
    dtype = program.dtype

    def name_bytes() -> int:
        number = named[operator.layer]
        named[operator.layer] += 1
        name = f"{operator.layer}/{number}" if number else operator.layer
        return len(name) // 4 * 4 + 4

    found = Contents(counted=4 * len(operator.reads), operator=1, tensor=len(operator.outputs))
    for index in operator.outputs:
        found.counted += _END_BYTES if index in program.outputs else name_bytes()
        found.counted += 4 * (2 + len(program.activations[index]))
        if program.has_scale(index):
            found.quantized += 1
            found.counted += _SCALE_BYTES
    for constant in constants:
        width = _width(operator, constant, dtype)
        found.tensor += 1
        found.constant += 1
        data = math.ceil(width * constant.values / _ALIGNMENT) * _ALIGNMENT
        found.counted += data + name_bytes() + 4 * (1 + len(constant.shape))
        if constant.role in ("weight", "bias") and (width == 1 or dtype == "int8"):
            found.quantized += 1
            found.counted += _SCALE_BYTES * constant.scales
        if constant.role != "operand" and dtype == "float16":
            # The operator and the tensor that turn its values into float32 before they are used.
            found.operator += 1
            found.tensor += 1
            found.counted += name_bytes() + 4 * (3 + len(constant.shape))
    return found


def _width(operator: Operator, constant: Constant, dtype: str) -> int:
    """Returns the bytes of one value of a constant."""
    if constant.role in ("operand", "float") or dtype == "float32":
        return 4
    if dtype == "float16":
        return 2
    if constant.role == "bias":
        return 4
    if dtype == "int8":
        return 1
    large = operator.kind in KERNEL_OPERATORS and constant.values >= _LEAST_DYNAMIC
    return 1 if large else 4


def operator_bytes(program: Program) -> list[float]:
    """Returns the bytes that each operator, its output and its constants add to the file.

    A constant that several operators read is counted with the first of them.
    """
    return [part.bytes(OVERHEADS[program.dtype]) for part in _parts(program)]


def _parts(program: Program) -> list[Contents]:
    own: dict[int, list[Constant]] = {id(operator): [] for operator in program.operators}
    for operator, constant in program.constants():
        own[id(operator)].append(constant)
    named: collections.Counter[str] = collections.Counter()
    return [_contents(program, one, own[id(one)], named) for one in program.operators]


def _input_contents(program: Program) -> Contents:
    """Returns what the tensors that no operator writes add to the file."""
    others = len(program.states) + program.intermediates
    found = Contents(tensor=len(program.inputs) + others)
    # Each state has a name, and a shape of two numbers.
    found.counted = others * (_OTHER_BYTES + 4 * 3)
    if program.dtype == "int8":
        found.quantized += others
        found.counted += others * _SCALE_BYTES
    for index in program.inputs:
        found.counted += _END_BYTES + 4 * (1 + len(program.activations[index]))
        if program.has_scale(index):
            found.quantized += 1
            found.counted += _SCALE_BYTES
    return found


def contents(program: Program) -> Contents:
    """Returns all that the file of a network is made of."""
    parts = [_input_contents(program), *_parts(program)]
    found = Contents(
        file=1,
        kind=len({operator.kind for operator in program.operators}),
        end=len(program.inputs) + len(program.outputs),
    )
    for name in ("counted", "operator", "tensor", "constant", "quantized"):
        setattr(found, name, sum(getattr(part, name) for part in parts))
    return found


def flash_bytes(program: Program) -> int:
    """Returns the estimated bytes of the `.tflite` file of a network."""
    return round(contents(program).bytes(OVERHEADS[program.dtype]))

"""Bytes of the `.tflite` file: constants, and what the flatbuffer adds to them.

Values, names, shapes and scales are counted; what the flatbuffer's tables take beside is fitted by
`benchmarks/cost_model.py --fit` to files that the exporter wrote.
"""

import dataclasses
import math
from collections.abc import Sequence

from kerasnas.hardware.lowering import KERNEL_OPERATORS, Constant, Operator, Program
from kerasnas.hardware.lowering.naming import END_BYTES

_ALIGNMENT = 16
# Scale (float32) and zero point (int64) of one quantized channel.
_SCALE_BYTES = 12
# The converter leaves smaller kernels in floating point when only weights are quantized.
_LEAST_DYNAMIC = 1024


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
        file=558, kind=55.1, operator=0, tensor=33.1, constant=37.7, quantized=35, end=20
    ),
    "float32": Overhead(
        file=546, kind=31.7, operator=0, tensor=62, constant=15.4, quantized=0, end=20
    ),
    "float16": Overhead(
        file=511, kind=0, operator=0, tensor=59.4, constant=115, quantized=0, end=20
    ),
    "dynamic": Overhead(
        file=467, kind=40.9, operator=14.2, tensor=66.7, constant=0, quantized=25.9, end=20
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
        """What they take in the file."""
        return self.counted + sum(getattr(self, n) * getattr(cost, n) for n in _OVERHEADS)


_OVERHEADS = tuple(field.name for field in dataclasses.fields(Overhead))


def _contents(program: Program, operator: Operator, constants: Sequence[Constant]) -> Contents:
    """What one operator, its output and these constants of it add to the file."""
    dtype, rank = program.dtype, len(program.activations[operator.writes])
    found = Contents(operator=1, tensor=1)
    found.counted = operator.name_bytes + 4 * (2 + rank + len(operator.reads))
    if dtype == "int8" and program.widths[operator.writes] == 1:
        found.quantized += 1
        found.counted += _SCALE_BYTES
    for constant in constants:
        width = _width(operator, constant, dtype)
        found.tensor += 1
        found.constant += 1
        data = width * constant.values
        found.counted += math.ceil(data / _ALIGNMENT) * _ALIGNMENT + 4 * (1 + len(constant.shape))
        if constant.role != "operand" and (width == 1 or dtype == "int8"):
            found.quantized += 1
            found.counted += _SCALE_BYTES * constant.scales
        if constant.role != "operand" and dtype == "float16":
            # Its values in 32 bits, which the file computes before they are used.
            found.operator += 1
            found.tensor += 1
            found.counted += 4 * (3 + len(constant.shape))
    return found


def _width(operator: Operator, constant: Constant, dtype: str) -> int:
    """Bytes of one value of a constant."""
    if constant.role == "operand" or dtype == "float32":
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
    """Bytes that each operator, its output and its constants add to the file.

    A constant that several operators read is counted with the first of them.
    """
    return [part.bytes(OVERHEADS[program.dtype]) for part in _parts(program)]


def _parts(program: Program) -> list[Contents]:
    own: dict[int, list[Constant]] = {id(operator): [] for operator in program.operators}
    for operator, constant in program.constants():
        own[id(operator)].append(constant)
    return [_contents(program, one, own[id(one)]) for one in program.operators]


def _input_contents(program: Program) -> Contents:
    """What the tensors are made of that no operator writes."""
    others = len(program.states) + program.intermediates
    found = Contents(tensor=len(program.inputs) + others)
    for index in program.inputs:
        found.counted += END_BYTES + 4 * (1 + len(program.activations[index]))
    if program.dtype == "int8":
        found.quantized = len(program.inputs)
        found.counted += _SCALE_BYTES * len(program.inputs)
    return found


def contents(program: Program) -> Contents:
    """What the whole file is made of.

    Args:
        program: A lowered network.

    Returns:
        Its contents.
    """
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
    """Bytes of the whole file.

    Args:
        program: A lowered network.

    Returns:
        Estimated size of the `.tflite` file.
    """
    return round(contents(program).bytes(OVERHEADS[program.dtype]))

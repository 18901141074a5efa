"""Bytes of the `.tflite` file: constants, and what the flatbuffer adds to them.

The overheads are fitted by `benchmarks/cost_model.py --fit` to files that the exporter wrote for
random networks of both spaces.
"""

import dataclasses
import math

from kerasnas.hardware.lowering import Operator, Program

_ALIGNMENT = 16
# Scale (float32) and zero point (int64) of one quantized channel.
_SCALE_BYTES = 12


@dataclasses.dataclass(frozen=True)
class Overhead:
    """Bytes that the file spends beside the values of its constants and the names of its tensors.

    Args:
        file: Once a file.
        kind: For each kind of operator that occurs.
        operator: For each operator.
        tensor: For each tensor, its buffer included.
    """

    file: float
    kind: float
    operator: float
    tensor: float


OVERHEADS = {
    "float32": Overhead(file=451, kind=43.8, operator=35.5, tensor=74.7),
    "int8": Overhead(file=329, kind=102, operator=34.5, tensor=93.6),
}


def constant_bytes(operator: Operator, dtype: str) -> int:
    """Bytes of the operator's constants with their quantization scales, as the file aligns them."""
    total = 0
    for constant in operator.constants:
        data = constant.data_bytes(dtype)
        total += math.ceil(data / _ALIGNMENT) * _ALIGNMENT
        if dtype == "int8":
            total += _SCALE_BYTES * constant.scales
    return total


def operator_bytes(operator: Operator, dtype: str) -> float:
    """Bytes that one operator, its constants and its output add to the file."""
    cost = OVERHEADS[dtype]
    tensors = cost.tensor * (1 + len(operator.constants))
    return constant_bytes(operator, dtype) + operator.name_bytes + cost.operator + tensors


def flash_bytes(program: Program, dtype: str) -> int:
    """Bytes of the whole file.

    Args:
        program: A lowered network.
        dtype: "int8" for full integer post-training quantization, or "float32".

    Returns:
        Estimated size of the `.tflite` file.
    """
    cost = OVERHEADS[dtype]
    kinds = len({operator.kind for operator in program.operators})
    inputs = cost.tensor * len(program.inputs)
    operators = sum(operator_bytes(operator, dtype) for operator in program.operators)
    return round(cost.file + cost.kind * kinds + inputs + operators)

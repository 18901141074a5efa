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
    """Bytes that the file spends beside the values of its constants.

    Args:
        file: Once a file.
        operator: For each operator.
        tensor: For each tensor, its buffer included.
        name: For each character of the layer names that were fused into an operator, once for
            each tensor named after them.
    """

    file: float
    operator: float
    tensor: float
    name: float


OVERHEADS = {
    "float32": Overhead(file=2134, operator=68.2, tensor=61.9, name=0.87),
    "int8": Overhead(file=3220, operator=136.8, tensor=12.3, name=1.47),
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


def name_characters(operator: Operator) -> int:
    """Characters of the names in the operator's tensors: it and its constants bear all of them."""
    named = 1 + sum(constant.role != "operand" for constant in operator.constants)
    return named * sum(len(name) for name in operator.names)


def operator_bytes(operator: Operator, dtype: str) -> float:
    """Bytes that one operator, its constants and its output add to the file."""
    cost = OVERHEADS[dtype]
    tensors = 1 + len(operator.constants)
    return (
        constant_bytes(operator, dtype)
        + cost.operator
        + cost.tensor * tensors
        + cost.name * name_characters(operator)
    )


def flash_bytes(program: Program, dtype: str) -> int:
    """Bytes of the whole file.

    Args:
        program: A lowered network.
        dtype: "int8" for full integer post-training quantization, or "float32".

    Returns:
        Estimated size of the `.tflite` file.
    """
    total = OVERHEADS[dtype].file + sum(operator_bytes(o, dtype) for o in program.operators)
    return round(total)

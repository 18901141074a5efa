"""The operators of a `.tflite` file that multiply by a kernel, which is their second input."""

from typing import NamedTuple


class Kernel(NamedTuple):
    """Where such an operator has its other operands.

    Args:
        reads: Position among its inputs of the tensor that it multiplies.
        bias: Position of the bias, which may be missing.
    """

    reads: int
    bias: int


# By TFLite's name of the operator. The first input of a TRANSPOSE_CONV is the shape of its output.
KERNELS = {
    "CONV_2D": Kernel(0, 2),
    "DEPTHWISE_CONV_2D": Kernel(0, 2),
    "FULLY_CONNECTED": Kernel(0, 2),
    "TRANSPOSE_CONV": Kernel(2, 3),
}

"""One table of the activations of Keras, and of other functions of one value at a time.

Each room reads the facts that it needs: the cost model how the converter writes a function, the
bridge whether Keras 2 has it, quantization-aware training whether it has an 8-bit form, structured
pruning whether it computes a channel from others. A new activation is one row here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Function:
    """What is known of a function.

    Args:
        operators: TensorFlow Lite's operators that compute it, in their order, such as
            `"ABS x; ADD 0 =1; DIV x 1"`. Of the operands, `x` is what the function reads, `first`
            and `second` are the halves of its last axis, a number is the output of the operator at
            that place, `=1` is the constant 1, of which a file has one, `c` is a constant that the
            layer's arguments make, and `f` is one that stays in floating point. None where the
            operators are not known, or a device has none.
        operations: Class names of the operations of `keras.ops` that compute it.
        only: The settings of such an operation, by attribute, with which it is this function.
        in_keras_2: `"equal"` if Keras 2 has the same function, `"given"` if it lacks it or has
            another one of the name, so that the bridge gives it ours; None for what is no
            activation there.
        eight_bits: Whether quantization-aware training can learn the range of its output.
        mixes_channels: Whether it computes a channel from other channels.
    """

    operators: str | None
    operations: tuple[str, ...] = ()
    only: Mapping[str, Any] = field(default_factory=dict)
    in_keras_2: Literal["equal", "given"] | None = None
    eight_bits: bool = False
    mixes_channels: bool = False


def _equal(operators: str, *operations: str, eight_bits: bool = False) -> Function:
    """Returns a function that Keras 2 has in the same form: equal values on [-8, 8]."""
    return Function(operators, operations, in_keras_2="equal", eight_bits=eight_bits)


def _given(operators: str | None, *operations: str, **only: Any) -> Function:
    """Returns a function that Keras 2 lacks, or has otherwise."""
    return Function(operators, operations, only, "given")


# By the name that Keras has for it.
ACTIVATIONS: dict[str, Function] = {
    "celu": _given("RELU x; MINIMUM x =0; EXP 1; SUB 2 =1; ADD 0 3", "Celu", alpha=1.0),
    "elu": _equal("ELU x", "Elu"),
    "exponential": _equal("EXP x", "Exp"),
    "gelu": _equal("GELU x", "Gelu", eight_bits=True),
    "gelu_tanh": _given(None),
    "glu": Function(
        "LOGISTIC second; MUL first 0", ("Glu",), {"axis": -1}, "given", mixes_channels=True
    ),
    "hard_shrink": _given("ABS x; GREATER 0 =.5; SELECT_V2 1 x =0", "HardShrink", threshold=0.5),
    # The hard_sigmoid of Keras 2 has another slope.
    "hard_sigmoid": _given("ADD x =3; RELU6 0; MUL 1 =1/6", "HardSigmoid"),
    "hard_silu": Function("HARD_SWISH x", ("HardSilu",), {}, "given", eight_bits=True),
    "hard_swish": Function("HARD_SWISH x"),
    "hard_tanh": _given("RELU_N1_TO_1 x", "HardTanh"),
    "leaky_relu": _equal("LEAKY_RELU x", "LeakyRelu"),
    "linear": _equal("", eight_bits=True),
    "log_sigmoid": _given("NEG x; EXP 0; ADD 1 =1; LOG 2; NEG 3", "LogSigmoid"),
    "log_softmax": Function(
        "LOG_SOFTMAX x", ("LogSoftmax",), {"axis": -1}, "equal", mixes_channels=True
    ),
    "mish": _equal("EXP x; ADD 0 =1; LOG 1; TANH 2; MUL x 3"),
    "relu": _equal("RELU x", "Relu", eight_bits=True),
    "relu6": _equal("RELU6 x", "Relu6", eight_bits=True),
    "selu": _equal("GREATER x =0; MUL x =1.05; EXP x; SUB 2 =1; MUL 3 =1.76; SELECT 0 1 4", "Selu"),
    "sigmoid": _equal("LOGISTIC x", "Sigmoid", eight_bits=True),
    "silu": _equal("LOGISTIC x; MUL x 0", "Silu", eight_bits=True),
    "soft_shrink": _given(
        "ABS x; GREATER 0 =.5; SIGN x; MUL 2 =.5; SUB x 3; SELECT_V2 1 4 =0",
        "SoftShrink",
        threshold=0.5,
    ),
    "softmax": Function(
        "SOFTMAX x", ("Softmax",), in_keras_2="equal", eight_bits=True, mixes_channels=True
    ),
    "softplus": _equal("EXP x; ADD 0 =1; LOG 1", "Softplus"),
    "softsign": _equal("ABS x; ADD 0 =1; DIV x 1", "Softsign"),
    "sparse_plus": _given(
        "LESS x =1; LESS_EQUAL x =-1; ADD x =1; MUL 2 2; MUL 3 =.25; SELECT 0 4 x; "
        "SELECT_V2 1 =0 5",
        "SparsePlus",
    ),
    "sparse_sigmoid": _given("ADD x =1; MUL 0 =.5; MINIMUM 1 =1; RELU 2", "SparseSigmoid"),
    "sparsemax": Function(None, ("Sparsemax",), {"axis": -1}, "given", mixes_channels=True),
    "squareplus": _given("MUL x x; ADD 0 =4; SQRT 1; ADD x 2; MUL 3 =.5", "Squareplus", b=4),
    "swish": Function("LOGISTIC x; MUL x 0"),
    "tanh": _equal("TANH x", "Tanh", eight_bits=True),
    "tanh_shrink": _given("TANH x; SUB x 0", "TanhShrink"),
}

# Functions that are no activation of Keras, by the name that the cost model has for them.
FUNCTIONS: dict[str, Function] = {
    "abs": Function("ABS x", ("Abs", "Absolute")),
    "ceil": Function("CEIL x", ("Ceil",)),
    "clip": Function("MINIMUM x c; MAXIMUM 0 c"),
    "cos": Function("COS x", ("Cos",)),
    "expm1": Function("EXP x; SUB 0 =1", ("Expm1",)),
    "floor": Function("FLOOR x", ("Floor",)),
    "log": Function("LOG x", ("Log",)),
    "log1p": Function("ADD x =1; LOG 0", ("Log1p",)),
    "negative": Function("NEG x", ("Negative",)),
    "not": Function("LOGICAL_NOT x", ("LogicalNot",)),
    "power": Function("POW x f"),
    "reciprocal": Function("DIV x =1", ("Reciprocal",)),
    # A relu that is cut at another height than 6.
    "relu_cut": Function("RELU x; MINIMUM 0 c; RELU 1"),
    "relu_slope": Function("NEG x; RELU 0; MUL 1 c; RELU x; MINIMUM 3 c; RELU 4; SUB 5 2"),
    "relu_threshold": Function("GREATER x c; CAST 0; MUL x 1"),
    "round": Function("ROUND x", ("Round",)),
    "rsqrt": Function("RSQRT x", ("Rsqrt",)),
    "sign": Function("SIGN x", ("Sign",)),
    "sin": Function("SIN x", ("Sin",)),
    "sqrt": Function("SQRT x", ("Sqrt",)),
    # The exporter has no 8 bits for an operator of its own.
    "times_itself": Function("MUL x x", ("Square",)),
}


def by_operation(table: Mapping[str, Function]) -> Iterator[tuple[str, str, Function]]:
    """Returns the operations of `keras.ops` that compute the functions of a table.

    Args:
        table: `ACTIVATIONS` or `FUNCTIONS`.

    Yields:
        The class name of an operation, the name of its function, and what is known of it.
    """
    for name, function in table.items():
        for operation in function.operations:
            yield operation, name, function

"""The operations that a search chooses from, by name."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from kerasnas.hardware.sketch import Sketch
from kerasnas.hypermodels import layers
from kerasnas.hypermodels.layers import Tensor

# What a block decides beside its operation; an operation lists those that it heeds.
DECISIONS = ("filters", "activation", "normalization", "skip")
_CODE = re.compile(r"([a-z]+)(?:(\d+)x(\d+))?((?:_[a-z][0-9.]+)*)")


@dataclasses.dataclass(frozen=True)
class Operation:
    """A registered operation.

    Args:
        name: What a search calls it.
        build: Function of a Keras tensor and settings; returns a Keras tensor, or None where the
            operation drops the edge.
        cost: The same function of a `Sketch`.
        parameters: Values to search for each parameter of its own, such as the kernel.
        decisions: Which decisions of a block it heeds, among `DECISIONS` and "order".
    """

    name: str
    build: Callable[..., Tensor]
    cost: Callable[..., Tensor]
    parameters: dict[str, tuple[Any, ...]]
    decisions: frozenset[str]

    def __call__(self, x: Tensor, **settings: Any) -> Tensor:
        """Applies it to a Keras tensor or to a sketch."""
        return (self.cost if isinstance(x, Sketch) else self.build)(x, **settings)


class UnknownOperation(ValueError):
    """A name that no operation was registered under: a slip, wherever in the space it stands."""


_REGISTRY: dict[str, Operation] = {}


def operation(
    name: str,
    *,
    cost: Callable[..., Tensor] | None = None,
    decisions: Sequence[str] = (),
    **parameters: Sequence[Any],
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register the decorated builder as an operation.

    The builder is called as `builder(x, name=, strides=, **settings)`, where the settings are the
    parameters and the decisions that are listed here. The layers it makes should start with `name`.

    Args:
        name: What a search calls it: lower-case letters.
        cost: The same function of a `kerasnas.hardware.Sketch`, called with the same arguments. A
            builder made of `kerasnas.hypermodels.layers` alone needs none: it is its own.
        decisions: Which of "filters", "activation", "normalization", "skip" and "order" it heeds.
        **parameters: Values to search for parameters of its own. In a name, `kernel` is written
            `3x3`, any other by its first letter: `mbconv5x5_e3` is `mbconv` with kernel 5 and
            expansion 3.

    Raises:
        ValueError: The name is taken, or a decision is unknown.

    Example:

    >>> import keras
    >>> import kerasnas as kn
    >>> def halved(x, *, name, strides):
    ...     return x.max_pooling2d(2, strides=2, name=name)
    >>> @kn.hypermodels.operation("halve", cost=halved)
    ... def halve(x, *, name, strides):
    ...     return keras.layers.MaxPooling2D(2, padding="same", name=name)(x)
    """
    unknown = set(decisions) - {*DECISIONS, "order"}
    if unknown:
        raise ValueError(
            f"Argument `decisions` must be among {(*DECISIONS, 'order')}. "
            f"Received: {sorted(unknown)}"
        )
    if name in _REGISTRY:
        raise ValueError(f"An operation named {name!r} is registered already; choose another name")
    if not re.fullmatch(r"[a-z]+", name):
        raise ValueError(f"Argument `name` must be lower-case letters. Received: name={name!r}")

    def register(build: Callable[..., Tensor]) -> Callable[..., Tensor]:
        own = {key: tuple(values) for key, values in parameters.items()}
        _REGISTRY[name] = Operation(name, build, cost or build, own, frozenset(decisions))
        return build

    return register


def names() -> list[str]:
    """Names of all registered operations."""
    return sorted(_REGISTRY)


def parse(code: str) -> tuple[Operation, dict[str, Any]]:
    """Look up an operation by its name with settings, such as "mbconv5x5_e3".

    Args:
        code: The name, then `3x3` for a kernel, then `_` with the first letter of a parameter and
            its value.

    Returns:
        The operation, and the parameters that the name fixes.

    Raises:
        ValueError: No such operation, or it has no such parameter.

    Example:

    >>> from kerasnas.hypermodels import operations
    >>> operations.parse("mbconv5x5_e3")[1]
    {'kernel': 5, 'expansion': 3}
    """
    match = _CODE.fullmatch(code) if isinstance(code, str) else None
    found = _REGISTRY.get(match[1]) if match else None
    if match is None or found is None:
        raise UnknownOperation(
            f"Unknown operation {code!r}. Registered: {', '.join(names())}; a kernel is written "
            "'conv3x3', another parameter 'mbconv3x3_e6'. Register your own with "
            "kerasnas.hypermodels.operation"
        )
    fixed: dict[str, Any] = {}
    if match[2]:
        if match[2] != match[3] or "kernel" not in found.parameters:
            raise ValueError(
                f"Operation {code!r}: {found.name} takes no {match[2]}x{match[3]} kernel"
            )
        fixed["kernel"] = int(match[2])
    for part in match[4].split("_")[1:]:
        parameter = next((p for p in found.parameters if p[0] == part[0] and p != "kernel"), None)
        if parameter is None:
            raise ValueError(
                f"Operation {code!r}: {found.name} has no parameter that starts with {part[0]!r}. "
                f"It has: {', '.join(found.parameters) or 'none'}"
            )
        fixed[parameter] = float(part[1:]) if "." in part else int(part[1:])
    return found, fixed


def _finish(x: Tensor, name: str, normalization: str, activation: str) -> Tensor:
    x = layers.normalize(x, normalization, name=f"{name}_bn")
    return layers.activate(x, activation, name=f"{name}_{activation}")


_CONVOLUTION = ("filters", "activation", "normalization", "skip", "order")


@operation("conv", kernel=(3, 5, 7), decisions=_CONVOLUTION)
def conv(
    x: Tensor,
    *,
    name: str,
    kernel: int,
    filters: int,
    strides: int = 1,
    activation: str = "relu",
    normalization: str = "batch",
    order: str = "post",
) -> Tensor:
    """A convolution, normalized and activated."""
    if order == "pre":
        x = layers.activate(x, activation, name=f"{name}_{activation}")
    bias = normalization == "none"
    x = layers.conv(x, filters, kernel, strides=strides, use_bias=bias, name=f"{name}_conv")
    return _finish(x, name, normalization, "none" if order == "pre" else activation)


@operation("sepconv", kernel=(3, 5, 7), decisions=_CONVOLUTION)
def sepconv(
    x: Tensor,
    *,
    name: str,
    kernel: int,
    filters: int,
    strides: int = 1,
    activation: str = "relu",
    normalization: str = "batch",
    order: str = "post",
) -> Tensor:
    """A depthwise and a pointwise convolution, then normalized and activated."""
    if order == "pre":
        x = layers.activate(x, activation, name=f"{name}_{activation}")
    bias = normalization == "none"
    x = layers.depthwise_conv(x, kernel, strides=strides, use_bias=False, name=f"{name}_depthwise")
    x = layers.conv(x, filters, 1, use_bias=bias, name=f"{name}_pointwise")
    return _finish(x, name, normalization, "none" if order == "pre" else activation)


@operation("dwconv", kernel=(3, 5, 7), decisions=("activation", "normalization", "skip", "order"))
def dwconv(
    x: Tensor,
    *,
    name: str,
    kernel: int,
    strides: int = 1,
    activation: str = "relu",
    normalization: str = "batch",
    order: str = "post",
) -> Tensor:
    """A depthwise convolution, normalized and activated; the width stays."""
    if order == "pre":
        x = layers.activate(x, activation, name=f"{name}_{activation}")
    bias = normalization == "none"
    x = layers.depthwise_conv(x, kernel, strides=strides, use_bias=bias, name=f"{name}_depthwise")
    return _finish(x, name, normalization, "none" if order == "pre" else activation)


_BOTTLENECK: Any = {
    "kernel": (3, 5, 7),
    "expansion": (1, 3, 6),
    "decisions": ("filters", "activation", "normalization", "skip"),
}


@operation("mbconv", **_BOTTLENECK)
def mbconv(
    x: Tensor,
    *,
    name: str,
    kernel: int,
    expansion: int,
    filters: int,
    strides: int = 1,
    activation: str = "relu",
    normalization: str = "batch",
    reduction: int | None = None,
) -> Tensor:
    """An inverted bottleneck: widen, convolve each channel, narrow without activation.

    As "mbconvse", which has a `reduction`, the channels are weighted by `se` before it narrows.

    Source:
        Sandler et al. 2018, "MobileNetV2", arXiv:1801.04381, table 1; Howard et al. 2019,
        "Searching for MobileNetV3", arXiv:1905.02244, figure 4 ("mbconvse").
    """
    bias = normalization == "none"
    if expansion > 1:
        wide = layers.shape_of(x)[-1] * expansion
        x = layers.conv(x, wide, 1, use_bias=bias, name=f"{name}_expand")
        x = _finish(x, f"{name}_expand", normalization, activation)
    x = layers.depthwise_conv(x, kernel, strides=strides, use_bias=bias, name=f"{name}_depthwise")
    x = _finish(x, f"{name}_depthwise", normalization, activation)
    if reduction is not None:
        x = se(x, name=f"{name}_se", reduction=reduction)
    x = layers.conv(x, filters, 1, use_bias=bias, name=f"{name}_project")
    return layers.normalize(x, normalization, name=f"{name}_project_bn")


mbconvse = operation("mbconvse", **_BOTTLENECK, reduction=(4, 8))(mbconv)


@operation("se", reduction=(4, 8))
def se(x: Tensor, *, name: str, reduction: int, strides: int = 1) -> Tensor:
    """Squeeze and excite: channels are weighted by what they hold on the whole.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507, section 3.
    """
    x = identity(x, name=name, strides=strides)
    channels = layers.shape_of(x)[-1]
    y = layers.global_average_pooling(x, keepdims=True, name=f"{name}_squeeze")
    y = layers.conv(y, max(1, channels // reduction), 1, name=f"{name}_reduce")
    y = layers.activate(y, "relu", name=f"{name}_relu")
    y = layers.conv(y, channels, 1, name=f"{name}_expand")
    y = layers.activate(y, "sigmoid", name=f"{name}_sigmoid")
    return layers.multiply(x, y, name=f"{name}_scale")


@operation("dense", decisions=("filters", "activation", "normalization", "skip"))
def dense(
    x: Tensor,
    *,
    name: str,
    filters: int,
    strides: int = 1,
    activation: str = "relu",
    normalization: str = "batch",
) -> Tensor:
    """A dense layer of `filters` units on the flattened input."""
    if len(layers.shape_of(x)) > 1:
        x = layers.flatten(x, name=f"{name}_flatten")
    x = layers.dense(x, filters, use_bias=normalization == "none", name=f"{name}_dense")
    return _finish(x, name, normalization, activation)


@operation("maxpool", kernel=(3,))
def maxpool(x: Tensor, *, name: str, kernel: int, strides: int = 1) -> Tensor:
    """Max pooling; the width stays."""
    return layers.max_pooling(x, kernel, strides=strides, name=f"{name}_maxpool")


@operation("avgpool", kernel=(3,))
def avgpool(x: Tensor, *, name: str, kernel: int, strides: int = 1) -> Tensor:
    """Average pooling; the width stays."""
    return layers.average_pooling(x, kernel, strides=strides, name=f"{name}_avgpool")


@operation("dropout", rate=(0.1, 0.3, 0.5))
def dropout(x: Tensor, *, name: str, rate: float, strides: int = 1) -> Tensor:
    """Dropout, after subsampling where the block has strides."""
    return layers.dropout(identity(x, name=name, strides=strides), rate, name=f"{name}_dropout")


@operation("flatten")
def flatten(x: Tensor, *, name: str, strides: int = 1) -> Tensor:
    """Flattens the input to a vector; what is a vector already stays."""
    if len(layers.shape_of(x)) == 1:
        return x
    return layers.flatten(identity(x, name=name, strides=strides), name=f"{name}_flatten")


@operation("identity")
def identity(x: Tensor, *, name: str, strides: int = 1) -> Tensor:
    """The input itself, or every `strides`-th position of it."""
    if strides == 1:
        return x
    return layers.max_pooling(x, 1, strides=strides, name=f"{name}_subsample")


@operation("zero")
def zero(x: Tensor, *, name: str, strides: int = 1) -> None:
    """Drop the edge: no layer and no tensor."""
    return

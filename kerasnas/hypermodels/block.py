"""Decides a block of a network: an operation chosen by name, and how it is wired."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas.hypermodels import layers
from kerasnas.hypermodels.hyperparameters import Hyperparameters, decide, scope, several
from kerasnas.hypermodels.layers import Tensor
from kerasnas.hypermodels.operations import Operation, identity, parse

# What each decision may be; of those that are not here, anything.
_ALLOWED = {"normalization": ("batch", "none"), "skip": ("none", "add", "concatenate")}


@dataclasses.dataclass(frozen=True)
class Block:
    """A decided block: call it on a Keras tensor to build it, on a sketch to describe it.

    Args:
        name: The names of its layers start with this.
        operation: The operation that was chosen.
        settings: Keyword arguments that the operation is called with.
        filters: Channels of the output, where the operation heeds it; None keeps the input's.
        strides: Every how many positions of height and width one is kept.
        skip: How the input joins the output: "none", "add" or "concatenate".
    """

    name: str
    operation: Operation
    settings: dict[str, Any]
    filters: int | None
    strides: int
    skip: str

    def __call__(self, x: Tensor) -> Tensor:
        """Applies the block.

        Args:
            x: Keras tensor or `kerasnas.hardware.Sketch` of shape (batch, height, width, channels),
                (batch, length, channels) or (batch, features), as the operation takes it.

        Returns:
            The output, of the same type; None where the operation drops the edge, as "zero" does.
        """
        settings = dict(self.settings)
        if "filters" in self.operation.decisions:
            settings["filters"] = self.filters or layers.shape_of(x)[-1]
        y = self.operation(x, name=self.name, strides=self.strides, **settings)
        if y is None or self.skip == "none":
            return y
        x = self._match(x, layers.shape_of(y))
        join = layers.add if self.skip == "add" else layers.concatenate
        return join([x, y], name=f"{self.name}_{self.skip}")

    def _match(self, x: Tensor, wanted: tuple[int, ...]) -> Tensor:
        """Bring the input to where it can join the output, as ResNet does with a 1×1 convolution.

        Its stride is a layer of its own: TensorFlow's gradient of a 1×1 convolution with strides
        ends the process, or is wrong, for fewer than 16 channels and an odd batch
        (https://github.com/uxlfoundation/oneDNN/issues/6035).
        """
        shape = layers.shape_of(x)
        if len(wanted) == 1:
            if len(shape) > 1:
                x = layers.flatten(x, name=f"{self.name}_skip_flatten")
            if self.skip == "add" and layers.shape_of(x) != wanted:
                x = layers.dense(x, wanted[-1], name=f"{self.name}_skip_dense")
        elif shape[:-1] != wanted[:-1] or (self.skip == "add" and shape != wanted):
            x = identity(x, name=f"{self.name}_skip", strides=self.strides)
            x = layers.conv(x, wanted[-1], 1, name=f"{self.name}_skip_conv")
        return x


def choose(
    hp: Hyperparameters,
    name: str,
    operations: Sequence[str],
    decisions: Mapping[str, Any],
    *,
    strides: int,
    order: str,
    share: str | None,
) -> Block:
    """Decides a block; see `kerasnas.HyperModel.choose`.

    `decisions` are those of its arguments that may be lists, by name.
    """
    if isinstance(operations, str) or not operations:
        raise ValueError(
            "Argument `operations` must be a list of at least one operation's name. "
            f"Received: operations={operations!r}"
        )
    parsed = {code: parse(code) for code in operations}
    options = {key: _options(key, given, _ALLOWED.get(key)) for key, given in decisions.items()}
    _options("order", order, ("post", "pre"))
    decided = share or name
    code = decide(hp, decided, list(parsed))
    settings: dict[str, Any] = {}
    for key, values, codes in _parameters(parsed):
        settings[key] = _decide_for(hp, decided, f"{decided}/{key}", values, codes, parsed)
    for key, values in options.items():
        codes = [c for c, (found, _) in parsed.items() if key in found.decisions]
        if codes:
            settings[key] = _decide_for(hp, decided, f"{decided}/{key}", values, codes, parsed)
    if code is None:  # The block stands in a scope that is not active; any operation will do.
        code = operations[0]
    operation, fixed = parsed[code]
    own = {
        parameter: settings[_key(parameter, values, parsed)]
        for parameter, values in operation.parameters.items()
        if parameter not in fixed
    }
    heeded = {key: settings[key] for key in options if key in operation.decisions}
    width, joined = heeded.pop("filters", None), heeded.pop("skip", "none")
    if "order" in operation.decisions:
        heeded["order"] = order
    own |= {**fixed, **heeded}
    return Block(name.replace("/", "_"), operation, own, width, strides, joined)


def _options(name: str, given: Any, allowed: Sequence[str] | None = None) -> list[Any]:
    values = several(given)
    if not values or (allowed is not None and not set(values) <= set(allowed)):
        raise ValueError(
            f"Argument `{name}` must be "
            + (f"among {tuple(allowed)}, or a list of those" if allowed else "one value or a list")
            + f". Received: {name}={given!r}"
        )
    return values


def _key(parameter: str, values: Sequence[Any], parsed: dict[str, Any]) -> str:
    """Name of a decision; operations with the same values to search share it."""
    searched = [
        (found.name, found.parameters[parameter])
        for found, fixed in parsed.values()
        if parameter in found.parameters and parameter not in fixed
    ]
    owners = sorted({name for name, own in searched if own == values})
    alike = all(own == values for _, own in searched)
    return parameter if alike else f"{'_'.join(owners)}_{parameter}"


def _parameters(parsed: dict[str, Any]) -> list[tuple[str, Sequence[Any], list[str]]]:
    """What the operations leave open: the key, the values, and the operations that need it."""
    found: dict[str, tuple[Sequence[Any], list[str]]] = {}
    for code, (operation, fixed) in parsed.items():
        for parameter, values in operation.parameters.items():
            if parameter not in fixed:
                key = _key(parameter, values, parsed)
                found.setdefault(key, (values, []))[1].append(code)
    return [(key, values, codes) for key, (values, codes) in found.items()]


def _decide_for(
    hp: Hyperparameters,
    parent: str,
    name: str,
    values: Sequence[Any],
    codes: Sequence[str],
    parsed: dict[str, Any],
) -> Any:
    """Decide, under the condition that one of the operations was chosen that need it.

    Where the condition does not hold, the value does not matter.
    """
    if len(codes) == len(parsed) or len(values) == 1:
        decided = decide(hp, name, values)
    else:
        with scope(hp, parent, codes):
            decided = decide(hp, name, values)
    return values[0] if decided is None else decided

"""Reads and declares hyperparameters faster and more freely than KerasTuner's container."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import keras_tuner
from keras_tuner.src.engine.conditions import Parent

Hyperparameters: TypeAlias = "keras_tuner.HyperParameters | FixedHyperParameters"


class FixedHyperParameters:
    """Takes the place of `hp` with fixed values, and notes which of them a build reads.

    KerasTuner's container registers every hyperparameter again at every build; this one looks it
    up only, so that thousands of proposals can be sketched in a search.

    Args:
        values: Value of each active hyperparameter by name.

    Example:

    >>> from kerasnas.hypermodels.hyperparameters import FixedHyperParameters
    >>> hp = FixedHyperParameters({"units": 64})
    >>> hp.Int("units", 32, 128), hp.Float("rate", 0.1, 0.5), hp.read
    (64, 0.1, {'units': 64, 'rate': 0.1})
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self.read: dict[str, Any] = {}
        self._prefix: list[str] = []
        self._inactive = 0

    def _look_up(self, name: str, default: Any) -> Any:
        if self._inactive:
            return None
        name = "/".join([*self._prefix, name])
        self.read[name] = self.values.get(name, default)
        return self.read[name]

    def Choice(
        self, name: str, values: Sequence[Any], ordered: Any = None, default: Any = None, **_: Any
    ) -> Any:
        """Returns the value of a choice; without one, the default or the first of `values`."""
        return self._look_up(name, values[0] if default is None else default)

    def Int(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: Any = None,
        sampling: Any = None,
        default: Any = None,
        **_: Any,
    ) -> Any:
        """Returns the value of a number; without one, the default or the least."""
        return self._look_up(name, min_value if default is None else default)

    Float = Int

    def Boolean(self, name: str, default: bool = False, **_: Any) -> Any:
        """Returns the value of a flag."""
        return self._look_up(name, default)

    def Fixed(self, name: str, value: Any, **_: Any) -> Any:
        """Returns the value of a constant."""
        return self._look_up(name, value)

    def get(self, name: str) -> Any:
        """Returns the value of a hyperparameter that was asked for before."""
        full = "/".join([*self._prefix, name])
        if full not in self.values and full not in self.read:
            raise KeyError(f"{full} does not exist.")
        return self._look_up(name, self.read.get(full))

    __getitem__ = get

    def __contains__(self, name: str) -> bool:
        return "/".join([*self._prefix, name]) in self.values

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Puts `name/` before the names that are asked for inside."""
        self._prefix.append(name)
        try:
            yield
        finally:
            self._prefix.pop()

    @contextlib.contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Answers None inside if the parent has none of the values."""
        wanted = parent_values if isinstance(parent_values, (list, tuple)) else [parent_values]
        full = "/".join([*self._prefix, parent_name])
        value = self.read.get(full, self.values.get(full))
        inactive = value not in wanted
        self._inactive += inactive
        try:
            yield
        finally:
            self._inactive -= inactive


@contextlib.contextmanager
def scope(hp: Hyperparameters, parent: str, values: Sequence[Any]) -> Iterator[None]:
    """Opens a conditional scope that may stand inside another one.

    KerasTuner (1.4.8, hyperparameters.py:136) opens a scope only where the parent was defined
    under exactly the conditions that are open; here the parent may stand in any outer scope.

    Args:
        hp: Where the hyperparameters are declared.
        parent: Name of the hyperparameter that decides.
        values: Values of it under which those declared inside are active.

    Example:

    >>> import keras_tuner
    >>> from kerasnas.hypermodels import scope
    >>> hp = keras_tuner.HyperParameters()
    >>> kind, depth = hp.Choice("kind", ["conv", "dense"]), hp.Int("depth", 1, 3)
    >>> with scope(hp, "kind", ["conv"]), scope(hp, "depth", [1, 2]):
    ...     kernel = hp.Choice("kernel", [3, 5])
    """
    if isinstance(hp, FixedHyperParameters) or _declared_here(hp, parent):
        with hp.conditional_scope(parent, list(values)):
            yield
        return
    full = "/".join([*hp._name_scopes, parent])
    if full not in hp._hps:
        raise ValueError(f"Argument `parent` names no hyperparameter yet. Received: {full!r}")
    condition = Parent(full, list(values))
    hp._conditions.append(condition)
    scopes = hp.active_scopes if condition.is_active(hp.values) else hp.inactive_scopes
    scopes.append(list(hp._conditions))
    try:
        yield
    finally:
        hp._conditions.pop()


def repeated(hp: Hyperparameters, name: str, minimum: int, maximum: int) -> Iterator[int]:
    """Counts as `kerasnas.HyperModel.repeat` does."""
    if not 0 <= minimum <= maximum:
        raise ValueError(
            "Arguments `minimum` and `maximum` must satisfy 0 <= minimum <= maximum. Received: "
            f"minimum={minimum}, maximum={maximum}"
        )
    turns = decide(hp, name, range(minimum, maximum + 1))
    for i in range(maximum):
        if i < minimum:
            yield i
            continue
        with scope(hp, name, range(i + 1, maximum + 1)):
            if turns is not None and i < turns:
                yield i


@contextlib.contextmanager
def nested_scopes(hp: Hyperparameters, conditions: Mapping[str, Sequence[Any]]) -> Iterator[None]:
    """Opens one scope inside the other, for each parent and its values."""
    with contextlib.ExitStack() as stack:
        for parent, values in conditions.items():
            stack.enter_context(scope(hp, parent, values))
        yield


def _declared_here(hp: keras_tuner.HyperParameters, parent: str) -> bool:
    full = "/".join([*hp._name_scopes, parent])
    return any(found.conditions == hp._conditions for found in hp._hps.get(full, ()))


def several(value: Any) -> list[Any]:
    """Returns a list of the values to choose from, of what may be one value or several."""
    return list(value) if isinstance(value, (list, tuple, range)) else [value]


def decide(hp: Hyperparameters, name: str, values: Sequence[Any], default: Any = None) -> Any:
    """Chooses among values. A single value needs no hyperparameter.

    Args:
        hp: Where the choice is declared.
        name: Name of the hyperparameter.
        values: What to choose from.
        default: Which to take unless told; the first when None.

    Returns:
        The chosen value, or None inside a scope that is not active.
    """
    if len(values) == 1:
        return values[0]
    if isinstance(hp, keras_tuner.HyperParameters):
        # A name declared under several conditions loses its value in
        # HyperParameters.ensure_active_values (1.4.8, hyperparameters.py:595) when the last is
        # inactive, and Choice then raises KeyError.
        full = "/".join([*hp._name_scopes, name])
        if full not in hp.values and all(c.is_active(hp.values) for c in hp._conditions):
            hp.values[full] = values[0] if default is None else default
    return hp.Choice(name, list(values), default=default)

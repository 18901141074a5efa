"""A tuner for each strategy and fidelity of the registry: `kerasnas.Evolution`, `Hyperband` ...

`named.pyi` says the same to type checkers and editors; `make stubs` writes it.
"""

import inspect
from typing import Any, ClassVar

from kerasnas.oracles.named import ORACLES, NamedOracle
from kerasnas.oracles.registry import ALIASES
from kerasnas.runtime.arguments import check_integer
from kerasnas.tuners.arguments import check_known
from kerasnas.tuners.base import Tuner


class StrategyTuner(Tuner):
    """Base of the tuners that are named after a strategy, or after a fidelity.

    Takes the arguments of its oracle, by position in the oracle's order, and, by name, those of
    `kerasnas.Tuner`: budget, max_time, warm_start, directory, project_name ...

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function build(hp).
        *args: Arguments of the oracle.
        **kwargs: Arguments of the oracle and of `kerasnas.Tuner`.

    Raises:
        TypeError: An argument of the wrong type.
        ValueError: An argument out of range, or one that neither takes.
    """

    oracle_class: ClassVar[type[NamedOracle]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Lets `help` and editors show the arguments of the oracle and of the tuner."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = _signature(cls.oracle_class)

    def __init__(self, hypermodel: Any = None, *args: Any, **kwargs: Any) -> None:
        signature = _signature(self.oracle_class)
        check_known(type(self), kwargs, signature.parameters)
        given = signature.bind(hypermodel, *args, **kwargs).arguments
        given.pop("hypermodel", None)
        theirs = _parameters(self.oracle_class)
        for name in ("max_trials", "max_epochs"):
            if given.get(name) is not None:
                check_integer(name, given[name], least=1)
        oracle = self.oracle_class(**{n: value for n, value in given.items() if n in theirs})
        rest = {name: value for name, value in given.items() if name not in theirs}
        super().__init__(hypermodel, oracle, seed=given.get("seed"), **rest)


def _parameters(oracle_class: type[NamedOracle]) -> dict[str, inspect.Parameter]:
    """Returns the arguments that go to the oracle."""
    # Of the two that begin with known settings, the tuner's takes proxies, too.
    return {n: one for n, one in oracle_class.signature.parameters.items() if n != "warm_start"}


def _signature(oracle_class: type[NamedOracle]) -> inspect.Signature:
    """Returns the arguments of a tuner: the hypermodel, the oracle's, and the tuner's own."""
    theirs = _parameters(oracle_class)
    own = dict(inspect.signature(Tuner.__init__).parameters)
    rest = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.items()
        if name not in theirs
        # A tuner that is named after a fidelity takes no other.
        and name not in ("self", "hypermodel", "oracle", "fidelity")
        and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    return inspect.Signature([own["hypermodel"], *theirs.values(), *rest])


def tuner_of(oracle_class: type[NamedOracle]) -> type[StrategyTuner]:
    """Makes the tuner of an oracle.

    Args:
        oracle_class: The oracle's class.

    Returns:
        The class, with the signature of both and a help of its own.

    Example:

    ```python
    tuner_of(kerasnas.oracles.EvolutionOracle)(build, "val_accuracy", max_trials=50)
    ```
    """
    part = oracle_class.entry.part
    name = part.__name__
    summary = (part.__doc__ or "").partition("\n")[0]
    return type(
        name,
        (StrategyTuner,),
        {
            "__doc__": _HELP.format(name=name, summary=summary),
            "__module__": __name__,
            "oracle_class": oracle_class,
        },
    )


_HELP = """A search by the strategy {name}. {summary}

    Takes the arguments of `kerasnas.oracles.{name}Oracle` and of `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.{name}(space, "val_accuracy", directory="/tmp/runs", overwrite=True)
    """

TUNERS: dict[str, type[StrategyTuner]] = {name: tuner_of(one) for name, one in ORACLES.items()}
_ALIASES = {alias: TUNERS[name] for alias, name in ALIASES.items()}
_NAMED = {tuner.__name__: tuner for tuner in TUNERS.values()} | _ALIASES
globals().update(_NAMED)
__all__ = list(_NAMED)

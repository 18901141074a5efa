"""An oracle for each strategy and fidelity of the registry: `EvolutionOracle`, `HyperbandOracle` ..

`named.pyi` says the same to type checkers and editors; `make stubs` writes it.
"""

import inspect
import re
from typing import Any, ClassVar

from kerasnas.oracles.engine import Fidelity, Strategy
from kerasnas.oracles.engine.oracle import Oracle
from kerasnas.oracles.registry import ALIASES, ENTRIES, Entry, strategy_of

_POSITIONAL, _KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
_MAX_TRIALS = 10


class NamedOracle(Oracle):
    """Base of the oracles that are named after a strategy, or after a fidelity."""

    entry: ClassVar[Entry]
    signature: ClassVar[inspect.Signature]

    def __init__(self, *args: Any, **kwargs: Any):
        try:
            given = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from error
        given.apply_defaults()
        of_part = parameters(self.entry.part)
        part = self.entry.part(**{n: v for n, v in given.arguments.items() if n in of_part})
        rest = {name: value for name, value in given.arguments.items() if name not in of_part}
        if isinstance(part, Fidelity):
            strategy = strategy_of(rest.pop("searcher"), rest["objective"])
            super().__init__(strategy, fidelity=part, **rest)
        else:
            super().__init__(part, **rest)


def parameters(owner: type) -> dict[str, inspect.Parameter]:
    """Returns the arguments of a class, by name."""
    return dict(inspect.signature(owner).parameters)


def oracle_of(entry: Entry) -> type[NamedOracle]:
    """Makes the oracle of a strategy or fidelity.

    Args:
        entry: Its line in the registry.

    Returns:
        The class, with the signature and the help of both.
    """
    part = entry.part
    found = parameters(part)
    rest = {name: parameter for name, parameter in parameters(Oracle).items() if name != "strategy"}
    if issubclass(part, Fidelity):
        del rest["fidelity"]
        annotation = "str | Strategy | type[Strategy] | Oracle | type[Oracle]"
        found["searcher"] = inspect.Parameter(
            "searcher", _KEYWORD, default="random", annotation=annotation
        )
    known = {**rest, **found}
    defaults = {"max_trials": _MAX_TRIALS, **entry.defaults}
    known = {
        name: one.replace(default=defaults[name]) if name in defaults else one
        for name, one in known.items()
    }
    order = ["objective", *(entry.order or ("max_trials", *found))]
    names = [*order, *found, *rest]
    signature = inspect.Signature(
        [
            known[name].replace(kind=_POSITIONAL if name in order else _KEYWORD)
            for name in dict.fromkeys(names)
        ]
    )
    name = f"{part.__name__}Oracle"
    return type(
        name,
        (NamedOracle,),
        {
            "__doc__": _described(part),
            "__module__": __name__,
            "__init__": _with_signature(signature),
            "entry": entry,
            "signature": signature,
        },
    )


def _with_signature(signature: inspect.Signature) -> Any:
    """Returns a constructor that shows which arguments it takes."""

    def __init__(self: NamedOracle, *args: Any, **kwargs: Any) -> None:
        NamedOracle.__init__(self, *args, **kwargs)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[own, *signature.parameters.values()]
    )
    return __init__


def _described(part: type[Strategy] | type[Fidelity]) -> str:
    """Returns the help of an oracle: that of its part, with the arguments of both."""
    doc = part.__doc__ or ""
    first = "        objective: As in `kerasnas.oracles.Oracle`.\n        max_trials: As there.\n"
    last = "        **kwargs: As in `kerasnas.oracles.Oracle`.\n"
    if issubclass(part, Fidelity):
        last = (
            "        searcher: What proposes networks: the name of a strategy, a\n"
            "            `kerasnas.oracles.Strategy` or its class, or an oracle.\n"
        ) + last
    if "    Args:\n" not in doc:
        before, _, after = doc.partition("    Example:\n")
        return f"{before}    Args:\n{first}{last}\n    Example:\n{after}"
    doc = doc.replace("    Args:\n", f"    Args:\n{first}", 1)
    # The arguments end at the first empty line.
    return re.sub(r"    Args:\n(?:.+\n)+", lambda found: found[0] + last, doc, count=1)


ORACLES: dict[str, type[NamedOracle]] = {name: oracle_of(one) for name, one in ENTRIES.items()}
_ALIASES: dict[str, type] = {f"{alias}Oracle": ORACLES[name] for alias, name in ALIASES.items()}
_NAMED: dict[str, type] = {one.part.__name__: one.part for one in ENTRIES.values()}
_NAMED |= {oracle.__name__: oracle for oracle in ORACLES.values()} | _ALIASES
globals().update(_NAMED)
__all__ = list(_NAMED)

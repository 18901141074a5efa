"""A proposal of a strategy."""

from dataclasses import dataclass

from kerasnas.oracles.genome import Values


@dataclass(frozen=True)
class Proposal:
    """A setting that a strategy wants to try next.

    Args:
        values: The setting: a value for each active hyperparameter, by name.
        parents: Ids of the trials that it was made from. The lineage says what has changed from the
            first of them.
        operator: How it was made: `random`, `mutation`, `crossover` ...; after a repair
            `mutation+repair`.

    Example:

    >>> from kerasnas.oracles import Proposal
    >>> child = Proposal({"units": 24}, parents=("03",), operator="mutation")
    """

    values: Values
    parents: tuple[str, ...] = ()
    operator: str = "random"

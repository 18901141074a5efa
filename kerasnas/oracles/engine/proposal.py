"""What a strategy wants to try next."""

from dataclasses import dataclass

from kerasnas.oracles.genome import Values


@dataclass(frozen=True)
class Proposal:
    """A setting that a strategy wants to try next.

    Args:
        values: The setting.
        parents: Ids of the trials that it was made from; the first is the one it is compared to.
        operator: How it was made: `random`, `mutation`, `crossover` ...; after a repair
            `mutation+repair`.

    Example:

    >>> from kerasnas.oracles import Proposal
    >>> child = Proposal({"units": 24}, parents=("03",), operator="mutation")
    """

    values: Values
    parents: tuple[str, ...] = ()
    operator: str = "random"

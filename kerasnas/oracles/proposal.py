"""From a strategy's ideas to one admissible proposal, in a bounded number of tries."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras_tuner
import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.admission import Admission
from kerasnas.oracles.genome import Values

# Spaces up to this size are listed to the end before the search gives up.
LISTED = 10_000


@dataclass(frozen=True)
class Proposal:
    """A setting that a strategy wants to try next.

    Args:
        values: The setting.
        parents: Ids of the trials that it was made from; the first is the one it is compared to.
        operator: How it was made: `random`, `mutation`, `crossover` ...

    Example:

    ```python
    Proposal(genome.mutate(space, parent.hyperparameters.values, rng), ("03",), "mutation")
    ```
    """

    values: Values
    parents: tuple[str, ...] = ()
    operator: str = "random"


def find(
    propose: Callable[[], Proposal | None],
    space: keras_tuner.HyperParameters,
    rng: np.random.Generator,
    admission: Admission,
    tries: int,
) -> tuple[Proposal | None, str | None]:
    """Asks a strategy until a proposal is new and meets the budget.

    Where the strategy finds none, uniform samples follow, then steps from the setting nearest to
    the budget toward it, then, in a small space, everything that is left.

    Args:
        propose: The strategy; None from it means that it waits for running trials.
        space: The search space.
        rng: Generator of every draw.
        admission: Judge of the proposals.
        tries: Bound of each of the first three phases.

    Returns:
        The proposal, or None and the reason why the search ends, or None twice for waiting.

    Example:

    ```python
    find(lambda: Proposal(genome.sample(space, rng)), space, rng, Admission(), tries=100)
    ```
    """
    admission.begin()
    asked, repeats = 0, 0
    nearest, excess = None, math.inf
    for attempt in range(2 * tries):
        # A strategy that only repeats itself is not asked to the end.
        if attempt < tries and repeats < tries // 4:
            proposal = propose()
            if proposal is None:
                return None, None
        else:
            proposal = Proposal(genome.sample(space, rng))
        asked += 1
        over = admission.judge(proposal.values)
        if over == 0:
            return proposal, None
        repeats = repeats + 1 if math.isinf(over) else 0
        if over < excess:
            nearest, excess = proposal.values, over
    if nearest is not None:
        for _ in range(tries):
            values = genome.mutate(space, nearest, rng)
            asked += 1
            over = admission.judge(values)
            if over == 0:
                return Proposal(values, operator="repair"), None
            if over <= excess:
                nearest, excess = values, over
    count = genome.size(space, LISTED)
    if count is not None:
        for values in genome.enumerate_settings(space):
            if not admission.ruled_out(values) and admission.judge(values) == 0:
                return Proposal(values, operator="listing"), None
    return None, _reason(admission, asked, count)


def _reason(admission: Admission, asked: int, count: int | None) -> str:
    smallest = admission.smallest()
    if count is not None and not smallest:
        return f"the search space is exhausted: all of its {count} settings were tried"
    if count is not None:
        return (
            f"no setting of the search space is left that meets the budget ({count} in all); "
            f"the smallest found that does not has {smallest}"
        )
    if smallest:
        return f"no proposal in {asked} tries met the budget; the smallest found has {smallest}"
    return f"no proposal in {asked} tries was an architecture that was not tried before"

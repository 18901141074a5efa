"""Finds a proposal that is new and within the budget, in a bounded number of tries."""

import math
import operator
from collections.abc import Callable

import keras_tuner
import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.repair import repair
from kerasnas.oracles.genome import Values

# Spaces up to this size are listed to the end before the search gives up.
LISTED = 10_000

# The most steps of one repair; after that, another proposal may be nearer to the budget.
STEPS = 100

_excess = operator.itemgetter(0)


def find(
    propose: Callable[[], Proposal | None],
    space: keras_tuner.HyperParameters,
    rng: np.random.Generator,
    proposal_filter: ProposalFilter,
    tries: int,
    patience: int = 10,
    passes: Callable[[Values], bool] = lambda values: True,
) -> tuple[Proposal | None, str | None]:
    """Asks a strategy until a proposal is new and meets the budget.

    Of every `patience` proposals that break the budget, the one nearest to it is repaired. If that
    does not succeed, uniform samples take the place of the strategy's proposals. Then the nearest
    of all is repaired in more steps. Then, in a small space, every setting that is left is tried.

    Args:
        propose: Callable that asks the strategy; None from it means that the strategy waits.
        space: The search space.
        rng: Generator of every draw.
        proposal_filter: The filter that judges proposals.
        tries: The most proposals, the most samples, the most steps of all repairs together, and the
            most steps of the last repair.
        patience: How many proposals may break the budget before one is repaired.
        passes: Callable from a setting that fits to whether it may be tried now.

    Returns:
        The proposal and None; or None and the reason why the search ends; or None and None while
        the strategy waits.
    """
    proposal_filter.begin()
    repeats = 0
    steps = min(STEPS, tries)
    repairs = tries // steps
    broken: list[tuple[float, Proposal]] = []
    nearest: list[tuple[float, Proposal]] = []  # The one of all before `broken`, if there is any.

    def repaired(proposal: Proposal, steps: int) -> Proposal | None:
        values = repair(space, proposal.values, rng, proposal_filter, steps)
        if values is None:
            return None
        proposal_filter.repaired += 1
        return Proposal(values, proposal.parents, f"{proposal.operator}+repair")

    for attempt in range(2 * tries):
        if _nothing_left(space, proposal_filter, tries):
            break
        # A strategy that keeps repeating itself is given up early.
        if attempt < tries and repeats < tries // 4:
            proposal = propose()
            if proposal is None:
                return None, None
        else:
            proposal = Proposal(genome.sample(space, rng))
        over = proposal_filter.judge(proposal.values)
        if over == 0:
            if passes(proposal.values):
                return proposal, None
            continue
        if math.isinf(over):
            repeats += 1
            continue
        repeats = 0
        broken.append((over, proposal))
        if len(broken) < patience:
            continue
        best = min(broken, key=_excess)
        nearest = [min([*nearest, best], key=_excess)]
        broken.clear()
        if repairs:
            repairs -= 1
            found = repaired(best[1], steps)
            if found is not None and passes(found.values):
                return found, None
    rest = [*broken, *nearest]
    if rest and not proposal_filter.exhausted(space, LISTED):
        found = repaired(min(rest, key=_excess)[1], tries)
        if found is not None:
            return found, None
    count = proposal_filter.size(space, LISTED)
    if count is not None:
        for values in genome.enumerate_settings(space):
            if not proposal_filter.ruled_out(values) and proposal_filter.judge(values) == 0:
                return Proposal(values, operator="listing"), None
    return None, _reason(proposal_filter, count)


def _nothing_left(
    space: keras_tuner.HyperParameters, proposal_filter: ProposalFilter, tries: int
) -> bool:
    """Returns whether a small space is exhausted; checked only after many known proposals."""
    known = proposal_filter.known
    if not known or known < min(proposal_filter.size(space, LISTED) or tries, tries // 4):
        return False
    return proposal_filter.exhausted(space, LISTED)


def _reason(proposal_filter: ProposalFilter, count: int | None) -> str:
    smallest, asked = proposal_filter.smallest(), proposal_filter.asked
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

"""Repair: changes a setting that breaks the budget until it fits."""

import keras_tuner
import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.genome import Values


def repair(
    space: keras_tuner.HyperParameters,
    values: Values,
    rng: np.random.Generator,
    proposal_filter: ProposalFilter,
    steps: int,
) -> Values | None:
    """Changes decisions of a setting until it is new and meets the budget.

    A step changes some decisions at random, and is kept unless it breaks the budget by more. Every
    decision is changed once before any is changed again. After a step that is kept, the next one
    changes twice as many decisions; after one that is not, half as many. Values are not chosen
    to be small, so that repairs do not always lead to the same small network.

    Args:
        space: The search space.
        values: The setting that breaks the budget.
        rng: Generator of every draw.
        proposal_filter: The filter that judges the settings.
        steps: How many settings are judged at most.

    Returns:
        The setting, or None where `steps` settings were judged and none fits.
    """
    excess = proposal_filter.excess(values)
    waiting: list[str] = []
    together = 1
    for _ in range(steps):
        if not waiting:
            names = [one.hp.name for one in genome.decisions_of(space, values) if one.is_open]
            waiting = [names[place] for place in rng.permutation(len(names))]
        changed = values
        for name in waiting[:together]:
            changed = _change(space, changed, name, rng)
        waiting = waiting[together:]
        if changed == values:  # An earlier change has made these decisions inactive.
            continue
        over = proposal_filter.judge(changed)
        if over == 0:
            return changed
        # An equal excess is kept too: where two layers have the same peak, a change of one of them
        # does not lower it.
        if over <= excess:
            values, excess = changed, over
            together *= 2
        else:
            together = max(together // 2, 1)
    return None


def _change(
    space: keras_tuner.HyperParameters, values: Values, name: str, rng: np.random.Generator
) -> Values:
    for decision in genome.decisions_of(space, values):
        if decision.hp.name == name:
            return genome.set_one(space, values, name, decision.change(values[name], rng), rng)
    return values

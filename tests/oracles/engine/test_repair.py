"""How a setting that breaks the budget is changed until it meets it."""

import keras_tuner
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.oracles.engine.repair import repair
from kerasnas.testing import search
from kerasnas.testing.search import Violation

SPACES = (search.conditional_space, search.separable_space, search.graph_space, search.small_space)


@given(
    space=st.sampled_from(SPACES),
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    steps=st.integers(1, 60),
    seed=st.integers(0, 2**32),
)
def test_what_is_repaired_fits_and_is_new_after_a_bounded_number_of_questions(
    counted, filter_of, broken, space, share, steps, seed
):
    space = space()
    gate = counted(space, share)
    rng = np.random.default_rng(seed)
    start = broken(space, gate, rng)
    tried = [genome.sample(space, rng) for _ in range(20)]

    def once():
        gate.asked = 0
        proposal_filter = filter_of(gate)
        for values in tried:
            proposal_filter.tried.update(proposal_filter.keys(values))
        found = repair(space, start, np.random.default_rng(seed), proposal_filter, steps)
        assert gate.asked <= steps + 1  # One more for the start, which is usually known.
        return found

    if start is None:
        return
    found = once()
    assert once() == found
    if found is not None:
        assert gate.fits(found)
        assert found not in tried
        assert genome.complete(space, found) == found


def test_repairs_stay_nearer_than_chance(counted, filter_of, broken):
    """Half of the decisions of a repaired setting are still the proposal's."""
    space = search.separable_space()
    gate = counted(space, 0.05)
    rng = np.random.default_rng(0)
    near, far = [], []
    for _ in range(50):
        start = broken(space, gate, rng)
        found = repair(space, start, rng, filter_of(gate), 100)
        near.append(genome.distance(space, start, found))
        far.append(genome.distance(space, start, genome.sample(space, rng)))
    assert np.mean(near) < 0.7 * np.mean(far)


def test_two_limits_that_only_two_changes_together_lower(filter_of):
    """The peak is set by two layers: a change of one alone leaves the excess as it was."""
    hp = keras_tuner.HyperParameters()
    for layer in ("first", "second"):
        hp.Choice(layer, [1, 2, 3, 4])
    proposal_filter = filter_of(
        lambda v: {} if max(v.values()) < 3 else {"ram": Violation(max(v.values()), 2)}
    )
    rng = np.random.default_rng(0)
    found = repair(hp, {"first": 4, "second": 4}, rng, proposal_filter, 100)
    assert max(found.values()) < 3


def test_what_is_only_new_when_changed_is_changed(filter_of, rng):
    """A repeat breaks no budget, and is no answer."""
    space = search.small_space()
    everything = list(genome.enumerate_settings(space))
    proposal_filter = filter_of(None)
    for values in everything[1:]:
        proposal_filter.tried.update(proposal_filter.keys(values))
    assert repair(space, everything[1], rng, proposal_filter, 200) == everything[0]


def test_a_space_without_choices_cannot_be_repaired(filter_of, rng):
    space = keras_tuner.HyperParameters()
    space.Fixed("units", 8)
    judge = filter_of(lambda values: {"ram": Violation(2, 1)})
    assert repair(space, {"units": 8}, rng, judge, 50) is None

"""New settings from old ones: mutation, crossover, neighbours, distance."""

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import genome

seeds = st.integers(0, 2**32 - 1)


def generator(seed):
    return np.random.default_rng(seed)


def is_open(space, values):
    return any(decision.is_open for decision in genome.decisions_of(space, values))


@given(st.data(), seeds)
def test_a_mutation_changes_one_decision(spaces, is_setting, data, seed):
    space = data.draw(spaces())
    rng = generator(seed)
    before = genome.sample(space, rng)
    kept = dict(before)
    after = genome.mutate(space, before, rng)
    assert before == kept
    assert is_setting(space, after)
    changed = [name for name in before if name in after and before[name] != after[name]]
    assert len(changed) == (1 if is_open(space, before) else 0)


@given(st.data(), seeds, st.lists(st.integers(0, 4), max_size=4))
def test_mutants_are_mutations_of_mutations(spaces, is_setting, data, seed, changes):
    space = data.draw(spaces())
    values = genome.sample(space, generator(seed))
    found = genome.mutants(space, values, generator(seed), changes)
    assert len(found) == len(changes)
    for child, count in zip(found, changes, strict=True):
        assert is_setting(space, child)
        assert count or child == values
    # One after the other, from the same draws, a chain of single mutations gives the same.
    rng = generator(seed)
    for child, count in zip(found, changes, strict=True):
        single = values
        for _ in range(count):
            single = genome.mutate(space, single, rng)
        assert single == child


@given(st.data(), seeds)
def test_neighbours_differ_in_one_decision_and_are_all(spaces, is_setting, data, seed):
    space = data.draw(spaces())
    rng = generator(seed)
    before = genome.sample(space, rng)
    found = genome.neighbours(space, before)
    seen = set()
    for after in found:
        assert is_setting(space, after)
        changed = [name for name in before if name in after and before[name] != after[name]]
        assert len(changed) == 1
        seen.add((changed[0], after[changed[0]]))
    assert len(seen) == len(found)
    for decision in genome.decisions_of(space, before):
        if decision.domain is not None:
            name = decision.hp.name
            assert {(name, value) for value in decision.domain if value != before[name]} <= seen


@given(st.data(), seeds)
def test_a_child_takes_each_decision_from_a_parent(spaces, is_setting, data, seed):
    space = data.draw(spaces())
    rng = generator(seed)
    first, second = genome.sample(space, rng), genome.sample(space, rng)
    child = genome.crossover(space, first, second, rng)
    assert is_setting(space, child)
    for name, value in child.items():
        offers = [parent[name] for parent in (first, second) if name in parent]
        assert not offers or value in offers


def test_both_parents_are_used():
    space, rng = keras_tuner.HyperParameters(), generator(0)
    for place in range(40):
        space.Boolean(f"h{place}")
    first = {f"h{place}": True for place in range(40)}
    second = {f"h{place}": False for place in range(40)}
    assert 10 < sum(genome.crossover(space, first, second, rng).values()) < 30


@given(st.data(), seeds)
def test_distance_is_zero_only_between_equals(spaces, data, seed):
    space = data.draw(spaces())
    rng = generator(seed)
    first, second = genome.sample(space, rng), genome.sample(space, rng)
    there = genome.distance(space, first, second)
    assert there == genome.distance(space, second, first)
    assert (there == 0) == (first == second)
    assert genome.distance(space, first, first) == 0


def test_distance_grows_along_an_ordered_range():
    space = keras_tuner.HyperParameters()
    space.Int("units", 8, 64, step=8)
    space.Choice("op", ["conv", "pool"])
    near = genome.distance(space, {"units": 8, "op": "conv"}, {"units": 16, "op": "conv"})
    far = genome.distance(space, {"units": 8, "op": "conv"}, {"units": 64, "op": "conv"})
    assert (near, far) == (pytest.approx(1 / 7), 1.0)
    assert genome.distance(space, {"units": 8, "op": "conv"}, {"units": 8, "op": "pool"}) == 1.0


def test_mutation_steps_on_ordered_ranges_and_reaches_far():
    space = keras_tuner.HyperParameters()
    space.Int("units", 0, 100)
    rng = generator(0)
    moves = [abs(genome.mutate(space, {"units": 50}, rng)["units"] - 50) for _ in range(200)]
    assert 0.35 < np.mean([move <= 10 for move in moves]) < 0.65
    assert max(moves) > 30
    assert min(moves) > 0


def test_a_long_range_and_a_fraction_of_one_name():
    """A range of fifty million is not walked to learn that it has no 0.5."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["many", "share"])
    with hp.conditional_scope("kind", ["many"]):
        hp.Int("k", 1, 5 * 10**7)
    with hp.conditional_scope("kind", ["share"]):
        hp.Float("k", 0.25, 0.75)
    rng = np.random.default_rng(0)
    values = {"kind": "share", "k": 0.5}
    for _ in range(200):
        values = genome.mutate(hp, values, rng)
        assert genome.complete(hp, values) == values

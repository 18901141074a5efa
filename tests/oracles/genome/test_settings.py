import itertools

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.testing.search import conditional_space, small_space

PARENTS = {
    "choice": ["a", "b", "c"],
    "numbers": [3, 5, 7],
    "int": [1, 2, 3],
    "bool": [True, False],
}


@st.composite
def spaces(draw, finite=False):
    """Random spaces: every type, nested conditions, names registered under several conditions."""
    hp = keras_tuner.HyperParameters()
    parents = {}
    for place in range(draw(st.integers(1, 7))):
        name = f"h{place}"
        kinds = ["choice", "numbers", "int", "bool", "fixed", "grid"]
        kind = draw(st.sampled_from(kinds if finite else [*kinds, "float", "log"]))
        stacks = [()]
        if parents and draw(st.booleans()):
            # The same name under one or two conditions: either of them makes it matter.
            names = st.lists(st.sampled_from(sorted(parents)), min_size=1, max_size=2, unique=True)
            stacks = []
            for parent in draw(names):
                stack, values = parents[parent]
                chosen = sorted(draw(st.sets(st.sampled_from(values), min_size=1)))
                stacks.append((*stack, (parent, chosen)))
        for stack in stacks:
            with nested(hp, stack):
                register(hp, kind, name)
        if kind in PARENTS and len(stacks) == 1:
            parents[name] = stacks[0], PARENTS[kind]
    return hp


class nested:
    def __init__(self, hp, stack):
        self.scopes = [hp.conditional_scope(name, values) for name, values in stack]

    def __enter__(self):
        for scope in self.scopes:
            scope.__enter__()

    def __exit__(self, *error):
        for scope in reversed(self.scopes):
            scope.__exit__(*error)


def register(hp, kind, name):
    if kind == "choice":
        hp.Choice(name, ["a", "b", "c"])
    elif kind == "numbers":
        hp.Choice(name, [3, 5, 7])
    elif kind == "int":
        hp.Int(name, 1, 3)
    elif kind == "bool":
        hp.Boolean(name)
    elif kind == "fixed":
        hp.Fixed(name, 4)
    elif kind == "grid":
        hp.Float(name, 0.0, 0.5, step=0.1)
    elif kind == "float":
        hp.Float(name, 0.0, 1.0)
    else:
        hp.Float(name, 1e-4, 1.0, sampling="log")


def is_setting(space, values):
    """KerasTuner's own word on it: every active value is there and offered, and no other."""
    hp = keras_tuner.HyperParameters.from_config({**space.get_config(), "values": values})
    for parameter in hp.space:
        if hp.is_active(parameter):
            value = values.get(parameter.name)
            if value is None:
                return False
            continuous = getattr(parameter, "step", 0) is None
            if not continuous and value not in list(parameter.values):
                return False
            if continuous and not parameter.min_value <= value <= parameter.max_value:
                return False
    return all(hp.is_active(name) for name in values)


def generator(seed):
    return np.random.default_rng(seed)


def is_open(space, values):
    return any(decision.is_open for decision in genome.decisions_of(space, values))


seeds = st.integers(0, 2**32 - 1)


@given(spaces(), seeds)
def test_samples_are_settings(space, seed):
    assert is_setting(space, genome.sample(space, generator(seed)))


@given(spaces(), seeds)
def test_a_mutation_changes_one_decision(space, seed):
    rng = generator(seed)
    before = genome.sample(space, rng)
    kept = dict(before)
    after = genome.mutate(space, before, rng)
    assert before == kept
    assert is_setting(space, after)
    changed = [name for name in before if name in after and before[name] != after[name]]
    assert len(changed) == (1 if is_open(space, before) else 0)


@given(spaces(), seeds, st.lists(st.integers(0, 4), max_size=4))
def test_mutants_are_mutations_of_mutations(space, seed, changes):
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


@given(spaces(), seeds)
def test_neighbours_differ_in_one_decision_and_are_all(space, seed):
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


@given(spaces(), seeds)
def test_a_child_takes_each_decision_from_a_parent(space, seed):
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


@given(spaces(), seeds)
def test_distance_is_zero_only_between_equals(space, seed):
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


@given(spaces(finite=True))
@settings(max_examples=60)
def test_listing_a_space_gives_every_setting_once(space):
    listed = [tuple(sorted(values.items())) for values in genome.enumerate_settings(space)]
    assert len(set(listed)) == len(listed) == genome.size(space, limit=10**6)
    domains = {}
    for parameter in space.space:
        domains[parameter.name] = [None, *parameter.values]
    if np.prod([len(domain) for domain in domains.values()]) < 1000:
        every = (
            {name: value for name, value in zip(domains, choice, strict=True) if value is not None}
            for choice in itertools.product(*domains.values())
        )
        assert len(listed) == sum(is_setting(space, values) for values in every)


def test_size_gives_up_beyond_its_limit_and_on_continuous_ranges():
    space = keras_tuner.HyperParameters()
    space.Int("huge", 0, 10**9)
    assert genome.size(space) is None
    assert next(genome.enumerate_settings(space)) == {"huge": 0}
    space.Float("rate", 0, 1)
    assert genome.size(space, limit=10**12) is None
    with pytest.raises(ValueError, match="'rate' is continuous"):
        genome.enumerate_settings(space)


def test_a_thousand_decisions_can_be_listed():
    space = keras_tuner.HyperParameters()
    for place in range(1200):
        space.Boolean(f"h{place}")
    assert len(next(genome.enumerate_settings(space))) == 1200
    assert genome.size(space) is None


@given(spaces(), seeds)
def test_samples_are_complete_and_settled(space, seed):
    values = genome.sample(space, generator(seed))
    assert genome.complete(space, values) == values
    assert genome.active(space, values) == values
    assert genome.settle(space, {**values, "tuner/epochs": 3}) == values


def test_active_drops_what_hangs_on_what_is_dropped():
    values = {"depth": 1, "block_1": "conv", "block_1/kernel": 3, "bias": True}
    assert genome.active(conditional_space(), values) == {"depth": 1, "bias": True}


def test_complete_fills_defaults_and_takes_numpy_values():
    space = conditional_space()
    full = genome.complete(space, {"depth": np.int64(1), "block_0": "pool"})
    assert full == {"depth": 1, "block_0": "pool", "bias": False, "learning_rate": 1e-4}
    assert type(full["depth"]) is int
    space = keras_tuner.HyperParameters()
    space.Float("rate", 0.0, 0.5, step=0.1)
    space.Choice("flag", [True, False])
    # 0.3 is 0.30000000000000004 there, and KerasTuner keeps Booleans of a Choice as 1 and 0.
    full = genome.complete(space, {"rate": 0.3, "flag": True})
    assert full["rate"] in list(space.space[0].values)
    assert type(full["flag"]) is int


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 3}, "no hyperparameter 'width'"),
        ({"depth": 9}, "'depth' must be one of .*Received: 9"),
        ({"depth": 1, "block_2": "conv"}, "'block_2' does not matter"),
        ({"learning_rate": 5.0}, "from 0.0001 to 0.1. Received: 5.0"),
    ],
)
def test_complete_names_what_is_wrong(values, message):
    with pytest.raises(ValueError, match=message):
        genome.complete(conditional_space(), values)


def test_parts_follow_the_names():
    space = keras_tuner.HyperParameters()
    space.Choice("stem/filters", [8, 16])
    space.Int("stem/kernel", 3, 5)
    space.Choice("block_1", ["conv", "pool"])
    with space.conditional_scope("block_1", ["conv"]):
        space.Int("block_1/filters", 8, 16)
        space.Int("block_1/se/ratio", 1, 4)
    space.Int("block_10", 1, 2)
    space.Float("learning_rate", 0, 1)
    assert genome.parts(space) == {
        "stem": ["stem/filters", "stem/kernel"],
        "block_1": ["block_1", "block_1/filters", "block_1/se/ratio"],
        "block_10": ["block_10"],
        "learning_rate": ["learning_rate"],
    }


def test_the_registration_in_force_says_what_a_name_may_be():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool"])
    with space.conditional_scope("op", ["conv"]):
        space.Choice("size", [3, 5])
    with space.conditional_scope("op", ["pool"]):
        space.Choice("size", [2, 4])
    listed = {tuple(values.values()) for values in genome.enumerate_settings(space)}
    assert listed == {("conv", 3), ("conv", 5), ("pool", 2), ("pool", 4)}
    assert genome.set_one(space, {"op": "conv", "size": 5}, "op", "pool")["size"] == 2


def test_a_child_registered_before_its_parent_is_found():
    # What a worker process sends is sorted by type: Float before Choice.
    ordered = keras_tuner.HyperParameters()
    ordered.Choice("optimizer", ["sgd", "adam"])
    with ordered.conditional_scope("optimizer", ["adam"]):
        ordered.Float("beta", 0.8, 0.99)
    config = ordered.get_config()
    space = keras_tuner.HyperParameters.from_config({"space": config["space"][::-1], "values": {}})
    rng = generator(0)
    for _ in range(20):
        values = genome.sample(space, rng)
        assert ("beta" in values) == (values["optimizer"] == "adam")


def test_samples_follow_the_declared_prior():
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-4, 1.0, sampling="log")
    space.Int("units", 1, 1000, sampling="log")
    rng = generator(0)
    drawn = [genome.sample(space, rng) for _ in range(400)]
    assert 0.4 < np.mean([values["rate"] < 1e-2 for values in drawn]) < 0.6
    assert 0.35 < np.mean([values["units"] < 32 for values in drawn]) < 0.65
    assert all(1 <= values["units"] <= 1000 for values in drawn)


def test_mutation_steps_on_ordered_ranges_and_reaches_far():
    space = keras_tuner.HyperParameters()
    space.Int("units", 0, 100)
    rng = generator(0)
    moves = [abs(genome.mutate(space, {"units": 50}, rng)["units"] - 50) for _ in range(200)]
    assert 0.35 < np.mean([move <= 10 for move in moves]) < 0.65
    assert max(moves) > 30
    assert min(moves) > 0


def test_small_space_has_ten_settings():
    assert genome.size(small_space()) == 10


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

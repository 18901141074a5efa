"""Settings of a search space: drawn, completed, reduced to what matters."""

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.testing.search import conditional_space

seeds = st.integers(0, 2**32 - 1)


def generator(seed):
    return np.random.default_rng(seed)


@given(st.data(), seeds)
def test_samples_are_settings(spaces, is_setting, data, seed):
    space = data.draw(spaces())
    assert is_setting(space, genome.sample(space, generator(seed)))


@given(st.data(), seeds)
def test_samples_are_complete_and_settled(spaces, data, seed):
    space = data.draw(spaces())
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

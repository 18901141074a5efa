"""How the decisions of a search space look to Optuna."""

import keras_tuner
import optuna
import pytest

from kerasnas.oracles import genome
from kerasnas.oracles.optuna.space import only, parameters_of
from kerasnas.testing import search

KINDS = {
    "category": lambda hp: hp.Choice("x", ["a", "b"]),
    "place": lambda hp: hp.Choice("x", [1, 2, 4, 8]),
    "int": lambda hp: hp.Int("x", 3, 12, step=4),
    "int of steps": lambda hp: hp.Int("x", 8, 64, step=2, sampling="log"),
    "float": lambda hp: hp.Float("x", -1.0, 1.0),
    "float of steps": lambda hp: hp.Float("x", 0.0, 0.5, step=0.1),
    "log": lambda hp: hp.Float("x", 1e-4, 1.0, sampling="log"),
    "quantile": lambda hp: hp.Float("x", 1e-4, 1.0, sampling="reverse_log"),
    "boolean": lambda hp: hp.Boolean("x"),
}


def one(kind):
    space = keras_tuner.HyperParameters()
    KINDS[kind](space)
    ((decision, parameter),) = parameters_of(space).items()
    return space, decision, parameter


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_encoded_is_in_the_distribution_and_comes_back(kind, rng):
    """A fixed trial gives the parameter back what it was encoded as."""
    space, _, parameter = one(kind)
    for _ in range(20):
        value = genome.sample(space, rng)["x"]
        encoded = parameter.encode(value)
        trial = optuna.trial.FixedTrial({parameter.name: encoded})
        assert parameter.suggest(trial) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "distribution", "form"),
    [
        ("category", "CategoricalDistribution", "value"),
        ("boolean", "CategoricalDistribution", "value"),
        ("place", "IntDistribution", "place"),
        ("int", "IntDistribution", "value"),
        ("int of steps", "IntDistribution", "place"),
        ("log", "FloatDistribution", "value"),
        ("quantile", "FloatDistribution", "quantile"),
    ],
)
def test_the_distribution_of_each_kind(kind, distribution, form):
    _, _, parameter = one(kind)
    assert (type(parameter.distribution).__name__, parameter.form) == (distribution, form)


def test_a_default_off_the_steps_is_encoded_as_the_nearest():
    space = keras_tuner.HyperParameters()
    space.Float("x", 0.0, 0.5, step=0.1, default=0.24)
    (parameter,) = parameters_of(space).values()
    assert parameter.encode(0.24) == 2


def test_a_category_that_is_not_offered_is_not_encoded():
    assert one("category")[2].encode("c") is None


def test_what_has_no_choice_is_no_parameter():
    space = keras_tuner.HyperParameters()
    space.Fixed("fixed", 7)
    space.Float("point", 0.5, 0.5)
    space.Boolean("open")
    found = parameters_of(space)
    assert [parameter.name for parameter in found.values()] == ["open"]
    closed = genome.decisions_of(space, {"fixed": 7, "point": 0.5})
    assert [only(decision) for decision in closed] == [7, 0.5]


def test_registrations_that_agree_share_a_parameter():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool", "dense"])
    for operation, sizes in (("conv", [3, 5]), ("pool", [3, 5]), ("dense", [8, 16])):
        with space.conditional_scope("op", [operation]):
            space.Choice("size", sizes)
    names = [parameter.name for parameter in parameters_of(space).values()]
    assert names == ["op", "size", "size", "size (2)"]


def test_every_decision_of_a_conditional_space_has_a_parameter():
    space = search.conditional_space()
    assert len(parameters_of(space)) == len(space.space)

"""What the trials of a search teach about settings that were not tried."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Oracle, Random, genome
from kerasnas.oracles.predictor.model import Model
from kerasnas.testing import search


@pytest.fixture
def oracle(tmp_path):
    oracle = Oracle(
        Random,
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=search.separable_space(),
        seed=0,
    )
    oracle.open(tmp_path)
    return oracle


def correlation(learned, count=200):
    rng = np.random.default_rng(5)
    settings = [genome.sample(search.separable_space(), rng) for _ in range(count)]
    predicted = learned.scores.model.predict(learned.encoding.encode(settings)).mean
    return np.corrcoef(predicted, [search.score(values) for values in settings])[0, 1]


def test_scores_of_settings_that_were_not_tried_are_predicted(oracle):
    search.run(oracle, trials=60)
    learned = Model().learn(oracle.history)
    assert learned.success is None
    assert correlation(learned) > 0.5
    assert learned.scores.agreement > 0.3


def test_without_two_completed_trials_nothing_is_predicted(oracle):
    for trials in range(2):
        assert Model().learn(oracle.history).scores is None
        search.run(oracle, trials=1)
        assert len(oracle.completed) == trials + 1
    assert Model().learn(oracle.history).scores is not None


def test_what_is_like_the_failed_ones_is_judged_lower(oracle):
    search.run(oracle, lambda v: None if v["edge_0"] == "pool" else 1.0, trials=40)
    learned = Model().learn(oracle.history)
    rng = np.random.default_rng(5)
    settings = [genome.sample(search.separable_space(), rng) for _ in range(100)]
    worth = learned.judge(None)(settings)
    fails = np.array([values["edge_0"] == "pool" for values in settings])
    assert worth[fails].mean() < worth[~fails].mean()
    assert np.median(worth[fails]) < np.quantile(worth[~fails], 0.1)


def test_the_parameters_are_kept_while_few_trials_are_new(oracle):
    """They are what is saved; a model with the same parameters says the same."""
    search.run(oracle, trials=30)
    model = Model()
    model.learn(oracle.history)
    fits = dict(model.fits)
    search.run(oracle, trials=2)
    first = correlation(model.learn(oracle.history))
    assert model.fits == fits
    again = Model()
    again.fits = dict(fits)
    assert correlation(again.learn(oracle.history)) == pytest.approx(first)
    search.run(oracle, trials=10)
    model.learn(oracle.history)
    assert model.fits != fits


def test_a_space_that_grows_is_encoded_anew(oracle):
    search.run(oracle, trials=10)
    model = Model()
    before = model.learn(oracle.history).encoding.width
    more = keras_tuner.HyperParameters()
    more.Choice("late", ["a", "b"])
    oracle.update_space(more)
    assert model.learn(oracle.history).encoding.width == before + 2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.oracles.predictor.gaussian_process import GaussianProcess


def fitted(truth, columns, count=40, noise=0.0):
    rng = np.random.default_rng(0)
    x = rng.random((count, columns))
    y = np.array([truth(row) for row in x]) + noise * rng.normal(size=count)
    model = GaussianProcess(range(columns))
    model.learn(x, y / y.std())
    return model.condition(x, y / y.std()), x, y / y.std()


def test_a_decision_with_its_optimum_in_the_middle_matters():
    """It has no linear effect at all; the other one has none of any kind."""
    model, _, _ = fitted(lambda x: -((x[0] - 0.5) ** 2), 2)
    middle, nothing = model.parameters[:2]
    assert middle < nothing - 1


def test_a_smooth_function_is_known_between_the_trials():
    def truth(x):
        return np.sin(4 * x[0]) + x[1] * x[0]

    model, _, _ = fitted(truth, 3, count=60)
    queries = np.random.default_rng(1).random((200, 3))
    scores = np.array([truth(row) for row in queries])
    assert np.corrcoef(model.predict(queries).mean, scores)[0, 1] > 0.99


def test_effects_that_add_up_are_learned_from_few_trials():
    """Twelve decisions with more than two waves each, from eight trials a decision."""

    def truth(x):
        return np.sin(14 * x).sum()

    model, _, _ = fitted(truth, 12, count=100)
    queries = np.random.default_rng(1).random((200, 12))
    scores = np.array([truth(row) for row in queries])
    assert np.corrcoef(model.predict(queries).mean, scores)[0, 1] > 0.9


def test_noise_is_told_from_signal():
    model, x, y = fitted(lambda x: x[0], 2, count=60, noise=0.3)
    assert model.noise == pytest.approx(0.3 / np.hypot(0.29, 0.3), rel=0.3)
    assert np.std(model.predict(x).mean - y) > 0.5 * model.noise


def test_how_well_each_score_follows_from_the_others():
    signal, x, y = fitted(lambda x: np.sin(5 * x[0]), 2)
    assert signal.agreement() > 0.95
    left_out = []
    for place in range(len(y)):
        rest = np.arange(len(y)) != place
        signal.condition(x[rest], y[rest])
        left_out.append(signal.predict(x[place : place + 1]).mean[0])
    correlation = np.corrcoef(left_out, y)[0, 1]
    assert signal.condition(x, y).agreement() == pytest.approx(correlation, abs=0.01)
    noise, _, _ = fitted(lambda x: 0.0, 2, noise=1.0)
    assert noise.agreement() < 0.3
    assert signal.condition(x, np.ones(len(x))).agreement() == 0.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_it_is_sure_where_it_has_been_and_unsure_elsewhere(seed):
    rng = np.random.default_rng(seed)
    x = rng.random((15, 4))
    model = GaussianProcess([0, 1, 3])
    y = rng.normal(size=15)
    model.learn(x, y)
    model.condition(x, y)
    known, far = model.predict(x).deviation, model.predict(x + 5).deviation
    assert (known > 0).all()
    assert known.max() < far.min()


def test_the_same_setting_many_times_is_no_fault():
    x = np.zeros((20, 2))
    model = GaussianProcess([0, 1])
    y = np.linspace(-1, 1, 20)
    model.learn(x, y)
    assert model.condition(x, y).predict(x[:1]).mean == pytest.approx(0, abs=1e-6)

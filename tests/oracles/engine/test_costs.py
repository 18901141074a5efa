import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.testing import search


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("kerasnas.oracles.engine.fidelity.time", clock)
    monkeypatch.setattr("kerasnas.oracles.engine.desk.time", clock)
    return clock


def work(values):
    """From 1 to 100, by the values."""
    return 1.0 + 99.0 * (search.score(values) % 1.0)


def make(folder, max_trials=None, strategy="random", seed=0, with_work=True, space=None):
    oracle = kn.oracles.make(
        strategy,
        objective=keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=max_trials,
        hyperparameters=space or search.conditional_space(),
        seed=seed,
    )
    oracle.attach(work=work if with_work else None)
    oracle.open(folder)
    return oracle


def proposed(oracle, clock, count, seconds=1000.0, each=None):
    """What the networks of the next trials compute."""
    found = []
    for _ in range(count):
        trial = oracle.create_trial("worker")
        values = search.setting(trial.hyperparameters.values)
        found.append(work(values))
        clock.now += seconds / count if each is None else each(found[-1])
        search.finish(oracle, trial)
    return found


def test_cheap_networks_come_first_and_costly_ones_at_the_end(tmp_path, clock):
    oracle = make(tmp_path)
    oracle.prepare(kn.oracles.SearchCall(seconds=1000.0))
    found = proposed(oracle, clock, 200, each=lambda work: work / 10)
    assert np.mean(found[:60]) < 0.8 * np.mean(found[-60:])
    assert np.mean(found[-60:]) == pytest.approx(50, abs=12)  # As random settings are.


@pytest.mark.parametrize("case", ["no limit of time", "a limit of trials", "costs are not known"])
def test_otherwise_all_proposals_pass(tmp_path, clock, case):
    plain = make(tmp_path / "plain", 40)
    limited = make(
        tmp_path / "other",
        40 if case == "a limit of trials" else None,
        with_work=case != "costs are not known",
    )
    limited.prepare(kn.oracles.SearchCall(seconds=None if case == "no limit of time" else 100.0))
    assert proposed(limited, clock, 40) == proposed(plain, clock, 40)


def test_what_takes_no_longer_is_not_turned_away(tmp_path, clock):
    """Trials of the same seconds, whatever their networks compute."""
    oracle = make(tmp_path)
    oracle.prepare(kn.oracles.SearchCall(seconds=1e9))
    found = proposed(oracle, clock, 150, each=lambda _: 10.0)
    assert np.mean(found[-100:]) > 1.2 * np.mean(found[:5])


@pytest.mark.parametrize("strategy", ["predictor", "evolution", "greedy", "nsga2"])
def test_any_strategy_goes_with_it(tmp_path, clock, strategy):
    oracle = make(tmp_path, strategy=strategy)
    oracle.prepare(kn.oracles.SearchCall(seconds=1000.0))
    assert len(proposed(oracle, clock, 30)) == 30


def test_a_space_of_costly_networks_only_is_searched(tmp_path, clock):
    oracle = make(tmp_path)
    oracle.attach(work=lambda values: 1e9)
    oracle.prepare(kn.oracles.SearchCall(seconds=1000.0))
    assert len(proposed(oracle, clock, 20)) == 20


def test_a_grid_tries_every_setting(tmp_path, clock):
    """A walk does not come back to what it has passed over."""
    oracle = make(tmp_path, strategy="grid", space=search.small_space())
    oracle.attach(work=lambda values: 1.0 if values["bias"] else 1e6)
    oracle.prepare(kn.oracles.SearchCall(seconds=1e6))
    assert len(search.run(oracle)) == 10

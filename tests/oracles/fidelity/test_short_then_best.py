import keras_tuner
import pytest

import kerasnas as kn
from kerasnas.testing import search


def make(folder, epochs=2, keep=3, **kwargs):
    kwargs = {"max_trials": 20, "hyperparameters": search.conditional_space(), "seed": 1, **kwargs}
    fidelity = kn.oracles.ShortThenBest(epochs, keep)
    objective = keras_tuner.Objective(*search.OBJECTIVE)
    oracle = kn.oracles.Oracle(kn.oracles.Random(), objective, fidelity=fidelity, **kwargs)
    oracle.open(folder)
    return oracle


def outcome(values):
    return search.score(values) - ("tuner/epochs" in values)


def lengths(oracle):
    return [trial.hyperparameters.values.get("tuner/epochs") for trial in oracle.trials.values()]


def test_the_best_of_the_short_ones_are_trained_in_full_at_the_end(tmp_path):
    oracle = make(tmp_path)
    search.run(oracle, outcome)
    assert lengths(oracle) == [2] * 17 + [None] * 3
    trials = list(oracle.trials.values())
    short = sorted(trials[:17], key=lambda trial: -trial.score)
    parents = [oracle.lineage[trial.trial_id]["parents"] for trial in trials[17:]]
    assert parents == [[trial.trial_id] for trial in short[:3]]


def test_full_trainings_rank_before_short_ones_whatever_their_scores(tmp_path):
    oracle = make(tmp_path)
    search.run(oracle, lambda values: search.score(values) + ("tuner/epochs" in values))
    best = oracle.get_best_trials(4)
    assert ["tuner/epochs" in trial.hyperparameters.values for trial in best] == [False] * 3 + [
        True
    ]
    assert [trial.score for trial in best[:3]] == sorted(
        (trial.score for trial in best[:3]), reverse=True
    )


def test_a_failed_full_training_is_replaced_by_that_of_the_next_best(tmp_path):
    failing = []

    def fails_once(values):
        if "tuner/epochs" not in values and not failing:
            failing.append(values)
            return None
        return outcome(values)

    oracle = make(tmp_path, max_trials=21)
    search.run(oracle, fails_once)
    assert [trial.status for trial in oracle.trials.values()].count("FAILED") == 1
    assert lengths(oracle)[-4:] == [None] * 4 or lengths(oracle)[-3:] == [None] * 3
    done = [trial for trial in oracle.trials.values() if trial.status == "COMPLETED"]
    assert sum("tuner/epochs" not in trial.hyperparameters.values for trial in done) >= 2


def test_a_space_that_is_exhausted_ends_the_short_trainings(tmp_path):
    oracle = make(tmp_path, max_trials=100, hyperparameters=search.small_space())
    search.run(oracle, outcome)
    assert lengths(oracle) == [2] * 10 + [None] * 3


def test_several_workers_wait_for_the_last_short_training(tmp_path):
    oracle = make(tmp_path, max_trials=6)
    running = [oracle.create_trial(f"worker {n}") for n in range(3)]
    assert oracle.create_trial("late").status == "IDLE"
    for trial in running:
        search.finish(oracle, trial, outcome)
    finals = [oracle.create_trial(f"worker {n}") for n in range(3)]
    assert all("tuner/epochs" not in trial.hyperparameters.values for trial in finals)
    assert len({str(search.setting(trial.hyperparameters.values)) for trial in finals}) == 3


def test_a_resumed_search_goes_on_as_an_unbroken_one(tmp_path):
    unbroken = search.run(make(tmp_path / "unbroken"), outcome)
    for place in (5, 16, 18):
        folder = tmp_path / f"broken at {place}"
        search.run(make(folder), outcome, trials=place)
        resumed = make(folder)
        resumed.reload()
        assert search.run(resumed, outcome) == unbroken


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr("kerasnas.oracles.engine.fidelity.time", clock)
    monkeypatch.setattr("kerasnas.oracles.engine.desk.time", clock)
    return clock


def test_full_trainings_begin_in_time(tmp_path, clock):
    oracle = make(tmp_path, max_trials=None)
    oracle.prepare(kn.oracles.SearchCall(epochs=10, samples=100, seconds=100.0))

    def timed(values):
        clock.now += values.get("tuner/epochs", 10)
        return outcome(values)

    while clock.now < 100:
        trial = oracle.create_trial("worker")
        if trial.status == "STOPPED":
            break
        search.finish(oracle, trial, timed)
    full = lengths(oracle).count(None)
    assert full >= 3
    assert clock.now <= 110  # The last training may end after the limit, as in every search.


def test_no_limit_is_an_error(tmp_path):
    oracle = make(tmp_path, max_trials=None)
    with pytest.raises(ValueError, match="needs to know when the short trainings end"):
        oracle.create_trial("worker")


def test_fewer_trials_than_full_trainings_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"there must be more trials\. Received: max_trials=3"):
        make(tmp_path, max_trials=3)


def test_a_short_training_must_be_shorter(tmp_path):
    with pytest.raises(ValueError, match=r"search\(epochs=2\), ShortThenBest\(epochs=2\)"):
        make(tmp_path).prepare(kn.oracles.SearchCall(epochs=2))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"keep": 0}, {"epochs": 1.5}])
def test_wrong_numbers(wrong):
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        kn.oracles.ShortThenBest(**wrong)

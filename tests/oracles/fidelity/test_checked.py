import random

import keras_tuner
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.testing import search

EPOCHS, SAMPLES = 8, 10_000


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("kerasnas.oracles.engine.fidelity.time", clock)
    monkeypatch.setattr("kerasnas.oracles.engine.desk.time", clock)
    return clock


def make(folder, max_trials=None, strategy="random", **kwargs):
    kwargs = {"hyperparameters": search.conditional_space(), "seed": 1, **kwargs}
    objective = kwargs.pop("objective", keras_tuner.Objective(*search.OBJECTIVE))
    oracle = kn.oracles.make(
        strategy, objective=objective, max_trials=max_trials, fidelity="auto", **kwargs
    )
    oracle.open(folder)
    return oracle


def share(values):
    """How much of a full training a trial has."""
    epochs, samples = values.get("tuner/epochs", EPOCHS), values.get("tuner/samples", SAMPLES)
    return epochs * samples / (EPOCHS * SAMPLES)


def noisy(noise, clock, sign=1):
    """Short trainings that rank as well as their noise lets them; `sign` -1 turns them round."""

    def outcome(values):
        part = share(values)
        clock.now += 1 + 40 * part
        true = search.score(values)
        if part == 1:
            return true
        drawn = random.Random(str(sorted(values.items()))).gauss(0, 1)
        return sign * true + noise * drawn * (1 - part) - 5

    return outcome


def run(oracle, outcome, clock, seconds=None, epochs=EPOCHS, samples=SAMPLES):
    oracle.prepare(kn.oracles.SearchCall(epochs, samples, seconds))
    choices = []
    while seconds is None or clock.now < seconds:
        trial = oracle.create_trial("worker")
        if oracle.fidelity_choice not in ("", *choices):
            choices.append(oracle.fidelity_choice)
        if trial.status != "RUNNING":
            break
        search.finish(oracle, trial, outcome)
    return choices


def shares(oracle):
    return [share(trial.hyperparameters.values) for trial in oracle.trials.values()]


def test_trainings_that_rank_well_are_chosen_within_a_tenth_of_the_time(tmp_path, clock):
    oracle = make(tmp_path)
    spent = []
    outcome = noisy(0.2, clock)

    def timed(values):
        spent.append((clock.now, oracle.fidelity_choice))
        return outcome(values)

    choice, *_ = run(oracle, timed, clock, 7200)
    assert "ranks 8 networks as the full training of 8 epochs does with a Kendall" in choice
    assert next(at for at, said in spent if said) <= 720
    full = shares(oracle).count(1.0)
    assert 0.1 < 41 * full / clock.now < 0.4  # A third of the time is for the best.
    assert clock.now <= 7200


@pytest.mark.parametrize("seconds", [400, 7200])
def test_a_good_network_is_trained_in_full_early(tmp_path, clock, seconds):
    oracle = make(tmp_path)
    outcome = noisy(0.2, clock)
    results = []

    def timed(values):
        score = outcome(values)
        results.append((clock.now, share(values), search.setting(values), score))
        return score

    run(oracle, timed, clock, seconds)
    at, _, setting, _ = next(one for one in results if one[1] == 1)
    before = [one for one in results if one[0] < at]
    assert at <= 65  # Six short trainings and a full one.
    assert setting == max(before, key=lambda one: one[3])[2]


def test_a_full_training_that_takes_long_does_not_come_early(tmp_path, clock):
    oracle = make(tmp_path)
    run(oracle, noisy(0.2, clock), clock, 240)
    assert 1 not in shares(oracle)[:12]


def test_the_best_were_trained_in_full(tmp_path, clock):
    oracle = make(tmp_path)
    run(oracle, noisy(0.2, clock), clock, 2000)
    trials = list(oracle.trials.values())
    assert share(oracle.get_best_trials(1)[0].hyperparameters.values) == 1
    full = {
        str(search.setting(t.hyperparameters.values))
        for t in trials
        if share(t.hyperparameters.values) == 1
    }
    short = [t for t in trials if share(t.hyperparameters.values) < 1]
    best = sorted(short, key=lambda t: (-share(t.hyperparameters.values), -t.score))[:3]
    assert {str(search.setting(t.hyperparameters.values)) for t in best} & full


@pytest.mark.parametrize(("noise", "sign"), [(30.0, 1), (0.1, -1)])
def test_trainings_that_rank_badly_are_not_used(tmp_path, clock, noise, sign):
    oracle = make(tmp_path)
    choices = run(oracle, noisy(noise, clock, sign), clock, 7200)
    assert choices[0].startswith("every network is trained in full, because no shorter training")
    after = shares(oracle)[8 * 4 :]
    assert set(after) == {1.0}


def test_a_longer_training_is_checked_where_the_shortest_ranks_badly(tmp_path, clock):
    def outcome(values):
        clock.now += 1 + 40 * share(values)
        if share(values) < 0.1:
            return random.Random(str(sorted(values.items()))).random()
        return search.score(values)

    choices = run(make(tmp_path), outcome, clock, 7200)
    assert "networks are trained for 1 epoch of 8,889 samples" in choices[0]


def test_too_little_time_trains_in_full_and_says_so(tmp_path, clock):
    oracle = make(tmp_path)
    choices = run(oracle, noisy(0.2, clock), clock, 100)
    assert choices[0].endswith("the search is too short to check a shorter training")
    assert set(shares(oracle)[3:]) == {1.0}  # The first trials have shown it.


def test_a_slow_start_does_not_end_the_check(tmp_path, clock):
    """The first training of a process takes longer, since libraries prepare themselves."""
    plain = noisy(0.2, clock)

    def outcome(values):
        clock.now += 0 if clock.now else 10
        return plain(values)

    choices = run(make(tmp_path), outcome, clock, 400)
    assert "ranks 8 networks" in choices[0]


@pytest.mark.parametrize(("epochs", "samples"), [(1, 500), (1, None), (3, 200), (None, None)])
def test_too_little_data_trains_in_full_and_says_so(tmp_path, clock, epochs, samples):
    oracle = make(tmp_path, max_trials=5)
    choices = run(oracle, search.score, clock, None, epochs, samples)
    assert "every network is trained in full" in choices[0]
    assert shares(oracle) == [1.0] * 5


def test_several_objectives_train_in_full(tmp_path, clock):
    objectives = [keras_tuner.Objective("score", "max"), keras_tuner.Objective("other", "min")]
    oracle = make(tmp_path, 3, "nsga2", objective=objectives)
    oracle.prepare(kn.oracles.SearchCall(EPOCHS, SAMPLES, None))
    trial = oracle.create_trial("worker")
    assert share(trial.hyperparameters.values) == 1
    assert "several objectives" in oracle.fidelity_choice


def test_a_small_space_is_trained_in_full(tmp_path, clock):
    oracle = make(tmp_path, 100, hyperparameters=search.small_space())
    run(oracle, noisy(0.1, clock), clock)
    names = {str(search.setting(t.hyperparameters.values)) for t in oracle.trials.values()}
    assert len(names) == 10
    assert shares(oracle).count(1.0) >= 3


def test_finalists_that_turn_out_otherwise_end_the_short_trainings(tmp_path, clock):
    """The check was lucky: what it trained agrees, and what follows does not."""
    oracle = make(tmp_path)

    def outcome(values):
        clock.now += 1 + 40 * share(values)
        early = len(oracle.trials) <= 32
        return search.score(values) * (1 if early or share(values) < 1 else -1)

    choices = run(oracle, outcome, clock, 7200)
    assert "ranks 8 networks" in choices[0]
    assert "opposite order" in choices[1]
    assert shares(oracle)[-1] == 1.0


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.2, 3.0]),
    st.floats(0.0, 1.0),
    st.sampled_from(["random", "predictor", "evolution"]),
)
def test_a_resumed_search_keeps_to_its_choice(tmp_path_factory, seed, noise, cut, strategy):
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr("kerasnas.oracles.engine.fidelity.time", clock)
        patch.setattr("kerasnas.oracles.engine.desk.time", clock)
        outcome = noisy(noise, clock)
        unbroken = make(folder / "unbroken", 60, strategy, seed=seed)
        run(unbroken, outcome, clock)
        broken = make(folder / "broken", 60, strategy, seed=seed)
        broken.prepare(kn.oracles.SearchCall(EPOCHS, SAMPLES, None))
        search.run(broken, outcome, trials=int(cut * 60))
        resumed = make(folder / "broken", 60, strategy, seed=seed)
        resumed.reload()
        run(resumed, outcome, clock)
        assert search.rows(resumed) == search.rows(unbroken)
        assert resumed.fidelity_choice == unbroken.fidelity_choice


@settings(deadline=None)
@given(st.integers(1, 200), st.one_of(st.none(), st.integers(1, 10**6)))
def test_the_shortest_training_is_shorter_and_has_enough_samples(tmp_path_factory, epochs, samples):
    oracle = make(tmp_path_factory.mktemp("run"))
    oracle.prepare(kn.oracles.SearchCall(epochs, samples))
    values = oracle.create_trial("worker").hyperparameters.values
    if "tuner/epochs" not in values:
        assert oracle.fidelity_choice
        return
    here = values["tuner/epochs"], values.get("tuner/samples", samples)
    assert 1 <= here[0] <= epochs
    assert here < (epochs, samples) if samples is None else here[0] * here[1] < epochs * samples
    if samples is not None:
        assert here[0] * here[1] >= 2000


def test_several_workers_do_not_wait_for_the_check(tmp_path, clock):
    oracle = make(tmp_path)
    oracle.prepare(kn.oracles.SearchCall(EPOCHS, SAMPLES, None))
    outcome = noisy(0.2, clock)
    waiting = [oracle.create_trial(f"worker {n}") for n in range(12)]
    assert all(trial.status == "RUNNING" for trial in waiting)
    for trial in waiting:
        search.finish(oracle, trial, outcome)
    again = [oracle.create_trial(f"worker {n}") for n in range(12)]
    assert all(trial.status == "RUNNING" for trial in again)


@pytest.mark.parametrize("wrong", [{"networks": 5}, {"agreement": 1.1}, {"agreement": -0.1}])
def test_wrong_numbers(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kn.oracles.CheckedFidelity(**wrong)


def test_no_fidelity_of_that_name():
    with pytest.raises(TypeError, match=r"fidelity must be None, 'auto' or a kerasnas\.oracles"):
        kn.oracles.Oracle(kn.oracles.Random(), "val_loss", 5, fidelity="automatic")

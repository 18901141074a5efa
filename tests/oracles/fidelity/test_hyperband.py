import collections
import random

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import ASHAOracle, EvolutionOracle, HyperbandOracle, Oracle
from kerasnas.testing import search


def make(folder, oracle_class=HyperbandOracle, **kwargs):
    kwargs = {
        "max_epochs": 27,
        "factor": 3,
        "hyperparameters": search.conditional_space(),
        "seed": 1,
        **kwargs,
    }
    if oracle_class is HyperbandOracle:
        kwargs.setdefault("min_epochs", 1)  # KerasTuner's rounds.
    oracle = oracle_class(keras_tuner.Objective(*search.OBJECTIVE), **kwargs)
    if oracle_class is HyperbandOracle:
        oracle.open(folder)
    else:
        oracle._set_project_dir(str(folder), "theirs")
        oracle.verbose = 0
    return oracle


def rounds(oracle):
    """How many trials each round of each bracket had, and their epochs."""
    keys = ("tuner/bracket", "tuner/round", "tuner/initial_epoch", "tuner/epochs")
    return collections.Counter(
        tuple(trial.hyperparameters.values[key] for key in keys) for trial in oracle.trials.values()
    )


def test_the_same_brackets_as_keras_tuner(tmp_path):
    ours, theirs = make(tmp_path), make(tmp_path, keras_tuner.oracles.HyperbandOracle)
    search.run(ours)
    search.run(theirs)
    assert rounds(ours) == rounds(theirs)
    assert sum(rounds(ours).values()) == 70


@pytest.mark.parametrize(("max_epochs", "factor"), [(1, 2), (2, 3), (10, 2), (16, 4)])
def test_other_sizes_match_too(tmp_path, max_epochs, factor):
    sizes = {"max_epochs": max_epochs, "factor": factor, "hyperband_iterations": 2}
    ours = make(tmp_path, **sizes)
    theirs = make(tmp_path, keras_tuner.oracles.HyperbandOracle, **sizes)
    search.run(ours)
    search.run(theirs)
    assert rounds(ours) == rounds(theirs)


def test_the_best_go_on_from_their_own_weights(tmp_path):
    oracle = make(tmp_path)
    search.run(oracle)
    promoted = [t for t in oracle.trials.values() if "tuner/trial_id" in t.hyperparameters.values]
    for trial in promoted:
        values = trial.hyperparameters.values
        parent = oracle.trials[values["tuner/trial_id"]]
        assert search.setting(values) == search.setting(parent.hyperparameters.values)
        assert values["tuner/initial_epoch"] == parent.hyperparameters.values["tuner/epochs"]
        assert values["tuner/round"] == parent.hyperparameters.values["tuner/round"] + 1
        assert values["tuner/bracket"] == parent.hyperparameters.values["tuner/bracket"]
    first = [t for t in oracle.trials.values() if t.hyperparameters.values["tuner/bracket"] == 3]
    start = [t for t in first if t.hyperparameters.values["tuner/round"] == 0]
    second = [t for t in first if t.hyperparameters.values["tuner/round"] == 1]
    best = sorted(start, key=lambda t: -t.score)[: len(second)]
    assert {t.hyperparameters.values["tuner/trial_id"] for t in second} == {
        t.trial_id for t in best
    }


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_failures_neither_hang_nor_starve(tmp_path, share, seed):
    """KerasTuner's loses the last round of its first bracket to a single failed trial of 27."""
    chance = random.Random(seed)
    oracle = make(tmp_path, seed=seed)

    def outcome(values):
        failed = values["tuner/round"] == 0 and chance.random() < share
        return None if failed else search.score(values)

    search.run(oracle, outcome)
    counts = rounds(oracle)
    started = oracle.trials.values()
    for bracket, of in ((3, 27), (2, 12), (1, 6)):
        survived = sum(
            trial.status == "COMPLETED"
            for trial in started
            if trial.hyperparameters.values["tuner/bracket"] == bracket
            and trial.hyperparameters.values["tuner/round"] == 0
        )
        size = next(count for key, count in counts.items() if key[:2] == (bracket, 0))
        assert size == of
        wanted = {3: 9, 2: 4, 1: 2}[bracket]
        second = sum(count for key, count in counts.items() if key[:2] == (bracket, 1))
        assert second == min(wanted, survived)
    full = sum(count for key, count in counts.items() if key[3] == 27)
    assert full >= 5


def test_everything_failing_ends(tmp_path):
    oracle = make(tmp_path)
    rows = search.run(oracle, lambda values: None)
    assert {dict(row.values)["tuner/round"] for row in rows} == {0}


def test_late_failures_shrink_the_next_round(tmp_path):
    oracle = make(tmp_path)

    def outcome(values):
        return None if values["tuner/round"] == 1 else search.score(values)

    search.run(oracle, outcome)
    assert max(key[1] for key in rounds(oracle)) == 1


def test_workers_wait_for_a_round_and_go_on(tmp_path):
    oracle = make(tmp_path, hyperband_iterations=1, max_epochs=9)
    one_by_one = make(tmp_path / "single", max_epochs=9)
    search.run(one_by_one)
    chance = random.Random(0)
    running, stopped = {}, False
    while running or not stopped:
        for worker in map(str, range(5)):
            if worker not in running and not stopped:
                trial = oracle.create_trial(worker)
                stopped = trial.status == "STOPPED"
                if trial.status == "RUNNING":
                    running[worker] = trial
        if running:
            search.finish(oracle, running.pop(chance.choice(sorted(running))))
    assert rounds(oracle) == rounds(one_by_one)


def test_a_small_space_is_used_up_and_its_best_promoted(tmp_path):
    """KerasTuner stops when it finds no 27th setting; ours goes on with the ten that there are."""
    oracle = make(tmp_path, hyperparameters=search.small_space())
    rows = search.run(oracle)
    counts = rounds(oracle)
    assert sum(count for key, count in counts.items() if key[1] == 0) == 10
    assert max(dict(row.values)["tuner/epochs"] for row in rows) == 27


def test_queued_settings_start_the_first_bracket(tmp_path):
    oracle = make(tmp_path)
    oracle.enqueue({"depth": 3, "bias": True})
    values = oracle.create_trial("a").hyperparameters.values
    assert (values["depth"], values["bias"], values["tuner/epochs"]) == (3, True, 1)


@pytest.mark.parametrize(("max_epochs", "first"), [(27, 3), (100, 12), (12, 2), (3, 1), (1, 1)])
def test_the_first_round_is_a_twelfth_of_the_epochs_or_more(tmp_path, max_epochs, first):
    oracle = make(tmp_path, max_epochs=max_epochs, min_epochs=None)
    search.run(oracle)
    epochs = {key[3] for key in rounds(oracle) if key[1] == 0}
    assert min(epochs) == first >= max_epochs / 12
    assert max(key[3] for key in rounds(oracle)) == max_epochs


@pytest.mark.parametrize("seed", range(20))
def test_one_trial_in_twenty_fails_and_the_top_bracket_still_ends(tmp_path, seed):
    """KerasTuner's top bracket reaches its last round in 2 of 20 such runs."""
    chance = random.Random(seed)
    oracle = make(tmp_path, seed=seed)
    search.run(
        oracle,
        lambda v: None if not v["tuner/round"] and chance.random() < 0.05 else search.score(v),
    )
    assert rounds(oracle)[3, 3, 9, 27] == 1


@pytest.mark.parametrize(
    "searcher",
    ["evolution", "local_search", "greedy", "cross_entropy", "predictor", "neat", "nsga2"],
)
def test_any_strategy_proposes_the_first_rounds(tmp_path, searcher):
    """Guided proposals are better than random ones, and a resumed search goes on the same way."""
    sizes = {"hyperband_iterations": 4, "hyperparameters": search.separable_space()}

    def outcome(values):
        """Longer training changes the order."""
        return search.score(values) + (values["edge_0"] == "pool") * values["tuner/epochs"] / 20

    oracle = make(tmp_path / "whole", searcher=searcher, **sizes)
    whole = search.run(oracle, outcome)
    fresh = [row for row in whole if "tuner/trial_id" not in dict(row.values)]
    late = np.mean([row.score for row in fresh[-40:]])
    assert late > np.mean([row.score for row in fresh[:20]]) + 0.5
    operators = {oracle.lineage[row.trial_id]["operator"] for row in fresh}
    assert operators - {"random"}
    for trials in (63, 40, 51):
        search.run(make(tmp_path / "cut", searcher=searcher, **sizes), outcome, trials)
    assert search.run(make(tmp_path / "cut", searcher=searcher, **sizes), outcome) == whole


class Mine(EvolutionOracle):
    """A strategy that has no name, as version 0.1 had them."""

    def propose(self, rng):
        return super().propose(rng)


class Needy(EvolutionOracle):
    def __init__(self, taste, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.parametrize("oracle", [HyperbandOracle, ASHAOracle])
def test_a_searcher_by_its_class_is_one_by_its_name(tmp_path, oracle):
    def run(folder, searcher, trials=None):
        made = oracle(
            keras_tuner.Objective(*search.OBJECTIVE),
            max_epochs=9,
            max_trials=30,
            hyperparameters=search.conditional_space(),
            seed=0,
            searcher=searcher,
        )
        made.open(tmp_path / folder)
        return search.run(made, trials=trials)

    whole = run("named", "evolution")
    assert run("class", EvolutionOracle) == whole
    assert len(run("mine", Mine, trials=11)) < len(whole)
    assert run("mine", Mine) == whole
    with pytest.raises(ValueError, match=r"{'searcher': \['Mine'.*{'searcher': \['Evolution"):
        run("mine", "evolution")


@pytest.mark.parametrize(
    ("searcher", "error", "said"),
    [
        (int, ValueError, r"searcher must be.*a kerasnas\.oracles\.Strategy.*'int'"),
        (Oracle, TypeError, "strategy must be"),
        (HyperbandOracle, ValueError, r"trains each trial in full.*HyperbandOracle"),
        (ASHAOracle("val_loss"), ValueError, r"trains each trial in full.*ASHAOracle"),
        (keras_tuner.oracles.RandomSearchOracle, ValueError, r"kerasnas.*RandomSearchOracle"),
        (Needy, TypeError, r"pass Needy\(\.\.\.\).*taste"),
    ],
)
def test_a_class_that_cannot_propose_for_another_oracle(searcher, error, said):
    for oracle in (HyperbandOracle, ASHAOracle):
        with pytest.raises(error, match=said):
            oracle("val_loss", searcher=searcher)


def test_the_searcher_compares_lengths_by_what_longer_training_brings(tmp_path):
    """All gain two points with training; the searcher must not take the promoted for better."""
    oracle = make(tmp_path, searcher="evolution")
    search.run(oracle, lambda v: search.score(v) + v["tuner/epochs"] / 13.5)
    view = oracle.fidelity.view()
    seen = {trial.trial_id: view.loss(trial) for trial in view.completed}
    worth = {name: search.score(oracle.trials[name].hyperparameters.values) for name in seen}
    for name, loss in seen.items():
        assert loss == pytest.approx(-worth[name] - 2.0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"searcher": "hyperband"}, "no strategy of that name"),
        ({"searcher": "nothing"}, "no strategy of that name"),
        ({"searcher": 3}, "searcher must be"),
        ({"searcher": EvolutionOracle("accuracy")}, "searcher must have the objective"),
        ({"searcher": EvolutionOracle(warm_start=[{"a": 1}])}, "warm_start must be given"),
        ({"min_epochs": 30}, "min_epochs must be at most"),
        ({"factor": 1}, "`factor` must be"),
    ],
)
def test_bad_searchers_and_rounds(arguments, message):
    with pytest.raises(ValueError, match=message):
        HyperbandOracle("val_loss", max_epochs=27, **arguments)


@pytest.mark.parametrize("argument", ["max_epochs", "factor", "hyperband_iterations"])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be"):
        HyperbandOracle("val_loss", **{argument: 0})


def test_in_keras_tuners_hyperband_each_trial_trains_its_epochs(tmp_path):
    """Its loop, its promotion of weights, our oracle."""
    trained = []

    class Counting(keras_tuner.Hyperband):
        def __init__(self, oracle, **kwargs):
            keras_tuner.Tuner.__init__(self, oracle=oracle, **kwargs)

        def _build_and_fit_model(self, trial, *args, **kwargs):
            trained.append((trial.trial_id, kwargs["initial_epoch"], kwargs["epochs"]))
            return trial.hyperparameters.get("units") / 100

    def build(hp):
        hp.Int("units", 1, 50)

    oracle = HyperbandOracle("val_loss", max_epochs=4, factor=2, min_epochs=1, seed=0)
    Counting(oracle=oracle, hypermodel=build, directory=tmp_path, project_name="hb").search(x=0)
    assert trained == [
        (
            trial.trial_id,
            trial.hyperparameters.values["tuner/initial_epoch"],
            trial.hyperparameters.values["tuner/epochs"],
        )
        for trial in oracle.trials.values()
    ]
    assert {epochs for _, _, epochs in trained} == {1, 2, 4}


def test_numbers_of_numpy_can_be_saved(tmp_path):
    oracle = HyperbandOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_epochs=np.int64(4),
        factor=np.int64(2),
        seed=np.int64(3),
        hyperparameters=search.conditional_space(),
    )
    oracle.open(tmp_path)
    assert oracle.create_trial("me").hyperparameters.values["tuner/epochs"] == 1
    assert (tmp_path / "search" / "journal.jsonl").exists()


@pytest.mark.parametrize("searcher", ["grid", "optuna", "bayesian", "nsga2"])
@pytest.mark.parametrize("oracle", [HyperbandOracle, ASHAOracle])
def test_any_strategy_goes_with_any_fidelity(tmp_path, oracle, searcher):
    """Before, only strategies that did nothing but propose could."""

    def run(folder, trials=None):
        made = oracle(
            keras_tuner.Objective(*search.OBJECTIVE),
            max_epochs=9,
            max_trials=24,
            hyperparameters=search.conditional_space(),
            seed=0,
            searcher=searcher,
        )
        made.open(tmp_path / folder)
        return search.run(made, trials=trials)

    whole = run("whole")
    assert len(whole) >= 23
    for trials in (9, 4):
        run("resumed", trials)
    assert run("resumed") == whole


def test_a_bracket_that_waits_for_networks_opens_no_further_ones(tmp_path):
    """The grid waits at its end for what is running; brackets without end then never returned."""
    oracle = HyperbandOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_epochs=3,
        hyperband_iterations=None,
        hyperparameters=search.small_space(),
        searcher="grid",
        seed=0,
    )
    oracle.open(tmp_path / "small")
    running = [oracle.create_trial(str(worker)) for worker in range(11)]
    assert [trial.status for trial in running].count("RUNNING") == 10
    assert running[-1].status == "IDLE"

"""Arguments of a tuner: what is refused, and what they stand for."""

import keras
import keras_tuner
import pytest

import kerasnas as kn
from kerasnas import oracles
from kerasnas.hardware.budget import Budget
from kerasnas.tuners import Evolution, Tuner, arguments


class NeedsArguments(keras_tuner.HyperModel):
    def __init__(self, width):
        super().__init__()


@pytest.mark.parametrize(
    ("hypermodel", "message"),
    [
        (None, "NoneType"),
        ("resnet", "'resnet'"),
        (NeedsArguments, r"NeedsArguments\(...\), not the class"),
        (keras.Sequential(), "Sequential"),
        (keras_tuner.oracles.RandomSearchOracle("loss"), r"Tuner\(hypermodel, oracle\)"),
    ],
)
def test_what_is_no_hypermodel(hypermodel, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        Evolution(hypermodel, "val_loss", directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_trials": 0}, ValueError, "max_trials=0"),
        ({"max_trials": -3}, ValueError, "max_trials=-3"),
        ({"max_trials": 2.5}, TypeError, "max_trials=2.5"),
        ({"max_trials": "9"}, TypeError, "max_trials='9'"),
        ({"executions_per_trial": 0}, ValueError, "executions_per_trial"),
        ({"budget": "64KB"}, TypeError, "kerasnas.Budget"),
        ({"max_time": "tomorrow"}, ValueError, "max_time"),
        ({"seed": "zero"}, (TypeError, ValueError), "seed"),
        ({"objective": "no_such_metric"}, ValueError, "no_such_metric"),
    ],
)
def test_bad_arguments(build, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        Evolution(build, **{"objective": "val_loss", "directory": tmp_path, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_belong_to_the_oracle(build, tmp_path):
    theirs = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=2)
    with pytest.raises(ValueError, match="pass them to it"):
        Tuner(build, theirs, max_trials=3, directory=tmp_path)
    with pytest.raises(ValueError, match=r"budget.*RandomSearchOracle"):
        Tuner(build, theirs, budget=Budget(flash="64KB"), directory=tmp_path)
    with pytest.raises(TypeError, match=r"keras_tuner\.Oracle"):
        Tuner(build, dict, directory=tmp_path)


def test_a_budget_in_a_worker_is_an_error(build, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")
    with pytest.raises(ValueError, match="in a worker"):
        Evolution(build, "val_loss", 1, budget=Budget(ram="9KB"), directory=tmp_path)


def test_asha_judges_a_training_while_it_runs_so_only_once(build, tmp_path):
    with pytest.raises(ValueError, match="executions_per_trial=2"):
        kn.ASHA(build, "val_loss", executions_per_trial=2, directory=tmp_path)


def test_a_cost_alone_is_no_objective(build, tmp_path):
    with pytest.raises(ValueError, match="a cost alone needs none"):
        kn.NSGA2(build, "flash", directory=tmp_path)


@pytest.mark.parametrize(
    ("warm_start", "error", "message"),
    [
        ("magic", ValueError, "magic"),
        (7, TypeError, "warm_start=7"),
        ([1], TypeError, r"warm_start=\[1\]"),
        ([{"units": 99}], ValueError, "Cannot enqueue"),
    ],
)
def test_bad_warm_starts(build, fit, tmp_path, warm_start, error, message):
    with pytest.raises(error, match=message):
        kn.Random(build, "val_loss", warm_start=warm_start, directory=tmp_path).search(**fit)


def test_retry_failed_needs_an_oracle_of_ours(build, fit, tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1)
    with pytest.raises(ValueError, match=r"retry_failed.*RandomSearchOracle"):
        Tuner(build, oracle, directory=tmp_path, retry_failed=True)
    with pytest.raises(ValueError, match=r"retry_failed.*RandomSearchOracle"):
        Tuner(build, oracle, directory=tmp_path).search(**fit, retry_failed=True)


def test_what_a_tuner_needs_an_oracle_of_ours_for(build, tmp_path):
    theirs = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1)
    with pytest.raises(ValueError, match=r"`warm_start` needs .* type RandomSearchOracle"):
        Tuner(build, theirs, warm_start=[{"units": 3}], directory=tmp_path)


def test_the_first_two_may_come_in_either_order(build):
    oracle = oracles.RandomOracle("val_loss", max_trials=1)
    for first in (oracle, oracles.RandomOracle):
        assert arguments.in_our_order(first, build) == (build, first)
        assert arguments.in_our_order(build, first) == (build, first)
    assert arguments.in_our_order(build, "random") == (build, "random")


def test_a_misspelt_argument_is_told_from_its_neighbour():
    with pytest.raises(ValueError, match=r"of Tuner: max_trails\. Did you mean `max_trials`\?"):
        arguments.check_known(Tuner, ["max_trails"], ["max_trials", "unknown"])


@pytest.mark.parametrize(
    ("given", "found", "of_fit"),
    [({}, 1, None), ({"verbose": "auto"}, 1, 0), ({"verbose": 0}, 0, 0), ({"verbose": 2}, 2, 2)],
)
def test_lines_of_the_search_and_of_the_training(given, found, of_fit):
    assert arguments.verbosity(given) == found
    assert given.get("verbose") == of_fit


class Sampling(kn.oracles.Strategy):
    def __init__(self, share=0.5):
        self.share = share

    def propose(self, history, rng):
        return kn.oracles.Proposal(kn.oracles.genome.sample(history.space, rng))


@pytest.mark.parametrize("strategy", [Sampling, Sampling(0.25)])
def test_a_strategy_is_taken_as_an_object_and_as_a_class(build, fit, tmp_path, strategy):
    tuner = kn.Tuner(
        build, strategy, objective="val_loss", max_trials=2, directory=tmp_path, seed=0
    )
    assert tuner.oracle.strategy.share == (0.5 if strategy is Sampling else 0.25)
    assert tuner.oracle.strategy is not strategy
    tuner.search(**fit)
    assert len(tuner.oracle.completed) == 2

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Oracle, Proposal, Random, RandomOracle, Strategy, genome
from kerasnas.oracles import make as make_oracle
from kerasnas.testing import search
from kerasnas.testing.search import Violation


def make(folder, **kwargs):
    kwargs = {
        "objective": keras_tuner.Objective(*search.OBJECTIVE),
        "hyperparameters": search.conditional_space(),
        "seed": 0,
        **kwargs,
    }
    oracle = RandomOracle(**kwargs)
    oracle.open(folder)
    return oracle


def test_the_space_that_was_passed_is_left_as_it_was():
    given = keras_tuner.HyperParameters()
    given.Int("units", 1, 9)
    oracle = RandomOracle(keras_tuner.Objective("score", "max"), hyperparameters=given)
    found = oracle.get_space()
    found.Int("layers", 1, 3)
    oracle.update_space(found)
    assert [hp.name for hp in oracle.hyperparameters.space] == ["units", "layers"]
    assert [hp.name for hp in given.space] == ["units"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("max_trials", 0),
        ("max_trials", 2.5),
        ("seed", -1),
        ("seed", "a"),
        ("max_proposals", 0),
        ("max_retries_per_trial", -1),
        ("max_consecutive_failed_trials", 0),
        ("max_trials", True),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=rf"`{argument}` must be .* Received: {argument}="):
        RandomOracle(**{argument: value})


def test_a_space_of_another_type_is_named():
    with pytest.raises(TypeError, match=r"keras_tuner\.HyperParameters.*hyperparameters=7"):
        RandomOracle("val_loss", 3, 0, 7)


def test_without_a_limit_by_default_as_in_keras_tuner():
    assert keras_tuner.Oracle().max_trials is Oracle(Random).max_trials is None
    assert RandomOracle().max_trials == keras_tuner.oracles.RandomSearchOracle().max_trials == 10


def test_seed_zero_is_a_seed_and_none_draws_one():
    assert RandomOracle(seed=0).seed == 0
    assert RandomOracle().seed != RandomOracle().seed


def test_a_strategy_must_propose(tmp_path):
    oracle = Oracle(Strategy, hyperparameters=search.small_space())
    oracle.open(tmp_path)
    with pytest.raises(NotImplementedError, match=r"Strategy must define propose\(self, history"):
        oracle.create_trial("a")
    for none in (None, "evolution", keras_tuner.Oracle, 3):
        with pytest.raises(TypeError, match=r"strategy must be a kerasnas\.oracles\.Strategy"):
            Oracle(none, "val_loss")


def test_asking_without_a_folder_is_not_silent():
    with pytest.raises(AttributeError):
        RandomOracle(hyperparameters=search.small_space()).create_trial("a")


# ------------------------------------------------------------------ queued settings


def test_queued_settings_come_first_and_are_filled_up(tmp_path):
    oracle = make(tmp_path)
    oracle.enqueue({"depth": np.int64(2), "block_0": "pool"})
    oracle.enqueue({"bias": True})
    rows = search.run(oracle, trials=3)
    first, second = dict(rows[0].values), dict(rows[1].values)
    assert (first["depth"], first["block_0"], first["block_1"]) == (2, "pool", "conv")
    assert second["bias"] is True
    assert [oracle.lineage[row.trial_id]["operator"] for row in rows] == [
        "enqueued",
        "enqueued",
        "random",
    ]


def test_queueing_changes_no_other_proposal(tmp_path):
    plain = search.run(make(tmp_path / "plain", max_trials=5))
    oracle = make(tmp_path / "queued", max_trials=6)
    oracle.enqueue({"depth": 1})
    queued = search.run(oracle)
    assert [row.values for row in queued[1:]] == [row.values for row in plain]


def test_a_queue_survives_a_kill(tmp_path):
    oracle = make(tmp_path)
    for depth in (1, 2, 3):
        oracle.enqueue({"depth": depth, "bias": True})
    search.run(oracle, trials=1)
    again = make(tmp_path)
    # The script that is run again queues them again.
    for depth in (1, 2, 3):
        again.enqueue({"depth": depth, "bias": True})
    rows = search.run(again, trials=3)
    assert [dict(row.values)["depth"] for row in rows[:3]] == [1, 2, 3]
    assert [again.lineage[row.trial_id]["operator"] for row in rows][2:] == ["enqueued", "random"]


@pytest.mark.parametrize("values", [{"width": 1}, {"depth": 7}])
def test_queueing_what_the_space_does_not_have_is_an_error(tmp_path, values):
    with pytest.raises(ValueError, match=r"Cannot enqueue.*Received"):
        make(tmp_path).enqueue(values)


def test_queueing_what_breaks_the_budget_is_an_error_or_a_warning(tmp_path):
    def gate(values):
        return {"flash": Violation(70, 64)} if values["depth"] == 3 else {}

    early = make(tmp_path / "early", max_trials=3)
    early.enqueue({"depth": 3})
    early.attach(gate=gate)
    with pytest.warns(RuntimeWarning, match="Skipped.*flash=70 > limit 64"):
        rows = search.run(early)
    assert all(dict(row.values)["depth"] < 3 for row in rows)
    with pytest.raises(ValueError, match="flash=70 > limit 64"):
        early.enqueue({"depth": 3, "bias": True})


# ------------------------------------------------------------------ proposals


class Stubborn(RandomOracle):
    """Proposes one setting for ever."""

    def propose(self, rng):
        return Proposal(genome.complete(self.hyperparameters, {}), operator="stubborn")


def test_a_strategy_that_repeats_itself_is_helped_by_chance(tmp_path):
    oracle = Stubborn(hyperparameters=search.conditional_space(), max_trials=5, seed=0)
    oracle.open(tmp_path)
    while (trial := oracle.create_trial("a")).status == "RUNNING":
        oracle.update_trial(trial.trial_id, {"default_objective": 0.0})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert [lineage["operator"] for lineage in oracle.lineage.values()] == [
        "stubborn",
        *["random"] * 4,
    ]
    assert oracle.repeats >= 4


def test_a_tiny_feasible_corner_is_walked_to(tmp_path):
    """One setting of a million fits: chance does not find it in so few tries, steps do."""

    def gate(values):
        far = sum(value != "pool" for value in values.values())
        return {"macs": Violation(far, 0)} if far else {}

    oracle = make(tmp_path, hyperparameters=search.separable_space(), max_trials=3)
    oracle.attach(gate=gate)
    rows = search.run(oracle)
    assert [set(dict(row.values).values()) for row in rows] == [{"pool"}]
    assert oracle.lineage[rows[0].trial_id]["operator"] == "random+repair"
    assert "macs=1 > limit 0" in oracle.stop_reason


def test_the_last_fitting_settings_of_a_small_space_are_found(tmp_path):
    oracle = make(tmp_path, hyperparameters=search.small_space(), max_trials=9)
    oracle.attach(gate=lambda v: {} if v.get("kernel") == 7 else {"ram": Violation(2, 1)})
    rows = search.run(oracle)
    assert {dict(row.values)["bias"] for row in rows} == {True, False}
    assert len(rows) == 2
    assert "no setting of the search space is left" in oracle.stop_reason
    assert "ram=2 > limit 1" in oracle.stop_reason


def test_a_wider_budget_lets_a_stopped_search_go_on(tmp_path):
    oracle = make(tmp_path, max_trials=4)
    oracle.attach(gate=lambda values: {"ram": Violation(2, 1)})
    assert search.run(oracle) == []
    oracle.attach()
    assert len(search.run(oracle)) == 4


@pytest.mark.parametrize("name", ["greedy", "local_search", "simulated_annealing", "evolution"])
def test_integers_of_numpy_can_be_saved(tmp_path, name):
    oracle = make_oracle(
        name,
        objective=keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=np.int64(50),
        hyperparameters=search.conditional_space(),
        seed=np.int64(0),
    )
    oracle.open(tmp_path)
    assert len(search.run(oracle, trials=8)) == 8

"""KerasTuner's Gaussian process on our base; it takes seconds, so these tests ask little of it."""

import keras_tuner
import pytest

from kerasnas.oracles import BayesianOracle
from kerasnas.testing import OracleConformance, search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


@pytest.mark.slow
class TestBayesian(OracleConformance):
    # A hundred proposals for each of 20 seeds would take an hour.
    searches = False
    has_parents = False

    def make_oracle(self, **kwargs):
        return BayesianOracle(num_initial_points=28, **kwargs)


@pytest.fixture
def make(tmp_path):
    def make(folder="search", **kwargs):
        kwargs = {"max_trials": 8, "seed": 0, "num_initial_points": 5, **kwargs}
        kwargs.setdefault("hyperparameters", bowl_space())
        oracle = BayesianOracle(SCORE, **kwargs)
        oracle.open(tmp_path / folder)
        return oracle

    return make


def bowl_space():
    hp = keras_tuner.HyperParameters()
    hp.Float("x", 0.0, 1.0)
    hp.Choice("kind", ["linear", "bent"])
    with hp.conditional_scope("kind", ["bent"]):
        hp.Int("degree", 2, 5)
    return hp


def bowl(values):
    """Best at 0.7, bent, of degree 3; a fifth of the settings fail."""
    if 0.2 < values["x"] < 0.4:
        return None
    return -((values["x"] - 0.7) ** 2) - 0.1 * abs(values.get("degree", 6) - 3)


def operators(oracle):
    return [oracle.lineage[name]["operator"] for name in oracle.start_order]


class TestModel:
    def test_resumes_as_if_unbroken(self, make):
        unbroken = search.run(make("unbroken"), bowl)
        for trials in (3, 4):
            search.run(make("resumed"), bowl, trials=trials)
        make("resumed").create_trial("tuner0")
        oracle = make("resumed")
        assert search.run(oracle, bowl) == unbroken
        assert "model" in operators(oracle)

    def test_resumes_with_a_running_trial(self, make):
        def run(folder, lives):
            oracle = make(folder, max_trials=9)
            for step in range(8):
                if step in lives:
                    oracle = make(folder, max_trials=9)
                open_trials = [oracle.create_trial(f"worker{number}") for number in range(2)]
                running = sorted(t.trial_id for t in open_trials if t.status == "RUNNING")
                search.finish(oracle, oracle.trials[running[step % len(running)]], bowl)
            return oracle

        unbroken = run("unbroken", ())
        assert "model" in operators(unbroken)
        assert search.rows(run("resumed", (6, 7))) == search.rows(unbroken)

    def test_finds_the_bottom_of_a_bowl(self, make):
        hp = keras_tuner.HyperParameters()
        hp.Float("x", 0.0, 1.0)
        hp.Float("y", 0.0, 1.0)
        oracle = make(hyperparameters=hp, max_trials=12)
        search.run(oracle, lambda v: -((v["x"] - 0.7) ** 2) - (v["y"] - 0.2) ** 2)
        best = oracle.get_best_trials()[0]
        assert best.score > -0.01
        assert oracle.lineage[best.trial_id]["operator"] == "model"

    def test_repeats_nothing_and_asks_once_for_a_trial(self, make, monkeypatch):
        asked = []
        fit = keras_tuner.oracles.BayesianOptimizationOracle.populate_space
        monkeypatch.setattr(
            keras_tuner.oracles.BayesianOptimizationOracle,
            "populate_space",
            lambda oracle, trial_id: asked.append(trial_id) or fit(oracle, trial_id),
        )
        oracle = make(hyperparameters=search.small_space(), max_trials=None)
        rows = search.run(oracle)
        assert len({row.values for row in rows}) == 10
        # Five by the model, and one that finds nothing left.
        assert len(asked) <= 6
        assert "exhausted" in oracle.stop_reason

    def test_what_does_not_fit_costs_no_trial(self, make):
        oracle = make()
        oracle.attach(
            gate=lambda values: {} if values["x"] < 0.5 else {"ram": search.Violation(2, 1)}
        )
        rows = search.run(oracle, lambda values: values["x"])
        assert len(rows) == 8
        assert all(dict(row.values)["x"] < 0.5 for row in rows)
        # It wants the largest x.
        assert oracle.turned_away > 3

    def test_global_generators_and_theirs_stay_out_of_it(self, make):
        first = search.run(make("first"), bowl)
        assert search.run(make("second"), bowl) == first
        assert search.run(make("other", seed=1), bowl) != first

    @pytest.mark.parametrize("wrong", [{"num_initial_points": 0}, {"alpha": 0.0}, {"beta": -1.0}])
    def test_a_number_out_of_its_range(self, wrong):
        name = next(iter(wrong))
        with pytest.raises(ValueError, match=f"Received: .*{name}="):
            BayesianOracle(SCORE, **wrong)

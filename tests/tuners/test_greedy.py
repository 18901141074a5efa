from kerasnas.oracles.greedy import GreedyOracle
from kerasnas.tuners import Greedy


def test_a_greedy_search(build, fit, tmp_path):
    tuner = Greedy(build, "val_loss", 3, seed=5, max_retries_per_trial=2, directory=tmp_path)
    assert isinstance(tuner.oracle, GreedyOracle)
    assert (tuner.oracle.max_trials, tuner.oracle.seed) == (3, 5)
    assert tuner.oracle.max_retries_per_trial == 2
    tuner.search(**{**fit, "epochs": 1})
    assert [r["status"] for r in tuner.results()] == ["COMPLETED"] * 3

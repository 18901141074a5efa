import keras_tuner

from kerasnas.oracles.evolution import EvolutionOracle
from kerasnas.tuners import Evolution


def test_the_arguments_reach_the_oracle(build, tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Fixed("units", 3)
    tuner = Evolution(
        build,
        objective=keras_tuner.Objective("val_loss", "min"),
        max_trials=7,
        population_size=4,
        sample_size=2,
        crossover=0.5,
        seed=11,
        hyperparameters=hp,
        max_retries_per_trial=1,
        max_consecutive_failed_trials=5,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    assert isinstance(oracle, EvolutionOracle)
    assert (oracle.max_trials, oracle.population_size, oracle.sample_size) == (7, 4, 2)
    assert (oracle.crossover, oracle.seed) == (0.5, 11)
    assert (oracle.max_retries_per_trial, oracle.max_consecutive_failed_trials) == (1, 5)
    assert [p.name for p in oracle.get_space().space] == ["units", "act", "rate"]
    assert tuner.remaining_trials == 7


def test_children_have_a_parent(build, fit, tmp_path):
    tuner = Evolution(build, "val_loss", 5, population_size=2, seed=0, directory=tmp_path)
    tuner.search(**{**fit, "epochs": 1})
    results = {r["trial_id"]: r for r in tuner.results()}
    children = [r for r in results.values() if r["operator"] == "mutation"]
    assert children
    for child in children:
        parent = results[child["parents"][0]]
        changed = [name for name, v in child["values"].items() if parent["values"][name] != v]
        assert len(changed) == 1

"""What a search has come to: best trials, results as plain data, the front."""

import json

import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

import kerasnas as kn
from kerasnas.tuners import Evolution
from kerasnas.tuners.project_folder import ProjectFolder
from kerasnas.tuners.results import Results


def evolution(build, tmp_path, **kwargs):
    settings = {"objective": "val_loss", "max_trials": 3, "seed": 0, "project_name": "run"}
    return Evolution(build, directory=tmp_path, **{**settings, **kwargs})


def test_asking_for_more_than_were_completed_gives_those_there_are(build, fit, tmp_path):
    def fails_often(hp):
        if hp.Int("units", 2, 7) > 4:
            raise ValueError("too wide")
        return build(hp)

    tuner = evolution(fails_often, tmp_path, max_trials=6)
    tuner.search(**fit)
    completed = sum(r["status"] == "COMPLETED" for r in tuner.results())
    assert 0 < completed < 6
    assert len(tuner.get_best_models(10)) == completed
    assert len(tuner.get_best_hyperparameters(10)) == completed
    assert len(tuner.get_best_trials(10)) == completed


def test_results_are_plain_data(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, max_trials=4, population_size=2)
    tuner.search(**fit)
    results = tuner.results()
    json.dumps(results)
    last = results[-1]
    units = last["values"]["units"]
    assert last["params"] == 6 * units + units + units + 1
    assert last["macs"] == 6 * units + units
    assert last["flash_bytes"] > 0
    assert last["ram_bytes"] > 0
    assert last["epochs"] == 2
    assert 0 <= last["best_step"] < 2
    assert last["duration"] > 0
    assert set(last["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert last["metrics"]["val_loss"] == last["score"]
    assert set(last["parents"]) <= {r["trial_id"] for r in results[:-1]}
    assert last["parents"]


def test_results_are_the_same_after_a_resume(build, fit, tmp_path):
    tuner = evolution(build, tmp_path)
    tuner.search(**fit)
    assert evolution(build, tmp_path).results() == tuner.results()


def test_a_trade_off_of_a_metric_and_costs(build, fit, tmp_path, capsys):
    tuner = kn.NSGA2(
        build,
        ["val_accuracy", "params", "flash"],
        max_trials=6,
        population_size=4,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(**{**fit, "verbose": 1})
    results = tuner.results()
    assert [r["status"] for r in results] == ["COMPLETED"] * 6
    for r in results:
        assert r["metrics"]["params"] == r["params"]
        assert r["metrics"]["flash"] == r["flash_bytes"]
        assert r["score"] == r["metrics"]["val_accuracy"]
        assert r["params"] == 6 * r["values"]["units"] + 2 * r["values"]["units"] + 1
    front = tuner.get_pareto_trials()
    assert {t.trial_id for t in front} == {r["trial_id"] for r in results if r["pareto"]}
    for r in results:
        beaten = any(
            all(
                o["metrics"][name] * sign < r["metrics"][name] * sign
                for name, sign in (("val_accuracy", -1), ("params", 1), ("flash", 1))
            )
            for o in results
        )
        assert not (r["pareto"] and beaten)
    volumes = [r["hypervolume"] for r in results]
    assert volumes == sorted(volumes)
    assert 0 < volumes[-1] <= 1
    assert len(tuner.get_best_models(2)) == 2
    lines = [line for line in capsys.readouterr().out.splitlines() if "took" in line]
    assert len(lines) == 6
    assert f"front {len(front)}" in lines[-1]
    assert "flash " in lines[0]
    again = kn.NSGA2(
        build,
        ["val_accuracy", "params", "flash"],
        max_trials=6,
        population_size=4,
        seed=0,
        directory=tmp_path,
    )
    assert again.results() == results


def test_the_trade_off_needs_an_oracle_of_ours(build, tmp_path):
    theirs = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1)
    with pytest.raises(TypeError, match=r"needs an oracle of kerasnas\.oracles"):
        kn.Tuner(build, theirs, directory=tmp_path).get_pareto_trials()


def test_results_are_in_order_after_an_extension_to_longer_ids(build, fit, tmp_path):
    for trials in (3, 12):
        tuner = kn.NSGA2(
            build, ["val_loss", "params"], max_trials=trials, seed=0, directory=tmp_path
        )
        tuner.search(**{**fit, "epochs": 1})
    results = tuner.results()
    assert [int(r["trial_id"]) for r in results] == list(range(12))
    volumes = [r["hypervolume"] for r in results]
    assert volumes == sorted(volumes)


class Ended:
    """An oracle whose trials have ended."""

    objective = keras_tuner.Objective("loss", "min")
    objectives = (objective,)
    max_trials = 3
    lineage = {"1": {"parents": ["0"], "operator": "mutation"}}  # noqa: RUF012

    def __init__(self):
        self.trials = {}
        for name, score in (("0", None), ("1", 0.5)):
            status = "FAILED" if score is None else "COMPLETED"
            self.trials[name] = Trial(keras_tuner.HyperParameters(), name, status)
            self.trials[name].score = score
        self.trials["0"].message = "too wide\n\nTraceback ..."

    def get_best_trials(self, num_trials):
        return [self.trials["1"], self.trials["0"]][:num_trials]


def test_an_oracle_and_the_records_of_trials_are_put_together(tmp_path):
    folder = ProjectFolder(tmp_path, "run", None, overwrite=False)
    folder.note_trial("1", {"params": 7, "epochs": 2, "seconds": 0.1})
    results = Results(Ended(), folder)
    failed, completed = results.rows()
    assert (failed["message"], failed["params"], failed["parents"]) == ("too wide", None, [])
    assert (completed["params"], completed["epochs"], completed["duration"]) == (7, 2, 0.1)
    assert (completed["parents"], completed["operator"]) == (["0"], "mutation")
    assert [trial.trial_id for trial in results.best_trials(2)] == ["1"]
    assert results.any_completed()
    assert len(results.ended()) == 2
    assert results.reached(results.trials()[1]) == {"loss": 0.5}
    best = "best 0.5000 (trial 1)"
    assert results.best_so_far() == best
    assert results.summary() == f"2 of 3 trials in {tmp_path / 'run'}, {best}"

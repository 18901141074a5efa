"""The best trials in the order of their files."""

import keras
import keras_tuner
import pytest

import kerasnas as kn


@pytest.fixture(scope="module")
def searched(build, data, tmp_path_factory):
    x, y = data
    tuner = kn.Random(
        build, "val_loss", max_trials=3, seed=0, directory=tmp_path_factory.mktemp("runs")
    )
    tuner.search(x[:24], y[:24], validation_data=(x[24:], y[24:]), epochs=1, verbose=0)
    return tuner


@pytest.fixture(scope="module")
def halves(data):
    x, y = data
    return {"x": x[:24], "y": y[:24], "validation_data": (x[24:], y[24:])}


def test_the_order_is_that_of_the_files(searched, halves, tmp_path):
    ranked = searched.rerank(2, **halves)
    assert [one["rank_after"] for one in ranked] == [1, 2]
    assert ranked[0]["value"] <= ranked[1]["value"]
    best = searched.get_best_trials(2)
    for one in ranked:
        trial = best[one["rank_before"] - 1]
        assert (one["trial_id"], one["score"]) == (trial.trial_id, trial.score)
        assert one["metric"] == "loss"
        found = one["compressed"].evaluate(*halves["validation_data"])
        assert one["value"] == pytest.approx(found["loss"])
        assert one["value"] != one["score"]
        assert one["bytes"] == len(one["compressed"].tflite)
        assert one["compressed"].report[-1]["method"] == "post-training"
        assert one["message"] is None


def test_one_that_fails_is_last_with_its_reason(searched, halves, monkeypatch):
    best, load = searched.get_best_trials(2), searched.load_model

    def broken(trial):
        if trial.trial_id == best[0].trial_id:
            raise ValueError("The checkpoint is gone")
        return load(trial)

    monkeypatch.setattr(searched, "load_model", broken)
    good, bad = searched.rerank(2, **halves, recipe=[kn.Quantize("float16")])
    assert good["compressed"].report[-1]["step"] == "quantize float16"
    assert (good["rank_before"], good["rank_after"]) == (2, 1)
    assert (bad["trial_id"], bad["rank_after"]) == (best[0].trial_id, 2)
    assert bad["message"] == "ValueError: The checkpoint is gone"
    assert bad["value"] is bad["bytes"] is bad["compressed"] is None


def test_bad_arguments_are_named(searched, build, halves, tmp_path):
    with pytest.raises(ValueError, match=r"completed trials, 3\. Received: k=4"):
        searched.rerank(4, **halves)
    with pytest.raises(ValueError, match="`k` must be an integer of at least 1"):
        searched.rerank(0, **halves)
    with pytest.raises(ValueError, match="Received: neither"):
        searched.rerank(1, halves["x"], halves["y"])
    with pytest.raises(ValueError, match="at least one step"):
        searched.rerank(1, **halves, recipe=[])
    fresh = kn.Random(build, "val_loss", max_trials=1, directory=tmp_path)
    with pytest.raises(ValueError, match=r"no completed trial.*call `search` first"):
        fresh.rerank(1, **halves)


def test_an_objective_that_is_no_metric_of_the_file(data, halves, tmp_path):
    class Own(kn.Tuner):
        def run_trial(self, trial, x, y):
            model = self.hypermodel.build(trial.hyperparameters)
            model.fit(x, y, verbose=0)
            model.save_weights(self._get_checkpoint_fname(trial.trial_id))
            return {"mine": 1.0}

    def build(hp):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    oracle = kn.oracles.RandomOracle(keras_tuner.Objective("mine", "min"), max_trials=1)
    tuner = Own(build, oracle, directory=tmp_path)
    tuner.search(*data)
    with pytest.raises(ValueError, match=r"'mine' is no metric of the model.*Known are: loss"):
        tuner.rerank(1, **halves)

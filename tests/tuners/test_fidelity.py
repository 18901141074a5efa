"""Fidelities in real searches: how many epochs and samples a trial trains."""

import keras
import numpy as np
import pytest
import scipy.sparse

import kerasnas as kn


@pytest.fixture(scope="module")
def many():
    """Enough samples that a shorter training can be made of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8000, 6)).astype("float32")
    y = (x[:, :1] + x[:, 1:2] > 0).astype("float32")
    return x, y


class Seen(keras.callbacks.Callback):
    """Counts the samples of each training."""

    seen: list[tuple[int, int]] = []  # noqa: RUF012

    def on_train_begin(self, logs=None):
        Seen.seen.append((self.params["epochs"], self.params["steps"]))


def make(build, folder, oracle="random", **kwargs):
    kwargs = {"objective": "val_loss", "seed": 0, **kwargs}
    return kn.Tuner(build, oracle, directory=folder, project_name="run", **kwargs)


def test_short_trainings_then_full_ones_of_the_best(build, fit, tmp_path):
    fidelity = kn.oracles.ShortThenBest(epochs=1, keep=2)
    tuner = make(build, tmp_path, max_trials=6, fidelity=fidelity)
    tuner.search(**{**fit, "epochs": 3})
    rows = tuner.results()
    assert [row["epochs"] for row in rows] == [1] * 4 + [3] * 2
    assert {row["samples"] for row in rows} == {36}
    best = sorted(rows[:4], key=lambda row: row["score"])[:2]
    assert [row["parents"] for row in rows[4:]] == [[row["trial_id"]] for row in best]
    assert tuner.get_best_trials(1)[0].trial_id in ("4", "5")
    assert tuner.get_best_models(1)[0].count_params() > 0


def test_a_named_tuner(build, fit, tmp_path):
    tuner = kn.ShortThenBest(
        build, "val_loss", epochs=1, keep=1, max_trials=3, searcher="evolution", directory=tmp_path
    )
    tuner.search(**fit)
    assert [row["epochs"] for row in tuner.results()] == [1, 1, 2]


def test_a_part_of_the_samples(build, many, tmp_path):
    """The check trains for less than an epoch, on a part that is the same for all networks."""
    x, y = many
    tuner = make(build, tmp_path, max_trials=40, fidelity="auto")
    Seen.seen.clear()
    tuner.search(
        x, y, validation_split=0.25, epochs=1, batch_size=500, verbose=0, callbacks=[Seen()]
    )
    rows = tuner.results()
    assert rows[0]["samples"] == 2000
    assert Seen.seen[0] == (1, 4)
    assert {row["samples"] for row in rows} == {2000, 6000}


def test_auto_says_what_it_does(build, fit, tmp_path, capsys):
    tuner = make(build, tmp_path, max_trials=2, fidelity="auto")
    tuner.search(**{**fit, "verbose": 1})
    assert "Fidelity: every network is trained in full, because" in capsys.readouterr().out
    assert [row["epochs"] for row in tuner.results()] == [2, 2]


def test_batches_have_fewer_epochs_only(build, many, tmp_path):
    import tensorflow as tf

    x, y = many
    batches = tf.data.Dataset.from_tensor_slices((x[:1000], y[:1000])).batch(500)
    tuner = make(build, tmp_path, max_trials=33, fidelity="auto")
    tuner.search(batches, validation_data=batches, epochs=3, verbose=0)
    rows = tuner.results()
    assert rows[0]["epochs"] == 1
    assert {row["samples"] for row in rows} == {None}


def test_with_a_time_limit_alone_there_is_no_limit_of_trials(build, fit, tmp_path):
    tuner = make(build, tmp_path, max_time="1h")
    assert tuner.oracle.max_trials is None
    assert make(build, tmp_path / "other").oracle.max_trials == 10


def test_a_fidelity_belongs_to_the_oracle_that_is_passed(build, tmp_path):
    oracle = kn.oracles.RandomOracle("val_loss", max_trials=5)
    with pytest.raises(ValueError, match="`fidelity` belong to the oracle"):
        kn.Tuner(build, oracle, fidelity="auto", directory=tmp_path)


def test_a_resumed_search_goes_on(build, many, tmp_path):
    x, y = many
    given = {"validation_split": 0.25, "epochs": 1, "batch_size": 1000, "verbose": 0}
    make(build, tmp_path / "whole", max_trials=34, fidelity="auto").search(x, y, **given)
    tuner = make(build, tmp_path / "cut", max_trials=34, fidelity="auto")
    begun = tuner.on_trial_begin

    def stop_at_the_twelfth(trial):
        if trial.trial_id == "12":
            raise KeyboardInterrupt
        begun(trial)

    tuner.on_trial_begin = stop_at_the_twelfth
    with pytest.raises(KeyboardInterrupt):
        tuner.search(x, y, **given)
    again = make(build, tmp_path / "cut", max_trials=34, fidelity="auto")
    again.search(x, y, **given)
    whole = make(build, tmp_path / "whole", max_trials=34, fidelity="auto")
    assert [row["values"] for row in again.results()] == [row["values"] for row in whole.results()]


def test_sparse_matrices_are_searched(build, data, tmp_path):
    x, y = data
    tuner = make(build, tmp_path, objective="loss", max_trials=1)
    tuner.search(scipy.sparse.csr_matrix(x), y, epochs=1, verbose=0)
    assert [(row["message"], row["samples"]) for row in tuner.results()] == [(None, None)]

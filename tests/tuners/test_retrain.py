"""The end of a search: finalists in full."""

import glob
import os
import statistics

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

import kerasnas as kn


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    x = (data.images / 16)[..., None].astype("float32")
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], data.target[order]
    return (x[:300], y[:300]), (x[300:400], y[300:400]), (x[400:500], y[400:500])


@pytest.fixture(scope="module")
def tuner(digits, tmp_path_factory):
    """A search of four small networks."""
    (x, y), validation, _ = digits
    space = kn.LayerwiseHyperModel(
        (8, 8, 1), 10, stages=((4, 6), (8,)), blocks=(1, 1), normalization=("batch",)
    )
    tuner = kn.Tuner(
        space,
        "random",
        objective="val_accuracy",
        max_trials=4,
        seed=0,
        directory=tmp_path_factory.mktemp("runs"),
    )
    tuner.search(x, y, validation_data=validation, epochs=1, batch_size=50, verbose=0)
    return tuner


def test_each_finalist_is_trained_several_times(tuner, digits, capsys):
    test = digits[2]
    found = kn.retrain(tuner, k=2, seeds=2, epochs=3, test_data=test)
    best = [trial.trial_id for trial in tuner.get_best_trials(2)]
    assert [(row["trial_id"], row["seed"]) for row in found.rows] == [
        (name, seed) for name in best for seed in range(2)
    ]
    assert all(row["epochs"] == 3 and row["message"] is None for row in found.rows)
    assert capsys.readouterr().out.count("retrained trial") == 4
    for one in found.summary:
        scores = [row["score"] for row in found.rows if row["trial_id"] == one["trial_id"]]
        assert one["mean"] == pytest.approx(statistics.fmean(scores))
        assert one["spread"] == pytest.approx(statistics.stdev(scores))
        assert one["best"] == max(scores)
    assert found.summary[0]["mean"] >= found.summary[1]["mean"]
    xv, yv = digits[1]
    reached = found.model.evaluate(xv, yv, return_dict=True, verbose=0)["accuracy"]
    assert reached == pytest.approx(found.summary[0]["best"], abs=1e-6)
    expected = found.model.evaluate(*test, return_dict=True, verbose=0)
    assert found.test == pytest.approx(expected)
    assert found.compressed is None


def test_a_retraining_that_is_worse_than_the_search_is_said(tuner, capsys):
    frozen = kn.Training(optimizer="sgd", learning_rate=1e-12, schedule="constant")
    found = kn.retrain(tuner, k=1, seeds=1, epochs=1, training=frozen, teacher=None)
    trial = tuner.get_best_trials(1)[0]
    assert found.summary[0]["searched"] == trial.score > found.summary[0]["best"]
    said = capsys.readouterr().out
    assert f"trial {trial.trial_id} had val_accuracy {trial.score:.4f} in the search" in said
    better = kn.retrain(tuner, k=1, seeds=1, epochs=8, teacher=None)
    assert better.summary[0]["best"] > trial.score
    assert "in the search" not in capsys.readouterr().out


def test_finished_trainings_are_not_repeated(tuner):
    first = kn.retrain(tuner, k=1, seeds=2, epochs=2, teacher=None, verbose=0)
    again = kn.retrain(tuner, k=1, seeds=2, epochs=2, teacher=None, verbose=0)
    assert again.rows == first.rows  # Their seconds, too.
    other = kn.retrain(tuner, k=1, seeds=2, epochs=1, teacher=None, verbose=0)
    assert other.rows != first.rows


def test_an_interrupted_call_goes_on(tuner, monkeypatch):
    begun = []

    class Stop(BaseException):
        pass

    plain = type(tuner.hypermodel).fit

    def fit(self, hp, model, *args, **kwargs):
        begun.append(hp)
        if len(begun) == 2:
            raise Stop
        return plain(self, hp, model, *args, **kwargs)

    monkeypatch.setattr(kn.HyperModel, "fit", fit)
    given = {"k": 1, "seeds": 3, "epochs": 2, "teacher": None, "verbose": 0, "mix": 0.1}
    with pytest.raises(Stop):
        kn.retrain(tuner, training=kn.Training(batch_size=None), **given)
    found = kn.retrain(tuner, training=kn.Training(batch_size=None), **given)
    assert len(begun) == 4
    assert [row["seed"] for row in found.rows] == [0, 1, 2]


def test_a_recipe_chooses_by_the_file(tuner, digits):
    found = kn.retrain(
        tuner,
        k=2,
        seeds=1,
        epochs=2,
        recipe=[kn.Quantize("int8", method="ptq")],
        test_data=digits[2],
        verbose=0,
    )
    scores = [one["file_score"] for one in found.summary]
    assert scores == sorted(scores, reverse=True)
    assert found.compressed.evaluate(*digits[1])["accuracy"] == pytest.approx(scores[0])
    assert found.test == found.compressed.evaluate(*digits[2])


def test_test_data_in_batches(tuner, digits):
    """Of two batches, so that they could be taken for x and y."""
    given = {"k": 1, "seeds": 1, "epochs": 1, "teacher": None, "verbose": 0}
    x, y = digits[2]
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(50)
    found = kn.retrain(tuner, test_data=batches, **given)
    assert found.test == kn.retrain(tuner, test_data=(x, y), **given).test


def test_the_files_are_for_the_tuners_target(digits, tmp_path):
    pytest.importorskip("tflite_micro")
    (x, y), validation, _ = digits
    space = kn.LayerwiseHyperModel((8, 8, 1), 10, stages=((4,),), blocks=(1, 1))
    tuner = kn.Tuner(
        space, objective="val_accuracy", max_trials=1, directory=tmp_path, target="micro"
    )
    tuner.search(x, y, validation_data=validation, epochs=1, verbose=0)
    found = kn.retrain(tuner, k=1, seeds=1, recipe=[kn.Quantize("float16")], verbose=0)
    assert "target='micro'" in found.summary[0]["message"]  # Its kernels take no float16.


def test_another_training_takes_the_place_of_the_hypermodels(tuner):
    before = tuner.hypermodel.training
    given = {"k": 1, "seeds": 1, "epochs": 2, "teacher": None, "verbose": 0}
    frozen = kn.Training(optimizer="sgd", learning_rate=1e-12, schedule="constant")
    found = kn.retrain(tuner, training=frozen, **given)
    assert found.rows[0]["score"] < 0.3  # It has not learned.
    assert tuner.hypermodel.training is before
    training = kn.Training(label_smoothing=0.1, augmentation=[kn.augment.Shift(1)])
    assert kn.retrain(tuner, training=training, **given).rows[0]["message"] is None


def test_a_teacher_of_the_users_own(tuner, digits):
    x, y = digits[0]
    teacher = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    teacher.compile("adam", "sparse_categorical_crossentropy")
    teacher.fit(x, y, epochs=5, verbose=0)
    found = kn.retrain(tuner, k=1, seeds=1, epochs=2, teacher=teacher, mix=1.0, verbose=0)
    assert found.rows[0]["message"] is None


def test_a_teacher_that_does_not_fit_fails_each_training(tuner):
    teacher = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    with pytest.raises(RuntimeError, match="teacher's outputs must have the shape"):
        kn.retrain(tuner, k=1, seeds=1, epochs=1, teacher=teacher, verbose=0)


def test_other_data_than_those_of_the_search(tuner, digits):
    (x, y), validation, _ = digits
    found = kn.retrain(
        tuner,
        k=1,
        seeds=1,
        x=x[:64],
        y=y[:64],
        validation_data=validation,
        epochs=1,
        verbose=0,
        teacher=None,
    )
    assert found.rows[0]["message"] is None


def test_in_a_new_process_data_must_be_passed(tuner, digits):
    again = kn.Tuner(
        tuner.hypermodel,
        "random",
        objective="val_accuracy",
        max_trials=4,
        seed=0,
        directory=os.path.dirname(tuner.project_dir),
    )
    with pytest.raises(ValueError, match="pass x, y and validation_data"):
        kn.retrain(again, k=1)
    (x, y), validation, _ = digits
    found = kn.retrain(again, k=1, seeds=1, x=x, y=y, validation_data=validation, verbose=0)
    assert found.rows[0]["message"] is None


def test_a_plain_build_function_and_a_regression(tmp_path, data):
    x, _ = data
    y = x @ np.arange(6.0) + 1

    def build(hp):
        model = keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(hp.Int("units", 2, 4)), keras.layers.Dense(1)]
        )
        model.compile("adam", "mse")
        return model

    tuner = kn.Tuner(build, "random", objective="val_loss", max_trials=2, directory=tmp_path)
    tuner.search(x, y, validation_split=0.25, epochs=1, verbose=0)
    found = kn.retrain(tuner, k=2, seeds=1, epochs=2, verbose=0)
    assert all(row["message"] is None for row in found.rows)
    assert found.summary[0]["mean"] <= found.summary[1]["mean"]
    with pytest.raises(ValueError, match="needs a hypermodel of kerasnas"):
        kn.retrain(tuner, k=1, training=kn.Training(), verbose=0)


def test_networks_of_three_outputs_have_no_teacher(tmp_path, data):
    x, y = data

    def build(hp):
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(hp.Int("units", 2, 4))(inputs)
        outputs = {name: keras.layers.Dense(1, name=name)(hidden) for name in "abc"}
        model = keras.Model(inputs, outputs)
        model.compile("adam", dict.fromkeys("abc", "mse"))
        return model

    tuner = kn.Tuner(build, "random", objective="val_loss", max_trials=2, directory=tmp_path)
    targets = dict.fromkeys("abc", y.astype("float32"))
    tuner.search(x, targets, validation_data=(x, targets), epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"teacher=None. Received: 3 outputs"):
        kn.retrain(tuner, k=1, seeds=1, verbose=0)
    found = kn.retrain(tuner, k=2, seeds=1, teacher=None, test_data=(x, targets), verbose=0)
    assert all(row["message"] is None for row in found.rows)
    assert {"a_loss", "b_loss", "c_loss"} < found.test.keys()


def test_without_validation_data_it_says_what_is_missing(tuner, digits):
    x, y = digits[0]
    with pytest.raises(ValueError, match="pass `validation_data` or `validation_split`"):
        kn.retrain(tuner, k=1, x=x, y=y, verbose=0)


def test_a_tuner_of_another_library_is_refused(tuner, tmp_path):
    other = keras_tuner.RandomSearch(tuner.hypermodel, objective="val_accuracy", directory=tmp_path)
    with pytest.raises(TypeError, match=r"`tuner` must be.*keras_tuner.*RandomSearch"):
        kn.retrain(other, k=1)


def test_one_training_that_fails_is_a_row_with_its_reason(tmp_path, data):
    x, y = data

    class Sometimes(keras_tuner.HyperModel):
        fits = 0

        def build(self, hp):
            hp.Float("rate", 0.0, 1.0)
            model = keras.Sequential(
                [keras.Input((6,)), keras.layers.Dense(1, activation="sigmoid")]
            )
            model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
            return model

        def fit(self, hp, model, *args, **kwargs):
            Sometimes.fits += 1
            if Sometimes.fits == 4:
                raise ValueError("no luck")
            return model.fit(*args, **kwargs)

    tuner = kn.Tuner(Sometimes(), "random", objective="val_loss", max_trials=2, directory=tmp_path)
    given = {"x": x, "y": y, "validation_data": (x, y)}
    tuner.search(**given, epochs=1, verbose=0)
    found = kn.retrain(tuner, k=2, seeds=2, **given, epochs=1, verbose=0)
    messages = [row["message"] for row in found.rows]
    assert [message is None for message in messages].count(False) == 1
    assert "no luck" in str(messages)
    assert sum(one["trainings"] for one in found.summary) == 3
    assert glob.glob(f"{tuner.project_dir}/retrained/*.json")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "`k`"),
        ({"seeds": 0}, "`seeds`"),
        ({"mix": 1.5}, "`mix`"),
        ({"epochs": 0}, "`epochs`"),
        ({"teacher": "someone"}, "`teacher`"),
        ({"training": kn.Training(optimizer=["adam", "sgd"])}, "`training` must be fixed"),
        ({"training": "adam"}, "`training` must be a kerasnas.Training"),
    ],
)
def test_wrong_arguments(tuner, wrong, said):
    with pytest.raises((ValueError, TypeError), match=said):
        kn.retrain(tuner, **{"verbose": 0, **wrong})

"""Short trainings are scored with statistics of batch normalization that fit the weights."""

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.tuners.fresh_statistics import FreshStatistics


@pytest.fixture(scope="module")
def easy():
    """Two classes that a few steps tell apart, on a scale that the initial statistics miss."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 480)
    x = (rng.normal(size=(480, 6)) + 3 * y[:, None] + 40).astype("float32")
    return x, y


def normalized(hp=None, momentum=0.99):
    """As users of Keras write it, with the momentum that is the default."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.BatchNormalization(momentum=momentum),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(momentum=momentum),
            layers.Dropout(0.1, seed=1),
            layers.Dense(2, "softmax"),
        ]
    )
    rate = 0.02 if hp is None else hp.Choice("rate", [0.02, 0.03])
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def searched(easy, tmp_path, name, build=normalized, data=None, **kwargs):
    x, y = easy
    settings = {"fresh_statistics": kwargs.pop("fresh_statistics", True)}
    tuner = kn.Tuner(
        build,
        "random",
        objective=kwargs.pop("objective", "val_accuracy"),
        max_trials=kwargs.pop("max_trials", 1),
        directory=tmp_path,
        project_name=name,
        seed=0,
        **settings,
    )
    fit = {"x": x[:400], "y": y[:400], "batch_size": 32, "epochs": 2, "verbose": 1}
    fit |= {"validation_data": (x[400:], y[400:]), **(data or {}), **kwargs}
    tuner.search(**fit)
    return tuner


def test_a_short_training_is_scored_by_what_it_learned(easy, tmp_path, capsys):
    fresh = searched(easy, tmp_path, "fresh", max_trials=2)
    said = capsys.readouterr().out
    stale = searched(easy, tmp_path, "stale", fresh_statistics=False)
    assert stale.results()[0]["score"] < 0.7  # The trainings are the same, and so are the weights.
    assert fresh.results()[0]["score"] > 0.9
    assert said.count("taken anew from up to 512 training samples") == 1
    assert "fresh_statistics=False" in said
    assert "anew" not in capsys.readouterr().out
    assert fresh.results()[0]["statistics_duration"] > 0
    assert stale.results()[0]["statistics_duration"] == 0


def test_the_checkpoint_holds_the_statistics_that_were_scored(easy, tmp_path):
    tuner = searched(easy, tmp_path, "run", epochs=3)
    x, y = easy
    model = tuner.get_best_models()[0]
    found = model.evaluate(x[400:], y[400:], verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(tuner.results()[0]["score"], abs=1e-6)


def test_the_course_of_a_training_is_the_same_with_and_without(easy, tmp_path):
    x, y = easy
    weights = []
    for watch in (True, False):
        keras.utils.set_random_seed(0)
        model = normalized()
        callbacks = []
        if watch:
            callbacks.append(FreshStatistics(lambda text: None))
            callbacks[0].watch(model)
        model.fit(x, y, epochs=2, validation_split=0.2, verbose=0, callbacks=callbacks)
        weights.append([np.array(v) for v in model.trainable_variables])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_low_momentum_lags_too(easy, tmp_path, capsys):
    tuner = searched(easy, tmp_path, "run", lambda hp: normalized(hp, momentum=0.5))
    assert "taken anew" in capsys.readouterr().out
    assert tuner.results()[0]["statistics_duration"] > 0


def means(x, model=None, **fit):
    """Moving mean of the first layer after a watched epoch."""
    model = model or normalized()
    texts: list[str] = []
    fresh = FreshStatistics(texts.append)
    fresh.watch(model)
    model.fit(x=x, epochs=1, verbose=0, callbacks=[fresh], **fit)
    return np.array(model.layers[0].moving_mean), texts


def test_the_samples_are_those_of_the_training_alone():
    """With `validation_split` the last samples are validated: here all that are not 1."""
    x = np.ones((64, 6), "float32")
    x[48:] = 1000
    mean, texts = means(x, y=np.zeros(64), validation_split=0.25, batch_size=16)
    np.testing.assert_allclose(mean, 1, rtol=1e-4)
    assert len(texts) == 1


@pytest.mark.parametrize("kind", ["arrays", "tensors", "tf.data", "PyDataset", "not validated"])
def test_sorted_data_of_any_kind_gives_the_mean_of_all_of_it(kind):
    import tensorflow as tf

    y = np.repeat([0, 1], 2500)
    x = np.repeat(y[:, None], 6, axis=1).astype("float32")
    data = {"x": x, "y": y, "batch_size": 50}
    if kind == "tensors":
        data |= {"x": tf.constant(x), "y": tf.constant(y)}
    elif kind == "tf.data":
        data = {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(50)}
    elif kind == "PyDataset":
        data = {"x": Batches(x, y)}
    if kind != "not validated":
        data["validation_data"] = (x[::50], y[::50])
    mean, _ = means(**data)
    np.testing.assert_allclose(mean, 0.5, atol=0.06)


class Batches(keras.utils.PyDataset):
    """Batches of 50."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // 50

    def __getitem__(self, i):
        part = slice(50 * i, 50 * i + 50)
        return self.x[part], self.y[part]


def simple(optimizer="adam", kind=keras.Sequential, size=None):
    model = kind([keras.Input((6,), size), keras.layers.BatchNormalization()])
    model.compile(optimizer, "mse")
    return model


class OwnFit(keras.Sequential):
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)


class OwnStep(keras.Sequential):
    """Trains nothing, with no optimizer that could count."""

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        return {"loss": keras.ops.mean(keras.ops.square(self(x, training=True) - y))}


@pytest.mark.parametrize(
    "make",
    [
        lambda: simple(keras.optimizers.Adam(gradient_accumulation_steps=8)),
        lambda: simple(kind=OwnFit),
        lambda: simple(optimizer=None, kind=OwnStep),
        lambda: simple(size=20),
    ],
    ids=["accumulates", "own fit", "own step", "fixed batch"],
)
@pytest.mark.parametrize("kind", ["arrays", "tf.data"])
def test_sorted_data_of_any_training_gives_the_mean_of_all_of_it(make, kind):
    import tensorflow as tf

    x = np.repeat([0.0, 1.0], 1000)[:, None].repeat(6, axis=1).astype("float32")
    data = {"x": x, "y": x, "batch_size": 20}
    if kind == "tf.data":
        data = {"x": tf.data.Dataset.from_tensor_slices((x, x)).batch(20)}
    mean, texts = means(model=make(), **data)
    assert "taken anew" in texts[0]
    np.testing.assert_allclose(mean, 0.5, atol=0.06)


def test_averaged_weights_are_validated_with_their_own_statistics():
    """`SwapEMAWeights` puts the averages in the model's place for each validation."""
    x = np.random.default_rng(0).normal(size=(320, 6)).astype("float32")
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(4), keras.layers.BatchNormalization(epsilon=0)]
    )
    model.compile(keras.optimizers.Adam(0.5, use_ema=True, ema_momentum=0.9), "mse")
    fresh = FreshStatistics(lambda text: None)
    fresh.watch(model)
    seen = []

    class Looks(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            made = np.array(self.model.layers[0](x))
            seen.append((made.mean(0), np.array(self.model.layers[1].moving_mean)))

    callbacks = [keras.callbacks.SwapEMAWeights(), fresh, Looks()]
    model.fit(x, np.ones((320, 4)), validation_data=(x, np.ones((320, 4))), callbacks=callbacks)
    np.testing.assert_allclose(seen[0][0], seen[0][1], atol=1e-3)


def test_what_can_be_read_only_once_trains_and_is_told(easy):
    x, y = easy

    def generate():
        while True:
            yield x[:32], y[:32]

    _, texts = means(generate(), steps_per_epoch=3)
    assert len(texts) == 1
    assert "cannot be taken anew (ValueError: a generator can be read only once)" in texts[0]


def test_a_model_that_only_its_own_step_can_call_trains_and_is_told(easy, tmp_path, capsys):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.norm, self.dense = keras.layers.BatchNormalization(), keras.layers.Dense(2)

        def call(self, inputs, training=False):
            a, b = inputs
            return keras.ops.softmax(self.dense(self.norm(a + b, training=training)))

        def train_step(self, data):
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
            return super().train_step(((x, x), y))

        def test_step(self, data):
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
            return super().test_step(((x, x), y))

    def build(hp):
        model = Own()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        hp.Choice("rate", [1, 2])
        return model

    tuner = searched(easy, tmp_path, "own", build)
    assert tuner.results()[0]["status"] == "COMPLETED"
    assert "cannot be taken anew" in capsys.readouterr().out


def test_a_fit_of_the_users_own_in_two_phases_is_followed(easy, tmp_path):
    class Phases(keras_tuner.HyperModel):
        def build(self, hp):
            return normalized(hp)

        def fit(self, hp, model, x, y, callbacks=(), **kwargs):
            model.layers[0].trainable = False
            model.fit(x, y, epochs=1, verbose=0)
            model.layers[0].trainable = True
            rate = keras.optimizers.Adam(0.02)
            model.compile(rate, "sparse_categorical_crossentropy", metrics=["accuracy"])
            validation = kwargs["validation_data"]
            return model.fit(
                x, y, epochs=2, callbacks=callbacks, validation_data=validation, verbose=0
            )

    tuner = searched(easy, tmp_path, "phases", Phases())
    assert tuner.results()[0]["score"] > 0.9


def test_the_spaces_of_the_package_settle_within_70_steps():
    space = kn.LayerwiseHyperModel((8, 8, 1), 10, normalization=("batch",))
    model = space.build(keras_tuner.HyperParameters())
    found = [one.momentum for one in model.layers if hasattr(one, "momentum")]
    assert found
    assert max(found) ** 70 < 1e-3

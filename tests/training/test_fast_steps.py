"""Steps that cost less: where they are taken, and where a model is left alone."""

import keras
import numpy as np
import pytest

from kerasnas.training import fast_steps
from kerasnas.training.flat_optimizer import FlatOptimizer

if keras.backend.backend() != "tensorflow":
    pytest.skip("steps are made cheaper on TensorFlow only", allow_module_level=True)


def layers():
    return [
        keras.layers.Dense(4, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(1),
    ]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3)).astype("float32"), rng.normal(size=(40, 1)).astype("float32")


def test_a_training_has_the_same_numbers(data):
    histories = []
    for fast in (False, True):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), *layers()])
        model.compile("adam", "mse")
        model.fit(*data, verbose=0)  # What was traced before must not be run again.
        if fast:
            with fast_steps(model):
                assert isinstance(model.optimizer, FlatOptimizer)
                histories.append(model.fit(*data, epochs=3, verbose=0).history["loss"])
            assert isinstance(model.optimizer, keras.optimizers.Adam)
            assert all("call" not in vars(layer) for layer in model.layers)
        else:
            histories.append(model.fit(*data, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-4)


class Own(keras.Sequential):
    """A model with a training step of the user's own."""

    def train_step(self, data):
        return super().train_step(data)


def test_other_models_are_left_alone(data):
    own = Own([keras.Input((3,)), *layers()])
    unbuilt = keras.Sequential(layers())
    plain = keras.Sequential([keras.Input((3,)), *layers()])
    for model in (own, unbuilt):
        model.compile("adam", "mse")
    for model in (own, unbuilt, plain):
        optimizer = getattr(model, "optimizer", None)
        with fast_steps(model):
            assert getattr(model, "optimizer", None) is optimizer
        assert type(model) is Own or not model.built or optimizer is None
    own.fit(*data, verbose=0)

"""A model that is compiled anew keeps what is not given."""

import keras
import numpy as np
import pytest

from kerasnas.keras_models.compiled import compile_anew, given_loss_weights, given_metrics

X, Y = np.ones((4, 3)), np.zeros((4, 1))


def two_outputs(**compiled):
    inputs = keras.Input((3,))
    heads = [keras.layers.Dense(1, name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, heads)
    model.compile(**compiled)
    return model


ARGUMENTS = {
    "optimizer": "adam",
    "loss": ["mse", "mae"],
    "loss_weights": [0.25, 4.0],
    "metrics": [["mae"], []],
    "weighted_metrics": [[], ["mse"]],
    "run_eagerly": True,
    "steps_per_execution": 2,
    "jit_compile": False,
}


@pytest.mark.parametrize(
    "given", [{"optimizer": "sgd"}, {"loss": "mse"}, {"metrics": [["mse"], ["mae"]]}]
)
def test_the_rest_stays_as_it_was(given):
    model = two_outputs(**ARGUMENTS)
    compile_anew(model, **given)
    metrics, weighted = given_metrics(model)
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    assert type(model.optimizer) is kinds[given.get("optimizer", "adam")]
    assert model.loss == given.get("loss", ARGUMENTS["loss"])
    assert metrics == given.get("metrics", ARGUMENTS["metrics"])
    assert weighted == ARGUMENTS["weighted_metrics"]
    # Those of another loss need not fit it.
    assert given_loss_weights(model) == (None if "loss" in given else ARGUMENTS["loss_weights"])
    assert model.run_eagerly
    assert (model.steps_per_execution, model.jit_compile) == (2, False)
    assert model.fit(X, [Y, Y], verbose=0).history["loss"]


def test_an_optimizer_is_copied_for_each_model():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.5, 10))
    models = [two_outputs(**ARGUMENTS) for _ in range(2)]
    for model in models:
        compile_anew(model, optimizer)
        model.fit(X, [Y, Y], verbose=0)
    assert optimizer.iterations == 0
    assert models[0].optimizer is not models[1].optimizer
    assert models[0].optimizer.get_config() == optimizer.get_config()


def test_a_model_that_was_never_compiled():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    compile_anew(model, "sgd", "mse", ["mae"])
    assert {*model.fit(X, Y, verbose=0).history} == {"loss", "mae"}


def test_a_compile_of_its_own_need_not_take_more():
    class Own(keras.Model):
        def compile(self, optimizer, loss, metrics):
            super().compile(optimizer, loss, metrics=metrics)

        def call(self, x):
            return x

    model = Own()
    model.compile("adam", "mse", ["mae"])
    compile_anew(model, loss="mae")
    assert (model.loss, given_metrics(model)[0]) == ("mae", ["mae"])

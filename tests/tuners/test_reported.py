"""The names that are told before a training are those that it reports."""

import keras
import numpy as np
import pytest

from kerasnas.tuners.reported import metric_names

X, Y = np.zeros((4, 3)), np.zeros((4, 1))


def f1(y_true, y_pred):
    return keras.ops.mean(y_pred)


def model(outputs, **compiled):
    inputs = keras.Input((3,))
    a, b = (keras.layers.Dense(1, name=name, activation="sigmoid")(inputs) for name in "ab")
    shapes = {
        "one": a,
        "list of one": [a],
        "list": [a, b],
        "tuple": (a, b),
        "names": {"a": a, "b": b},
        "other names": {"y": a, "x": b},
        "nested": {"z": [a, b]},
    }
    made = keras.Model(inputs, shapes[outputs])
    made.compile("sgd", run_eagerly=True, **compiled)
    return made, keras.tree.map_structure(lambda _: Y, shapes[outputs])


@pytest.mark.parametrize(
    ("outputs", "compiled"),
    [
        ("one", {"loss": "mse", "metrics": ["mae", f1]}),
        ("one", {"loss": "mse"}),
        ("list of one", {"loss": ["mse"], "metrics": [["mae"]]}),
        ("list", {"loss": "mse", "metrics": ["mae", "mse"]}),
        ("list", {"loss": ["mse", "mae"], "metrics": [["mae", f1], []]}),
        ("list", {"loss": {"a": "mse", "b": "mae"}, "metrics": {"a": ["mae"], "b": f1}}),
        ("list", {"loss": ["mse", None], "metrics": {"b": "mae"}}),
        ("tuple", {"loss": "mse", "metrics": [["mse"], None], "weighted_metrics": [None, "mae"]}),
        ("names", {"loss": {"a": "mse", "b": "mae"}, "metrics": {"b": [keras.metrics.AUC()]}}),
        ("names", {"loss": keras.losses.MeanSquaredError()}),
        ("other names", {"loss": "mse", "metrics": {"x": "mae"}}),
    ],
)
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_the_names_are_those_of_a_training(outputs, compiled):
    keras.utils.clear_session()
    made, y = model(outputs, **compiled)
    assert sorted(metric_names(made)) == sorted(made.fit(X, y, verbose=0).history)


@pytest.mark.parametrize(
    ("outputs", "compiled"),
    [
        ("one", {"loss": "mse", "metrics": ["mae", "mae"]}),
        ("one", {"loss": "mse", "metrics": [keras.metrics.AUC]}),
        ("list", {"loss": "mse", "metrics": [["mae"], ["mae"]], "weighted_metrics": [["mae"], []]}),
        ("nested", {"loss": {"z": ["mse", "mse"]}, "metrics": {"z": [["mae"], ["mse"]]}}),
    ],
)
def test_those_that_only_a_training_tells(outputs, compiled):
    assert metric_names(model(outputs, **compiled)[0]) is None


def test_a_subclassed_model_of_several_outputs_tells_by_a_call_only():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return {"a": self.dense(x), "b": self.dense(x)}

    made = Two()
    made.compile("sgd", {"a": "mse", "b": "mse"}, metrics={"a": ["mae"]})
    assert metric_names(made) is None
    made.compile("sgd", "mse", metrics=["mae"])
    assert metric_names(made) == ["loss", "mae"]

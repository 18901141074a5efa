"""Callbacks that would fail in every trial are refused before the first."""

import keras
import numpy as np
import pytest
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

from kerasnas.tuners.callbacks import check_monitors, check_types

X, Y = np.ones((8, 3)), np.zeros((8, 1))


def f1(y_true, y_pred):
    return keras.ops.mean(y_pred)


def model(metrics, outputs=1):
    inputs = keras.Input((3,))
    heads = [keras.layers.Dense(1, name=f"out{i}", activation="sigmoid")(inputs) for i in range(2)]
    made = keras.Model(inputs, heads[:outputs] if outputs > 1 else heads[0])
    made.compile("sgd", "mse", metrics=metrics, run_eagerly=True)
    return made


def message_of(call):
    """Of the ValueError that a call raises; nothing where it raises none."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


def training(made, callback, outputs):
    """What Keras itself says when it trains with it."""
    y = [Y] * outputs if outputs > 1 else Y
    fit = {"validation_split": 0.5, "verbose": 0, "callbacks": [callback]}
    return message_of(lambda: made.fit(X, y, **fit))


@pytest.mark.parametrize(
    ("make", "metrics", "outputs"),
    [
        (lambda: EarlyStopping(), ["mae"], 1),
        (lambda: EarlyStopping("val_mae"), ["mae"], 1),
        (lambda: EarlyStopping("val_accuracy"), ["accuracy"], 1),
        (lambda: EarlyStopping("val_f1"), ["mae"], 1),
        (lambda: EarlyStopping("val_f1", mode="max"), [f1], 1),
        (lambda: EarlyStopping("f1"), [f1], 1),
        (lambda: EarlyStopping("val_auc"), [keras.metrics.AUC(name="auc")], 1),
        (lambda: ReduceLROnPlateau("val_f1"), [f1], 1),
        (lambda: ReduceLROnPlateau(), [f1], 1),
        (lambda: ModelCheckpoint("unused.keras", "f1", save_freq=1000), [f1], 1),
        (lambda: EarlyStopping("val_out0_mae"), [["mae"], []], 2),
        (lambda: EarlyStopping("val_out0_loss"), [["mae"], []], 2),
        (lambda: EarlyStopping("val_out0_mae", mode="min"), [["mae"], []], 2),
    ],
)
@pytest.mark.filterwarnings("ignore:Early stopping conditioned", "ignore:Learning rate reduction")
def test_what_is_refused_is_what_keras_cannot_train_with(make, metrics, outputs):
    ours = message_of(lambda: check_monitors([make()], model(metrics, outputs)))
    theirs = training(model(metrics, outputs), make(), outputs)
    assert ("monitors '" in ours) == ("isn't able to automatically determine" in theirs)
    assert not ours or ours.startswith(f"The callback {type(make()).__name__} ")


def test_the_way_out_is_told():
    with pytest.raises(ValueError, match=r"does not report\. It reports: loss, mae"):
        check_monitors(EarlyStopping("val_f1"), model(["mae"]))
    with pytest.raises(ValueError, match='mode="max" or mode="min"'):
        check_monitors(EarlyStopping("val_f1"), model([f1]))


def test_a_model_with_a_step_of_its_own_may_report_anything():
    class Own(keras.Model):
        def train_step(self, data):
            return {"mine": 0.0}

    made = Own()
    made.compile("sgd", "mse")
    check_monitors([EarlyStopping("mine")], made)


def test_callbacks_that_are_none():
    check_types(None)
    check_types(EarlyStopping())
    check_types([EarlyStopping(), keras.callbacks.LambdaCallback()])
    for wrong in (EarlyStopping, [EarlyStopping], ["early"], [print]):
        with pytest.raises(TypeError, match=r"keras\.callbacks\.Callback"):
            check_types(wrong)

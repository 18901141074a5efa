import functools

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels import layers

LOSSES = keras.losses


class Net(kn.HyperModel):
    def body(self, hp, x):
        return x


class Regression(Net):
    def head(self, hp, x):
        return layers.dense(layers.flatten(x, name="flat"), 2, name="out")


class Labels(Net):
    def head(self, hp, x):
        x = layers.dense(layers.flatten(x, name="flat"), self.num_classes, name="out")
        return layers.activate(x, "sigmoid", name="labels")


REGRESSION = [
    "mse",
    "mean_absolute_error",
    "MeanAbsolutePercentageError",
    LOSSES.mean_squared_logarithmic_error,
    LOSSES.Huber(delta=2.0),
    LOSSES.LogCosh(),
    LOSSES.poisson,
    functools.partial(LOSSES.huber, delta=2.0),
    ["mse"],
    {"head_out": LOSSES.MeanSquaredError()},
]


@pytest.mark.parametrize("loss", REGRESSION)
@pytest.mark.parametrize("num_classes", [1, 3])
def test_a_loss_of_a_regression_names_the_head_to_write(loss, num_classes):
    with pytest.raises(ValueError, match=r"`loss` does not fit the head .*for a regression, a sub"):
        Net((4, 4, 1), num_classes, loss=loss)


@pytest.mark.parametrize("space", [kn.LayerwiseHyperModel, kn.CellHyperModel, kn.GraphHyperModel])
def test_every_space_refuses_it(space):
    with pytest.raises(ValueError, match="a softmax, probabilities that sum to 1"):
        space((8, 8, 1), 3, loss="mse")


@pytest.mark.parametrize("loss", ["binary_crossentropy", LOSSES.BinaryFocalCrossentropy(), "hinge"])
def test_a_loss_of_yes_and_no_does_not_fit_several_classes(loss):
    with pytest.raises(ValueError, match=r"labels that do not exclude each other, a subclass"):
        Net((4,), 3, loss=loss)
    Net((4,), 1, loss=loss)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        LOSSES.CategoricalCrossentropy(label_smoothing=0.1),
        LOSSES.categorical_focal_crossentropy,
        "kl_divergence",
    ],
)
def test_a_loss_of_several_classes_does_not_fit_one(loss):
    with pytest.raises(ValueError, match=r"a sigmoid.*leave `loss` out"):
        Net((4,), 1, loss=loss)
    Net((4,), 3, loss=loss)


@pytest.mark.parametrize(
    "loss",
    [
        LOSSES.SparseCategoricalCrossentropy(from_logits=True),
        functools.partial(LOSSES.categorical_crossentropy, from_logits=True),
    ],
)
def test_probabilities_are_no_logits(loss):
    with pytest.raises(ValueError, match=r"of logits \(from_logits=True\)"):
        Net((4,), 3, loss=loss)


@pytest.mark.parametrize("loss", ["ctc", LOSSES.Circle()])
def test_a_loss_of_something_else(loss):
    with pytest.raises(ValueError, match="does not fit the head"):
        Net((4,), 3, loss=loss)


class Own(LOSSES.MeanSquaredError):
    def call(self, y_true, y_pred):
        return LOSSES.categorical_crossentropy(y_true, y_pred)


def own(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


class Renamed(LOSSES.MeanSquaredError):
    """Keras's own loss under another name."""


class WithWeights(LOSSES.SparseCategoricalCrossentropy):
    """Keras's own, with a constructor of its own."""

    def __init__(self, factor=1.0):
        super().__init__(from_logits=True)
        self.factor = factor


class Around(LOSSES.MeanSquaredError):
    """Another `__call__`, which may use anything."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, keras.ops.log(y_pred), sample_weight)


class Deeper(Own):
    """A subclass of a loss of the user's."""


@pytest.mark.parametrize("loss", [Renamed(), [Renamed()], {"head_out": Renamed(name="mine")}])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_a_subclass_of_keras_that_computes_the_same_is_its_parent(loss, num_classes):
    with pytest.raises(ValueError, match="does not fit the head"):
        Net((4,), num_classes, loss=loss)


def test_a_subclass_of_keras_has_the_arguments_of_its_parent():
    with pytest.raises(ValueError, match=r"of logits \(from_logits=True\)"):
        Net((4,), 3, loss=WithWeights())


@pytest.mark.parametrize("loss", ["my_own_loss", "mes", ["categorical_crossentropi"], {"a": "mze"}])
def test_a_name_that_is_no_loss_is_told_with_those_that_are(loss):
    for space in (Net, Regression):
        with pytest.raises(
            ValueError, match=r"name of a loss: bin.*, huber, .* tversky; .* Receiv"
        ):
            space((4, 4, 1), 3, loss=loss)


@pytest.mark.parametrize("loss", [Own(), Deeper(), Around(), own, [None], LOSSES.Dice(), "tversky"])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_other_losses_pass(loss, num_classes):
    assert Net((4,), num_classes, loss=loss).loss is loss


def test_a_head_or_a_compilation_of_the_users_is_free():
    class Compiled(Net):
        def compile(self, hp, model):
            model.compile(loss="mse")

    class Whole(kn.HyperModel):
        def build(self, hp):
            return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])

    hp = keras_tuner.HyperParameters()
    x, y = np.zeros((2, 4, 4, 1)), np.full((2, 2), 3.0)
    model = Regression((4, 4, 1), 1, loss="mse", metrics=["mae"]).build(hp)
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(9.0)
    assert Labels((4, 4, 1), 5, loss="binary_crossentropy").build(hp).output_shape == (None, 5)
    for space in (Compiled, Whole):
        space((4,), 3, loss="mse")


def test_the_loss_that_is_left_out_fits_the_head():
    assert Net((4,), 3).loss == "sparse_categorical_crossentropy"
    assert Net((4,), 1).loss == "binary_crossentropy"
    model = Net((4,), 1).build(keras_tuner.HyperParameters())
    assert model.evaluate(np.zeros((2, 4)), np.array([0, 1]), verbose=0)[0] > 0.1


def test_a_loss_given_to_the_tuner_must_fit_too(tmp_path):
    for space in (Net((4,), 3), Net((4,), 1, loss="binary_crossentropy")):
        with pytest.raises(ValueError, match="does not fit the head"):
            kn.Tuner(space, objective="val_loss", loss="mse", directory=tmp_path)
    kn.Tuner(Regression((4,), 3), objective="val_loss", loss="mse", directory=tmp_path)

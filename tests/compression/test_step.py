import dataclasses
from typing import ClassVar

import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.compression import BridgedStep, KerasStep, Step
from kerasnas.compression.recipe import checked_recipe
from kerasnas.export import Interpreter

L = keras.layers


@dataclasses.dataclass(frozen=True)
class Round(BridgedStep):
    """Rounds all weights to multiples of a number."""

    to: float = 0.25

    name = "round"
    how = "multiples"
    leaves: ClassVar[str] = "multiples"

    def keeps(self, pattern):
        return pattern == "zeros"

    def apply(self, model, training):
        model.set_weights([np.round(w / self.to) * self.to for w in model.get_weights()])
        return model


@dataclasses.dataclass(frozen=True)
class Scramble(BridgedStep):
    """Changes weights, and says nothing of what it keeps."""

    epochs: int = 0

    name = how = "scramble"

    @property
    def trained_epochs(self):
        return self.epochs

    def apply(self, model, training):
        return model


class Rename(KerasStep):
    """A step without arguments, on the Keras model."""

    name = how = "rename"

    def apply_to_keras(self, model, training):
        renamed = keras.Model(model.inputs, model.outputs, name="renamed")
        renamed.compile(loss=model.loss)
        return renamed


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [L.Dense(8, activation="relu", name=name) for name in "ab"]
    model = keras.Sequential([keras.Input((4,)), *layers, L.Dense(2, name="c")])
    model.compile("adam", "mse")
    return model


def compress(model, recipe):
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    data = (x, x[:, :2])
    return kn.compress(model, recipe, train_data=data, validation_data=data)


def test_a_step_of_ones_own_runs_in_an_order_that_it_allows(model):
    recipe = [Rename(), kn.Prune(layers={"b": 0.5}, epochs=1), Round(0.25)]
    result = compress(model, recipe)
    assert [row["step"] for row in result.report] == ["float", "rename", "prune", "round"]
    assert result.report[-1]["method"] == "multiples"
    assert result.origin.recipe[0] == "Rename()"
    assert result.origin.recipe[2] == "Round()"
    assert result.origin.model.name == "renamed"
    # The file is that of the step, and the zeros of the pruned kernel have stayed.
    ones = Interpreter(result.tflite).predict(np.zeros((1, 4)))
    assert np.array_equal(ones % 0.25, np.zeros((1, 2)))
    assert result.report[-1]["sparsity"] >= result.report[-2]["sparsity"] == 0.5


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            [kn.Prune(), Scramble()],
            "Scramble after Prune would undo it: it does not keep the zeros. Put Scramble first.",
        ),
        (
            [kn.Prune(), Scramble(epochs=1)],
            "Scramble after Prune would undo it: training without their pattern would lose the "
            "zeros. Put Scramble first.",
        ),
        (
            [Round(), kn.Quantize()],
            "Quantize after Round would undo it: training without their pattern would lose the "
            "multiples. Leave Round out.",
        ),
        (
            [Scramble(), Rename()],
            "Rename after Scramble would undo it: it changes the tf_keras rebuild, which is made "
            "again from the Keras model that Rename changes. Put Rename first.",
        ),
    ],
)
def test_an_order_that_would_undo_a_step_names_both_before_any_work(
    model, monkeypatch, recipe, message
):
    monkeypatch.setattr("kerasnas.compression.pipeline.build", None)
    with pytest.raises(ValueError) as raised:
        compress(model, recipe)
    assert str(raised.value) == f"{message} Received: {recipe!r}"


@pytest.mark.parametrize(
    "recipe",
    [
        [Scramble(epochs=1), kn.Prune(), kn.Cluster(), kn.Quantize()],
        [kn.PruneStructured(), Rename(), Scramble(), Round()],
        [Rename(), kn.Distill(epochs=1), kn.Prune(), Round()],
        [kn.Prune(), kn.Distill(), kn.Quantize()],
    ],
)
def test_an_order_that_keeps_every_pattern_is_allowed(recipe):
    assert checked_recipe(recipe) == recipe


def test_a_step_is_bridged_or_one_of_the_keras_model():
    class Neither(Step):
        name = how = "neither"

    with pytest.raises(ValueError, match="must hold steps"):
        checked_recipe([Neither()])

"""The loss of distillation."""

import keras
import numpy as np
import pytest
import tf_keras

import kerasnas as kn
from kerasnas.bridge import read
from kerasnas.compression.distillation_loss import DistillationLoss

L = keras.layers


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("logits", [True, False])
def test_loss_is_that_of_the_paper(library, logits, rng):
    teacher, student = rng.normal(size=(2, 5, 3))
    labels, temperature, mix = rng.integers(0, 3, 5), 3.0, 0.7
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=logits, reduction="none")
    given = (teacher, student) if logits else (softmax(teacher), softmax(student))
    distillation = DistillationLoss([given[0].astype("float32")], temperature, mix)
    y, guided = distillation.join(library, labels, loss)
    value = np.asarray(guided(y, given[1].astype("float32")))
    soft, hard = softmax(teacher / temperature), softmax(student / temperature)
    towards_teacher = -(soft * np.log(hard)).sum(-1) * temperature**2
    towards_label = -np.log(softmax(student)[np.arange(5), labels])
    expected = mix * towards_teacher + (1 - mix) * towards_label
    np.testing.assert_allclose(value, expected, rtol=1e-3)


def test_regression_learns_from_the_teachers_outputs(rng):
    teacher, labels, student = rng.normal(size=(3, 6, 1)).astype("float32")
    y, guided = DistillationLoss([teacher], 4.0, 0.25).join(tf_keras, labels[:, 0], "mse")
    expected = 0.25 * (teacher - student) ** 2 + 0.75 * (labels - student) ** 2
    np.testing.assert_allclose(np.asarray(guided(y, student)), expected.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    "loss", ["BinaryCrossentropy", "CategoricalFocalCrossentropy", "CategoricalCrossentropy"]
)
def test_a_teacher_of_logits_is_best_followed_by_itself(loss, rng):
    logits = rng.normal(size=(6, 3)).astype("float32")
    own = getattr(tf_keras.losses, loss)(from_logits=True)
    target = np.eye(3)[rng.integers(0, 3, 6)]
    y, guided = DistillationLoss([logits], 1.0, 1.0).join(tf_keras, target, own)
    best = float(np.mean(guided(y, logits)))
    for step in (-4.0, 0.5, 4.0):
        assert float(np.mean(guided(y, logits * (1 + step)))) > best


def test_outputs_without_a_loss_are_left_alone(rng):
    outputs = [rng.normal(size=(4, 2)), rng.normal(size=(4, 1))]
    y, losses = DistillationLoss(outputs, 4.0, 0.5).join(
        tf_keras, [np.ones((4, 2)), None], ["mse", None]
    )
    assert y[0].shape == (4, 4)
    assert y[1] is None
    assert losses[1] is None


def test_outputs_without_a_dimension_are_refused():
    x = keras.Input((4,))
    y = L.Reshape(())(L.Dense(1)(L.Dense(4)(x)))
    with pytest.raises(ValueError, match="leave out the Reshape"):
        kn.Distill().check(read(keras.Model(x, y)))

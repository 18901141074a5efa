import keras
import numpy as np
import pytest
import tf_keras

import kerasnas as kn
from kerasnas.bridge import build, read
from kerasnas.compression.distillation_loss import DistillationLoss
from kerasnas.compression.training import Training, legacy_loss

L = keras.layers


def classifier(name="net", classes=3, units=8, activation="softmax", loss=None):
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    y = L.Dense(units, activation="relu")(L.Dense(units, activation="relu")(x))
    model = keras.Model(x, L.Dense(classes, activation=activation)(y), name=name)
    model.compile("adam", loss or "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


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


def test_a_teachers_inputs_go_by_name(rng):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    shared = L.Dense(1)
    model = keras.Model([a, b], shared(L.Subtract()([a, b])))
    teacher = keras.Model([b, a], shared(L.Subtract()([a, b])))
    x, y = list(rng.normal(size=(2, 8, 3))), np.zeros((8, 1))
    training = Training(model, read(model), x, y, "mse", None, 0)
    step = kn.Distill(teacher)
    step.check(training.graph)
    step.apply(None, training)
    np.testing.assert_allclose(
        training.distillation.outputs[0], model.predict(x, verbose=0), atol=1e-6
    )


def test_outputs_without_a_loss_are_left_alone(rng):
    outputs = [rng.normal(size=(4, 2)), rng.normal(size=(4, 1))]
    y, losses = DistillationLoss(outputs, 4.0, 0.5).join(
        tf_keras, [np.ones((4, 2)), None], ["mse", None]
    )
    assert y[0].shape == (4, 4)
    assert y[1] is None
    assert losses[1] is None


def test_a_student_comes_closer_to_its_teacher(rng):
    x = rng.normal(size=(512, 4)).astype("float32")
    wrong = np.zeros(512, int)
    teacher, student = classifier("teacher", units=16), classifier()
    truth = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    teacher.fit(x, truth, epochs=15, verbose=0)
    # Labels say nothing here, so that all it learns is from the teacher.
    training = Training(student, read(student), [x], wrong, legacy_loss(student), None, 0)
    step = kn.Distill(teacher, mix=1, epochs=15, learning_rate=1e-2)
    step.check(training.graph)
    taught = step.apply(build(training.graph), training)
    agree = taught.predict(x, verbose=0).argmax(1) == teacher.predict(x, verbose=0).argmax(1)
    assert agree.mean() > 0.9


@pytest.mark.parametrize("logits", [True, False])
def test_a_teacher_of_logits_for_probabilities_is_refused(logits, rng):
    x = rng.normal(size=(64, 4)).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    student = classifier(activation="linear" if logits else "softmax", loss=loss)
    teacher = classifier("teacher", activation="softmax" if logits else "linear")
    data = (x, np.zeros(64, int))
    with pytest.raises(ValueError, match="must give logits" if logits else "give probabilities"):
        kn.compress(
            student,
            [kn.Distill(teacher), kn.Prune(0.5, epochs=1)],
            train_data=data,
            validation_data=data,
        )


def test_outputs_without_a_dimension_are_refused():
    x = keras.Input((4,))
    y = L.Reshape(())(L.Dense(1)(L.Dense(4)(x)))
    with pytest.raises(ValueError, match="leave out the Reshape"):
        kn.Distill().check(read(keras.Model(x, y)))


def test_it_guides_the_steps_after_it(rng):
    x = rng.normal(size=(256, 4)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    model = classifier()
    model.fit(x, y, epochs=2, verbose=0)
    data = {"train_data": (x, y), "validation_data": (x, y)}
    steps = [kn.Prune(0.5, epochs=1), kn.Quantize("int8", epochs=1)]
    plain = kn.compress(model, steps, **data)
    guided = kn.compress(model, [kn.Distill(temperature=2), *steps], **data)
    assert guided.report[1]["method"] == "self-distillation"
    assert plain.tflite != guided.tflite
    narrow = kn.compress(
        model,
        [kn.Distill(classifier("wide", units=32)), kn.PruneStructured(0.6, epochs=1), *steps],
        **data,
    )
    assert narrow.report[1]["method"] == "teacher 'wide'"
    assert narrow.report[-1]["macs"] < 0.65 * plain.report[-1]["macs"]
    assert narrow.report[-1]["bytes"] < plain.report[-1]["bytes"]


def test_a_teacher_that_has_no_inputs():
    with pytest.raises(ValueError, match="must be a built Sequential or Functional model"):
        kn.Distill(keras.Sequential([L.Dense(3)])).check(read(classifier()))


def test_a_teacher_of_another_shape():
    with pytest.raises(ValueError, match=r"outputs of shapes \[\(3,\)\].*'big' with \[\(5,\)\]"):
        kn.Distill(classifier("big", classes=5)).check(read(classifier()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher": "model.keras"}, "must be a Keras 3 model"),
        ({"temperature": 0}, "temperature=0"),
        ({"mix": 1.5}, "mix=1.5"),
        ({"epochs": -1}, "epochs=-1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        kn.Distill(**arguments)

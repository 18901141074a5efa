import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.bridge import build, read
from kerasnas.compression.training import Training, legacy_loss

L = keras.layers


def classifier(name="net", classes=3, units=8, activation="softmax", loss=None):
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    y = L.Dense(units, activation="relu")(L.Dense(units, activation="relu")(x))
    model = keras.Model(x, L.Dense(classes, activation=activation)(y), name=name)
    model.compile("adam", loss or "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


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

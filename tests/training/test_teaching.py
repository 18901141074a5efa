import keras
import numpy as np
import pytest

from kerasnas.training.teaching import taught

X = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")


def network(outputs, activation, loss, metrics=()):
    layers = [keras.Input((5,)), keras.layers.Dense(outputs, activation=activation)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.5), loss, metrics=list(metrics))
    return model


def shares(classes):
    found = np.random.default_rng(1).uniform(0.01, 1, (40, classes)).astype("float32")
    return found / found.sum(-1, keepdims=True)


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_the_loss_is_the_cross_entropy_with_the_blend(column, mix):
    model = network(3, "softmax", "sparse_categorical_crossentropy")
    y = np.arange(40) % 3
    said = shares(3)
    predicted = model.predict(X, verbose=0)
    blend = (1 - mix) * np.eye(3)[y] + mix * said
    expected = -(blend * np.log(predicted)).sum(-1).mean()
    with taught(model, y[:, None] if column else y, said, mix) as targets:
        history = model.fit(X, targets, batch_size=40, epochs=1, verbose=0)
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_a_student_comes_near_its_teacher():
    teacher = network(3, "softmax", "sparse_categorical_crossentropy")
    teacher.set_weights([3 * weight for weight in teacher.get_weights()])
    said = teacher.predict(X, verbose=0)
    student = network(3, "softmax", "sparse_categorical_crossentropy", ["accuracy"])
    with taught(student, np.zeros(40, int), said, 1.0) as targets:
        student.fit(X, targets, epochs=200, batch_size=40, verbose=0)
    np.testing.assert_allclose(student.predict(X, verbose=0), said, atol=0.1)


def test_a_validation_and_what_follows_have_the_targets_of_the_user():
    model = network(3, "softmax", "sparse_categorical_crossentropy", ["accuracy"])
    y = np.arange(40) % 3
    with taught(model, y, shares(3), 0.5) as targets:
        history = model.fit(X, targets, validation_data=(X, y), epochs=1, verbose=0)
    found = model.evaluate(X, y, return_dict=True, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(found["loss"], rel=1e-5)
    assert history.history["val_accuracy"][0] == pytest.approx(found["accuracy"])
    model.fit(X, y, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("outputs", "activation", "loss", "y"),
    [
        (1, "sigmoid", "binary_crossentropy", np.arange(40) % 2),
        (1, None, "mse", np.linspace(0, 1, 40)),
        (3, "softmax", "categorical_crossentropy", np.eye(3)[np.arange(40) % 3]),
        (2, None, "mae", np.zeros((40, 2))),
    ],
)
def test_other_targets(outputs, activation, loss, y):
    model = network(outputs, activation, loss)
    with taught(model, y, np.full((40, outputs), 0.5), 0.5) as targets:
        history = model.fit(X, targets, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_without_a_teacher_nothing_changes():
    y = np.arange(40) % 3
    with taught(network(3, "softmax", "sparse_categorical_crossentropy"), y, None, 0.5) as targets:
        assert targets is y


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (np.zeros((40, 4)), "must have the shape of the network's"),
        (np.zeros((39, 3)), "must have the shape of the network's"),
        (np.full((40, 3), 7.0), "must give probabilities"),
    ],
)
def test_a_teacher_that_does_not_fit(outputs, said):
    model = network(3, "softmax", "sparse_categorical_crossentropy")
    with (
        pytest.raises(ValueError, match=said),
        taught(model, np.arange(40) % 3, outputs, 0.5),
    ):
        pass


def test_a_loss_of_the_users_own():
    model = network(3, "softmax", lambda y, p: keras.ops.mean(p))
    with (
        pytest.raises(ValueError, match="pass teacher=None"),
        taught(model, np.arange(40) % 3, shares(3), 0.5),
    ):
        pass

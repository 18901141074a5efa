"""Schedules: where they begin and end, for any length, and that the optimizer is left as it was."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.training.fast_steps import fast_steps
from kerasnas.training.flat_optimizer import FlatOptimizer
from kerasnas.training.schedules import (
    SCHEDULES,
    Planned,
    RateByEpoch,
    RateSchedule,
    innermost,
    scheduled,
)


def rates(schedule, extra=1):
    steps = np.arange(schedule.start, schedule.start + schedule.steps + extra)
    return np.array(keras.ops.convert_to_numpy(schedule(steps)))


@settings(deadline=None, max_examples=60)
@given(
    epochs=st.integers(1, 20),
    batches=st.integers(1, 50),
    kind=st.sampled_from(SCHEDULES),
    warmup=st.one_of(st.none(), st.floats(0, 1)),
    start=st.integers(0, 20_000_000),
)
def test_it_rises_then_falls_and_ends_at_zero(epochs, batches, kind, warmup, start):
    schedule = RateSchedule(0.5, epochs * batches, kind, warmup, start)
    found = rates(schedule)
    assert np.isfinite(found).all()
    assert (found[:-1] > 0).all(), "every step trains"
    assert found.max() <= 0.5 + 1e-6
    top = int(found.argmax())
    assert (np.diff(found[: top + 1]) >= -1e-7).all()
    assert (np.diff(found[top:]) <= 1e-7).all()
    if kind in ("cosine", "one_cycle"):
        assert found[-1] == 0.0, "it is zero when the last step is done"
    if schedule.steps > 3 and kind != "one_cycle":
        assert found.max() == pytest.approx(0.5)


def test_the_whole_rate_is_reached_after_the_warm_up():
    found = rates(RateSchedule(1.0, 10, "constant", 0.4))
    np.testing.assert_allclose(found, [0.25, 0.5, 0.75] + [1.0] * 8)


def test_it_stays_at_its_end():
    schedule = RateSchedule(1.0, 4)
    assert float(schedule(100)) == 0.0


def test_it_is_made_again_from_its_config():
    schedule = RateSchedule(0.1, 7, "one_cycle", 0.2, 3)
    np.testing.assert_array_equal(rates(RateSchedule(**schedule.get_config())), rates(schedule))


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    return model


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3)).astype("float32"), rng.normal(size=(40, 1)).astype("float32")


@pytest.mark.parametrize("fast", [False, True])
def test_a_training_is_that_of_keras_with_the_same_schedule(data, fast):
    model = network()
    model.compile(keras.optimizers.Adam(RateSchedule(0.1, 8)), "mse")
    expected = model.fit(*data, batch_size=10, epochs=2, shuffle=False, verbose=0).history["loss"]
    model = network()
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    names = [one.path for one in model.optimizer.variables]
    with fast_steps(model) if fast else scheduled(model.optimizer, 8, "cosine"):
        if fast and keras.backend.backend() == "tensorflow":
            assert isinstance(model.optimizer, FlatOptimizer)
        if fast:
            with scheduled(model.optimizer, 8, "cosine"):
                found = model.fit(*data, batch_size=10, epochs=2, shuffle=False, verbose=0)
                assert float(model.optimizer.learning_rate) == 0.0
        else:
            found = model.fit(*data, batch_size=10, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(found.history["loss"], expected, rtol=1e-4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    assert [one.path for one in model.optimizer.variables] == names


def test_it_begins_where_the_optimizer_has_come_to(data):
    model = network()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(*data, batch_size=10, verbose=0)
    seen = []

    class Reader(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    with scheduled(model.optimizer, 4, "cosine", 0.25):
        model.train_function = None
        model.fit(*data, batch_size=10, verbose=0, callbacks=[Reader()])
    np.testing.assert_allclose(
        seen, 0.1 * rates(RateSchedule(1.0, 4, "cosine", 0.25), 0), rtol=1e-5
    )


def test_the_optimizer_inside_of_others_is_found():
    plain = keras.optimizers.SGD(0.1)
    assert innermost(keras.optimizers.LossScaleOptimizer(plain)) is plain


def test_the_rate_of_each_epoch_is_set_where_steps_are_not_known(data):
    model = network()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    seen = []
    reader = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(float(model.optimizer.learning_rate))
    )
    by_epoch = RateByEpoch(Planned("cosine", 0.0, 0.1), 2, 6)
    model.fit(*data, initial_epoch=2, epochs=6, verbose=0, callbacks=[by_epoch, reader])
    expected = rates(RateSchedule(0.1, 4, "cosine", 0.0), 0)
    np.testing.assert_allclose(seen, expected, rtol=1e-5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)

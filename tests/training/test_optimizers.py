import keras
import numpy as np
import pytest

from kerasnas.training.optimizers import DEFAULT_RATES, make_optimizer


@pytest.mark.parametrize("name", DEFAULT_RATES)
@pytest.mark.parametrize("decay", [None, 0, 0.1])
def test_each_is_made_and_trains(name, decay):
    optimizer = make_optimizer(name, 0.01, decay, clip_norm=1.0)
    kernel = keras.Variable(np.ones((2, 2)), name="kernel")
    bias = keras.Variable(np.ones(2), name="bias")
    optimizer.build([kernel, bias])
    zeros = [keras.ops.zeros((2, 2)), keras.ops.zeros(2)]
    optimizer.apply(zeros, [kernel, bias])
    assert np.array(bias) == pytest.approx(1.0), "a bias does not decay"
    decays = decay if decay is not None else (0.004 if name == "adamw" else 0)
    assert np.array(kernel) == pytest.approx(1.0 - 0.01 * decays)


def test_momentum_is_that_of_keras():
    assert make_optimizer("momentum", 0.1).momentum == 0.9
    assert make_optimizer("nesterov", 0.1).nesterov
    assert make_optimizer("sgd", 0.1).momentum == 0
    assert make_optimizer("adam", 0.1, clip_value=0.5).clipvalue == 0.5

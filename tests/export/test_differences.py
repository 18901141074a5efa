"""How far what a file gives is from what its model gives."""

import numpy as np
import pytest

from kerasnas.export.fidelity import difference


def noise(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


WANT = noise((32, 5))


@pytest.mark.parametrize(
    ("want", "have", "step", "low", "high"),
    [
        (WANT, WANT, 0.0, 0, 0),
        (WANT, noise((32, 5), 2), 0.05, 1.2, 1.6),
        (WANT, np.zeros((32, 5)), 0.05, 0.9, 1.1),
        # What every sample has in common counts neither way.
        (WANT + 20, noise((32, 5), 2) + 20, 0.05, 1.2, 1.6),
        # A constant output: only steps tell.
        (np.full((32, 1), 3.0), np.full((32, 1), 3.01), 0.02, 0, 0.2),
        (np.full((32, 1), 3.0), np.full((32, 1), 3.4), 0.02, 0.7, 10),
        (np.zeros((32, 1)), np.zeros((32, 1)), 0.0, 0, 0),
        # One value a sample.
        (WANT[:, 0], WANT[:, 0] + 0.01, 0.0, 0.005, 0.02),
        (np.arange(32), np.arange(32), 0.0, 0, 0),
        (np.arange(32), np.arange(32) // 2 * 2, 0.0, 0.5, 0.5),
        (WANT, np.where(WANT > 1, np.nan, WANT), 0.0, np.inf, np.inf),
        (np.where(WANT > 1, np.nan, WANT), WANT, 0.0, 0, 1e-9),
        (np.full((4, 2), np.nan), WANT[:4, :2], 0.0, 0, 0),
    ],
)
def test_difference(want, have, step, low, high):
    assert low <= difference(want, have, step, 0.001) <= high

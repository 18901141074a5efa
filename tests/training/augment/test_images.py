"""Augmentations of images."""

import numpy as np

from kerasnas.training import augment

RNG = np.random.default_rng(0)


def test_the_edge_fills_what_a_shift_leaves_open():
    x = np.arange(5.0).reshape(1, 1, 5, 1)
    rows = {
        tuple(augment.Shift(1).apply(x, np.random.default_rng(seed)).ravel()) for seed in range(30)
    }
    assert rows == {(0, 1, 2, 3, 4), (0, 0, 1, 2, 3), (1, 2, 3, 4, 4)}


def test_a_cut_covers_a_square_with_the_mean():
    x = RNG.uniform(0, 200, (6, 8, 8, 1)).astype("float32")
    changed = augment.Cutout(3).apply(x, np.random.default_rng(0))
    for old, new in zip(x, changed, strict=True):
        places = np.argwhere(new[..., 0] != old[..., 0])
        assert 4 <= len(places) <= 9
        assert np.ptp(places, axis=0).max() <= 2
        assert np.allclose(new[tuple(places.T)], old.mean())


def test_brightness_stays_in_the_range_of_the_batch():
    x = RNG.uniform(0, 200, (6, 4, 4, 3)).astype("uint8")
    changed = augment.Brightness(1.0).apply(x, np.random.default_rng(0))
    assert changed.min() >= x.min()
    assert changed.max() <= x.max()


def test_a_turn_by_a_right_angle_is_exact():
    x = RNG.uniform(0, 200, (1, 5, 5, 1))

    class Right(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, 90.0)

    turned = augment.Rotate(90).apply(x, Right(np.random.PCG64()))
    np.testing.assert_allclose(turned[0, ..., 0], np.rot90(x[0, ..., 0], -1), rtol=1e-4)

"""Augmentations of series."""

import numpy as np
import pytest

from kerasnas.training import augment

RNG = np.random.default_rng(0)


def test_a_warp_keeps_both_ends():
    x = RNG.uniform(0, 200, (5, 20, 2))
    warped = augment.TimeWarp(0.5).apply(x, np.random.default_rng(0))
    np.testing.assert_allclose(warped[:, [0, -1]], x[:, [0, -1]], rtol=1e-6)
    straight = np.broadcast_to(np.arange(20.0)[:, None], (5, 20, 2))
    assert (
        np.diff(augment.TimeWarp(0.9).apply(straight, np.random.default_rng(0)), axis=1) >= 0
    ).all()


def test_a_channel_stays():
    x = RNG.uniform(0, 200, (50, 6, 4)).astype("float32")
    changed = augment.ChannelDrop(1.0).apply(x, np.random.default_rng(0))
    assert ((changed.std(axis=1) > 1).sum(axis=1) == 1).all()


def test_jitter_follows_the_unit_of_each_channel():
    x = RNG.uniform(0, 200, (200, 30, 2)) * [1.0, 1000.0]
    noise = augment.Jitter(0.1).apply(x, np.random.default_rng(0)) - x
    ratio = noise[..., 1].std() / noise[..., 0].std()
    assert ratio == pytest.approx(1000, rel=0.1)

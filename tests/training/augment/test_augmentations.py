"""What every augmentation keeps, and what each does."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.training import augment
from kerasnas.training.augment.augmentation import check_policy

IMAGES = [
    augment.Shift(2),
    augment.Flip(),
    augment.Flip("both"),
    augment.Cutout(3),
    augment.Brightness(0.3),
    augment.Contrast(0.3),
    augment.Rotate(20),
    augment.Zoom(0.2),
]
SERIES = [
    augment.TimeShift(2),
    augment.TimeMask(3),
    augment.FrequencyMask(2),
    augment.Jitter(0.2),
    augment.TimeWarp(0.3),
    augment.ChannelDrop(0.5),
]
ANY = [augment.Noise(0.2), augment.Scale(0.2), augment.Mixup(0.4)]
NONE = [
    augment.Shift(0),
    augment.Cutout(0),
    augment.Brightness(0),
    augment.Contrast(0),
    augment.Rotate(0),
    augment.Zoom(0),
    augment.TimeShift(0),
    augment.TimeMask(0),
    augment.FrequencyMask(0),
    augment.Jitter(0),
    augment.TimeWarp(0),
    augment.ChannelDrop(0),
    augment.Noise(0),
    augment.Scale(0),
    augment.Mixup(0),
]
DTYPES = ("float32", "float64", "float16", "uint8", "int16")


def batch(shape, dtype, seed=0):
    values = np.random.default_rng(seed).uniform(0, 200, shape)
    return values.astype(dtype)


@st.composite
def batches(draw, one):
    rank = draw(st.sampled_from(one.ranks or (1, 2, 3)))
    shape = [draw(st.integers(1, 5)), *[draw(st.integers(1, 9)) for _ in range(rank)]]
    return batch(shape, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 9)))


@pytest.mark.parametrize("one", [*IMAGES, *SERIES, *ANY], ids=str)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_shape_and_dtype_and_the_given_samples_are_kept(one, data):
    x = data.draw(batches(one))
    before = x.copy()
    changed = one.apply(x, np.random.default_rng(1))
    assert changed.shape == x.shape
    assert changed.dtype == x.dtype
    assert np.isfinite(changed.astype("float64")).all()
    np.testing.assert_array_equal(x, before)
    again = one.apply(x, np.random.default_rng(1))
    np.testing.assert_array_equal(changed, again)


@pytest.mark.parametrize("one", NONE, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_without_strength_nothing_changes(one, dtype):
    for rank in one.ranks or (1, 2, 3):
        x = batch([4, 7, 6, 3][: rank + 1], dtype)
        changed = one.apply(x, np.random.default_rng(0))
        np.testing.assert_allclose(
            changed.astype("float64"), x.astype("float64"), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("one", [*IMAGES, *SERIES, *ANY], ids=str)
def test_samples_are_changed_each_in_its_own_way(one):
    rank = (one.ranks or (2,))[-1]
    x = np.repeat(batch([1, 12, 10, 3][: rank + 1], "float32"), 8, axis=0)
    if isinstance(one, augment.Mixup):
        x = x * np.arange(1, 9).reshape(8, *[1] * rank)
    changed = one.apply(x, np.random.default_rng(0))
    assert np.abs(changed - x).max() > 0
    assert len(np.unique(changed.reshape(8, -1), axis=0)) > 1


def test_the_edge_fills_what_a_shift_leaves_open():
    x = np.arange(5.0).reshape(1, 1, 5, 1)
    rows = {
        tuple(augment.Shift(1).apply(x, np.random.default_rng(seed)).ravel()) for seed in range(30)
    }
    assert rows == {(0, 1, 2, 3, 4), (0, 0, 1, 2, 3), (1, 2, 3, 4, 4)}


def test_a_cut_covers_a_square_with_the_mean():
    x = batch([6, 8, 8, 1], "float32")
    changed = augment.Cutout(3).apply(x, np.random.default_rng(0))
    for old, new in zip(x, changed, strict=True):
        places = np.argwhere(new[..., 0] != old[..., 0])
        assert 4 <= len(places) <= 9
        assert np.ptp(places, axis=0).max() <= 2
        assert np.allclose(new[tuple(places.T)], old.mean())


def test_brightness_stays_in_the_range_of_the_batch():
    x = batch([6, 4, 4, 3], "uint8")
    changed = augment.Brightness(1.0).apply(x, np.random.default_rng(0))
    assert changed.min() >= x.min()
    assert changed.max() <= x.max()


def test_a_turn_by_a_right_angle_is_exact():
    x = batch([1, 5, 5, 1], "float64")

    class Right(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, 90.0)

    turned = augment.Rotate(90).apply(x, Right(np.random.PCG64()))
    np.testing.assert_allclose(turned[0, ..., 0], np.rot90(x[0, ..., 0], -1), rtol=1e-4)


def test_a_warp_keeps_both_ends():
    x = batch([5, 20, 2], "float64")
    warped = augment.TimeWarp(0.5).apply(x, np.random.default_rng(0))
    np.testing.assert_allclose(warped[:, [0, -1]], x[:, [0, -1]], rtol=1e-6)
    straight = np.broadcast_to(np.arange(20.0)[:, None], (5, 20, 2))
    assert (
        np.diff(augment.TimeWarp(0.9).apply(straight, np.random.default_rng(0)), axis=1) >= 0
    ).all()


def test_a_channel_stays():
    x = batch([50, 6, 4], "float32")
    changed = augment.ChannelDrop(1.0).apply(x, np.random.default_rng(0))
    assert ((changed.std(axis=1) > 1).sum(axis=1) == 1).all()


def test_jitter_follows_the_unit_of_each_channel():
    x = batch([200, 30, 2], "float64") * [1.0, 1000.0]
    noise = augment.Jitter(0.1).apply(x, np.random.default_rng(0)) - x
    ratio = noise[..., 1].std() / noise[..., 0].std()
    assert ratio == pytest.approx(1000, rel=0.1)


@settings(deadline=None)
@given(seed=st.integers(0, 99), alpha=st.floats(0.05, 4), weighted=st.booleans())
def test_a_blend_has_the_loss_of_its_two_samples(seed, alpha, weighted):
    """With each sample's weight, for a loss that is linear in the targets."""
    rng = np.random.default_rng(seed)
    x, y = (
        rng.normal(size=(9, 4)).astype("float32"),
        np.eye(3, dtype="float32")[rng.integers(0, 3, 9)],
    )
    weights = rng.uniform(0, 2, 9).astype("float32") if weighted else None
    ones = np.ones(9, "float32")
    mixup = augment.Mixup(alpha)
    bx, by, bw = mixup.blend(x, y, weights, np.random.default_rng(seed))
    np.testing.assert_allclose(by.sum(-1), 1, rtol=1e-5)
    # The same draws show how much of each sample is in each blend.
    part, _, _ = mixup.blend(np.eye(9, dtype="float32"), None, None, np.random.default_rng(seed))
    assert (np.diag(part) >= 0.5 - 1e-6).all()
    np.testing.assert_allclose(bx, part @ x, rtol=1e-4, atol=1e-5)
    w = ones if weights is None else weights
    np.testing.assert_allclose(ones if bw is None else bw, part @ w, rtol=1e-4)
    np.testing.assert_allclose(
        by * (ones if bw is None else bw)[:, None], part @ (y * w[:, None]), rtol=1e-3, atol=1e-5
    )


def test_several_inputs_are_blended_in_the_same_shares():
    x = {"a": np.arange(6.0).reshape(6, 1), "b": np.arange(6.0).reshape(6, 1, 1)}
    blended, _, _ = augment.Mixup(1.0).blend(x, None, None, np.random.default_rng(0))
    np.testing.assert_allclose(blended["a"].ravel(), blended["b"].ravel())


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: augment.Shift(-1), "pixels"),
        (lambda: augment.Shift(1.5), "pixels"),
        (lambda: augment.Flip("left"), "direction"),
        (lambda: augment.Brightness(2), "strength"),
        (lambda: augment.Rotate(-1), "degrees"),
        (lambda: augment.TimeWarp(1.0), "strength"),
        (lambda: augment.Mixup("0.2"), "alpha"),
        (lambda: augment.ChannelDrop(1.1), "share"),
    ],
)
def test_bad_values_are_refused(make, name):
    with pytest.raises(ValueError, match=f"Argument `{name}` must be .* Received: {name}="):
        make()


def test_an_augmentation_that_fits_no_input_names_the_shape():
    with pytest.raises(ValueError, match=r"holds Shift\(2\), .*height, width.*\(64, 6\)"):
        check_policy([augment.Noise(0.1), augment.Shift(2)], [(64, 6)])
    check_policy([augment.Shift(2)], [(64, 6), (8, 8, 1)])


def test_every_public_one_is_tested_here():
    tested = {type(one).__name__ for one in [*IMAGES, *SERIES, *ANY]}
    assert tested == set(augment.__all__) - {"Augmentation"}
    assert all(dataclasses.is_dataclass(getattr(augment, name)) for name in tested)

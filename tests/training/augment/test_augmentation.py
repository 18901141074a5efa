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

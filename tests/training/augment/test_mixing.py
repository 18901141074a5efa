"""Augmentations that join two samples."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.training import augment


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

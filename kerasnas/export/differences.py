"""How far what a file gives is from what its model gives, next to how much the model varies."""

import numpy as np

# Rounding in the layers moves an output by up to so many steps, whatever its spread.
_STEPS = 4.0
# A value is lost if its error is this share of its spread; and an output that varies by less than
# this share of its size counts as a constant.
_LOST, _CONSTANT = 0.6, 1e-4
# The step of outputs whose scale is fixed: tanh, sigmoid and softmax.
_FIXED_STEP = 2.0**-7
# If an output hardly varies over the samples, so many times the explained error is accepted.
_HARDLY = 6.0


def difference(want: np.ndarray, have: np.ndarray, step: float, explained: float) -> float:
    """Returns how far an output of a file is from the model's, as a share of its spread.

    Args:
        want: The model's output, of shape (samples, ...).
        have: The file's.
        step: Of its quantization; 0 for one in floating point.
        explained: What its bits explain, as a share of the largest value.

    Returns:
        0 if they agree; about 1 for a file that gives a constant, and 1.4 for one that gives what
        has nothing to do with the model's. Of integers, the share of places that differ. Infinity
        if the file has NaN or infinity where the model has numbers.
    """
    if want.dtype.kind in "iub":
        return float((want != have).mean())
    finite = np.isfinite(want)
    if not finite.any():
        return 0.0
    if not np.isfinite(have[finite]).all():
        return float("inf")
    want, have = want.astype("float64"), have.astype("float64")
    error = np.square((have - want)[finite]).mean()
    # Around the mean of each channel: what all samples have in common tells no file from another.
    rows = np.where(finite, want, np.nan).reshape(-1, want.shape[-1] if want.ndim > 1 else 1)
    spread = np.nanmean(np.nanvar(rows[:, np.isfinite(rows).any(axis=0)], axis=0))
    values = want[finite]
    floor = explained * np.abs(values).max()
    if step:
        # A step that is far too coarse for the values explains nothing.
        fine = 2 * (max(values.max(), 0) - min(values.min(), 0)) / 255
        floor = max(floor, _STEPS * min(step, max(fine, _FIXED_STEP)))
    if spread < floor**2:
        floor *= _HARDLY
    return float(np.sqrt(error / max(spread + floor**2, np.finfo("float64").tiny)))


def lost_values(want: np.ndarray, have: np.ndarray, step: float) -> list[int]:
    """Returns the places on the last axis at which a file gives hardly more than a constant.

    Args:
        want: The model's output, of shape (samples, ...).
        have: The file's.
        step: Of its quantization; 0 for one in floating point.

    Returns:
        Places whose error is about as large as their spread over samples. None where the scale is
        the same whatever the values, as for a softmax: its small values are meant to be small.
    """
    if step <= _FIXED_STEP or want.dtype.kind in "iub" or want.ndim < 2:
        return []
    rows, got = (array.reshape(-1, array.shape[-1]).astype("float64") for array in (want, have))
    if not (np.isfinite(rows).all() and np.isfinite(got).all()):
        return []
    spread, error = rows.std(axis=0), np.sqrt(np.square(got - rows).mean(axis=0))
    varies = spread > _CONSTANT * np.abs(rows).max(axis=0)
    return [int(place) for place in np.flatnonzero(varies & (error > _LOST * spread))]

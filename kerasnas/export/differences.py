"""How far what a file gives is from what its model gives, next to how much the model varies."""

import numpy as np

# Rounding in every layer moves an output by some steps, whatever its spread.
_STEPS = 4.0
# From this share of its spread on a value is lost; what varies by less of itself is a constant.
_LOST, _CONSTANT = 0.6, 1e-4
# Of outputs that have the same scale whatever their values: tanh, sigmoid and softmax.
_FIXED_STEP = 2.0**-7
# An output that hardly varies over the samples, or not at all, tells less: so many times of what is
# explained are.
_HARDLY = 6.0


def difference(want: np.ndarray, have: np.ndarray, step: float, explained: float) -> float:
    """How far an output of a file is from the model's, as a share of its spread over samples.

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
    """The places on the last axis of an output at which a file gives hardly more than a constant.

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

"""Augmentations of sound and of sensors: samples whose first dimension is time.

A sample is (steps, channels), such as a window of sensors, or (time, frequency, channels), such as
a spectrogram.
"""

import dataclasses

import numpy as np

from kerasnas.runtime.arguments import check_integer, check_number
from kerasnas.training.augment.augmentation import (
    Augmentation,
    as_before,
    in_float,
    means,
)

_KNOTS = 5  # A distortion of time changes its speed at so many places, its ends among them.


@dataclasses.dataclass(frozen=True)
class _OverTime(Augmentation):
    ranks = (2, 3)
    needs = "series of shape (steps, channels) or (time, frequency, channels)"


@dataclasses.dataclass(frozen=True)
class TimeShift(_OverTime):
    """Lets a series begin a little sooner or later; its first or last step fills the gap.

    Args:
        steps: By how many steps at most.
    """

    steps: int
    moves = True

    def __post_init__(self) -> None:
        check_integer("steps", self.steps, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shifts each series of a batch."""
        by = rng.integers(-self.steps, self.steps + 1, (len(x), 1))
        return x[np.arange(len(x))[:, None], np.clip(np.arange(x.shape[1]) + by, 0, x.shape[1] - 1)]


@dataclasses.dataclass(frozen=True)
class TimeMask(_OverTime):
    """Covers some steps in a row with the mean of the series.

    Args:
        width: How many steps at most.

    Source: Park et al. 2019, SpecAugment, arXiv:1904.08779.
    """

    width: int

    def __post_init__(self) -> None:
        check_integer("width", self.width, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Covers steps of each series of a batch."""
        return _covered(x, 1, self.width, rng)


@dataclasses.dataclass(frozen=True)
class FrequencyMask(_OverTime):
    """Covers some neighbouring frequencies with the mean of the sample.

    Frequencies are the second dimension of a sample: of (time, frequency, channels), or of
    (time, frequency) where a network reads frequencies as channels.

    Args:
        width: How many frequencies at most.

    Source: Park et al. 2019, SpecAugment, arXiv:1904.08779.
    """

    width: int

    def __post_init__(self) -> None:
        check_integer("width", self.width, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Covers frequencies of each sample of a batch."""
        return _covered(x, 2, self.width, rng)


@dataclasses.dataclass(frozen=True)
class Noise(Augmentation):
    """Adds noise to samples of any shape.

    Args:
        strength: Standard deviation of the noise, as a share of the sample's own.
    """

    strength: float

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Adds noise to each sample of a batch."""
        values = in_float(x)
        spread = values.std(axis=tuple(range(1, x.ndim)), keepdims=True)
        return _with_noise(x, self.strength * spread, rng)


@dataclasses.dataclass(frozen=True)
class Jitter(_OverTime):
    """Adds noise to each channel by its own spread, as sensors of different units need it.

    Args:
        strength: Standard deviation of the noise, as a share of the channel's own.
    """

    strength: float

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Adds noise to each sample of a batch."""
        spread = in_float(x).std(axis=tuple(range(1, x.ndim - 1)), keepdims=True)
        return _with_noise(x, self.strength * spread, rng)


@dataclasses.dataclass(frozen=True)
class Scale(Augmentation):
    """Multiplies each channel by a number near 1, as another sensor or another person would.

    Args:
        strength: Standard deviation of that number.
    """

    strength: float

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Scales each sample of a batch."""
        channels = (len(x), *[1] * (x.ndim - 2), x.shape[-1])
        return as_before(x, in_float(x) * (1 + self.strength * _normal(rng, channels)))


@dataclasses.dataclass(frozen=True)
class TimeWarp(_OverTime):
    """Lets parts of a series run faster and others slower; its length stays.

    Args:
        strength: By how much the speed changes at most, as a share.
    """

    strength: float
    moves = True

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0, most=0.9)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Distorts the time of each series of a batch."""
        count, steps = x.shape[:2]
        speeds = 1 + rng.uniform(-self.strength, self.strength, (count, _KNOTS))
        # The speed at each step, by its distance from the two knots around it.
        at = np.linspace(0, _KNOTS - 1, steps)
        knot = np.minimum(at.astype(int), _KNOTS - 2)
        speed = speeds[:, knot] + (speeds[:, knot + 1] - speeds[:, knot]) * (at - knot)
        gone = np.cumsum(speed, axis=1) - speed[:, :1]
        # Every series still begins at its first step and ends at its last.
        place = gone / np.maximum(gone[:, -1:], 1e-9) * (steps - 1)
        first = np.minimum(place.astype(int), max(steps - 2, 0))
        share = (place - first).reshape(count, steps, *[1] * (x.ndim - 2)).astype(np.float32)
        values, series = in_float(x), np.arange(count)[:, None]
        before, after = values[series, first], values[series, np.minimum(first + 1, steps - 1)]
        return as_before(x, before + (after - before) * share)


@dataclasses.dataclass(frozen=True)
class ChannelDrop(_OverTime):
    """Silences channels: each value of one becomes the channel's mean. At least one stays.

    Args:
        share: How likely each channel is silenced.
    """

    share: float

    def __post_init__(self) -> None:
        check_number("share", self.share, least=0, most=1)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Silences channels of each sample of a batch."""
        drawn = rng.random((len(x), x.shape[-1]))
        dropped = (drawn < self.share) & (drawn < drawn.max(axis=1, keepdims=True))
        dropped = dropped.reshape(len(x), *[1] * (x.ndim - 2), x.shape[-1])
        return as_before(x, np.where(dropped, means(x), x))


def _covered(x: np.ndarray, axis: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Samples of which a piece along an axis is the mean of the sample."""
    size = x.shape[axis]
    lengths = rng.integers(0, min(width, size) + 1, len(x))
    starts = rng.integers(0, size - lengths + 1)
    places = np.arange(size)
    inside = (places >= starts[:, None]) & (places < (starts + lengths)[:, None])
    shape = [len(x), *[1] * (x.ndim - 1)]
    shape[axis] = size
    mean = in_float(x).mean(axis=tuple(range(1, x.ndim)), keepdims=True)
    return as_before(x, np.where(inside.reshape(shape), mean, x))


def _with_noise(x: np.ndarray, spread: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return as_before(x, in_float(x) + spread * _normal(rng, x.shape))


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)

"""Augmentations of images: samples of shape (height, width, channels)."""

import dataclasses

import numpy as np

from kerasnas.runtime.arguments import check_integer, check_number
from kerasnas.training.augment.augmentation import (
    Augmentation,
    as_before,
    column,
    in_float,
    means,
)


@dataclasses.dataclass(frozen=True)
class _OfImages(Augmentation):
    ranks = (3,)
    needs = "images of shape (height, width, channels)"


@dataclasses.dataclass(frozen=True)
class Shift(_OfImages):
    """Moves an image by a few whole pixels; its edge fills the gap.

    Args:
        pixels: How far at most, up, down, left and right.
    """

    pixels: int
    moves = True

    def __post_init__(self) -> None:
        check_integer("pixels", self.pixels, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Moves each image of a batch."""
        count, height, width = x.shape[:3]
        up, left = rng.integers(-self.pixels, self.pixels + 1, (2, count, 1))
        rows = np.clip(np.arange(height) + up, 0, height - 1)
        columns = np.clip(np.arange(width) + left, 0, width - 1)
        return x[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


@dataclasses.dataclass(frozen=True)
class Flip(_OfImages):
    """Mirrors half of the images.

    Args:
        direction: "horizontal" (left and right change places), "vertical" or "both".
    """

    direction: str = "horizontal"
    moves = True

    def __post_init__(self) -> None:
        if self.direction not in ("horizontal", "vertical", "both"):
            raise ValueError(
                "Argument `direction` must be 'horizontal', 'vertical' or 'both'. "
                f"Received: direction={self.direction!r}"
            )

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mirrors some images of a batch."""
        axes = {"horizontal": (2,), "vertical": (1,), "both": (1, 2)}[self.direction]
        for axis in axes:
            x = np.where(column(rng.random(len(x)) < 0.5, x), np.flip(x, axis), x)
        return x


@dataclasses.dataclass(frozen=True)
class Cutout(_OfImages):
    """Covers a square of an image with the mean of the image.

    Args:
        size: Height and width of the square; where it reaches over the edge, less is covered.

    Source: DeVries and Taylor 2017, arXiv:1708.04552.
    """

    size: int

    def __post_init__(self) -> None:
        check_integer("size", self.size, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Covers a square of each image of a batch."""
        covered = np.ones((*x.shape[:3], 1), bool)
        for axis in (1, 2):
            start = rng.integers(0, x.shape[axis], len(x)) - self.size // 2
            places = np.arange(x.shape[axis])
            within = (places >= start[:, None]) & (places < start[:, None] + self.size)
            covered &= np.expand_dims(within, (2, 3) if axis == 1 else (1, 3))
        return as_before(x, np.where(covered, means(x), x))


@dataclasses.dataclass(frozen=True)
class Brightness(_OfImages):
    """Makes an image lighter or darker, within the range of values that the batch has.

    Args:
        strength: By how much at most, as a share of that range.
    """

    strength: float

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0, most=1)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes each image of a batch."""
        low, high = float(x.min(initial=0)), float(x.max(initial=0))
        added = rng.uniform(-self.strength, self.strength, len(x)) * (high - low)
        return as_before(x, np.clip(in_float(x) + column(added, x), low, high))


@dataclasses.dataclass(frozen=True)
class Contrast(_OfImages):
    """Spreads the values of an image around their mean, or draws them together.

    Args:
        strength: By how much at most, as a share of their distance from the mean.
    """

    strength: float

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0, most=1)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes each image of a batch."""
        low, high = float(x.min(initial=0)), float(x.max(initial=0))
        more = column(rng.uniform(-self.strength, self.strength, len(x)), x)
        values = in_float(x)
        return as_before(x, np.clip(values + more * (values - means(x)), low, high))


@dataclasses.dataclass(frozen=True)
class Rotate(_OfImages):
    """Turns an image around its middle; its edge fills the corners.

    Args:
        degrees: How far at most, in either direction.
    """

    degrees: float
    moves = True

    def __post_init__(self) -> None:
        check_number("degrees", self.degrees, least=0, most=180)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Turns each image of a batch."""
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees, len(x)))
        cosine, sine = np.cos(angle), np.sin(angle)
        return _read_at(x, np.array([[cosine, -sine], [sine, cosine]]))


@dataclasses.dataclass(frozen=True)
class Zoom(_OfImages):
    """Makes an image larger or smaller around its middle, and keeps its size.

    Args:
        strength: By how much at most, as a share of its size.
    """

    strength: float
    moves = True

    def __post_init__(self) -> None:
        check_number("strength", self.strength, least=0, most=0.9)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Zooms each image of a batch."""
        scale = 1 / (1 + rng.uniform(-self.strength, self.strength, len(x)))
        none = np.zeros(len(x))
        return _read_at(x, np.array([[scale, none], [none, scale]]))


def _read_at(x: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Reads images at places that a matrix for each has moved, between pixels by their distance.

    Args:
        x: Images of shape (batch, height, width, channels).
        matrices: Of shape (2, 2, batch).
    """
    count, height, width = x.shape[:3]
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    places = np.stack([rows - middle[0], columns - middle[1]])
    moved = np.einsum("abn,bhw->anhw", matrices, places) + middle[:, None, None, None]
    limits = np.array([height - 1, width - 1])[:, None, None, None]
    moved = np.clip(moved, 0, limits)
    first = np.minimum(moved.astype(int), np.maximum(limits - 1, 0))
    share = (moved - first)[..., None].astype(np.float32)
    second = np.minimum(first + 1, limits)
    values, images = in_float(x), np.arange(count)[:, None, None]
    up = _between(values[images, first[0], first[1]], values[images, first[0], second[1]], share[1])
    down = _between(
        values[images, second[0], first[1]], values[images, second[0], second[1]], share[1]
    )
    return as_before(x, _between(up, down, share[0]))


def _between(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return one + (other - one) * share

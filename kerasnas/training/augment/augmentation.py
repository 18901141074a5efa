"""What an augmentation is, and what all of them share."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Augmentation(ABC):
    """A random change of samples.

    One of your own is a frozen dataclass that has its arguments as fields, and an `apply`.

    Attributes:
        ranks: The numbers of dimensions of a sample that it can change; empty for any.
        needs: What it can change, in words, for the error of a shape that does not fit.
        moves: Whether it moves values to other places. Targets that are maps, as in segmentation,
            would have to move too, so the two are refused together.

    Example:

    >>> import dataclasses, numpy, kerasnas as kn
    >>> @dataclasses.dataclass(frozen=True)
    ... class Negative(kn.augment.Augmentation):
    ...     share: float = 0.5
    ...
    ...     def apply(self, x, rng):
    ...         chosen = rng.random(len(x)) < self.share
    ...         return numpy.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), -x, x)
    >>> Negative(1.0).apply(numpy.ones((1, 2)), numpy.random.default_rng(0)).tolist()
    [[-1.0, -1.0]]
    """

    ranks: ClassVar[tuple[int, ...]] = ()
    needs: ClassVar[str] = "samples of any shape"
    moves: ClassVar[bool] = False

    @abstractmethod
    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes a batch, each sample in a way of its own.

        Args:
            x: The samples, of shape (batch, ...). They must not be changed in place.
            rng: Where to draw from.

        Returns:
            The changed samples, of the same shape and dtype.
        """

    def fits(self, shape: Sequence[int | None]) -> bool:
        """Returns whether it can change samples of this shape, given without the batch."""
        return not self.ranks or len(shape) in self.ranks

    def __str__(self) -> str:
        """As it is written, which is its name in a search."""
        given = ", ".join(
            repr(value) if place == 0 else f"{field.name}={value!r}"
            for place, field in enumerate(dataclasses.fields(self))
            if (value := getattr(self, field.name)) != field.default or place == 0
        )
        return f"{type(self).__name__}({given})"


def check_policy(policy: Sequence[Any], shapes: Sequence[Sequence[int | None]]) -> None:
    """Refuses augmentations that can change none of the inputs.

    Args:
        policy: Augmentations.
        shapes: The shape of a sample of each input, without the batch.

    Raises:
        ValueError: One fits no input. The shapes are named.
    """
    for one in policy:
        if not any(one.fits(shape) for shape in shapes):
            known = ", ".join(str(tuple(shape)) for shape in shapes)
            raise ValueError(
                f"Argument `augmentation` holds {one}, which changes {one.needs}; the samples "
                f"have the shape {known}. Choose augmentations that fit it. Received: {one}"
            )


def check_places(policy: Sequence[Augmentation], y: Any) -> None:
    """Refuses to move values of inputs whose targets have places, too.

    Args:
        policy: Augmentations.
        y: Targets, an array or a structure of arrays; None where they are not known.

    Raises:
        ValueError: The targets are maps.
    """
    ranks = [len(np.shape(one)) for one in keras.tree.flatten(y) if one is not None]
    moving = next((one for one in policy if one.moves), None)
    if moving is not None and any(rank > 2 for rank in ranks):
        raise ValueError(
            f"Argument `augmentation` holds {moving}, which moves values of a sample, and the "
            "targets are maps, which would have to move with them: leave it out, or augment in a "
            f"data set of your own. Received: y of {max(ranks)} dimensions"
        )


def as_before(x: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Gives changed samples the dtype that they had; integers are rounded, and stay in range."""
    if np.issubdtype(x.dtype, np.integer):
        limits = np.iinfo(x.dtype)
        changed = np.clip(np.rint(changed), limits.min, limits.max)
    return changed.astype(x.dtype, copy=False)


def column(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Shapes one value a sample so that it spreads over the samples of a batch."""
    return values.reshape(-1, *[1] * (x.ndim - 1))


def in_float(x: np.ndarray) -> np.ndarray:
    """The samples as numbers to compute with."""
    return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)


def means(x: np.ndarray) -> np.ndarray:
    """The mean of each sample's channels, which spreads over the sample."""
    axes = tuple(range(1, x.ndim - 1))
    return in_float(x).mean(axis=axes, keepdims=True) if axes else in_float(x)

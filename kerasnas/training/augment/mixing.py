"""Augmentations that join two samples, with their targets."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from kerasnas.runtime.arguments import check_number
from kerasnas.training.augment.augmentation import Augmentation, as_before, column, in_float


@dataclasses.dataclass(frozen=True)
class Mixup(Augmentation):
    """Blends each sample with another one of its batch, and their targets in the same shares.

    Targets of classes become the shares of the classes; metrics see the class of the larger share.

    Args:
        alpha: How evenly two samples are blended: near 0 hardly ever, at 1 in any share alike.

    Source: Zhang et al. 2018, arXiv:1710.09412.
    """

    alpha: float

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, least=0)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Blends the samples of a batch, without targets."""
        return self.blend(x, None, None, rng)[0]

    def blend(self, x: object, y: object, weights: object, rng: np.random.Generator) -> tuple:
        """Blends the samples of a batch, their targets and their weights.

        Args:
            x: An array, or a structure of arrays.
            y: Likewise, or None; targets of classes are shares of classes.
            weights: A weight for each sample, or None.
            rng: Where to draw from.

        Returns:
            Tuple of the three, blended. The loss of a blended sample is the sum of the two
            samples' losses, each times its weight and its share, where the loss is linear in the
            targets, as a cross-entropy is.
        """
        count = len(keras.tree.flatten(x)[0])
        shares = rng.beta(self.alpha, self.alpha, count) if self.alpha else np.ones(count)
        # The larger share is the sample's own, so that a batch does not hold a pair twice.
        shares = np.maximum(shares, 1 - shares).astype(np.float32)
        others = rng.permutation(count)

        def blended(values: np.ndarray, share: np.ndarray) -> np.ndarray:
            of = column(share, values)
            floats = in_float(values)
            return as_before(values, floats * of + floats[others] * (1 - of))

        x = keras.tree.map_structure(lambda one: blended(one, shares), x)
        if weights is None:
            return x, _each(y, lambda one: blended(one, shares)), None
        given = np.asarray(weights, np.float32)
        total = shares * given + (1 - shares) * given[others]
        of_own = np.where(total > 0, shares * given / np.where(total > 0, total, 1), shares)
        return x, _each(y, lambda one: blended(one, of_own)), total


def mixes(policy: Sequence[Augmentation]) -> bool:
    """Returns whether an augmentation blends samples, and so their targets."""
    return any(isinstance(one, Mixup) for one in policy)


def _each(y, function):  # type: ignore[no-untyped-def]
    return None if y is None else keras.tree.map_structure(function, y)

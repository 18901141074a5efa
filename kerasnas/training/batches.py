"""Feeds a training with batches that are changed on their way: augmented, blended, weighted."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.training.augment.augmentation import Augmentation
from kerasnas.training.augment.mixing import Mixup
from kerasnas.training.class_weights import weights_of
from kerasnas.training.targets import Targets

BATCH_SIZE = 32  # Keras's default.


@dataclasses.dataclass(frozen=True)
class Change:
    """What is done to each batch of a training.

    The same seed, epoch and place in the epoch give the same batch, in any order of asking.

    Args:
        policy: Augmentations, done in this order. Each changes the inputs that it fits.
        targets: What the targets are, where samples are blended.
        class_weight: Weight by class, or None.
        seed: Of all that is drawn.
    """

    policy: Sequence[Augmentation]
    targets: Targets | None
    class_weight: Mapping[int, float] | None
    seed: int

    def __call__(self, batch: Any, epoch: int, place: int) -> tuple[Any, ...]:
        """Changes one batch.

        Args:
            batch: Inputs, with targets and weights if there are any, as `fit` takes them.
            epoch: Number of the epoch.
            place: Number of the batch in its epoch.

        Returns:
            Tuple of arrays: (x,), (x, y) or (x, y, sample_weight).
        """
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        rng = np.random.default_rng((self.seed, epoch, place))
        # tf.data would read a list of inputs as one tensor.
        x = keras.tree.lists_to_tuples(keras.tree.map_structure(keras.ops.convert_to_numpy, x))
        if self.class_weight is not None:
            weights = weights_of(keras.ops.convert_to_numpy(y), self.class_weight, weights)
        if self.targets is not None and y is not None:
            y = self.targets.shares(keras.ops.convert_to_numpy(y))
        y, weights = (keras.tree.lists_to_tuples(one) for one in (y, weights))
        for augmentation in self.policy:
            if isinstance(augmentation, Mixup):
                x, y, weights = augmentation.blend(x, y, weights, rng)
            else:
                x = keras.tree.map_structure(_applied(augmentation, rng), x)
        return tuple(one for one in (x, y, weights) if one is not None)


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays in a new order in each epoch, changed on their way.

    Args:
        arrays: Tuple (x, y, sample_weight) of arrays or structures of them; the last two may be
            None.
        batch_size: Samples in a batch; the last one of an epoch may have fewer.
        change: What is done to each batch.
        shuffle: Whether each epoch has an order of its own.
        batches: How many batches there are in all, where a training reads on from one epoch to the
            next; None for those of one epoch.
    """

    def __init__(
        self,
        arrays: tuple[Any, Any, Any],
        batch_size: int,
        change: Change,
        shuffle: bool = True,
        batches: int | None = None,
    ) -> None:
        super().__init__()
        self._source = Shuffled(arrays, batch_size, change, shuffle)
        self._batches = batches

    @property
    def num_batches(self) -> int:
        """How many batches there are."""
        return len(self._source) if self._batches is None else self._batches

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The batch at a place, the same one as often as it is asked for in an epoch."""
        return self._source.batch(index)

    def on_epoch_end(self) -> None:
        """Goes on to the next order."""
        if self._batches is None:
            self._source.epoch += 1


class Shuffled:
    """What `ArrayBatches` does, for the base class of any library.

    Args:
        arrays: As in `ArrayBatches`, as are the next three.
        batch_size: Likewise.
        change: Likewise.
        shuffle: Likewise.

    Attributes:
        epoch: The number of the epoch.
    """

    def __init__(
        self, arrays: tuple[Any, Any, Any], batch_size: int, change: Change, shuffle: bool = True
    ) -> None:
        as_array = keras.ops.convert_to_numpy
        self._arrays = tuple(
            None if one is None else keras.tree.map_structure(as_array, one) for one in arrays
        )
        self._samples = len(keras.tree.flatten(self._arrays[0])[0])
        self._batch_size, self._change, self._shuffle = batch_size, change, shuffle
        self.epoch = 0
        self._order: tuple[int, np.ndarray] = (-1, np.arange(self._samples))

    def __len__(self) -> int:
        return -(-self._samples // self._batch_size)

    def batch(self, index: int) -> tuple[Any, ...]:
        """Returns a batch; those beyond the epoch are of the epochs after it."""
        later, place = divmod(index, len(self))
        epoch = self.epoch + later
        start = place * self._batch_size
        picked = self._order_of(epoch)[start : start + self._batch_size]
        taken = tuple(
            None if one is None else keras.tree.map_structure(lambda a: a[picked], one)
            for one in self._arrays
        )
        return self._change(taken, epoch, place)

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._shuffle and self._order[0] != epoch:
            rng = np.random.default_rng((self._change.seed, epoch))
            self._order = (epoch, rng.permutation(self._samples))
        return self._order[1]


class ChangedBatches(keras.utils.PyDataset):
    """The batches of a user's own `keras.utils.PyDataset`, changed on their way.

    Args:
        source: The user's own.
        change: What is done to each batch.
    """

    def __init__(self, source: keras.utils.PyDataset, change: Change) -> None:
        super().__init__(
            workers=source.workers,
            use_multiprocessing=source.use_multiprocessing,
            max_queue_size=source.max_queue_size,
        )
        self._source, self._change, self._epoch = source, change, 0

    @property
    def num_batches(self) -> int | None:
        """How many batches the user's own has; None for no end."""
        count: int | None = self._source.num_batches
        return count

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The batch at a place."""
        return self._change(self._source[index], self._epoch, index)

    def on_epoch_begin(self) -> None:
        """Tells the user's own."""
        self._source.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Tells the user's own."""
        self._epoch += 1
        self._source.on_epoch_end()


def changed_generator(source: Iterator[Any], change: Change) -> Iterator[tuple[Any, ...]]:
    """Changes the batches of a generator one after the other, as they are read."""
    for place, batch in enumerate(source):
        yield change(batch, 0, place)


class Epoch(keras.callbacks.Callback):
    """Knows which epoch a training is in, for what is drawn in a `tf.data` pipeline.

    Attributes:
        number: The epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes it; Keras begins to read an epoch after this."""
        self.number = epoch


def changed_dataset(source: Any, change: Change, epoch: Epoch) -> Any:
    """Changes the batches of a `tf.data.Dataset` on their way.

    Args:
        source: The data set, which gives batches.
        change: What is done to each batch.
        epoch: Knows the epoch; it must be among the callbacks of the training.

    Returns:
        A data set of batches of the same shapes.
    """
    import tensorflow as tf

    def changed(place: Any, *batch: Any) -> Any:
        flat = tf.nest.flatten(batch)
        made: list[Any] = []

        def run(place: Any, *arrays: Any) -> list[np.ndarray]:
            found = change(tf.nest.pack_sequence_as(batch, arrays), epoch.number, int(place))
            made[:] = [found]
            return [np.asarray(one) for one in keras.tree.flatten(found)]

        # The structure and the dtypes that come out are seen on samples of the right shapes.
        shapes = [[2 if n is None else n for n in one.shape] for one in flat]
        zeros = zip(shapes, flat, strict=True)
        outputs = run(0, *[np.zeros(shape, one.dtype.as_numpy_dtype) for shape, one in zeros])
        structure = made[0]
        results = tf.numpy_function(run, [place, *flat], [one.dtype for one in outputs])
        open_sizes = any(n is None for one in flat for n in one.shape[1:])
        for result, output in zip(results, outputs, strict=True):
            inner = output.shape[1:]
            result.set_shape([None, *([None] * len(inner) if open_sizes else inner)])
        return keras.tree.pack_sequence_as(structure, results)

    return source.enumerate().map(lambda place, batch: changed(place, *_as_tuple(batch)))


def _as_tuple(batch: Any) -> tuple[Any, ...]:
    return batch if isinstance(batch, tuple) else (batch,)


def _applied(augmentation: Augmentation, rng: np.random.Generator) -> Any:
    def apply(x: np.ndarray) -> np.ndarray:
        return augmentation.apply(x, rng) if augmentation.fits(x.shape[1:]) else x

    return apply

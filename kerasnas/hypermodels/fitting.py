"""Trains a model as a `Training` says, and feeds it the data among the arguments of `fit`."""

import contextlib
import inspect
import itertools
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.data.arrays import in_batches
from kerasnas.data.splits import training_rows
from kerasnas.hypermodels.training import Training
from kerasnas.training.augment.augmentation import check_places, check_policy
from kerasnas.training.augment.mixing import mixes
from kerasnas.training.batches import (
    BATCH_SIZE,
    ArrayBatches,
    Change,
    ChangedBatches,
    Epoch,
    changed_dataset,
    changed_generator,
)
from kerasnas.training.class_weights import balanced, count_classes
from kerasnas.training.flat_optimizer import FlatOptimizer
from kerasnas.training.schedules import Planned, RateByEpoch, scheduled
from kerasnas.training.targets import checked_targets, soft_targets, targets_of

# The attribute of an optimizer that says how its rate is to go, as a `Planned`.
SCHEDULE = "kerasnas_schedule"
_SET_THE_RATE = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
_ARRAYS, _TF_DATA, _PY_DATASET, _GENERATOR, _OTHER = (
    "arrays",
    "a tf.data.Dataset",
    "a keras.utils.PyDataset",
    "a generator",
    "another data set",
)


def fit(model: keras.Model, training: Training, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Trains a model.

    Args:
        model: A compiled model.
        training: How, with its arguments for `fit` fixed.
        args: Positional arguments of `keras.Model.fit`.
        kwargs: Its other arguments.

    Returns:
        What the model's `fit` returns.

    Raises:
        ValueError: The training does not fit the data or the model.
    """
    if type(model).fit is not keras.Model.fit:
        return model.fit(*args, **kwargs)  # Only its author knows what its arguments mean.
    given = inspect.signature(keras.Model.fit).bind(model, *args, **kwargs).arguments
    del given["self"]
    check_fit(training, given)
    policy = training.alternatives("augmentation")[0]
    blends = mixes(policy)
    targets = checked_targets(model, training.label_smoothing, blends)
    added: list[keras.callbacks.Callback] = []
    if training.early_stopping is not None:
        validates = given.get("validation_data") is not None or given.get("validation_split")
        monitor = "val_loss" if validates else "loss"
        added.append(keras.callbacks.EarlyStopping(monitor, patience=training.early_stopping))
    kind = _kind(given.get("x"))
    if training.batch_size is not None and kind == _TF_DATA:
        given["x"] = given["x"].rebatch(training.batch_size)
    elif training.batch_size is not None:
        given["batch_size"] = training.batch_size
    if training.class_weight is not None:
        _check_classes(model)
    weights = _class_weight(training.class_weight, given)
    in_column = _in_column(given, kind) if blends else None
    steps = _steps(given, kind)
    if policy or (weights is not None and _cannot_weigh(given, kind)):
        epoch = Epoch()
        # Keras, Python and numpy have one seed in a trial; Keras's own draws begin with Python's.
        seed = random.getrandbits(32)
        change = Change(policy, targets if blends else None, weights, seed)
        _feed(given, kind, change, epoch)
        added.append(epoch)
    elif weights is not None:
        given["class_weight"] = weights
    with contextlib.ExitStack() as stack:
        smoothing = training.label_smoothing
        stack.enter_context(soft_targets(model, targets, smoothing, in_column))
        schedule = None if _rate_is_set(given.get("callbacks")) else _schedule(model)
        if schedule is not None and steps:
            stack.enter_context(scheduled(model.optimizer, steps, schedule.kind, schedule.warmup))
            stack.enter_context(_traced_anew(model))
        elif schedule is not None:
            added.append(RateByEpoch(schedule, *_epochs(given)))
        given["callbacks"] = _joined(added, given.get("callbacks"))
        return model.fit(**given)


def check_fit(training: Training, fit: Mapping[str, Any]) -> None:
    """Refuses a training that does not fit the data, before any trial.

    Args:
        training: The training; what is searched is checked for all its values.
        fit: Arguments of `keras.Model.fit` by name.

    Raises:
        ValueError: It does not.
    """
    kind = _kind(fit.get("x"))
    _check_given_twice(training, fit)
    policies = training.alternatives("augmentation")
    if any(policies):
        if kind == _OTHER:
            raise ValueError(
                "Argument `augmentation` needs arrays, a tf.data.Dataset, a keras.utils.PyDataset "
                "or a generator. Pass one of these, or augment in the data set itself. "
                f"Received: x of type {type(fit['x']).__name__}"
            )
        shapes = _shapes(fit, kind)
        if shapes is not None:
            for policy in policies:
                check_policy(policy, shapes)
        for policy in policies:
            check_places(policy, fit.get("y"))
    if any(training.alternatives("batch_size")) and kind in (_PY_DATASET, _GENERATOR, _OTHER):
        raise ValueError(
            "Argument `batch_size` of `Training` needs arrays or a tf.data.Dataset; the batches of "
            f"{kind} are as they come. Leave it out, and give the data set its batch size. "
            f"Received: batch_size={training.batch_size!r}"
        )
    weights = training.alternatives("class_weight")
    if any(weights) and kind == _ARRAYS and fit.get("y") is not None:
        count_classes(fit["y"])
    if "balanced" in weights and kind in (_GENERATOR, _OTHER):
        raise ValueError(
            "Argument `class_weight` can be 'balanced' where the data can be read again, to count "
            "the classes: pass a dict of weights, or a tf.data.Dataset or a keras.utils.PyDataset. "
            f"Received: {kind}"
        )


def check_targets(training: Training, model: keras.Model) -> None:
    """Refuses a model whose targets could not be changed as a training says.

    Args:
        training: The training; what is searched is checked for all its values.
        model: A compiled model.

    Raises:
        ValueError: It cannot be done.
    """
    policies = training.alternatives("augmentation")
    if not isinstance(training.loss, list):  # Otherwise it depends on the loss of each trial.
        checked_targets(model, max(training.alternatives("label_smoothing")), False)
        checked_targets(model, 0.0, any(map(mixes, policies)))
        if any(training.alternatives("class_weight")):
            _check_classes(model)


def _check_classes(model: keras.Model) -> None:
    """Refuses weights of classes where the targets are numbers."""
    found = targets_of(model.loss, (None, 1))
    if found is not None and found.kind == "numbers":
        raise ValueError(
            "Argument `class_weight` needs targets that are classes: use `sample_weight` of `fit` "
            f"for a loss of numbers. Received: loss={model.loss!r}"
        )


def _check_given_twice(training: Training, fit: Mapping[str, Any]) -> None:
    for name in ("batch_size", "class_weight"):
        if fit.get(name) is not None and any(
            one is not None for one in training.alternatives(name)
        ):
            raise ValueError(
                f"Argument `{name}` is given to `Training` and to `fit` or `search`: leave it out "
                f"of one. Received: {name}={getattr(training, name)!r} and {fit[name]!r}"
            )


def _kind(x: Any) -> str:
    if not in_batches(x) and not isinstance(x, keras.utils.PyDataset):
        return _ARRAYS
    if isinstance(x, keras.utils.PyDataset):
        return _PY_DATASET
    if hasattr(x, "element_spec") and hasattr(x, "rebatch"):
        return _TF_DATA
    return _GENERATOR if isinstance(x, Iterator) else _OTHER


def _shapes(fit: Mapping[str, Any], kind: str) -> list[tuple[int | None, ...]] | None:
    """The shapes of a sample of each input; None where they are seen only in the training."""
    if kind == _ARRAYS:
        return [tuple(np.shape(one))[1:] for one in keras.tree.flatten(fit["x"])]
    if kind == _TF_DATA:
        spec = keras.utils.unpack_x_y_sample_weight(fit["x"].element_spec)[0]
        parts = keras.tree.flatten(spec)
        known = all(getattr(one.shape, "rank", None) is not None for one in parts)
        return [tuple(one.shape)[1:] for one in parts] if known else None
    return None


def _class_weight(wanted: Any, fit: Mapping[str, Any]) -> dict[int, float] | None:
    if wanted != "balanced":
        return None if wanted is None else {int(name): float(w) for name, w in wanted.items()}
    x, y = fit["x"], fit.get("y")
    if y is not None:
        return balanced(count_classes(np.asarray(y)[: training_rows(fit)]))
    counts: dict[int, int] = {}
    for batch in _read(x, fit.get("steps_per_epoch")):
        target = keras.utils.unpack_x_y_sample_weight(batch)[1]
        for name, count in count_classes(keras.ops.convert_to_numpy(target)).items():
            counts[name] = counts.get(name, 0) + count
    return balanced(counts)


def _read(x: Any, steps: int | None) -> Iterator[Any]:
    """The batches of an epoch."""
    if isinstance(x, keras.utils.PyDataset):
        return (x[place] for place in range(steps or x.num_batches))
    return itertools.islice(iter(x), steps)


def _cannot_weigh(fit: Mapping[str, Any], kind: str) -> bool:
    """Whether Keras might refuse `class_weight`, as it does beside weights of the samples."""
    return kind in (_TF_DATA, _PY_DATASET, _GENERATOR) or fit.get("sample_weight") is not None


def _steps(fit: Mapping[str, Any], kind: str) -> int | None:
    """How many steps the training has; None where nobody knows."""
    x: Any = fit.get("x")
    steps = fit.get("steps_per_epoch")
    if steps is None and kind == _ARRAYS:
        steps = math.ceil(training_rows(fit) / (fit.get("batch_size") or BATCH_SIZE))
    elif steps is None and kind == _PY_DATASET:
        steps = x.num_batches
    elif steps is None and kind == _TF_DATA:
        steps = int(x.cardinality())  # Negative where it is endless or not known.
    elif steps is None and hasattr(x, "__len__"):
        steps = len(x)
    first, epochs = _epochs(fit)
    if steps is None or steps < 1 or epochs <= first:
        return None
    return int(steps) * (epochs - first)


def _epochs(fit: Mapping[str, Any]) -> tuple[int, int]:
    """The first epoch, and the one after the last."""
    return int(fit.get("initial_epoch", 0)), int(fit.get("epochs", 1))


def _in_column(fit: Mapping[str, Any], kind: str) -> bool:
    """Whether classes by number come as a column, not in one dimension."""
    if kind == _ARRAYS:
        y: Any = fit.get("y")
        shape = np.shape(y)
    elif kind == _TF_DATA:
        target = keras.utils.unpack_x_y_sample_weight(fit["x"].element_spec)[1]
        shape = getattr(target, "shape", ())
    elif kind == _PY_DATASET:
        shape = np.shape(keras.utils.unpack_x_y_sample_weight(fit["x"][0])[1])
    else:
        return False
    return len(shape) > 1 and shape[-1] == 1


def _feed(fit: dict[str, Any], kind: str, change: Change, epoch: Epoch) -> None:
    """Puts changed batches in the place of the data among the arguments of `fit`."""
    x: Any = fit.get("x")
    steps = fit.get("steps_per_epoch")
    if kind == _GENERATOR:
        fit["x"] = changed_generator(x, change)
    elif kind == _PY_DATASET:
        fit["x"] = ChangedBatches(x, change)
    elif kind == _TF_DATA:
        fit["x"] = changed_dataset(x, change, epoch)
    else:
        samples, size = training_rows(fit), fit.pop("batch_size", None) or BATCH_SIZE
        data = fit["x"], fit.pop("y", None), fit.pop("sample_weight", None)
        arrays = [_part(one, slice(samples)) for one in data]
        if fit.pop("validation_split", None) and fit.get("validation_data") is None:
            held = [_part(one, slice(samples, None)) for one in data]
            fit["validation_data"] = tuple(one for one in held if one is not None)
        if fit.get("validation_batch_size") is None:
            fit["validation_batch_size"] = size
        # With `steps_per_epoch` Keras reads on from one epoch to the next.
        batches = steps * max(fit.get("epochs", 1), 1) if steps is not None else None
        shuffle = fit.pop("shuffle", True)
        fit["x"] = ArrayBatches((*arrays,), size, change, bool(shuffle), batches)
        fit["shuffle"] = False  # The order is drawn by the samples already.


def _part(data: Any, part: slice) -> Any:
    if data is None:
        return None
    return keras.tree.map_structure(lambda one: keras.ops.convert_to_numpy(one)[part], data)


@contextlib.contextmanager
def _traced_anew(model: keras.Model) -> Iterator[None]:
    """Forgets the step that was traced before, which has another rate, and that of the block."""
    model.train_function = None
    try:
        yield
    finally:
        model.train_function = None


def _joined(added: list[keras.callbacks.Callback], callbacks: Any) -> Any:
    """Callbacks with those of the user's, in the form that `fit` takes."""
    if not added:
        return callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        for one in added:
            callbacks.append(one)
        return callbacks
    return [*added, *_listed(callbacks)]


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    given = getattr(callbacks, "callbacks", callbacks)  # Those of a CallbackList.
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _rate_is_set(callbacks: Any) -> bool:
    """Whether a callback sets the rate: it stays constant for it."""
    return any(isinstance(one, _SET_THE_RATE) for one in _listed(callbacks))


def _schedule(model: keras.Model) -> Planned | None:
    """How the rate is to go; None where the optimizer is the user's own."""
    optimizer = model.optimizer
    while optimizer is not None and not hasattr(optimizer, SCHEDULE):
        inside = "plain" if isinstance(optimizer, FlatOptimizer) else "inner_optimizer"
        optimizer = getattr(optimizer, inside, None)
    found: Planned | None = getattr(optimizer, SCHEDULE, None)
    return found

"""The weights of a trial's best epoch: kept while it trains, written once, read back."""

import hashlib
import math
import pathlib
from typing import Any

import h5py
import keras
import keras_tuner
import numpy as np

from kerasnas.runtime import sealed
from kerasnas.runtime.files import check_room, replacing
from kerasnas.training.flat_optimizer import FlatOptimizer

_SUFFIX = ".weights.h5"  # keras.Model.save_weights takes no other.
_PER_ARRAY, _PER_FILE = 1024, 8192  # Bytes that HDF5 adds, a little more than measured.


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of each execution's best epoch, and writes those of the best execution.

    The weights stay in memory until `write` is called, so that an execution writes one file, whole
    or not at all. An epoch whose loss is not finite ends the trial.

    Args:
        objective: What the best epoch is chosen by. Where none reports it, the last one is best.
        path: Path of the file, ending in ".weights.h5".

    Attributes:
        epochs: Number of epochs trained, in the last execution.
        sha256: SHA-256 digest of the file written, in hexadecimal digits.
    """

    def __init__(self, objective: keras_tuner.Objective, path: str) -> None:
        super().__init__()
        self.objective = objective
        self.path = path
        self.epochs = 0
        self.sha256: str | None = None
        self._worst = -math.inf if objective.direction == "max" else math.inf
        self._best, self._written = self._worst, self._worst
        self._weights: list[np.ndarray] | None = None

    @property
    def best(self) -> float | None:
        """The best value of this execution so far; None where none was reported."""
        return None if self._best == self._worst else self._best

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Starts counting the epochs."""
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keeps the weights if this epoch is the best of its execution.

        Raises:
            ArithmeticError: The loss is not finite.
        """
        logs = logs or {}
        self.epochs += 1
        for name in ("loss", "val_loss"):
            loss = logs.get(name)
            if loss is not None and not math.isfinite(loss):
                raise ArithmeticError(f"the {name} is {float(loss)} after epoch {epoch + 1}")
        if self.objective.has_value(logs):
            value = self.objective.get_value(logs)
            if not self.objective.better_than(value, self._best):
                return
            self._best = value
        self._weights = [np.array(variable) for variable in _variables(self.model)]

    def write(self) -> None:
        """Ends an execution: gives its model the best weights, and writes them if none were better.

        Where no execution reports the objective, the weights of the last one are written.
        """
        weights, self._weights = self._weights, None
        best, self._best = self._best, self._worst
        if weights is None:
            return
        for variable, value in zip(_variables(self.model), weights, strict=True):
            variable.assign(value)
        if best != self._worst and not self.objective.better_than(best, self._written):
            return
        self._written = best
        size = sum(value.nbytes + _PER_ARRAY for value in weights) + _PER_FILE
        # Nothing is flushed to the disk here: the journal is, when the trial ends, and that one
        # flush serves both.
        with replacing(self.path, size, _SUFFIX) as temporary:
            # On a full disk HDF5 (1.14) would keep the file open, and try again and again.
            check_room(temporary, size)
            self.model.save_weights(temporary)
            self.sha256 = _sha256(temporary)


def build_optimizer(model: keras.Model) -> None:
    """Makes the variables of a built model's optimizer, unless it has none or they are made."""
    optimizer = _optimizer(model)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


def load_weights(
    model: keras.Model, checkpoint: str, build_config: str, sha256: str | None
) -> None:
    """Gives a model the weights and the optimizer's state of a trial's best epoch.

    Args:
        model: The model, built or not.
        checkpoint: Path of the weights.
        build_config: Path of the build config, read if the model is not built.
        sha256: The digest that `BestEpoch` noted of the file; None where it is not known.

    Raises:
        ValueError: A file is missing, damaged, cannot be read or belongs to another architecture.
    """
    path = build_config
    try:
        if not model.built:
            model.build_from_config(sealed.loads(pathlib.Path(build_config).read_bytes()))
            # Keras (3.15) builds the layers of a subclassed model, and forgets to say so of itself.
            model.built = True
        # An optimizer without variables would load none: its moments and step count would be zero.
        build_optimizer(model)
        path = checkpoint
        if sha256 not in (None, _sha256(checkpoint)):
            raise ValueError("it is damaged: these are not the bytes that the trial has written")
        _check_whole(checkpoint)
        model.load_weights(checkpoint)
    except FileNotFoundError as error:
        raise ValueError(
            f"The trial left no checkpoint at {path}: a `fit` of your own must pass on the "
            "callbacks that it is given"
        ) from error
    except Exception as error:  # HDF5 and Keras raise nearly any error for a damaged file.
        raise ValueError(f"The checkpoint {path} cannot be read: {error}") from error


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_whole(path: str) -> None:
    """Refuses an HDF5 file whose links or arrays lead to other files, which Keras would read."""

    def check(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            inside = not found.external and not found.is_virtual
        else:
            links = [found.get(child, getlink=True) for child in found]
            inside = all(isinstance(link, h5py.HardLink) for link in links)
        if not inside:
            raise ValueError(f"{name} leads out of it")

    with h5py.File(path) as file:
        check("/", file)
        file.visititems(check)


def _variables(model: keras.Model) -> list[Any]:
    optimizer = _optimizer(model)
    return [*model.weights, *([] if optimizer is None else optimizer.variables)]


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer | None:
    # A model for a training loop of the user's own is not compiled, and may hold anything there.
    optimizer = getattr(model, "optimizer", None)
    if isinstance(optimizer, FlatOptimizer):
        optimizer.write_back()
        optimizer = optimizer.plain
    return optimizer if isinstance(optimizer, keras.optimizers.Optimizer) else None

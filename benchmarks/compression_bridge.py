"""The part `bridge` of compression.py: do Keras Applications cross into tf_keras?"""

import argparse
import gc
import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import keras_tuner
import numpy as np

import kerasnas as kn

SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71, "HyperXception": 71}
TOLERANCE = 1e-4


def applications() -> dict[str, Callable[[int], keras.Model]]:
    """Makers of the models, by name, each with random weights and without a last softmax."""
    makers: dict[str, Callable[[int], keras.Model]] = {}
    for name, make in vars(keras.applications).items():
        if inspect.isfunction(make):
            makers[name] = lambda size, make=make: make(
                weights=None, classifier_activation=None, input_shape=(size, size, 3), classes=10
            )
    for name in ("HyperResNet", "HyperXception", "HyperEfficientNet"):
        space = getattr(keras_tuner.applications, name)
        makers[name] = lambda size, space=space: hypermodel(space, size)
    return makers


def hypermodel(space: Callable[..., keras_tuner.HyperModel], size: int) -> keras.Model:
    """A hypermodel's default, without its last softmax, which would hide what is before it."""
    model = space(input_shape=(size, size, 3), classes=10).build(keras_tuner.HyperParameters())
    model.layers[-1].activation = keras.activations.linear
    return model


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Every weight random: fresh statistics and small gammas would hide what they do.

    Kernels keep the size of a signal. Larger ones make it explode in hundreds of layers, where two
    models then differ by rounding alone; smaller ones make it die.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if not np.issubdtype(np.dtype(weight.dtype), np.floating):
            continue
        if "variance" in weight.path or weight.path.endswith("gamma"):
            values = rng.uniform(0.5, 1.5, weight.shape)
        elif len(weight.shape) < 2:
            values = rng.normal(0, 0.1, weight.shape)
        else:
            depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
            inputs = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            values = rng.normal(0, np.sqrt(2 / inputs), weight.shape)
        weight.assign(values.astype("float32"))
    return model


def main(options: argparse.Namespace) -> Iterator[list[str]]:
    """Rows of the table."""
    yield ["model", "crossed", "native", "same trainable", "difference", "told apart", "s"]
    rows: list[list[bool]] = []
    for name, make in applications().items():
        if options.names and name not in options.names:
            continue
        try:
            model = randomise(make(SIZES.get(name, 64 if "NASNet" not in name else 224)))
        except Exception as reason:
            yield [name, f"not built here: {str(reason).splitlines()[0][:60]}"]
            continue
        begin = time.perf_counter()
        try:
            rebuilt = kn.compression.to_tf_keras(model)
        except ValueError as reason:
            rows.append([False] * 5)
            yield [name, f"no: {reason}"]
            continue
        seconds = time.perf_counter() - begin
        difference, distinct = compared(model, rebuilt)
        checks = [
            True,
            all(type(layer).__module__.startswith("tf_keras.") for layer in rebuilt.layers),
            count(model) == count(rebuilt),
            difference <= TOLERANCE,
            distinct > 100 * difference,
        ]
        rows.append(checks)
        words = ["yes" if check else "NO" for check in checks]
        yield [
            name,
            *words[:3],
            f"{difference:.1e}",
            f"{words[4]} ({distinct:.1e})",
            f"{seconds:.1f}",
        ]
        del model, rebuilt
        keras.backend.clear_session()
        gc.collect()
    totals = [f"{sum(column)} of {len(rows)}" for column in zip(*rows, strict=True)]
    yield ["total", *totals]


def compared(model: keras.Model, rebuilt: Any) -> tuple[float, float]:
    """Largest difference between two models, and between outputs for different inputs.

    Args:
        model: Keras 3 model of images.
        rebuilt: Its rebuild.

    Returns:
        Both as a share of the largest output.
    """
    x = np.random.default_rng(1).uniform(0, 255, (3, *model.input_shape[1:])).astype("float32")
    want = keras.ops.convert_to_numpy(model(x, training=False))
    got = np.asarray(rebuilt(x, training=False))
    largest = np.abs(want).max()
    return np.abs(want - got).max() / largest, np.ptp(want, axis=0).max() / largest


def count(model: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)

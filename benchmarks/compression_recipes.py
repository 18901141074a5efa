"""The part `recipes` of compression.py: what each recipe costs in accuracy, and what it saves."""

import argparse
import dataclasses
import math
import os
import pathlib
import sys
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import keras
import keras_tuner
import numpy as np
from sklearn.datasets import load_digits

import kerasnas as kn
from kerasnas.compression.step import Step
from kerasnas.hardware import profile_tflite
from kerasnas.tflite.inspection import kernel_sparsity

Split = tuple[tuple[np.ndarray, np.ndarray], ...]
LAYERWISE = {
    "stage_0/depth": 1,
    "stage_0/block_0": "conv3x3",
    "stage_1/depth": 2,
    "stage_1/block_0": "mbconv3x3_e3",
    "stage_1/block_1": "sepconv3x3",
    "stage_2/depth": 2,
    "stage_2/block_0": "mbconv3x3_e3",
    "stage_2/block_1": "conv3x3",
}
CELL = {
    "cell/edge_0_1": "conv3x3",
    "cell/edge_1_2": "conv3x3",
    "cell/edge_2_3": "conv1x1",
    "cell/edge_0_3": "identity",
    "cell/edge_0_2": "zero",
    "cell/edge_1_3": "zero",
}


def layerwise(shape: tuple[int, ...], classes: int) -> keras.Model:
    """A network of the layer-level space, of residual and inverted bottleneck blocks."""
    hp = keras_tuner.HyperParameters()
    hp.values.update(LAYERWISE)
    return kn.LayerwiseHyperModel(
        shape,
        classes,
        stages=((16,), (24,), (80,)),
        strides=(2, 2, 2),
        blocks=(1, 2),
        operations=("conv3x3", "sepconv3x3", "mbconv3x3_e3"),
        normalization=("batch",),
        skip=("add",),
    ).build(hp)


class Cells(kn.CellHyperModel):
    """NAS-Bench-201's cells on half the resolution."""

    def stem(self, hp: keras_tuner.HyperParameters, x: keras.KerasTensor) -> keras.KerasTensor:
        """A convolution with stride 2."""
        width = hp.Fixed("filters", 12)
        return self.choose(hp, "stem", ["conv3x3"], filters=width, strides=2, activation="none")(x)


def cell(shape: tuple[int, ...], classes: int) -> keras.Model:
    """A network of the cell-level space."""
    hp = keras_tuner.HyperParameters()
    hp.values.update(CELL)
    return Cells(shape, classes, filters=12).build(hp)


def sequence(shape: tuple[int, ...], classes: int) -> keras.Model:
    """A network of one-dimensional convolutions."""
    layers = keras.layers
    y = inputs = keras.Input(shape)
    for filters, strides in ((24, 2), (32, 2), (48, 2)):
        y = layers.Conv1D(filters, 5, strides=strides, padding="same", use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(y))
    y = layers.Dense(32, activation="relu")(layers.GlobalAveragePooling1D()(y))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(y))


def fashion_mnist(folder: pathlib.Path) -> Split:
    """Training, validation and test data, 50,000, 10,000 and 10,000 images."""
    data = np.load(folder / "fashion_mnist.npz")
    x, x_test = ((data[k] / 255).astype("float32")[..., None] for k in ("x_train", "x_test"))
    y = data["y_train"]
    return (x[:50000], y[:50000]), (x[50000:], y[50000:]), (x_test, data["y_test"])


def har(folder: pathlib.Path) -> Split:
    """Windows of 64 samples, apart by subject: a fifth for validation, a fifth for tests."""
    data = np.load(folder / "har_phone_watch.npz")
    x, y = data["x"].astype("float32"), data["y"]
    x = (x - x.mean((0, 1))) / x.std((0, 1))
    place = np.unique(data["subject"], return_inverse=True)[1] % 5
    return tuple((x[part], y[part]) for part in (place > 1, place == 0, place == 1))


def digits(folder: pathlib.Path) -> Split:
    """1,100, 300 and 397 images of 8 by 8."""
    data = load_digits()
    x, y = (data.images / 16)[..., None].astype("float32"), data.target
    x = np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)
    return tuple((x[part], y[part]) for part in np.split(np.arange(len(x)), [1100, 1400]))


DATA = {"fashion_mnist": fashion_mnist, "har": har, "digits": digits}
NETWORKS = {"layerwise": layerwise, "cell": cell, "sequence": sequence}


# In batches of 128, channels come back slowly at the rate of batches of 32.
CHANNELS = kn.PruneStructured(0.5, learning_rate=3e-3)
RECIPES: dict[str, list[Step]] = {
    "int8 post-training": [kn.Quantize("int8", method="ptq")],
    "int8": [kn.Quantize("int8")],
    "prune, int8": [kn.Prune(0.8), kn.Quantize("int8")],
    "distill, prune, int8": [kn.Distill(), kn.Prune(0.8), kn.Quantize("int8")],
    "cluster, int8": [kn.Cluster(16), kn.Quantize("int8")],
    "prune, cluster, int8": [kn.Prune(0.8), kn.Cluster(8), kn.Quantize("int8")],
    "channels, int8": [CHANNELS, kn.Quantize("int8")],
    "distill, channels, int8": [kn.Distill(), CHANNELS, kn.Quantize("int8")],
    "channels, prune, int8": [CHANNELS, kn.Prune(0.5), kn.Quantize("int8")],
}


def within(recipe: Sequence[Step], epochs: int) -> list[Step]:
    """A recipe whose steps share the epochs: those that prune have twice as many as others."""
    shares = [
        2 if step.name.startswith("prune") else 1 if step.trained_epochs else 0 for step in recipe
    ]
    return [
        dataclasses.replace(step, epochs=round(epochs * share / sum(shares)), batch_size=128)
        if share
        else step
        for step, share in zip(recipe, shares, strict=True)
    ]


def plain(model: keras.Model, x: np.ndarray) -> bytes:
    """The file that TensorFlow's converter makes of a Keras model as its guide says."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([one[None]] for one in x[:512])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()


def measured(data: bytes, test: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Accuracy on test data by the interpreter, and costs read from the file."""
    costs = profile_tflite(data)
    predicted = kn.export.Interpreter(data).predict(test[0])
    return {
        "accuracy": float((predicted.argmax(-1) == test[1]).mean()),
        "bytes": len(data),
        "compressed": len(zlib.compress(data, 9)),
        "zeros": kernel_sparsity(data),
        "macs": costs.macs,
        "arena": costs.arena_head,
    }


def trained(options: argparse.Namespace, split: Split, seed: int) -> keras.Model:
    """A network after its own training, with all that it can learn in the epochs given."""
    (x, y), *_ = split
    keras.utils.set_random_seed(seed)
    model = NETWORKS[options.network](x.shape[1:], int(y.max()) + 1)
    steps = options.float_epochs * math.ceil(len(x) / 128)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, epochs=options.float_epochs, batch_size=128, verbose=0)
    return model


def main(options: argparse.Namespace) -> Iterator[Sequence[str]]:
    """Rows of the table."""
    if "KERASNAS_DATA" not in os.environ and options.data != "digits":
        sys.exit("Set KERASNAS_DATA to the folder that holds the data sets.")
    folder = pathlib.Path(os.environ.get("KERASNAS_DATA", "."))
    (x, y), validation, test = DATA[options.data](folder)
    split = ((x[: options.samples], y[: options.samples]), validation, test)
    results: dict[str, list[dict[str, float]]] = defaultdict(list)
    for seed in range(options.seeds):
        model = trained(options, split, seed)
        results["float"].append(measured(kn.export.to_tflite(model), test))
        results["TensorFlow's int8"].append(measured(plain(model, split[0][0]), test))
        for name, recipe in RECIPES.items():
            if options.names and name not in options.names:
                continue
            steps = within(recipe, options.epochs)
            small = kn.compress(
                model, steps, train_data=split[0], validation_data=validation, seed=seed
            )
            results[name].append(measured(small.tflite, test))
            print(f"seed {seed}  {name}  {results[name][-1]}", file=sys.stderr, flush=True)
    yield [
        "recipe",
        "accuracy",
        "to float",
        "bytes",
        "compressed",
        "to int8",
        "zeros",
        "MACs",
        "arena",
    ]
    whole = "int8" if "int8" in results else "TensorFlow's int8"
    for name, rows in results.items():
        lost = [
            100 * (row["accuracy"] - base["accuracy"])
            for row, base in zip(rows, results["float"], strict=True)
        ]
        ratio = [
            row["compressed"] / base["compressed"]
            for row, base in zip(rows, results[whole], strict=True)
        ]
        mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        yield [
            name,
            f"{100 * mean['accuracy']:.2f}",
            f"{np.mean(lost):+.2f} ± {np.std(lost):.2f}",
            f"{mean['bytes']:,.0f}",
            f"{mean['compressed']:,.0f}",
            f"{np.mean(ratio):.2f} ± {np.std(ratio):.2f}",
            f"{mean['zeros']:.0%}",
            f"{mean['macs']:,.0f}",
            f"{mean['arena']:,.0f}",
        ]

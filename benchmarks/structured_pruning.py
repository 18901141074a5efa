"""What removing channels costs and saves, on Fashion-MNIST.

    python benchmarks/structured_pruning.py [--network layerwise] [--seeds 1] [--samples 60000]
        [--epochs 8] [--fine-tuning 20] [--criterion batch_norm] [--keep 0.5]

Needs KERASNAS_DATA. For each seed: a network of one of the spaces is trained, channels are removed
and the rest is fine-tuned; both are exported as int8 and scored on the test data by the
interpreter, and so are the float models. MACs, arena and bytes are those of the exported files.
"""

import argparse
import math
import os
import pathlib
import sys

import keras
import keras_tuner
import numpy as np

import kerasnas as kn
from kerasnas.compression import PruneStructured
from kerasnas.compression.bridge import read
from kerasnas.compression.training import Training
from kerasnas.export import Interpreter, to_tflite
from kerasnas.hardware import profile_tflite

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


def network(name: str) -> keras.Model:
    hp = keras_tuner.HyperParameters()
    if name == "cell":
        space = kn.CellHyperModel((28, 28, 1), 10, filters=8)
        hp.values.update(CELL)
    else:
        space = kn.LayerwiseHyperModel(
            (28, 28, 1),
            10,
            stages=((16,), (24,), (48,)),
            strides=(2, 2, 1),
            blocks=(1, 2),
            operations=("conv3x3", "sepconv3x3", "mbconv3x3_e3"),
            normalization=("batch",),
            skip=("add",),
        )
        hp.values.update(LAYERWISE)
    return space.build(hp)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=("layerwise", "cell"), default="layerwise")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--samples", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--fine-tuning", type=int, default=20)
    parser.add_argument("--criterion", default="batch_norm")
    parser.add_argument("--keep", type=float, default=0.5)
    options = parser.parse_args()
    if "KERASNAS_DATA" not in os.environ:
        sys.exit("Set KERASNAS_DATA to the folder that holds fashion_mnist.npz.")
    data = np.load(pathlib.Path(os.environ["KERASNAS_DATA"]) / "fashion_mnist.npz")
    x, x_test = ((data[k] / 255).astype("float32")[..., None] for k in ("x_train", "x_test"))
    y, y_test = data["y_train"], data["y_test"]
    x, y = x[: options.samples], y[: options.samples]

    def report(label: str, model: keras.Model) -> None:
        file = to_tflite(model, "int8", x)
        cost = profile_tflite(file)
        score = model.evaluate(x_test, y_test, batch_size=500, verbose=0)[1]
        deployed = (Interpreter(file).predict(x_test).argmax(-1) == y_test).mean()
        print(
            f"{label}  {cost.macs:9,} MACs  arena {cost.arena_head:6,} + {cost.arena_tail:6,} B  "
            f"file {len(file):7,} B  float {score:.4f}  int8 {deployed:.4f}",
            flush=True,
        )

    for seed in range(options.seeds):
        keras.utils.set_random_seed(seed)
        model = network(options.network)
        steps = options.epochs * math.ceil(len(x) / 128)
        rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        model.fit(x, y, epochs=options.epochs, batch_size=128, verbose=0)
        report(f"seed {seed} whole ", model)
        step = PruneStructured(
            options.keep,
            options.criterion,
            epochs=options.fine_tuning,
            batch_size=128,
        )
        report(
            f"seed {seed} pruned",
            step.apply_to_keras(model, Training(model, read(model), [x], y, None, None, seed)),
        )


if __name__ == "__main__":
    main()

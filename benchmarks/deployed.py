"""Float scores against the scores of files, and joint search against one-after-the-other.

    python benchmarks/deployed.py order [--trials 12] [--epochs 2] [--samples 2000] [--seeds 3]
    python benchmarks/deployed.py joint [--seconds 120] [--epochs 2] [--samples 2000] [--seeds 3]

Both need KERASNAS_DATA, for Fashion-MNIST, and train small convolutional networks.

`order` trains random networks and scores each twice on the same validation images: as it was
trained, and as its int8 file in the interpreter. It counts how often two networks change places,
and says what choosing by the float score loses.

`joint` looks for the most accurate file of at most LIMIT bytes, in the same time twice: searching
network and recipe together, and searching the network in the first half of the time, then a recipe
for the winner. Networks may be up to twice as large as the limit before they are compressed. The
accuracy is that of the chosen file on test images, which no search has seen.
"""

import argparse
import itertools
import os
import pathlib
import sys
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np

import kerasnas as kn
from kerasnas.tuners.inputs import check_positive

LIMIT = 8 * 1024
KEPT = (1.0, 0.5, 0.25)  # Shares of the multiply-accumulates that a recipe may leave.
FINE_TUNED = (1, 3)  # Epochs of fine-tuning that it may take.
Data = tuple[np.ndarray, np.ndarray]


class Small(keras_tuner.HyperModel):
    """One to three convolutions, plain or separable, of which each halves the image."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds a network."""
        layers = keras.layers
        x = inputs = keras.Input((28, 28, 1))
        depth, normal = hp.Int("depth", 1, 3), hp.Boolean("batch_norm")
        kernel, activation = hp.Choice("kernel", [3, 5]), hp.Choice("act", ["relu", "relu6"])
        kinds = {"plain": layers.Conv2D, "separable": layers.SeparableConv2D}
        convolution = kinds[hp.Choice("convolution", list(kinds))]
        for i in range(3):
            with hp.conditional_scope("depth", list(range(i + 1, 4))):
                if i < depth:
                    width = hp.Choice(f"width_{i}", [4, 8, 16, 24])
                    x = convolution(width, kernel, 2, "same", use_bias=not normal)(x)
                    x = layers.BatchNormalization(momentum=0.9)(x) if normal else x
                    x = layers.Activation(activation)(x)
        x = layers.GlobalAveragePooling2D()(x)
        outputs = layers.Dense(10, activation="softmax")(x)
        model = keras.Model(inputs, outputs)
        rate = hp.Choice("rate", [3e-3, 1e-2])
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model


def recipe_of(hp: keras_tuner.HyperParameters) -> list[Any]:
    """Channels removed or not, then int8 in one of two ways."""
    keep, method = hp.Choice("keep", KEPT), hp.Choice("method", ["ptq", "qat"])
    epochs = hp.Choice("fine_tuned", FINE_TUNED)
    steps: list[Any] = [kn.PruneStructured(keep, epochs=epochs)] if keep < 1 else []
    return [*steps, kn.Quantize("int8", method=method, epochs=epochs)]


class Joint(Small):
    """The same networks, each with a recipe."""

    def recipe(self, hp: keras_tuner.HyperParameters) -> list[Any]:
        """Reads a recipe."""
        return recipe_of(hp)


def fashion(samples: int, seed: int) -> tuple[Data, Data, Data]:
    """Training, validation (half as many) and test images, other ones for every seed."""
    folder = os.environ.get("KERASNAS_DATA")
    if not folder:
        sys.exit("Set KERASNAS_DATA to the folder that holds fashion_mnist.npz.")
    with np.load(pathlib.Path(folder) / "fashion_mnist.npz") as file:
        x, y = file["x_train"], file["y_train"].astype("int32")
        test = file["x_test"][:2000], file["y_test"][:2000].astype("int32")
    picked = np.random.default_rng(seed).permutation(len(x))[: samples + samples // 2]
    train, held = picked[:samples], picked[samples:]
    sets = (x[train], y[train]), (x[held], y[held]), test
    return tuple((a[..., None].astype("float32") / 255, b) for a, b in sets)  # type: ignore[return-value]


# --- order ----------------------------------------------------------------------------------------


def order(trials: int, epochs: int, samples: int, seeds: int) -> None:
    """Prints how the files' order differs from that of the float models."""
    from scipy.stats import kendalltau

    print(f"{trials} random networks, {epochs} epochs on {samples} images, ", end="")
    print(f"scored on {samples // 2}")
    print("| seed | Kendall tau | pairs swapped | winner changes | float winner's file is worse by")
    print("|---|---|---|---|---|")
    rows = []
    for seed in range(seeds):
        train, held, _ = fashion(samples, seed)
        with tempfile.TemporaryDirectory() as folder:
            tuner = kn.Random(
                Small(), "val_tflite_accuracy", max_trials=trials, seed=seed, directory=folder
            )
            tuner.search(*train, validation_data=held, epochs=epochs, verbose=0)
            found = [r["metrics"] for r in tuner.results() if r["status"] == "COMPLETED"]
        before = np.array([metrics["val_accuracy"] for metrics in found])
        after = np.array([metrics["val_tflite_accuracy"] for metrics in found])
        pairs = list(itertools.combinations(range(len(found)), 2))
        swapped = np.mean([(before[i] - before[j]) * (after[i] - after[j]) < 0 for i, j in pairs])
        lost = after.max() - after[before.argmax()]
        rows.append((kendalltau(before, after).statistic, swapped, lost > 0, lost))
        rows[-1] += (np.abs(before - after).mean(), (after - before).min())
        tau, share, changes, loss, *_ = rows[-1]
        changed = "yes" if changes else "no"
        print(
            f"| {seed} | {tau:.3f} | {share:.1%} | {changed} | {100 * loss:.2f} points", flush=True
        )
    tau, share, changes, loss, difference, worst = np.mean(rows, axis=0)
    print(f"| mean | {tau:.3f} | {share:.1%} | {changes:.0%} | {100 * loss:.2f} points")
    print(
        f"A file differs from its float model by {100 * difference:.2f} points on average; ", end=""
    )
    print(f"the worst of a seed loses {-100 * worst:.2f}.")


# --- joint ----------------------------------------------------------------------------------------


def joint(seconds: float, epochs: int, samples: int, seeds: int) -> None:
    """Prints the test accuracy of the files that both ways find."""
    print(
        f"{seconds:.0f} s a search, {epochs} epochs on {samples} images, "
        f"files of at most {LIMIT:,} bytes"
    )
    print("| seed | way | trials | bytes | validation | test | seconds")
    print("|---|---|---|---|---|---|---|")
    tests: dict[str, list[float]] = {"together": [], "one after the other": []}
    for seed in range(seeds):
        data = fashion(samples, seed)
        ways = [("together", together), ("one after the other", one_after_the_other)]
        for name, way in ways if seed % 2 else ways[::-1]:  # The load changes: take turns.
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                trials, validation, compressed = way(folder, seed, seconds, epochs, *data[:2])
            took = time.monotonic() - started
            if compressed is None:
                print(f"| {seed} | {name} | {trials} | no file within the limit | | | {took:.0f}")
                tests[name].append(float("nan"))
                continue
            tests[name].append(compressed.evaluate(*data[2])["accuracy"])
            print(
                f"| {seed} | {name} | {trials} | {len(compressed.tflite):,} | {validation:.3f} "
                f"| {tests[name][-1]:.3f} | {took:.0f}",
                flush=True,
            )
    for name, values in tests.items():
        print(f"mean test accuracy, {name}: {np.mean(values):.3f}")


def searched(
    hypermodel: Any, objective: str, folder: str, name: str, seed: int, until: float, **data: Any
) -> kn.Tuner:
    """Searches until a moment, within the limit where the objective is a file's."""
    limits = {"tflite_size": LIMIT} if "tflite" in objective else {}
    oracle = kn.oracles.NSGA2Oracle(
        objective, max_trials=1000, limits=limits, population_size=4, seed=seed
    )
    tuner = kn.Tuner(
        hypermodel,
        oracle,
        budget=kn.Budget(flash=2 * LIMIT),
        max_time=max(1.0, until - time.monotonic()),
        directory=folder,
        project_name=name,
    )
    tuner.search(**data, verbose=0)
    return tuner


def together(
    folder: str, seed: int, seconds: float, epochs: int, train: Data, held: Data
) -> tuple[str, float, Any]:
    """Networks and recipes in one search."""
    until = time.monotonic() + seconds
    data = {"x": train[0], "y": train[1], "validation_data": held, "epochs": epochs}
    tuner = searched(Joint(), "val_tflite_accuracy", folder, "joint", seed, until, **data)
    results = tuner.results()
    failed = [r["message"] for r in results if r["status"] == "FAILED"]
    count = f"{len(results)} ({len(failed)} failed)"
    if failed:
        print(f"first failure: {failed[0]}")
    best = tuner.get_best_trials(1)[0]
    if best.metrics.get_best_value("tflite_size") > LIMIT:
        return count, 0.0, None
    (found,) = tuner.rerank(1, *train, validation_data=held)
    if found["compressed"] is None:
        raise RuntimeError(found["message"])
    return count, best.score, found["compressed"]


def one_after_the_other(
    folder: str, seed: int, seconds: float, epochs: int, train: Data, held: Data
) -> tuple[str, float, Any]:
    """Networks by their float score, then recipes for the best."""
    started = time.monotonic()
    data = {"x": train[0], "y": train[1], "validation_data": held, "epochs": epochs}
    tuner = searched(Small(), "val_accuracy", folder, "first", seed, started + seconds / 2, **data)
    count = len(tuner.results())
    model = tuner.get_best_models(1)[0]
    every = list(itertools.product(KEPT, ("ptq", "qat"), FINE_TUNED))
    kinds = np.random.default_rng(seed).permutation(len(every))
    best, value, tried = None, 0.0, 0
    for kind in kinds:
        if time.monotonic() > started + seconds:
            break
        hp = keras_tuner.HyperParameters()
        hp.values = dict(zip(("keep", "method", "fine_tuned"), every[kind], strict=True))
        tried += 1
        try:
            found = kn.compress(model, recipe_of(hp), train_data=train, validation_data=held)
        except ValueError:  # So many channels cannot be removed.
            continue
        accuracy = found.report[-1]["value"]
        if len(found.tflite) <= LIMIT and accuracy > value:
            best, value = found, accuracy
    return f"{count} + {tried}", value, best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=("order", "joint"))
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    for name in ("trials", "epochs", "samples", "seeds"):
        check_positive(name, getattr(given, name))
    if given.part == "order":
        order(given.trials, given.epochs, given.samples, given.seeds)
    else:
        joint(given.seconds, given.epochs, given.samples, given.seeds)


if __name__ == "__main__":
    main()

"""From a search space to a verified .tflite: search, prune, quantize, export, verify.

    python examples/quickstart.py [--dataset digits|fashion_mnist] [--trials 13] [--seed 0]

Searches a layer-level space on real images under a budget of flash and RAM, compresses the winner,
writes `digits.tflite`, and scores the file on test images that neither the search nor the training
has seen. Fashion-MNIST is read from the folder that the variable KERASNAS_DATA names.
"""

import argparse
import dataclasses
import os
import pathlib
import time
from collections.abc import Callable

import numpy as np

import kerasnas as kn

Images = tuple[np.ndarray, np.ndarray]


def digits() -> tuple[Images, Images, Images]:
    """Scikit-learn's 1,797 handwritten digits of 8×8: training, validation and test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return (x, y), (x_val, y_val), (x_test, y_test)


def fashion_mnist() -> tuple[Images, Images, Images]:
    """10,000 training and 2,000 validation images of Fashion-MNIST, and its test set."""
    folder = os.environ.get("KERASNAS_DATA")
    if not folder:
        raise SystemExit("Set KERASNAS_DATA to the folder that holds fashion_mnist.npz")
    with np.load(pathlib.Path(folder) / "fashion_mnist.npz") as data:
        x, y = data["x_train"][:12_000], data["y_train"][:12_000].astype("int32")
        x_test, y_test = data["x_test"], data["y_test"].astype("int32")
    x, x_test = (a[..., None].astype("float32") / 255 for a in (x, x_test))
    return (x[:10_000], y[:10_000]), (x[10_000:], y[10_000:]), (x_test, y_test)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is searched on a data set, and for how long."""

    load: Callable[[], tuple[Images, Images, Images]]
    stages: tuple[tuple[int, ...], ...]  # Widths to choose from.
    strides: tuple[int, ...]
    budget: kn.Budget
    epochs: int
    prune_epochs: int
    quantize_epochs: int


SETTINGS = {
    "digits": Setting(
        digits,
        stages=((8, 16, 24), (16, 32, 48)),
        strides=(1, 2),
        budget=kn.Budget(flash="40KB", ram="16KB"),
        epochs=20,
        prune_epochs=10,
        quantize_epochs=5,
    ),
    "fashion_mnist": Setting(
        fashion_mnist,
        stages=((8, 16), (16, 32), (32, 64)),
        strides=(2, 2, 1),
        budget=kn.Budget(flash="96KB", ram="32KB"),
        epochs=4,
        prune_epochs=2,
        quantize_epochs=1,
    ),
}


def main() -> None:
    """Run the whole journey and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=list(SETTINGS), default="digits")
    parser.add_argument("--trials", type=int, default=13, help="proposals to train")
    parser.add_argument("--epochs", type=int, help="epochs a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default=".", help="folder of the .tflite and of the run")
    options = parser.parse_args()
    setting = SETTINGS[options.dataset]
    train, validation, test = setting.load()
    epochs = options.epochs or setting.epochs
    output = pathlib.Path(options.output)

    space = kn.LayerwiseHyperModel(
        train[0].shape[1:],
        10,
        stages=setting.stages,
        strides=setting.strides,
        blocks=(1, 2),
        stem_filters=8,
        learning_rate=3e-3,
    )
    tuner = kn.Evolution(
        space,
        objective="val_accuracy",
        max_trials=options.trials,
        budget=setting.budget,
        directory=output / "runs",
        project_name=options.dataset,
        overwrite=True,
        seed=options.seed,
    )
    start = time.perf_counter()
    tuner.search(*train, validation_data=validation, epochs=epochs, batch_size=32)
    search_seconds = time.perf_counter() - start

    winner = tuner.get_best_models(1)[0]
    small = kn.compress(
        winner,
        [
            kn.Prune(0.5, epochs=setting.prune_epochs),
            kn.Quantize("int8", epochs=setting.quantize_epochs),
        ],
        train_data=train,
        validation_data=validation,
        seed=options.seed,
    )
    path = output / f"{options.dataset}.tflite"
    small.save(path)

    # The number that counts: the file as it lies on the disk, on images that nothing has seen.
    interpreter = kn.export.Interpreter(path.read_bytes())
    int8_accuracy = np.mean(interpreter.predict(test[0]).argmax(1) == test[1])
    float_accuracy = np.mean(winner.predict(test[0], verbose=0).argmax(1) == test[1])
    profile = kn.profile(winner)
    last = small.report[-1]

    print(f"\n{small.summary()}\n")
    print(f"{options.dataset}: {len(test[1])} test images, {path}")
    for name, value in (
        ("float accuracy on the test set", f"{float_accuracy:.2%}"),
        ("int8 accuracy on the test set", f"{int8_accuracy:.2%}"),
        ("file", f"{path.stat().st_size:,} bytes"),
        ("file, compressed", f"{last['compressed_bytes']:,} bytes"),
        ("sparsity of the pruned weights", f"{last['sparsity']:.1%}"),
        ("multiply-accumulates", f"{profile.macs:,}"),
        ("peak RAM (estimate)", f"{profile.ram_bytes:,} bytes"),
        ("proposals trained", f"{len(tuner.results())} in {search_seconds:.0f} s"),
        ("proposals turned away by the budget", f"{tuner.oracle.turned_away}"),
    ):
        print(f"  {name:<36} {value}")


if __name__ == "__main__":
    main()

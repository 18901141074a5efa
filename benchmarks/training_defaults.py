"""Which learning rate of Adam no network breaks with: the default of `kerasnas.Training`.

    python benchmarks/training_defaults.py [--networks 2] [--epochs 1 4] [--folder /tmp/rates]

Random networks of a layer-level space, below --macs, with batch normalization and without, are
trained on up to 2,000 samples of four sets with each rate, which warms up over a tenth of the steps
and falls along a cosine to zero. Printed are the mean accuracy of each kind of network and, in
brackets, how many of them have less than half of the accuracy that their best rate gives them.
"constant" is a constant rate of 1e-3, without a schedule.

Trainings are kept in --folder, one file for each network, and are not done again. Data sets but the
digits of scikit-learn need KERASNAS_DATA.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
from compression_recipes import Split, digits, fashion_mnist, har

import kerasnas as kn
from kerasnas.training.schedules import scheduled

RATES = (5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 8e-3, 1.6e-2)
SAMPLES, SCORED, BATCH = 2000, 2000, 32


def spoken(folder: pathlib.Path) -> Split:
    """Spoken words as spectrograms of 62 steps and 32 bands."""
    data = np.load(folder / "arabic_commands_8k.npz")
    window = np.hanning(256)

    def features(sound: np.ndarray) -> np.ndarray:
        frames = np.lib.stride_tricks.sliding_window_view(sound / 32768.0, 256, axis=1)[:, ::126]
        power = np.abs(np.fft.rfft(frames * window, axis=-1))[..., :128] ** 2
        bands = np.log(power.reshape(*power.shape[:2], 32, 4).mean(-1) + 1e-6)
        return ((bands - bands.mean()) / bands.std()).astype("float32")[..., None]

    parts = ("train", "val", "test")
    return tuple((features(data[f"x_{one}"]), data[f"y_{one}"].astype(int)) for one in parts)


DATA = {
    "fashion_mnist": fashion_mnist,
    "har": har,
    "digits": lambda _: digits(pathlib.Path()),
    "spoken": spoken,
}


def networks(
    shape: tuple[int, ...], classes: int, normalization: str, count: int, macs: str
) -> tuple[kn.HyperModel, list[dict[str, object]]]:
    """A space, and the values of random networks of it."""
    space = kn.LayerwiseHyperModel(shape, classes, normalization=[normalization])
    oracle = kn.oracles.RandomOracle("val_accuracy", max_trials=count, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        tuner = kn.Tuner(space, oracle, budget=kn.Budget(macs=macs), directory=folder)
        trials = [tuner.oracle.create_trial(str(i)) for i in range(count)]
    return space, [dict(trial.hyperparameters.values) for trial in trials]


def accuracies(
    space: kn.HyperModel, values: dict[str, object], split: Split, epochs: int
) -> dict[str, float]:
    """The accuracy of one network by the rate that it was trained with."""
    (x, y), validation = split[0], split[1]
    order = np.random.default_rng(0).permutation(len(x))[:SAMPLES]
    x, y = x[order], y[order]
    validation = validation[0][:SCORED], validation[1][:SCORED]
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    model = space.build(hp)
    start = model.get_weights()
    model.optimizer.build(model.trainable_variables)
    state = [np.array(one) for one in model.optimizer.variables]

    def anew() -> None:
        model.set_weights(start)
        for variable, value in zip(model.optimizer.variables, state, strict=True):
            variable.assign(value)

    def trained(rate: float) -> float:
        anew()
        model.optimizer.learning_rate = rate
        model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
        return float(model.evaluate(*validation, batch_size=500, verbose=0)[1])

    found = {"constant": trained(1e-3)}
    model.train_function = None  # It has no schedule.
    anew()  # The schedule begins at the step that the optimizer has come to.
    with scheduled(model.optimizer, epochs * -(-len(x) // BATCH), "cosine"):
        return found | {f"{rate:g}": trained(rate) for rate in RATES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=2, help="of each kind")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--macs", default="400k")
    parser.add_argument("--folder", type=pathlib.Path, default="/tmp/training_defaults")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for epochs in options.epochs:
        columns: dict[str, list[dict[str, float]]] = {}
        for data in options.data:
            split = DATA[data](pathlib.Path(os.environ.get("KERASNAS_DATA", ".")))
            shape, classes = split[0][0].shape[1:], int(split[0][1].max()) + 1
            for kind in ("batch", "none"):
                drawn = options.networks, options.macs
                space, chosen = networks(shape, classes, kind, *drawn)
                for number, values in enumerate(chosen):
                    name = f"{data}_{kind}_{number}_{epochs}_{options.macs}.json"
                    path = options.folder / name
                    if not path.exists():
                        started = time.monotonic()
                        path.write_text(json.dumps(accuracies(space, values, split, epochs)))
                        print(f"# {name}: {time.monotonic() - started:.0f} s", flush=True)
                    columns.setdefault(f"{data}, {kind}", []).append(json.loads(path.read_text()))
        print(f"\n| {epochs} epochs | {' | '.join(columns)} | mean |")
        print("|---" * (len(columns) + 2) + "|")
        for rate in ("constant", *(f"{rate:g}" for rate in RATES)):
            cells, means = [], []
            for found in columns.values():
                means.append(float(np.mean([one[rate] for one in found])))
                broken = sum(not one[rate] > 0.5 * max(one.values()) for one in found)
                cells.append(f"{means[-1]:.3f}" + (f" ({broken})" if broken else ""))
            print(f"| {rate} | {' | '.join(cells)} | {np.mean(means):.3f} |")


if __name__ == "__main__":
    main()

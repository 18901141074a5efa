"""How well the score of a short training ranks networks.

    python benchmarks/short_trainings.py [--data fashion_mnist] [--networks 20] [--seeds 3]

Random networks of a layer-level space, below a million multiply-accumulates, are trained for EPOCHS
epochs on up to 10,000 samples. Printed is Kendall's tau between the score of the first epochs of
one seed and the mean score, after all epochs, of the other seeds: first with the moving statistics
of batch normalization as Keras's defaults make them (momentum .99), then as the spaces of kerasnas
make them (momentum .9), then taken anew from 512 and from 2,048 training samples. All four are
read from the same weights: the statistics do not change a training.

Under it: how far from the best network (in points of accuracy) what successive halving over these
curves finds is, by the epochs of its first rung, and in brackets how many networks it begins with.

Trainings are kept in --folder, one file each, and are not done again. Data sets but the digits of
scikit-learn need KERASNAS_DATA.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
from compression_recipes import Split, digits, fashion_mnist, har
from scipy.stats import kendalltau
from statistics_tracking import TwoAverages

import kerasnas as kn
from kerasnas.keras_models.moving_statistics import compute, with_statistics

EPOCHS = 12
READ = (1, 2, 4, EPOCHS)
ANEW = (512, 2048)
WAYS = ("momentum .99", "momentum .9", *(f"anew, {samples:,}" for samples in ANEW))
DATA: dict[str, Callable[[pathlib.Path], Split]] = {
    "fashion_mnist": fashion_mnist,
    "har": har,
    "digits": lambda _: digits(pathlib.Path()),
}
# Of 1-D networks as wide as the others, all are as good as their seeds allow, so none is better.
WIDTHS = {"har": ((1, 2, 16), (2, 4, 32), (2, 8, 64))}


class Reader(keras.callbacks.Callback):
    """Scores every epoch with each kind of statistics.

    Args:
        x: Training inputs, of which the statistics are taken anew.
        validation: Tuple (x, y).
    """

    def __init__(self, x: np.ndarray, validation: tuple[np.ndarray, np.ndarray]) -> None:
        super().__init__()
        self.x, self.validation = x, validation
        # Of large data sets the curves are those of momentum .9, which take no time to read.
        self.read = READ if 0.9 ** (len(x) / 64) < 1e-3 else range(1, EPOCHS + 1)
        self.scores: dict[str, list[float]] = {way: [] for way in WAYS}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Score; the averages go on afterwards from where they were."""
        layers = with_statistics(self.model)
        kept = [(variable, np.array(variable)) for variable in self.model.non_trainable_variables]
        self._score("momentum .9")
        if epoch + 1 in self.read:
            for layer in layers:
                layer.use_slow()
            self._score("momentum .99")
            order = np.random.default_rng(0).permutation(len(self.x))
            for samples, way in zip(ANEW, WAYS[2:], strict=True):
                picked = self.x[order[:samples]]
                batches = [picked[i : i + 64] for i in range(0, len(picked) - 63, 64)]
                compute(self.model, layers, self._forward, batches)
                self._score(way)
        for variable, value in kept:
            variable.assign(value)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Trace the pass that takes statistics anew once."""
        import tensorflow as tf

        self._forward = tf.function(lambda batch: self.model(batch, training=True))
        self._predict = tf.function(lambda batch: self.model(batch, training=False))

    def _score(self, way: str) -> None:
        x, y = self.validation
        parts = [np.array(self._predict(x[i : i + 500])) for i in range(0, len(x), 500)]
        self.scores[way].append(float((np.concatenate(parts).argmax(-1) == y).mean()))


def space_of(data: str, shape: tuple[int, ...], classes: int) -> kn.HyperModel:
    """The space that networks are drawn from."""
    stages = {"stages": WIDTHS[data]} if data in WIDTHS else {}
    return kn.LayerwiseHyperModel(shape, classes, **stages)


def networks(space: kn.HyperModel, count: int) -> list[dict[str, object]]:
    """Values of different random networks below a million multiply-accumulates."""
    oracle = kn.oracles.RandomOracle("val_accuracy", max_trials=count, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        tuner = kn.Tuner(space, oracle, budget=kn.Budget(macs="1M"), directory=folder)
        trials = [tuner.oracle.create_trial(str(i)) for i in range(count)]
    return [dict(trial.hyperparameters.values) for trial in trials]


def train(
    space: kn.HyperModel, values: dict[str, object], split: Split, seed: int, samples: int
) -> dict[str, list[float]]:
    """Trains one network and gives its scores by the kind of statistics."""
    (x, y), validation = split[0], split[1]
    order = np.random.default_rng(0).permutation(len(x))[:samples]
    x, y = x[order], y[order]
    validation = validation[0][:5000], validation[1][:5000]
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    model = space.build(hp)
    tracked = keras.models.clone_model(model, clone_function=TwoAverages.in_place_of)
    tracked.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    reader = Reader(x, validation)
    tracked.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=0, callbacks=[reader])
    return reader.scores


def score(run: dict[str, list[float]], way: str, epoch: int) -> float:
    """The score of an epoch: few were read of the ways that cost time, where that could be."""
    scores = run[way]
    return scores[epoch - 1 if len(scores) == EPOCHS else READ.index(epoch)]


def print_tables(data: str, found: list[list[dict[str, list[float]]]]) -> None:
    """Prints what the trainings say, means and standard deviations over the seeds."""
    last = np.array([[seed[WAYS[-1]][-1] for seed in runs] for runs in found])
    seeds = last.shape[1]
    others = [np.delete(last, seed, axis=1).mean(axis=1) for seed in range(seeds)]
    agreement = [kendalltau(last[:, seed], others[seed])[0] for seed in range(seeds)]
    print(
        f"{data}: {len(found)} networks, {seeds} seeds, accuracy after {EPOCHS} epochs "
        f"{last.mean():.3f} ({last.mean(axis=1).min():.3f} to {last.mean(axis=1).max():.3f}); "
        f"seeds agree with each other at tau {np.mean(agreement):.2f}"
    )
    print(f"| tau with {EPOCHS} epochs of other seeds | " + " | ".join(map(str, READ[:-1])) + " |")
    print("|---" * len(READ) + "|")
    for way in WAYS:
        cells = []
        for epoch in READ[:-1]:
            scores = np.array([[score(run, way, epoch) for run in runs] for runs in found])
            taus = [kendalltau(scores[:, seed], others[seed])[0] for seed in range(seeds)]
            cells.append(f"{np.mean(taus):.2f} ± {np.std(taus):.2f} ({scores.mean():.3f})")
        print(f"| {way} (mean accuracy) | " + " | ".join(cells) + " |")


def print_halving(found: list[list[dict[str, list[float]]]], draws: int = 2000) -> None:
    """Prints what successive halving over the recorded curves finds, by its first rung.

    A third goes on from each rung. The scores are those of one seed; what is chosen is judged by
    the mean of the other seeds after all epochs.
    """
    anew = len(found[0][0][WAYS[-1]]) == EPOCHS
    way = WAYS[-1] if anew else "momentum .9"
    curves = np.array([[run[way] for run in runs] for runs in found])
    seeds = curves.shape[1]
    budgets = (3 * EPOCHS, 5 * EPOCHS)
    print(f"| first rung (rungs) | points to the best with {budgets[0]} epochs | {budgets[1]} |")
    print("|---|---|---|")
    for rungs in ((1, 3, EPOCHS), (2, 5, EPOCHS), (4, EPOCHS), (EPOCHS,)):
        steps = np.diff((0, *rungs))
        cost = sum(step / 3**k for k, step in enumerate(steps))
        cells = []
        for budget in budgets:
            count = min(len(found), max(1, round(budget / cost)))
            regrets = []
            for draw in range(draws):
                rng = np.random.default_rng(draw)
                seed = draw % seeds
                true = np.delete(curves[:, :, -1], seed, axis=1).mean(axis=1)
                alive = rng.permutation(len(found))[:count]
                for k, rung in enumerate(rungs):
                    order = np.argsort(-curves[alive, seed, rung - 1], kind="stable")
                    kept = 1 if rung == EPOCHS else max(1, round(count / 3 ** (k + 1)))
                    alive = alive[order[:kept]]
                regrets.append(100 * (true.max() - true[alive[0]]))
            cells.append(f"{np.mean(regrets):.2f} ± {np.std(regrets) / draws**0.5:.2f} ({count})")
        print(f"| {rungs[0]} ({', '.join(map(str, rungs))}) | " + " | ".join(cells) + " |")


def main() -> None:
    """Trains what is missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=list(DATA), default="fashion_mnist")
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("runs/short_trainings"))
    options = parser.parse_args()
    split = DATA[options.data](pathlib.Path(os.environ.get("KERASNAS_DATA", "")))
    options.folder.mkdir(parents=True, exist_ok=True)
    shape, classes = split[0][0].shape[1:], int(split[0][1].max()) + 1
    found: list[list[dict[str, list[float]]]] = []
    space = space_of(options.data, shape, classes)
    for number, values in enumerate(networks(space, options.networks)):
        found.append([])
        for seed in range(options.seeds):
            path = options.folder / f"{options.data}_{options.samples}_{number}_{seed}.json"
            if not path.exists():
                started = time.monotonic()
                scores = train(space, values, split, seed, options.samples)
                path.write_text(json.dumps({"values": values, "scores": scores}))
                print(
                    f"# network {number}, seed {seed}: {time.monotonic() - started:.0f} s",
                    flush=True,
                )
            found[-1].append(json.loads(path.read_text())["scores"])
    print_tables(options.data, found)
    print_halving(found)


if __name__ == "__main__":
    main()

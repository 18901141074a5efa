"""Whether a training that goes on to a longer rung had better begin its schedule again.

    KERASNAS_DATA=... python benchmarks/promotion.py [--data har digits] [--networks 8] [--seeds 2]

Random layer-level networks are trained for 1, 3 and 9 epochs in all, as Hyperband promotes them:
each rung goes on with the weights and the optimizer of the last. The learning rate of Adam, 5e-3 at
most, goes in four ways: in each rung it warms up and falls along a cosine to zero ("restart"); it
warms up once and stays, until the last rung falls ("falls in the last"); it stays to the end ("no
end"); and, for comparison, one training of 9 epochs. Printed are the mean accuracy on validation
data after each rung, and Kendall's tau between a rung's scores and the last one's.
"""

import argparse
import os
import pathlib
import statistics
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
from compression_recipes import DATA
from short_trainings import networks, space_of

from kerasnas.oracles.fidelity.lengths import kendall
from kerasnas.training import fast_steps
from kerasnas.training.schedules import scheduled
from kerasnas.tuners.fresh_statistics import FreshStatistics

RUNGS, BATCH, RATE = (1, 3, 9), 64, 5e-3
# The kind of schedule and the share of its warm-up, rung by rung.
WAYS: dict[str, list[tuple[str, float]]] = {
    "restart": [("cosine", 0.1)] * 3,
    "falls in the last": [("constant", 0.1), ("constant", 0.0), ("cosine", 0.0)],
    "no end": [("constant", 0.1), ("constant", 0.0), ("constant", 0.0)],
    "one training": [("cosine", 0.1)],
}


def train(model: keras.Model, data: dict[str, Any], way: str) -> list[float]:
    """Trains a network rung by rung, and returns its accuracy after each."""
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    fresh = FreshStatistics(lambda text: None)
    steps = -(-len(data["x"]) // BATCH)
    scores, before = [], 0
    rungs = RUNGS if len(WAYS[way]) > 1 else RUNGS[-1:]
    with fast_steps(model):
        fresh.watch(model)
        for (kind, warmup), until in zip(WAYS[way], rungs, strict=True):
            epochs = until - before
            model.train_function = None  # It was traced with the last schedule.
            with scheduled(model.optimizer, steps * epochs, kind, warmup):
                given = {"epochs": epochs, "batch_size": BATCH, "callbacks": [fresh], "verbose": 0}
                history = model.fit(**data, **given).history
            scores.append(history["val_accuracy"][-1])
            before = until
    return scores


def main() -> None:
    """Prints a table a data set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=["har", "digits"], choices=DATA)
    parser.add_argument("--networks", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=4000)
    options = parser.parse_args()
    for name in options.data:
        (x, y), (xv, yv), _ = DATA[name](pathlib.Path(os.environ.get("KERASNAS_DATA", ".")))
        part = np.random.default_rng(0).permutation(len(x))[: options.samples]
        data = {"x": x[part], "y": y[part], "validation_data": (xv[:5000], yv[:5000])}
        space = space_of(name, x.shape[1:], int(y.max()) + 1)
        found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for values in networks(space, options.networks):
            for way, rows in found.items():
                runs = []
                for seed in range(options.seeds):
                    keras.backend.clear_session()
                    keras.utils.set_random_seed(seed)
                    hp = keras_tuner.HyperParameters()
                    hp.values.update(values)
                    runs.append(train(space.build(hp), data, way))
                rows.append([statistics.fmean(scores) for scores in zip(*runs, strict=True)])
        print(f"\n{name}, {options.networks} networks, {options.seeds} seeds\n")
        print("| accuracy (tau with 9 epochs) | 1 epoch | 3 epochs | 9 epochs |\n|---|---|---|---|")
        for way, rows in found.items():
            rungs = [list(scores) for scores in zip(*rows, strict=True)]
            cells = [f"{statistics.fmean(rung):.3f}" for rung in rungs]
            cells = [
                f"{cell} ({kendall(rung, rungs[-1])[0]:.2f})" if rung is not rungs[-1] else cell
                for cell, rung in zip(cells, rungs, strict=True)
            ]
            print(f"| {way} | " + " | ".join(["", ""][len(cells) - 1 :] + cells) + " |", flush=True)


if __name__ == "__main__":
    main()

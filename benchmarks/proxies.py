"""How well the zero-cost proxies rank networks, and what they cost.

    KERASNAS_DATA=... python benchmarks/proxies.py [--cells 150] [--seed 0] [--stack 1]

Random cells of NAS-Bench-201 are built as `kn.CellHyperModel` builds them, scored untrained, and
compared with their test accuracies on CIFAR-10 after 200 epochs. The data of the proxies is noise.
Needs `nasbench201_cifar10.npz` in the folder KERASNAS_DATA: `ops` (codes of the edges 0→1, 0→2,
1→2, 0→3, 1→3, 2→3 for each cell), `op_names` and `test200`.
"""

import argparse
import os
import pathlib
import time

import keras
import keras_tuner
import numpy as np
from scipy.stats import spearmanr

import kerasnas as kn
from kerasnas.oracles import genome, proxies
from kerasnas.runtime.session import clear_session, seeded

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS = {
    "none": "zero",
    "skip_connect": "identity",
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avgpool3x3",
}
# Of all cells, on CIFAR-10's images and in PyTorch: Abdelfattah et al. 2021, arXiv:2101.08134.
PUBLISHED = {"synflow": 0.74, "grad_norm": 0.58}


def setting(space: keras_tuner.HyperParameters, names: list[str]) -> dict | None:
    """The setting of a cell, or None where nothing leads from its input to its output."""
    edges = dict(zip(EDGES, (OPERATIONS[name] for name in names), strict=True))
    reached = {0}
    for end in (1, 2, 3):
        for start in range(end):
            if start not in reached:
                edges[start, end] = "zero"
        if any(edges[start, end] != "zero" for start in range(end)):
            reached.add(end)
    if 3 not in reached:
        return None
    values = {f"cell/edge_{start}_{end}": code for (start, end), code in edges.items()}
    return genome.complete(space, genome.active(space, values))


def measure(options: argparse.Namespace) -> tuple[dict, dict, list[float]]:
    folder = os.environ.get("KERASNAS_DATA")
    if not folder:
        raise SystemExit("Set KERASNAS_DATA to the folder that holds nasbench201_cifar10.npz")
    table = np.load(pathlib.Path(folder) / "nasbench201_cifar10.npz")
    net = kn.CellHyperModel((32, 32, 3), 10, cells=options.stack, filters=options.filters)
    space = keras_tuner.HyperParameters()
    net.declare(space)
    rng = np.random.default_rng(options.seed)
    x = rng.normal(size=(options.batch_size, 32, 32, 3)).astype("float32")
    y = rng.integers(10, size=options.batch_size)
    scores: dict[str, list[float]] = {name: [] for name in proxies.PROXIES}
    seconds: dict[str, list[float]] = {name: [] for name in ("build", *proxies.PROXIES)}
    accuracy: list[float] = []
    for cell in rng.permutation(len(table["ops"])):
        values = setting(space, [str(name) for name in table["op_names"][table["ops"][cell]]])
        if values is None:
            continue
        hp = space.copy()
        hp.values = values
        clear_session()
        start = time.perf_counter()
        with seeded(options.seed, cell):
            model = net.build(hp)
        seconds["build"].append(time.perf_counter() - start)
        for name in proxies.PROXIES:
            start = time.perf_counter()
            scores[name].append(proxies.score(name, model, x, y))
            seconds[name].append(time.perf_counter() - start)
        accuracy.append(float(table["test200"][cell]))
        if len(accuracy) % 25 == 0:
            print(f"{len(accuracy)} of {options.cells} cells", flush=True)
        if len(accuracy) == options.cells:
            break
    return scores, seconds, accuracy


def report(scores: dict, seconds: dict, accuracy: list[float]) -> None:
    truth = np.array(accuracy)
    top = truth >= np.median(truth)
    print(f"\n{len(truth)} cells, Keras on {keras.backend.backend()}")
    print(f"{'proxy':<11}{'Spearman':>9}{'top half':>10}{'published':>11}{'ms':>8}")
    for name, found in scores.items():
        values = np.array(found)
        whole, half = spearmanr(values, truth)[0], spearmanr(values[top], truth[top])[0]
        published = f"{PUBLISHED[name]:.2f}" if name in PUBLISHED else ""
        cost = 1e3 * np.median(seconds[name])
        print(f"{name:<11}{whole:>9.2f}{half:>10.2f}{published:>11}{cost:>8.0f}")
    print(f"{'(build)':<11}{1e3 * np.median(seconds['build']):>38.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=150, help="random cells")
    parser.add_argument("--stack", type=int, default=1, help="cells a stage; 5 in NAS-Bench-201")
    parser.add_argument("--filters", type=int, default=16, help="width of the first stage")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    report(*measure(parser.parse_args()))


if __name__ == "__main__":
    main()

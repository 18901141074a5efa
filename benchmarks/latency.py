"""How well latency is predicted: boards, phones, and this machine.

    python benchmarks/latency.py boards [--networks 96] [--json FILE]
    python benchmarks/latency.py clocks
    python benchmarks/latency.py cells [--cells 1000]

All need KERASNAS_DATA. `boards` times random int8 networks with the reference kernels of
TensorFlow Lite Micro on this machine (`pip install 'kerasnas[micro]'`), fits to them the ratios
between operators that `kerasnas/hardware/latency/boards.py` holds, and fits those to the published
timings of MLPerf Tiny: errors by network and board beside those of total MACs. `clocks` leaves
boards out: by how much one board's timings, scaled by clock, miss those of another with the same
core and runtime: the error that `kerasnas/hardware/latency/clocks.py` states. `cells` ranks cells
of NAS-Bench-201 by their latency on a Pixel 3 and a Raspberry Pi 4.
"""

import argparse
import itertools
import json
import os
import pathlib
import sys
import time
from typing import Any

import numpy as np

import kerasnas as kn
from kerasnas.hardware import HeldOut, LatencyModel, Profile

NETWORKS = {
    "AD": "anomaly_detection__ad01_int8",
    "KWS": "keyword_spotting__kws_ref_model",
    "IC": "image_classification__pretrainedResnet_quant",
    "VWW": "visual_wake_words__vww_96_int8",
}
# ms of AD, KWS, IC and VWW. The first: mlcommons/tiny_results_v0.5, closed/reference. The others:
# mlcommons/tiny_results_v1.1, closed/Krai/results/README.md, which gives inferences a second.
PUBLISHED = {
    "nucleo-l4r5zi, TFLM reference kernels": (10.05, 181.9, 704.0, 601.0),
    "nucleo-l4r5zi, microTVM + CMSIS-NN": tuple(1e3 / n for n in (116.212, 10.019, 2.567, 3.324)),
    "nucleo-l4r5zi, X-CUBE-AI 8.0": tuple(1e3 / n for n in (131.950, 13.759, 4.505, 4.522)),
    "nucleo-h7a3zi, X-CUBE-AI 8.0": tuple(1e3 / n for n in (547.234, 60.988, 18.215, 19.867)),
}
# Inferences a second of AD, KWS, IC and VWW with one runtime on two boards with the same core, at
# clocks in MHz: `*/performance/results.txt` of mlcommons/tiny_results_v1.1, closed/plumerai,
# Skymizer (the NUCLEO with ONNC) and Nuvoton (the NuMaker), and of mlcommons/tiny_results_v1.2,
# closed/bosch, `*_int8`.
SAME_CORE = {
    "Cortex-M4F": {
        "Plumerai 2023.05": {
            ("nucleo-l4r5zi", 120): (246.814, 20.929, 5.961, 10.126),
            ("cy8cproto-062-4343w", 150): (224.456, 18.497, 5.292, 9.234),
        },
        "Bosch HALE 1.0.175": {
            ("nucleo-l4r5zi", 120): (171.375, 16.623, 5.539, 5.540),
            ("cy8cproto-062-4343w", 150): (167.543, 18.466, 6.165, 6.465),
        },
        "ONNC + CMSIS-NN, Zephyr": {
            ("nucleo-l4r5zi", 120): (124.906, 10.679, 3.372, 5.056),
            ("numaker-m467hj", 200): (204.635, 21.652, 5.833, 10.129),
        },
    },
    "Cortex-M7": {
        "Plumerai 2023.05": {
            ("nucleo-h7a3zi", 280): (742.001, 72.141, 19.636, 37.290),
            ("stm32f746g-disco", 216): (585.204, 56.341, 15.904, 29.343),
        },
        "Bosch HALE 1.0.175": {
            ("nucleo-h7a3zi", 280): (735.615, 68.083, 21.811, 22.850),
            ("stm32f746g-disco", 216): (584.380, 52.746, 15.986, 17.468),
        },
    },
}
# The timings that a core's latency model was fitted to.
FITTED_TO = {
    "Cortex-M4F": "nucleo-l4r5zi, TFLM reference kernels",
    "Cortex-M7": "nucleo-h7a3zi, X-CUBE-AI 8.0",
}
SECONDS = 90  # Of timing in all: rounds over all networks, so that the machine's load hits each.
FITTED = (50, 200)  # Cells that a phone's model is fitted to.
SEEDS = 5


def folder() -> pathlib.Path:
    found = os.environ.get("KERASNAS_DATA")
    if not found:
        sys.exit("Set KERASNAS_DATA to the folder that holds mlperf_tiny and nasbench201_cifar10.")
    return pathlib.Path(found)


# --- boards ---------------------------------------------------------------------------------------


def network(family: str, rng: np.random.Generator) -> Any:
    """A random network of a kind that runs on microcontrollers."""
    import keras
    from keras import layers

    def one_of(*values: int) -> int:
        return int(rng.choice(values))

    def normed(x: Any, act: bool = True) -> Any:
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if act else x

    def stride(x: Any) -> int:
        return one_of(1, 1, 2) if min(x.shape[1:3]) >= 8 else 1

    def depthwise(x: Any, *sizes: int) -> Any:
        return normed(layers.DepthwiseConv2D(one_of(*sizes), stride(x), padding="same")(x))

    if family == "dense":
        x = start = keras.Input((one_of(32, 64, 256, 640, 784),))
        for _ in range(one_of(1, 2, 4, 8)):
            x = normed(layers.Dense(one_of(8, 16, 64, 128, 256))(x))
        return keras.Model(start, layers.Dense(one_of(2, 10, 128))(x))
    size = one_of(8, 16, 24, 32, 48)
    if family == "light":
        x = start = keras.Input((size, size, one_of(4, 8, 16)))
        x = layers.Flatten()(light(x, one_of(*range(7))))
        return keras.Model(start, x)
    x = start = keras.Input((size, one_of(size, size, size // 2), one_of(1, 3)))
    if family == "conv":
        for _ in range(one_of(1, 2, 3, 5)):
            conv = layers.Conv2D(one_of(4, 8, 16, 24, 32), one_of(1, 3, 3, 5), stride(x), "same")
            x = normed(conv(x))
    elif family == "separable":
        first = layers.Conv2D(one_of(8, 16, 32, 64), one_of(3, 5), stride(x), "same")
        x = normed(first(x))
        for _ in range(one_of(1, 2, 4, 6)):
            x = depthwise(x, 3, 3, 5)
            x = normed(layers.Conv2D(one_of(8, 16, 32, 64, 96), 1)(x))
    elif family == "depthwise":
        x = normed(layers.Conv2D(one_of(8, 16, 32), 1)(x))
        for _ in range(one_of(1, 2, 4)):
            x = depthwise(x, 3, 5, 7)
    else:
        x = normed(layers.Conv2D(one_of(8, 16), 3, padding="same")(x))
        for _ in range(one_of(1, 2, 3)):
            filters, step = one_of(8, 16, 32), stride(x)
            y = normed(layers.Conv2D(filters, 3, step, "same")(x))
            y = normed(layers.Conv2D(filters, 3, padding="same")(y), act=False)
            x = normed(layers.Conv2D(filters, 1, step, "same")(x), act=False)
            x = layers.ReLU()(layers.Add()([x, y]))
    if rng.random() < 0.5 and min(x.shape[1:3]) >= 4:
        pool = layers.MaxPooling2D if rng.random() < 0.5 else layers.AveragePooling2D
        x = pool(2)(x)
    flat = rng.random() < 0.4 and np.prod(x.shape[1:]) <= 4000
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Softmax()(layers.Dense(one_of(2, 10, 100))(x)))


def light(x: Any, which: int) -> Any:
    """One kind of operator without multiply-accumulates, which in other networks is hard to see."""
    from keras import layers

    if which < 2:
        pool = (layers.MaxPooling2D, layers.AveragePooling2D)[which]
        return pool(2)(pool(3, 1, "same")(x))
    if which == 2:
        return layers.ReLU()(x)
    if which == 3:
        return layers.Activation("sigmoid")(x)
    pooled = layers.MaxPooling2D(3, 1, "same")(x)
    join = (layers.Add, layers.Multiply, layers.Concatenate)[which - 4]
    return join()([x, pooled])


def random_files(count: int, seed: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    families = ("dense", "conv", "separable", "depthwise", "residual", "light")
    files = []
    for i in range(count):
        model = network(families[i % len(families)], rng)
        for weights in model.trainable_variables:
            if len(weights.shape) > 1:
                # Activations that fade away from layer to layer make the softmax kernel abort.
                fan = np.prod(weights.shape[:-1]) / (
                    weights.shape[2] if "depth" in weights.path else 1
                )
                weights.assign(rng.normal(0, np.sqrt(2 / fan), weights.shape))
        data = rng.random((8, *model.input_shape[1:]), dtype=np.float32)
        files.append(kn.export.to_tflite(model, "int8", representative_data=data))
        if (i + 1) % 20 == 0:
            print(f"{i + 1} of {count} networks are converted", flush=True)
    return files


def time_reference_kernels(files: list[bytes]) -> list[float]:
    """Milliseconds of the processor in the fastest run of each file."""
    from tflite_micro import runtime

    ready = []
    for data in files:
        interpreter = runtime.Interpreter.from_bytes(data, arena_size=2**20)
        tensor = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(tensor["shape"], tensor["dtype"]), 0)
        interpreter.invoke()
        ready.append(interpreter)
    best = [np.inf] * len(files)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for i, interpreter in enumerate(ready):
            for _ in range(3):
                # The thread's own time: on a shared machine the clock would count others' too.
                start = time.thread_time()
                interpreter.invoke()
                best[i] = min(best[i], 1e3 * (time.thread_time() - start))
    return best


def tiny_profiles() -> dict[str, Profile]:
    where = folder() / "mlperf_tiny"
    return {
        name: kn.hardware.profile_tflite(where / f"{file}.tflite")
        for name, file in NETWORKS.items()
    }


def boards(options: argparse.Namespace) -> None:
    files = random_files(options.networks, options.seed)
    profiles = [kn.hardware.profile_tflite(data) for data in files]
    tiny = tiny_profiles()
    ms = time_reference_kernels(files)
    if options.json:
        rows = [
            {"ms": one, "work": {kind: list(done) for kind, done in profile.work.items()}}
            for one, profile in zip(ms, profiles, strict=True)
        ]
        pathlib.Path(options.json).write_text(json.dumps(rows))
    host = LatencyModel.fit(
        list(zip(profiles, ms, strict=True)), source="TFLM reference kernels on this machine"
    )
    print(f"\n{host}\n")
    unit = host.costs["CONV_2D"].macs
    print("Ratios, to a million MACs of a convolution:")
    for kind, cost in host.costs.items():
        macs, values, operator = (
            round(part / unit, 3) for part in (cost.macs, cost.values, cost.operator)
        )
        print(f'    "{kind}": Cost(operator={operator}, macs={macs}, values={values}),')
    ratios = LatencyModel(
        host.constant / unit,
        {kind: kn.hardware.Cost(*(part / unit for part in c)) for kind, c in host.costs.items()},
        "these ratios",
    )
    macs = LatencyModel(
        0.0,
        dict.fromkeys(
            ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), kn.hardware.Cost(macs=1)
        ),
        "total MACs",
    )
    for board, published in PUBLISHED.items():
        print(f"\n{board}: error of the fit to 4 networks, and of each left out")
        print(f"{'':<42}" + "".join(f"{name:>18}" for name in tiny) + f"{'worst':>18}")
        for name, like in (("total MACs", macs), ("ours", ratios)):
            for constant in (False, True):
                report_board(name, like, constant, list(tiny.values()), published)
        rows = list(zip(tiny.values(), published, strict=True))
        fitted = LatencyModel.fit(rows, like=ratios)
        scale = fitted.costs["CONV_2D"].macs
        print(f"    _board(..., {scale:.4g}, {fitted.constant:.4g}, {rounded(fitted.error)!r})")


def rounded(error: HeldOut | None) -> HeldOut | None:
    return error and HeldOut(round(error.median, 3), round(error.worst, 3), *error[2:])


def report_board(
    name: str, like: LatencyModel, constant: bool, profiles: list[Profile], ms: tuple[float, ...]
) -> None:
    def fit(rows: list[int]) -> LatencyModel:
        if not constant:
            # With one coefficient: the mean of the relative errors is least, as in `fit`.
            x = np.array([like.predict(profiles[i]) / ms[i] for i in rows])
            scale = float(x.sum() / (x**2).sum())
            costs = {
                kind: kn.hardware.Cost(*(scale * p for p in c)) for kind, c in like.costs.items()
            }
            return LatencyModel(scale * like.constant, costs, name)
        return LatencyModel.fit([(profiles[i], ms[i]) for i in rows], like=like)

    rows = list(range(len(ms)))
    whole = fit(rows)
    inside = [whole.predict(profiles[i]) / ms[i] - 1 for i in rows]
    out = [fit([j for j in rows if j != i]).predict(profiles[i]) / ms[i] - 1 for i in rows]
    scale = next(iter(whole.costs.values())).macs / next(iter(like.costs.values())).macs
    numbers = f"scale {scale:.4g}" + (f", constant {whole.constant:.3g}" if constant else "")
    cells = [f"{a:+.1%} ({b:+.1%})" for a, b in zip(inside, out, strict=True)]
    worst = f"{max(map(abs, inside)):.1%} ({max(map(abs, out)):.1%})"
    print(f"{name + ', ' + numbers:<42}" + "".join(f"{cell:>18}" for cell in [*cells, worst]))


# --- clocks ---------------------------------------------------------------------------------------


def clocks() -> None:
    profiles = list(tiny_profiles().values())
    for core, runtimes in SAME_CORE.items():
        print(f"\n{core}: time scaled by clock, to that of the board that was left out")
        print(f"{'':<72}" + "".join(f"{name:>9}" for name in NETWORKS))
        scaled = []
        for runtime, timed in runtimes.items():
            for (source, mhz), (target, other) in itertools.permutations(timed):
                rates = zip(timed[target, other], timed[source, mhz], strict=True)
                ratios = [there / here * mhz / other for there, here in rates]
                cells = "".join(f"{ratio - 1:>+9.1%}" for ratio in ratios)
                print(f"{f'{runtime}: {source}, {mhz} MHz -> {target}, {other} MHz':<72}{cells}")
                scaled.append(ratios)
        print("scaling alone:", held_out(np.array(scaled), len(scaled)))
        # How far the latency model is off on its own board, for networks that its fit did not see.
        ms = PUBLISHED[FITTED_TO[core]]
        rows = list(zip(profiles, ms, strict=True))
        predicted = []
        for i, (profile, truth) in enumerate(rows):
            fitted = LatencyModel.fit(rows[:i] + rows[i + 1 :], like=kn.hardware.MICROCONTROLLER)
            predicted.append(fitted.predict(profile) / truth)
        error = held_out(np.array(scaled) * np.array(predicted), len(ms))
        print(f"{FITTED_TO[core]}, of networks left out, scaled so: {error}")


def held_out(ratios: np.ndarray, fits: int) -> HeldOut:
    errors = np.abs(ratios - 1)
    return HeldOut(
        round(float(np.median(errors)), 3), round(float(errors.max()), 3), errors.size, fits
    )


# --- cells ----------------------------------------------------------------------------------------

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OURS = {
    "none": "zero",
    "skip_connect": "identity",
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avgpool3x3",
}


def whole_cell(names: list[str]) -> dict[str, str] | None:
    """Settings of a cell each of whose operations lies between input and output; else None.

    Of other cells the published latency holds operations on nothing but zeros, which our file of
    the same cell does not have.
    """
    edges = dict(zip(EDGES, names, strict=True))
    kept = [edge for edge, name in edges.items() if name != "zero"]
    fed, used = {0}, {3}
    for start, end in sorted(kept, key=lambda edge: edge[1]):
        fed |= {end} if start in fed else set()
    for start, end in sorted(kept, key=lambda edge: -edge[0]):
        used |= {start} if end in used else set()
    if not kept or any(start not in fed or end not in used for start, end in kept):
        return None
    return {f"cell/edge_{a}_{b}": name for (a, b), name in edges.items()}


def cells(options: argparse.Namespace) -> None:
    from kerasnas.hypermodels import FixedHyperParameters

    with np.load(folder() / "nasbench201_cifar10.npz", allow_pickle=False) as file:
        table = {name: file[name] for name in file.files}
    names = [OURS[str(name)] for name in table["op_names"]]
    space = kn.CellHyperModel((32, 32, 3), 10, cells=5)
    chosen, profiles = [], []
    seen = 0
    for row in np.random.default_rng(0).permutation(len(table["ops"])):
        seen += 1
        values = whole_cell([names[code] for code in table["ops"][row]])
        if values is None:
            continue
        sketch = space.sketch(FixedHyperParameters(values))
        profiles.append(kn.hardware.profile_graph(sketch, by_layer=False))
        chosen.append(row)
        if len(chosen) == options.cells:
            break
    print(f"{len(chosen)} cells, of {seen} drawn; the others have operations that do not count")
    board = kn.hardware.MICROCONTROLLER
    fixed = {
        "MACs": [profile.macs for profile in profiles],
        "parameters": [profile.params for profile in profiles],
        "microcontroller ratios": [board.predict(profile) for profile in profiles],
    }
    for phone in ("pixel3", "raspi4"):
        ms = table[f"latency_ms_{phone}"][chosen]
        print(f"\n{phone}: {'':<24}Spearman        Kendall         error: median, 90th percentile")
        for name, predicted in fixed.items():
            rho, tau = rank(np.array(predicted, float), ms)
            print(f"  {name:<30}{rho:.3f}           {tau:.3f}")
        for count in FITTED:
            report_fits(count, profiles, ms)


def rank(predicted: np.ndarray, ms: np.ndarray) -> tuple[float, float]:
    from scipy import stats

    return float(stats.spearmanr(predicted, ms)[0]), float(stats.kendalltau(predicted, ms)[0])


def report_fits(count: int, profiles: list[Profile], ms: np.ndarray) -> None:
    """Fits to some cells, judged on the others, over seeds."""
    figures = []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(ms))
        fitted, others = order[:count], order[count:]
        model = LatencyModel.fit([(profiles[i], float(ms[i])) for i in fitted])
        predicted = np.array([model.predict(profiles[i]) for i in others])
        error = np.abs(predicted / ms[others] - 1)
        figures.append([*rank(predicted, ms[others]), np.median(error), np.quantile(error, 0.9)])
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
    rho, tau = (f"{m:.3f} ± {s:.3f}" for m, s in zip(mean[:2], spread[:2], strict=True))
    name = f"LatencyModel.fit on {count} cells"
    print(f"  {name:<30}{rho:<16}{tau:<16}{mean[2]:.1%}, {mean[3]:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("boards", "clocks", "cells"))
    parser.add_argument("--networks", type=int, default=96, help="random networks to time")
    parser.add_argument("--cells", type=int, default=1000, help="random cells to rank")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="file to write the timings of this machine to")
    options = parser.parse_args()
    if options.what == "clocks":
        clocks()
    else:
        (boards if options.what == "boards" else cells)(options)


if __name__ == "__main__":
    main()

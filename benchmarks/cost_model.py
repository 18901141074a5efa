"""How far the cost model is from the files that the exporter writes.

    python benchmarks/cost_model.py [--networks 20] [--fit] [--json FILE]

For random networks of both spaces, and of a layer-level one of a few KB, it prints the error of
the estimated flash, beside that of the usual estimate (bytes of the weights alone), and the time of
the gate beside that of a Keras build.
`--fit` prints the overheads that `kerasnas/hardware/flash.py` should hold.
"""

import argparse
import json
import statistics
import time

import keras_tuner
import numpy as np

import kerasnas as kn
from kerasnas.hardware.flash import Overhead, constant_bytes
from kerasnas.hardware.lowering import lower
from kerasnas.hypermodels import Settled
from kerasnas.oracles import genome


def spaces(size: int) -> dict[str, kn.HyperModel]:
    return {
        "layerwise": kn.LayerwiseHyperModel((size, size, 1), 10),
        "cell": kn.CellHyperModel((size, size, 3), 10, cells=[1, 2], filters=[4, 8, 16]),
        "tiny": kn.LayerwiseHyperModel(
            (size, size, 1), 4, stages=[(2, 4, 8)], strides=(2,), blocks=(1, 2), stem_filters=4
        ),
    }


def draw(space: kn.HyperModel, rng: np.random.Generator) -> keras_tuner.HyperParameters:
    declared = keras_tuner.HyperParameters()
    space.declare(declared)
    values = genome.sample(declared, rng)
    hp = declared.copy()
    hp.values = values
    return hp


def measure(networks: int, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(networks):
        for name, space in spaces(int(rng.integers(8, 33))).items():
            hp = draw(space, rng)
            start = time.perf_counter()
            kn.hardware.profile_graph(space.sketch(Settled(hp.values)), by_layer=False)
            gate = time.perf_counter() - start
            start = time.perf_counter()
            model = space.build(hp)
            build = time.perf_counter() - start
            for layer in model.layers:
                layer.set_weights([rng.uniform(0.2, 1, w.shape) for w in layer.get_weights()])
            program = lower(space.sketch(Settled(hp.values)))
            data = rng.random((16, *space.input_shape), dtype=np.float32)
            for dtype in ("int8", "float32"):
                size = len(kn.export.to_tflite(model, dtype, representative_data=data))
                operators = program.operators
                constants = [c for o in operators for c in o.constants]
                rows.append(
                    {
                        "space": name,
                        "dtype": dtype,
                        "actual": size,
                        "estimate": kn.profile(model, dtype).flash_bytes,
                        "weights": model.count_params() * (1 if dtype == "int8" else 4),
                        "gate_ms": 1e3 * gate,
                        "build_ms": 1e3 * build,
                        "layers": len(model.layers),
                        "constant": sum(constant_bytes(o, dtype) for o in operators),
                        "operators": len(operators),
                        "tensors": len(program.activations) + len(constants),
                        "kinds": len({o.kind for o in operators}),
                        "names": sum(o.name_bytes for o in operators),
                    }
                )
        print(f"{i + 1} of {networks} networks a space", flush=True)
    return rows


def fit(rows: list[dict]) -> None:
    for dtype in ("float32", "int8"):
        chosen = [r for r in rows if r["dtype"] == dtype]
        x = np.array([[1, r["kinds"], r["operators"], r["tensors"]] for r in chosen], float)
        y = np.array([r["actual"] - r["constant"] - r["names"] for r in chosen], float)
        # Relative errors count, so that small networks are fitted as well as large ones.
        scale = np.array([1 / r["actual"] for r in chosen])
        found, *_ = np.linalg.lstsq(x * scale[:, None], y * scale, rcond=None)
        error = abs(x @ found - y) * scale
        print(f"{dtype}: {Overhead(*(round(float(v), 2) for v in found))}")
        print(f"  residual: median {np.median(error):.1%}, worst {error.max():.1%}")


def report(rows: list[dict]) -> None:
    print(f"\n{'space':<11}{'dtype':<9}{'ours: median':>13}{'worst':>8}", end="")
    print(f"{'weights: median':>17}{'worst':>8}")
    for space in ("layerwise", "cell", "tiny"):
        for dtype in ("int8", "float32"):
            chosen = [r for r in rows if (r["space"], r["dtype"]) == (space, dtype)]
            ours = [abs(r["estimate"] / r["actual"] - 1) for r in chosen]
            peer = [abs(r["weights"] / r["actual"] - 1) for r in chosen]
            print(
                f"{space:<11}{dtype:<9}{statistics.median(ours):>13.1%}{max(ours):>8.1%}"
                f"{statistics.median(peer):>17.1%}{max(peer):>8.1%}"
            )
    gate = statistics.median(r["gate_ms"] for r in rows)
    build = statistics.median(r["build_ms"] for r in rows)
    layers = statistics.median(r["layers"] for r in rows)
    print(
        f"gate {gate:.1f} ms, Keras build {build:.0f} ms a proposal of {layers:.0f} layers "
        f"(medians): {build / gate:.0f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=20, help="random networks of each space")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fit", action="store_true", help="print fitted overheads")
    parser.add_argument("--json", help="file to write the measurements to")
    options = parser.parse_args()
    rows = measure(options.networks, options.seed)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file)
    if options.fit:
        fit(rows)
    report(rows)


if __name__ == "__main__":
    main()

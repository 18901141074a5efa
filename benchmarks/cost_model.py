"""How far the cost model is from the files that the exporter writes, and from the interpreter.

    python benchmarks/cost_model.py networks [--networks 34] [--fit] [--json FILE]
    python benchmarks/cost_model.py applications [--names NAME ...] [--export]
    python benchmarks/cost_model.py anchors

`networks` exports random networks of three spaces in four dtypes: errors of the estimated flash,
beside those of the usual estimate (bytes of the weights alone), and of the arena against what the
interpreter of TensorFlow Lite Micro reports (needs the extra `micro`); time of the gate beside that
of a Keras build. `--fit` prints the overheads that `kerasnas/hardware/flash.py` should hold.
`applications` counts the multiply-accumulates of all Keras Applications, beside the count of
TensorFlow's profiler; `--export` converts them too, at a small input. `anchors` profiles the
reference models of MLPerf Tiny, in KERASNAS_DATA.
"""

import argparse
import collections
import dataclasses
import importlib.util
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np

import kerasnas as kn
from kerasnas.hardware.flash import OVERHEADS, Overhead, contents
from kerasnas.hardware.lowering import lower
from kerasnas.hypermodels import FixedHyperParameters
from kerasnas.oracles import genome

DTYPES = tuple(OVERHEADS)
_WIDTHS = {"float32": 4, "float16": 2, "dynamic": 1, "int8": 1}
MICRO = ("int8", "float32")  # What TensorFlow Lite Micro runs.
ANCHORS = {
    "keyword_spotting__kws_ref_model": (2.657, 16_000),
    "visual_wake_words__vww_96_int8": (7.490, 73_728),
    "image_classification__pretrainedResnet_quant": (12.502, 49_152),
    "anomaly_detection__ad01_int8": (0.264, 768),
}


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def quantiles(errors: Sequence[float]) -> list[str]:
    """Median and worst of relative errors, and by how much they are under at worst."""
    sizes = np.abs(errors)
    return [f"{np.median(sizes):.2%}", f"{sizes.max():.2%}", f"{min(0.0, *errors):.2%}"]


# --- random networks ------------------------------------------------------------------------------


def spaces(size: int) -> dict[str, kn.HyperModel]:
    return {
        "layerwise": kn.LayerwiseHyperModel((size, size, 1), 10),
        "cell": kn.CellHyperModel((size, size, 3), 10, cells=[1, 2], filters=[4, 8, 16]),
        # A few KB, where the flatbuffer is most of the file.
        "tiny": kn.LayerwiseHyperModel(
            (size, size, 1), 4, stages=[(2, 4, 8)], strides=(2,), blocks=(1, 2), stem_filters=4
        ),
    }


def draw(space: kn.HyperModel, rng: np.random.Generator) -> keras_tuner.HyperParameters:
    declared = keras_tuner.HyperParameters()
    space.declare(declared)
    hp = declared.copy()
    hp.values = genome.sample(declared, rng)
    return hp


def export(model: keras.Model, dtype: str, rng: np.random.Generator) -> bytes:
    # The zeros and ones of fresh biases and statistics would be folded away.
    for layer in model.layers:
        weights = layer.get_weights()
        layer.set_weights([w if w.ndim > 1 else rng.uniform(0.5, 1, w.shape) for w in weights])
    data = rng.random((8, *model.input_shape[1:]), dtype=np.float32)
    return kn.export.to_tflite(model, dtype, representative_data=data)


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = run()
    return result, 1e3 * (time.perf_counter() - start)


def measure(networks: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for number in range(networks):
        for name, space in spaces(int(rng.integers(8, 33))).items():
            hp = draw(space, rng)
            _, gate = timed(
                lambda space=space, hp=hp: kn.hardware.profile_graph(
                    space.sketch(FixedHyperParameters(hp.values)), by_layer=False
                )
            )
            model, build = timed(lambda space=space, hp=hp: space.build(hp))
            graph = space.sketch(FixedHyperParameters(hp.values))
            for dtype in DTYPES:
                file = export(model, dtype, rng)
                profile = kn.profile(model, dtype)
                row = {
                    "space": name,
                    "dtype": dtype,
                    "layers": len(model.layers),
                    "gate_ms": gate,
                    "build_ms": build,
                    "flash": profile.flash_bytes,
                    "file": len(file),
                    "weights": model.count_params() * _WIDTHS[dtype],
                    "contents": dataclasses.asdict(contents(lower(graph, dtype))),
                }
                if dtype in MICRO and importlib.util.find_spec("tflite_micro"):
                    real = kn.hardware.measure_arena(file)
                    read = kn.hardware.profile_tflite(file)
                    row |= {
                        "head": profile.arena_head,
                        "ram": profile.ram_bytes,
                        "file_head": read.arena_head,
                        "file_ram": read.ram_bytes,
                        "real_head": real.head,
                        "real_ram": real.total,
                    }
                yield row
        print(f"{number + 1} of {networks} networks a space", file=sys.stderr, flush=True)


def fit(rows: list[dict[str, Any]]) -> None:
    from scipy.optimize import nnls

    names = list(Overhead.__dataclass_fields__)
    for dtype in DTYPES:
        chosen = [row for row in rows if row["dtype"] == dtype]
        used = [name for name in names if name != "quantized" or dtype in ("int8", "dynamic")]
        x = np.array([[row["contents"][name] for name in used] for row in chosen], float)
        y = np.array([row["file"] - row["contents"]["counted"] for row in chosen], float)
        # Relative errors count, so that small networks are fitted as well as large ones.
        scale = np.array([1 / row["file"] for row in chosen])
        found, _ = nnls(x * scale[:, None], y * scale)
        cost = dict.fromkeys(names, 0.0) | dict(zip(used, found.round(1), strict=True))
        print(f"{dtype}: {Overhead(**cost)}")


def report_networks(rows: list[dict[str, Any]]) -> None:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = collections.defaultdict(list)
    for row in rows:
        groups[row["space"], row["dtype"]].append(row)
        groups["all", row["dtype"]].append(row)
    lines = [
        ["flash, error", "dtype", "files", "median", "worst", "under", "weights alone", "worst"]
    ]
    for (space, dtype), chosen in sorted(groups.items()):
        ours = quantiles([row["flash"] / row["file"] - 1 for row in chosen])
        theirs = quantiles([row["weights"] / row["file"] - 1 for row in chosen])
        lines.append([space, dtype, str(len(chosen)), *ours, *theirs[:2]])
    print(table(lines))
    lines = [["arena, error", "dtype", "files", "head equal", "median", "worst", "under"]]
    for source, head, ram in (
        ("from Keras", "head", "ram"),
        ("from the file", "file_head", "file_ram"),
    ):
        for dtype in MICRO:
            chosen = [row for row in groups["all", dtype] if "real_ram" in row]
            if chosen:
                equal = sum(row[head] == row["real_head"] for row in chosen)
                errors = quantiles([row[ram] / row["real_ram"] - 1 for row in chosen])
                lines.append([source, dtype, str(len(chosen)), str(equal), *errors])
    print("\n" + table(lines))
    each = groups["all", "int8"]
    lines = [["a proposal, ms", "median", "95 %", "worst"]]
    for label, name in (("gate", "gate_ms"), ("Keras build", "build_ms")):
        found = np.quantile([row[name] for row in each], (0.5, 0.95, 1))
        lines.append([label, *(f"{value:.1f}" for value in found)])
    layers = np.quantile([row["layers"] for row in each], (0.5, 0.95, 1))
    lines.append(["layers", *(f"{value:.0f}" for value in layers)])
    print("\n" + table(lines))


# --- Keras Applications ---------------------------------------------------------------------------


def applications(names: Sequence[str], small: bool) -> Iterator[tuple[str, keras.Model]]:
    for name in sorted(dir(keras.applications)):
        make = getattr(keras.applications, name)
        if not name[0].isupper() or not callable(make) or (names and name not in names):
            continue
        keras.utils.clear_session()
        settings: dict[str, Any] = {"weights": None, "classifier_activation": None}
        shape = (96, 96, 3) if small else None
        if name.startswith("MobileNetV3"):
            shape = shape or (224, 224, 3)  # By default it takes any size.
        if name == "NASNetLarge" and shape:
            shape = (331, 331, 3)
        yield name, make(**settings, **({"input_shape": shape} if shape else {}))


def profiler_macs(model: keras.Model) -> int:
    """Half of the floating point operations that TensorFlow counts in kernels."""
    import tensorflow as tf

    spec = [tf.TensorSpec([1, *tensor.shape[1:]], tensor.dtype) for tensor in model.inputs]
    run = tf.function(lambda *x: model(list(x) if len(x) > 1 else x[0], training=False))
    graph = run.get_concrete_function(*spec).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    found: dict[str, int] = {}

    def visit(node: Any) -> None:
        found[node.name] = node.float_ops
        for child in node.children:
            visit(child)

    visit(tf.compat.v1.profiler.profile(graph, options=options, cmd="op"))
    kinds = ("Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative", "MatMul")
    # It does not enter the function in which Keras runs grouped convolutions, as in ConvNeXt.
    return sum(found.get(kind, 0) for kind in kinds) // 2


def report_applications(names: Sequence[str], with_export: bool) -> None:
    lines = [["application", "input", "MACs", "TensorFlow's profiler", "flash", "file", "error"]]
    equal = total = 0
    for name, model in applications(names, small=with_export):
        size = "x".join(map(str, model.input_shape[1:3]))
        try:
            profile = kn.profile(model, "float32")
            if with_export:
                file = len(export(model, "float32", np.random.default_rng(0)))
        except (ValueError, RuntimeError, TimeoutError) as error:
            lines.append([name, size, f"not exported: {str(error).splitlines()[-1].strip()[:60]}"])
            lines[-1] += [""] * (len(lines[0]) - 3)
            continue
        macs = profiler_macs(kn.compression.to_tf_keras(model))
        total += 1
        equal += macs == profile.macs
        row = [name, size, f"{profile.macs:,}", f"{macs:,}", f"{profile.flash_bytes:,}"]
        row += [f"{file:,}", f"{profile.flash_bytes / file - 1:+.2%}"] if with_export else ["", ""]
        lines.append(row)
        print(name, file=sys.stderr, flush=True)
    print(table(lines))
    print(f"\nMultiply-accumulates equal: {equal} of {total}")


# --- MLPerf Tiny ----------------------------------------------------------------------------------


def report_anchors() -> None:
    folder = os.environ.get("KERASNAS_DATA")
    if not folder:
        sys.exit("Set KERASNAS_DATA to the folder that holds mlperf_tiny.")
    micro = importlib.util.find_spec("tflite_micro") is not None
    lines = [["model", "M MACs", "known", "head", "known", "RAM", "interpreter"]]
    for path in sorted((pathlib.Path(folder) / "mlperf_tiny").glob("*.tflite")):
        data = path.read_bytes()
        profile = kn.hardware.profile_tflite(data)
        macs, head = ANCHORS.get(path.stem, (None, None))
        lines.append(
            [
                path.stem,
                f"{profile.macs / 1e6:.3f}",
                "" if macs is None else f"{macs:.3f}",
                f"{profile.arena_head:,}",
                "" if head is None else f"{head:,}",
                f"{profile.ram_bytes:,}",
                f"{kn.hardware.measure_arena(data).total:,}" if micro else "",
            ]
        )
    print(table(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", default="networks", help="networks, applications, ...")
    parser.add_argument("--networks", type=int, default=34, help="random networks of each space")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fit", action="store_true", help="print fitted overheads")
    parser.add_argument("--names", nargs="*", default=(), help="of applications")
    parser.add_argument("--export", action="store_true", help="convert the applications too")
    parser.add_argument("--json", help="file to write the measurements to")
    options = parser.parse_args()
    if options.part == "applications":
        report_applications(options.names, options.export)
    elif options.part == "anchors":
        report_anchors()
    elif options.part == "networks":
        rows = list(measure(options.networks, options.seed))
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(rows))
        if options.fit:
            fit(rows)
        report_networks(rows)
    else:
        parser.error(f"unknown part {options.part!r}: networks, applications or anchors")


if __name__ == "__main__":
    main()

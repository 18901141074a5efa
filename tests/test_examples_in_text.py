"""Every block of Python in a docstring or in the README runs as it stands.

Examples with `>>>` are run by pytest itself (`--doctest-modules` in setup.cfg). A block between
three backticks shows a step of a longer program. It runs in an empty folder, with the names of its
module and those of `NAMES` and `FILES`, of which only those are made that it mentions.
"""

import ast
import functools
import importlib
import pathlib
import re
import textwrap
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn

ROOT = pathlib.Path(__file__).parents[1]
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks() -> list[Any]:
    found = []
    for path in sorted((ROOT / "kerasnas").rglob("*.py")):
        text = path.read_text()
        for block in BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 2
            name = str(path.relative_to(ROOT))
            found.append(pytest.param(name, textwrap.dedent(block[2]), id=f"{name}:{line}"))
    return found


@functools.cache
def data(samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(samples)
    return rng.random((samples, 8, 8, 3), "float32"), rng.integers(2, size=samples)


@functools.cache
def model() -> keras.Model:
    """A trained classifier of two classes."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(24, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, activation="softmax"),
    ]
    made = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    made.fit(*data(64), verbose=0)
    return made


@functools.cache
def compressed() -> kn.compression.Compressed:
    recipe = [kn.Cluster(4), kn.Quantize("int8", method="ptq")]
    return kn.compress(model(), recipe, train_data=data(64), validation_data=data(32))


def board() -> kn.hardware.LatencyModel:
    write_timings()
    return kn.hardware.LatencyModel.fit("board.csv", like=kn.hardware.MICROCONTROLLER)


def write_file(path: str = "model.tflite") -> None:
    compressed().save(path)


@functools.cache
def timed() -> dict[str, tuple[bytes, float]]:
    """Files by name, with milliseconds."""
    found = {}
    for number, filters in enumerate((4, 16, 32, 64)):
        layers = [keras.layers.Conv2D(filters, 3), keras.layers.GlobalAveragePooling2D()]
        made = keras.Sequential([keras.Input((8, 8, 3)), *layers])
        file = kn.export.to_tflite(made, "int8", data(64)[0])
        found[f"{number}.tflite"] = file, kn.profile(made).macs / 1e5
    return found


def write_timings() -> None:
    lines = ["model,ms"]
    for path, (file, ms) in timed().items():
        pathlib.Path(path).write_bytes(file)
        lines.append(f"{path},{ms}")
    pathlib.Path("board.csv").write_text("\n".join(lines))


def write_operator_timings() -> None:
    """As TensorFlow Lite's `benchmark_model` prints them."""
    write_file()
    lines = ["node type, avg_ms"]
    for layer in kn.hardware.profile_tflite("model.tflite").layers:
        lines.append(f"{layer.kind}, {1e-3 + layer.macs / 1e5}")
    pathlib.Path("phone.csv").write_text("\n".join(lines))


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Any build function of KerasTuner."""
    units = hp.Int("units", 8, 64, step=8)
    layers = [
        keras.layers.Flatten(),
        keras.layers.Dense(units, "relu", use_bias=hp.Boolean("bias")),
    ]
    made = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(2, "softmax")])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def space() -> keras_tuner.HyperParameters:
    """Of an operation, with a kernel where it is a convolution, a width, a depth and a flag."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", ["conv", "pool"])
    with hp.conditional_scope("op", ["conv"]):
        hp.Choice("kernel", [3, 5, 7])
    hp.Int("units", 8, 64, step=8)
    hp.Int("width", 8, 64, step=8)
    hp.Int("depth", 1, 6)
    hp.Boolean("bias")
    return hp


def oracle() -> kn.oracles.Oracle:
    """In the middle of its search: four trials have ended."""
    objective = keras_tuner.Objective("val_accuracy", "max")
    made = kn.oracles.NEATOracle(objective, max_trials=20, hyperparameters=space(), seed=0)
    made.open("runs", "digits")
    for _ in range(4):
        begun = made.create_trial("me")
        made.update_trial(begun.trial_id, {"val_accuracy": begun.hyperparameters["units"] / 64})
        begun.status = "COMPLETED"
        made.end_trial(begun)
    return made


def tuner() -> kn.Tuner:
    """After its search."""
    made = kn.Random(build, "val_accuracy", max_trials=2, directory="runs", seed=0)
    made.search(*data(64), validation_data=data(32), epochs=1, verbose=0)
    return made


# What examples take from the program around them.
NAMES: dict[str, Callable[[], Any]] = {
    "kn": lambda: kn,
    "kerasnas": lambda: kn,
    "keras": lambda: keras,
    "keras_tuner": lambda: keras_tuner,
    "tf_keras": lambda: importlib.import_module("tf_keras"),
    "dataclasses": lambda: importlib.import_module("dataclasses"),
    "pathlib": lambda: pathlib,
    "numpy": lambda: np,
    "np": lambda: np,
    "x": lambda: data(64)[0],
    "y": lambda: data(64)[1],
    "x_train": lambda: data(64)[0],
    "y_train": lambda: data(64)[1],
    "xv": lambda: data(32)[0],
    "yv": lambda: data(32)[1],
    "x_val": lambda: data(32)[0],
    "y_val": lambda: data(32)[1],
    "x_test": lambda: data(48)[0],
    "y_test": lambda: data(48)[1],
    "model": model,
    "small": compressed,
    "data": lambda: compressed().tflite,
    "board": board,
    "build": lambda: build,
    "hp": space,
    "space": space,
    "oracle": oracle,
    "history": lambda: oracle().history,
    "trials": lambda: list(oracle().completed),
    "trial": lambda: oracle().create_trial("me"),
    "strategy": kn.oracles.Evolution,
    "objectives": lambda: [keras_tuner.Objective("val_accuracy", "max")],
    "rng": lambda: np.random.default_rng(0),
    "tuner": tuner,
}
FILES: dict[str, Callable[[], Any]] = {
    "model.tflite": write_file,
    "board.csv": write_timings,
    "phone.csv": write_operator_timings,
    "runs/digits": oracle,
}


@pytest.mark.parametrize(("path", "code"), blocks())
def test_block_of_a_docstring(path, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    run(code, dict(vars(module)))


def test_blocks_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text()
    # Two networks of one epoch show that the program is right; it is the reader who has the time.
    assert "max_trials=50" in text
    assert "epochs=5" in text
    text = text.replace("max_trials=50", "max_trials=2").replace("epochs=5", "epochs=1")
    rng = np.random.default_rng(0)
    names: dict[str, Any] = {}
    for end in ("", "_val"):
        names[f"x{end}"] = rng.random((64, 28, 28, 1), "float32")
        names[f"y{end}"] = rng.integers(10, size=64)
    for block in BLOCK.finditer(text):
        run(block[2], names)


def run(code: str, names: dict[str, Any]) -> None:
    """Runs a program in an own scope, with what it needs from the one around it."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in NAMES:
            names.setdefault(node.id, NAMES[node.id]())
        elif isinstance(node, ast.Constant) and node.value in FILES:
            FILES[node.value]()
    exec(compile(tree, "example", "exec"), names)

"""The search side on every Keras backend, each in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

MODULES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}

SEARCH = """
import json, sys
import numpy as np
import kerasnas as kn

imported = sorted({"tensorflow", "tf_keras", "tensorflow_model_optimization"} & set(sys.modules))
rng = np.random.default_rng(0)
x, y = rng.random((32, 8, 8, 1), dtype="float32"), rng.integers(0, 3, 32)
found = []
for space in (
    kn.LayerwiseHyperModel((8, 8, 1), 3, stages=[(4, 8)], blocks=(1, 2), training=kn.Training(
        optimizer="momentum", augmentation=[kn.augment.Shift(1), kn.augment.Mixup(0.4)],
        label_smoothing=0.1, class_weight="balanced")),
    kn.CellHyperModel((8, 8, 1), 3, stages=2, filters=4),
):
    tuner = kn.Evolution(
        space, objective="val_loss", max_trials=2, budget=kn.Budget(flash="64KB"), seed=0,
        directory=sys.argv[1], project_name=type(space).__name__,
    )
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    model = tuner.get_best_models(1)[0]
    found.append([model.predict(x, verbose=0).shape, kn.profile(model).macs > 0,
                  [row["message"] or row["status"] for row in tuner.results()],
                  min(row["statistics_duration"] for row in tuner.results())])
print(json.dumps({"imported": imported, "found": found}))
"""


END = """
import json, sys
import numpy as np
import kerasnas as kn

rng = np.random.default_rng(0)
x, y = rng.random((40, 8, 8, 1), dtype="float32"), rng.integers(0, 3, 40)
space = kn.LayerwiseHyperModel((8, 8, 1), 3, stages=[(4, 8)], blocks=(1, 2))
tuner = kn.Tuner(
    space, "greedy", objective="val_accuracy", max_trials=6, seed=0, directory=sys.argv[1],
    fidelity=kn.oracles.ShortThenBest(epochs=1, keep=2), inherit=True,
)
tuner.search(x, y, validation_data=(x, y), epochs=2, verbose=0)
found = kn.retrain(tuner, k=2, seeds=1, epochs=2, verbose=0, test_data=(x, y))
rows = tuner.results()
print(json.dumps({
    "epochs": [row["epochs"] for row in rows], "messages": [row["message"] for row in rows],
    "retrained": [row["message"] for row in found.rows], "test": found.test["accuracy"],
    "score": max(row["score"] for row in found.rows),
    "right": float((found.model.predict(x, verbose=0).argmax(-1) == y).mean()),
}))
"""


def run(code: str, backend: str, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("backend", list(MODULES))
def test_both_spaces_are_searched(backend, tmp_path):
    if importlib.util.find_spec(MODULES[backend]) is None:
        pytest.skip(f"{backend} is not installed; `make test-backends` installs it")
    result = run(SEARCH, backend, str(tmp_path))
    for shape, costed, statuses, seconds in result["found"]:
        assert shape == [32, 3]
        assert costed
        assert statuses == ["COMPLETED", "COMPLETED"]
        assert seconds > 0  # One step settles no statistics: they are taken anew.
    assert result["imported"] == (["tensorflow"] if backend == "tensorflow" else [])


@pytest.mark.parametrize("backend", list(MODULES))
def test_short_trainings_inheritance_and_the_end_of_a_search(backend, tmp_path):
    if importlib.util.find_spec(MODULES[backend]) is None:
        pytest.skip(f"{backend} is not installed; `make test-backends` installs it")
    result = run(END, backend, str(tmp_path))
    assert result["messages"] == [None] * 6
    assert result["epochs"][:4] == [1] * 4
    assert set(result["epochs"][4:]) <= {1, 2}  # Half of two, where one inherits.
    assert result["retrained"] == [None, None]
    assert result["test"] == pytest.approx(result["right"])
    assert result["score"] >= result["right"] - 1e-6


def test_the_environment_of_keras_2_is_left_alone():
    code = "import json, os, kerasnas; print(json.dumps(dict(os.environ)))"
    assert "TF_USE_LEGACY_KERAS" not in run(code, "tensorflow")

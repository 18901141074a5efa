"""Files of a finished run that were damaged, or made by somebody else."""

import json
import pathlib
import random
import shutil
import warnings

import h5py
import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.runtime import sealed
from kerasnas.tuners import Random, Tuner
from kerasnas.tuners.checkpoint import load_weights

FILES = [
    "journal.jsonl",
    "oracle.json",
    "tuner0.json",
    "trial_0/trial.json",
    "trial_0/run.json",
    "trial_0/build_config.json",
    "trial_0/checkpoint.weights.h5",
]


def tuner_of(build, directory):
    return Random(build, "val_loss", max_trials=1, seed=0, directory=directory, project_name="run")


def table(tuner):
    return [(r["trial_id"], r["status"], r["values"], r["score"]) for r in tuner.results()]


def unbuilt(hp):
    """It needs the build config too."""
    layers = [keras.layers.Dense(hp.Int("units", 2, 5)), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def finished(fit, tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    tuner = tuner_of(unbuilt, directory)
    tuner.search(**{**fit, "epochs": 1})
    return directory / "run", table(tuner), tuner.get_best_models()[0].get_weights()


def load(tuner):
    """The best model's weights, or what its error says."""
    try:
        return tuner.get_best_models()[0].get_weights()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_told_or_changes_nothing(finished, tmp_path, name):
    run, rows, weights = finished
    draw = random.Random(0)
    for _ in range(8):
        copy = tmp_path / "run"
        shutil.copytree(run, copy)
        content = bytearray((copy / name).read_bytes())
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        (copy / name).write_bytes(content)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            tuner = tuner_of(unbuilt, tmp_path)
            assert table(tuner) == rows
            loaded = load(tuner)
        if isinstance(loaded, str):
            assert name in ("trial_0/checkpoint.weights.h5", "trial_0/build_config.json")
            assert "cannot be read" in loaded
        else:
            for one, other in zip(loaded, weights, strict=True):
                np.testing.assert_array_equal(one, other)
            told = [str(one.message) for one in said if name.split("/")[-1] in str(one.message)]
            assert any("annot be read" in one or "annot read" in one for one in told)
        shutil.rmtree(copy)


def small_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    return model


def lead_to_another_file(path, victim):
    with h5py.File(victim, "w") as file:
        file["stolen"] = np.ones((3, 2))
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(victim, "stolen")


def lead_to_another_place(path, victim):
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")


def lead_to_raw_bytes(path, victim):
    victim.write_bytes(bytes(24))
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset(
            "0", (3, 2), "float32", external=[(str(victim), 0, 24)]
        )


def lead_to_a_virtual_array(path, victim):
    with h5py.File(victim, "w") as file:
        file["stolen"] = np.ones((3, 2), "float32")
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource(victim, "stolen", (3, 2))
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_virtual_dataset("0", layout)


@pytest.mark.parametrize(
    "lead",
    [lead_to_another_file, lead_to_another_place, lead_to_raw_bytes, lead_to_a_virtual_array],
)
def test_a_checkpoint_that_leads_elsewhere_is_refused(tmp_path, lead):
    path = tmp_path / "checkpoint.weights.h5"
    small_model().save_weights(path)
    load_weights(small_model(), str(path), "", None)
    lead(path, tmp_path / "victim")
    with pytest.raises(ValueError, match=rf"{path} cannot be read: .* leads out of it"):
        load_weights(small_model(), str(path), "", None)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(900)])
def test_a_checkpoint_without_a_hash_is_refused_as_plainly(tmp_path, content):
    """As version 0.1.0 left it."""
    path = tmp_path / "checkpoint.weights.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(small_model(), str(path), "", None)


def test_a_run_without_hashes_is_read(finished, tmp_path):
    """As version 0.1.0 left it."""
    run, rows, weights = finished
    shutil.copytree(run, tmp_path / "run")
    for name in ("run.json", "build_config.json"):
        path = pathlib.Path(tmp_path, "run", "trial_0", name)
        record = sealed.loads(path.read_bytes())
        record.pop("checkpoint_sha256", None)
        path.write_text(json.dumps(record))
    tuner = tuner_of(unbuilt, tmp_path)
    assert table(tuner) == rows
    for one, other in zip(tuner.get_best_models()[0].get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_checkpoint_of_another_trial_is_refused(build, fit, tmp_path):
    tuner = Random(build, "val_loss", max_trials=2, seed=0, directory=tmp_path, project_name="run")
    tuner.search(**{**fit, "epochs": 1})
    first, second = (tmp_path / "run" / f"trial_{n}" / "checkpoint.weights.h5" for n in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(ValueError, match=r"trial_0.*not the bytes that the trial has written"):
        tuner.load_model(tuner.oracle.trials["0"])


def random_search(build, directory):
    """With an oracle of KerasTuner's, whose files have no checksums."""
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=2, seed=0)
    return Tuner(build, oracle, directory=directory, project_name="run")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trial_0/trial.json", {"trial_id": "x/../../../PWN"}),
        ("trial_0/trial.json", {"hyperparameters": {}}),
        ("trial_0/trial.json", {"metrics": None}),
        ("oracle.json", {"ongoing_trials": {"tuner0": "7"}}),
        ("oracle.json", {"hyperparameters": {"space": [{"class_name": "X"}], "values": {}}}),
    ],
)
def test_files_of_keras_tuner_that_make_no_sense_are_refused(build, fit, tmp_path, name, change):
    random_search(build, tmp_path / "runs").search(**{**fit, "epochs": 1})
    path = tmp_path / "runs" / "run" / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    before = {str(path) for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=r"oracle's files in .* cannot be read.*overwrite=True"):
        random_search(build, tmp_path / "runs")
    assert {str(path) for path in tmp_path.rglob("*")} == before


def test_a_link_in_a_run_of_keras_tuner_is_refused(build, fit, tmp_path):
    random_search(build, tmp_path / "runs").search(**{**fit, "epochs": 1})
    path = tmp_path / "runs" / "run" / "trial_0"
    path.rename(tmp_path / "victim")
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(ValueError, match="trial_0 is no plain file"):
        random_search(build, tmp_path / "runs")

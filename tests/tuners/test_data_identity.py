"""A run that goes on with other data, or with another seed, is told."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import kerasnas as kn
from kerasnas.tuners import data_identity as module
from kerasnas.tuners.data_identity import data_identity

ARRAYS = hnp.arrays(
    st.sampled_from(["float32", "int64", "uint8", "bool"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(array=ARRAYS, place=st.integers(0, 10**6))
def test_equal_arrays_are_equal_and_one_other_value_is_seen(array, place):
    one = data_identity((array,), {})
    assert one == data_identity((), {"x": array.copy()})
    assert one == data_identity((np.array(array, order="F"),), {})
    assert one != data_identity((array[None],), {})
    if array.size:
        other = array.copy()
        other.flat[place % array.size] = 1 - other.flat[place % array.size].astype(int)
        changed = other.tobytes() != array.tobytes()
        assert (data_identity((other,), {}) != one) == changed


def test_structures_data_sets_and_what_is_no_data():
    x = np.arange(6.0).reshape(3, 2)
    sets = [tf.data.Dataset.from_tensor_slices(x[:rows]).batch(2) for rows in (3, 3, 1)]
    one, same, shorter = (data_identity((data,), {}) for data in sets)
    assert one == same != shorter
    parts = {"a": x, "b": [x, x + 1]}
    assert data_identity((parts,), {}) == data_identity(({"a": x, "b": [x, x + 1]},), {})
    assert data_identity((parts,), {}) != data_identity(({"a": x, "b": [x + 1, x]},), {})
    words = np.array(["yes", "no", None], dtype=object)
    assert data_identity((words,), {}) == data_identity((words.copy(),), {})
    assert data_identity((words,), {}) != data_identity((words[::-1],), {})
    assert data_identity((), {"epochs": 5, "callbacks": [], "verbose": 1}) == {}
    splits = [data_identity((x,), {"validation_split": share}) for share in (0.1, 0.2)]
    assert splits[0] != splits[1]
    # Arguments of a `fit` of one's own.
    own = [data_identity((), {"folds": [x, x * scale], "k": 3}) for scale in (1, 1, 2)]
    assert own[0] == own[1] != own[2]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

    assert list(data_identity((Batches(),), {})) == ["x"]
    assert list(data_identity(((row for row in x),), {})) == ["x"]


def test_of_a_large_array_parts_are_read(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 6400)
    x = np.zeros((10_000, 10), "uint8")
    one = data_identity((x,), {})
    x[-40:] = 1
    assert data_identity((x,), {}) != one


def search(build, fit, tmp_path, **changes):
    tuner = kn.Evolution(
        build, "val_loss", max_trials=changes.pop("max_trials", 1), seed=0, directory=tmp_path
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuner.search(**{**fit, **changes})
    return [str(one.message) for one in caught if "other data" in str(one.message)]


def test_a_run_that_goes_on_with_other_data_is_told(build, fit, tmp_path):
    assert not search(build, fit, tmp_path)
    assert not search(
        build,
        {name: np.copy(value) for name, value in fit.items()}
        | {
            "verbose": 0,
            "validation_split": 0.25,
            "epochs": 2,
            "batch_size": 32,
        },
        tmp_path,
    )
    for _ in range(2):  # It stays the data that the run was begun with.
        [said] = search(build, fit, tmp_path, x=fit["x"] + 1)
        assert re.search(r"scored on other data: x is not .* each fold .*project_name", said)
    [said] = search(build, fit, tmp_path, x=fit["x"][:40], y=fit["y"][:40], max_trials=2)
    assert "other data: x, y are not" in said


def test_a_run_in_which_nothing_was_learned_takes_new_data(build, fit, tmp_path):
    def broken(hp):
        raise ValueError("not today")

    with pytest.raises(RuntimeError):
        kn.Evolution(
            lambda hp: broken(hp) if hp.values.get("units") else build(hp),
            "val_loss",
            max_trials=1,
            directory=tmp_path,
            project_name="p",
            seed=0,
        ).search(**fit)
    tuner = kn.Evolution(
        lambda hp: build(hp), "val_loss", max_trials=1, directory=tmp_path, project_name="p"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        tuner.search(**{**fit, "x": fit["x"] * 2})
    assert tuner.get_best_trials(1)

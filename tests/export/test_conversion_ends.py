"""Files of several inputs and outputs: every array meets its tensor, whatever the names."""

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kerasnas.export import Interpreter, quantization_errors, to_tflite, verify

L = keras.layers
SAMPLES = 80
# As an alphabet sorts them they stand in another order than by number.
NAMES = ("input_1000", "input_2", "b", "a", "output_10", "Z", "c.d")
KINDS = ("vector", "steps", "indices", "pixels")


def structures(tensors):
    """The ways in which a model may take or give tensors, by name."""
    keys = [f"k{9 - i}" for i in range(len(tensors))]
    yield "list", list(tensors)
    yield "dict", dict(zip(keys, tensors, strict=True))
    yield "nested", {"z": list(tensors[:2]), "a": {"y": tuple(tensors[2:])}}


def branch(kind, name, rng):
    """An input of one kind, what is made of it, and samples of it."""
    if kind == "indices":
        tensor = keras.Input((5,), dtype="int32", name=name)
        return tensor, L.Flatten()(L.Embedding(40, 4)(tensor)), rng.integers(0, 40, (SAMPLES, 5))
    if kind == "pixels":
        tensor = keras.Input((4, 4, 1), dtype="uint8", name=name)
        x = L.Flatten()(L.Rescaling(1 / 127.5, -1.0)(tensor))
        return tensor, L.Dense(6)(x), rng.integers(0, 256, (SAMPLES, 4, 4, 1))
    shape, scale = {"vector": (5,), "steps": (3, 4)}[kind], 10.0 ** rng.integers(-3, 4)
    tensor = keras.Input(shape, name=name)
    dense = L.Dense(6)
    made = dense(L.Flatten()(tensor))
    dense.kernel.assign(dense.kernel / scale)
    return tensor, made, rng.normal(size=(SAMPLES, *shape)) * scale


def built(kinds, names, widths, as_inputs, as_outputs, seed):
    """A model, and samples in the order of its inputs."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    branches = [branch(kind, name, rng) for kind, name in zip(kinds, names, strict=False)]
    tensors, made, arrays = zip(*branches, strict=True)
    joined = made[0] if len(made) == 1 else L.Concatenate()(list(made))
    outputs = [L.Dense(w, name=f"out_{n}")(joined) for n, w in zip(names, widths, strict=False)]
    model = keras.Model(dict(structures(tensors))[as_inputs], dict(structures(outputs))[as_outputs])
    place = {id(tensor): array for tensor, array in zip(tensors, arrays, strict=True)}
    return model, [place[id(tensor)].astype(tensor.dtype) for tensor in model.inputs]


def agree(model, x, found):
    ready = keras.tree.pack_sequence_as(model.input, x)
    for want, have in zip(keras.tree.flatten(model.predict(ready, verbose=0)), found, strict=True):
        assert want.shape == have.shape
        assert np.corrcoef(want.ravel(), have.ravel())[0, 1] > 0.99


# Shrinking would convert hundreds of files.
@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
@settings(max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    st.permutations(NAMES),
    st.lists(st.integers(2, 5), min_size=1, max_size=6),
    st.sampled_from(["list", "dict", "nested"]),
    st.sampled_from(["list", "dict", "nested"]),
    st.sampled_from(["list", "own", "names"]),
    st.integers(0, 99),
)
def test_inputs_and_outputs_of_int8_files(
    kinds, names, widths, as_inputs, as_outputs, as_samples, seed
):
    model, x = built(kinds, names, widths, as_inputs, as_outputs, seed)
    samples = {
        "list": x,
        "own": keras.tree.pack_sequence_as(model.input, x),
        "names": {t.name: array for t, array in zip(model.inputs, x, strict=True)},
    }[as_samples]
    found = Interpreter(to_tflite(model, "int8", samples)).predict(x)
    agree(model, x, found if len(model.outputs) > 1 else [found])


def many(count):
    """A model of so many inputs and outputs that their numbers have two digits."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    tensors = [keras.Input((2,), name=f"in_{n}") for n in range(count)]
    x = [rng.normal(size=(SAMPLES, 2)).astype("float32") * 3.0**n for n in range(count)]
    outputs = [L.Dense(2, name=f"out_{n}")(tensor) for n, tensor in enumerate(tensors)]
    return keras.Model(tensors, outputs), x


def test_twelve_inputs_and_outputs():
    model, x = many(12)
    data = to_tflite(model, "int8", x)
    agree(model, x, Interpreter(data).predict(x))
    y = model.predict(x, verbose=0)
    assert max(verify(data, x, y, model).largest_difference.values()) < 0.05 * 3.0**12


def test_errors_of_twelve_outputs_are_told_of_their_layers():
    model, x = many(12)
    errors = quantization_errors(model, x)
    assert {error["layer"] for error in errors} == {f"out_{n}" for n in range(12)}
    assert max(error["steps"] for error in errors) < 1


def test_errors_with_inputs_of_indices():
    model, x = built(["indices", "vector", "steps"], NAMES, [3], "list", "list", 0)
    assert max(error["steps"] for error in quantization_errors(model, x)) < 3

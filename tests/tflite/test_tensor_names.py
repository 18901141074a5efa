import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kerasnas as kn
from kerasnas.export import Interpreter, to_tflite
from kerasnas.tflite.tensor_names import name_after_layers

L = keras.layers


def names(data):
    graphs = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs
    return [tensor.name.decode() for graph in graphs for tensor in graph.tensors]


def network():
    x = inputs = keras.Input((8, 8, 3))
    for number in range(2):
        x = L.Conv2D(4, 3, bias_initializer="normal", name=f"conv_{number}")(x)
        x = L.ReLU()(L.BatchNormalization()(x))
    x = L.Flatten(name="flat")(x)
    heads = [L.Dense(n, bias_initializer="normal", name=f"head_{n}")(x) for n in (3, 2)]
    return keras.Model(inputs, heads)


@pytest.mark.parametrize("quantization", ["float32", "float16", "dynamic", "int8"])
def test_tensors_are_named_after_their_layers(quantization, rng):
    data = to_tflite(network(), quantization, rng.random((8, 8, 8, 3)))
    found = names(data)
    assert len(set(found)) == len(found)
    assert "serving_default_input_000:0" in found
    known = {"conv_0", "conv_1", "flat", "head_2", "head_3"}
    rest = {name.split("/")[0] for name in found if ":" not in name}
    assert rest <= known
    assert {"conv_0", "conv_1"} <= rest


def test_what_an_operator_writes_is_called_like_its_layer(rng):
    data = to_tflite(network(), "int8", rng.random((8, 8, 8, 3)))
    rows = kn.hardware.profile_tflite(data).layers
    assert [row.name for row in rows if row.kind == "CONV_2D"] == ["conv_0", "conv_1"]


def test_a_trained_file_has_the_names_of_a_post_training_file(rng):
    """What the wrappers and the rounding of quantization-aware training are called is not there."""
    model = network()
    model.compile("adam", ["mse", "mse"])
    x = rng.random((32, 8, 8, 3))
    y = [rng.random((32, 3)), rng.random((32, 2))]
    trained = kn.compress(
        model, [kn.Quantize("int8", epochs=1)], train_data=(x, y), validation_data=(x, y)
    )
    found = names(trained.tflite)
    assert not [name for name in found if "quant" in name.lower()]
    assert len(trained.tflite) < 1.05 * len(to_tflite(model, "int8", x))
    assert len(trained.tflite) < 1.05 * kn.profile(model).flash_bytes


def test_values_stay_where_runtimes_can_read_them(classifier_file, images):
    """The values of tensors begin at multiples of 16, and nothing but names is another."""
    renamed = name_after_layers(classifier_file, {"conv2d": "another"})
    model = schema.Model.GetRootAs(renamed, 0)
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if buffer.DataLength():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0
    first, second = (Interpreter(data).predict(images) for data in (classifier_file, renamed))
    np.testing.assert_array_equal(first, second)


def test_inputs_are_the_first_tensors_in_the_order_of_the_model(rng):
    inputs = [keras.Input((3 + place,), name=name) for place, name in enumerate("badce")]
    outputs = [L.Dense(2)(x) for x in inputs[::-1]]
    model = keras.Model(inputs, outputs)
    data = to_tflite(model, "float32")
    graph = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
    assert sorted(graph.inputs) == list(graph.inputs)
    assert [graph.tensors[i].shape[1] for i in graph.inputs] == [3, 4, 5, 6, 7]
    x = [rng.random((4, size), dtype=np.float32) for size in (3, 4, 5, 6, 7)]
    pairs = zip(Interpreter(data).predict(x), model.predict(x, verbose=0), strict=True)
    assert all(np.allclose(have, want, atol=1e-5) for have, want in pairs)


def test_subgraphs_of_a_loop_keep_what_they_compute(rng):
    model = keras.Sequential(
        [keras.Input((5, 3)), L.GRU(4, name="memory"), L.Dense(2, name="dense")]
    )
    data = to_tflite(model)
    x = rng.random((3, 5, 3), dtype=np.float32)
    np.testing.assert_allclose(Interpreter(data).predict(x), model.predict(x, verbose=0), atol=1e-5)
    assert {name.split("/")[0] for name in names(data) if ":" not in name} <= {"memory", "dense"}

import collections
import importlib

import keras
import numpy as np

import kerasnas as kn
from kerasnas.bridge import graph
from kerasnas.compression import pipeline
from kerasnas.tflite import reader

L = keras.layers


def test_each_file_is_parsed_once_and_each_model_read_once(monkeypatch):
    keras.utils.set_random_seed(0)
    hidden = [L.Dense(8, activation="relu"), L.Dense(8, activation="relu")]
    model = keras.Sequential([keras.Input((6,)), *hidden, L.Dense(2)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    parsed, reads = collections.Counter(), []

    def parse(data, parse=reader.read_tflite):
        parsed[data] += 1
        return parse(data)

    def read(model, read=graph.read):
        reads.append(model.name)
        return read(model)

    monkeypatch.setattr(reader, "read_tflite", parse)
    monkeypatch.setattr(pipeline, "read", read)
    monkeypatch.setattr(importlib.import_module("kerasnas.bridge.build"), "read", read)
    small = kn.compress(
        model,
        [kn.Prune(0.5, epochs=1), kn.Quantize("int8", epochs=1)],
        train_data=(x, x[:, :2]),
        validation_data=(x, x[:, :2]),
        budget=kn.Budget(flash=100_000),
    )
    # The float model, the pruned one and the result; the float model is bridged as it came, and
    # once more in the form that quantization needs.
    assert list(parsed.values()) == [1, 1, 1]
    assert small.tflite in parsed
    assert reads == [model.name] * 2

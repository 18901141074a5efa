import re
import subprocess
import sys
import zlib

import keras
import numpy as np
import pytest

from kerasnas.bridge import read
from kerasnas.compression import (
    Cluster,
    Distill,
    Prune,
    PruneStructured,
    Quantize,
    ToleranceError,
    compress,
)
from kerasnas.compression.step import step_text
from kerasnas.compression.training import Training
from kerasnas.export import to_tflite
from kerasnas.hardware import profile, profile_tflite
from kerasnas.tflite.inspection import kernel_sparsity

L = keras.layers


RECIPE = (Prune(0.5, epochs=2), Quantize("int8", epochs=1))


def test_tfmots_wrappers_are_trained(compressed, trained):
    assert len(trained) == 2
    assert trained[0].count("PruneLowMagnitude") == 2
    assert sum("QuantizeWrapper" in name for name in trained[1]) >= 8
    assert "PruneLowMagnitude" not in trained[1]


def test_sparsity_survives_quantization_aware_training(compressed):
    assert kernel_sparsity(compressed.tflite) >= 0.45
    assert [round(record["sparsity"], 1) for record in compressed.report] == [0.0, 0.5, 0.5]


def test_report(compressed, model, digits):
    first, second, last = compressed.report
    assert [r["step"] for r in compressed.report] == ["float", "prune", "quantize int8"]
    methods = [r["method"] for r in compressed.report]
    assert methods == ["trained", "magnitude pruning, 50%", "quantization-aware"]
    assert [r["epochs"] for r in compressed.report] == [0, 2, 1]
    assert all((r["metric"], r["data"]) == ("accuracy", "validation") for r in compressed.report)
    scored = model.evaluate(*digits["val"], verbose=0, return_dict=True)
    assert first["value"] == pytest.approx(scored["accuracy"])
    scored = model.evaluate(*digits["test"], verbose=0, return_dict=True)
    assert first["test_value"] == pytest.approx(scored["accuracy"])
    assert second["test_value"] is None
    assert last["bytes"] == len(compressed.tflite)
    assert last["compressed_bytes"] == len(zlib.compress(compressed.tflite, 9))
    assert last["compressed_bytes"] < last["bytes"] < first["bytes"]
    assert second["compressed_bytes"] < 0.8 * first["compressed_bytes"]
    assert first["macs"] == last["macs"] == profile(model, "int8").macs
    # A file that was trained quantized has fewer records than one of after training.
    assert last["ram_bytes"] == profile_tflite(compressed.tflite).ram_bytes < first["ram_bytes"]
    assert last["ram_bytes"] <= profile(model, "int8").ram_bytes


def test_the_same_seed_gives_the_same_file_and_the_model_stays(compressed, model, digits, capfd):
    before = [weight.copy() for weight in model.get_weights()]
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    again = compress(
        model,
        list(RECIPE),
        train_data=digits["train"],
        validation_data=digits["val"],
        test_data=digits["test"],
    )
    assert capfd.readouterr() == ("", "")
    assert again.tflite == compressed.tflite
    assert again.report == compressed.report
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_drop_beyond_the_tolerance(model, digits, capfd):
    ruined = [Prune(0.99, epochs=1, schedule="constant", learning_rate=1e-6)]
    with pytest.raises(
        ToleranceError, match=r"went from 0\.\d+ to 0\.\d+.*tolerance of 0\.01"
    ) as error:
        compress(
            model,
            ruined,
            train_data=digits["train"],
            test_data=digits["test"],
            tolerance=0.01,
            verbose=1,
        )
    first, last = error.value.compressed.report
    assert first["value"] - last["value"] > 0.01
    assert last["data"] == "test"
    printed = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["float", "prune"]


X, Y = np.zeros((4, 8, 8, 1), "float32"), np.zeros(4, int)


def call(model, **changed):
    given = {"recipe": [Quantize()], "train_data": (X, Y), "validation_data": (X, Y)}
    return compress(model, **{**given, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recipe": []}, "at least one step"),
        ({"recipe": Prune(0.5)}, "must be a list"),
        ({"recipe": [Prune]}, "must hold steps"),
        ({"recipe": ["prune"]}, "must hold steps"),
        ({"recipe": [Quantize(), Prune()]}, "Quantize must be the last step"),
        ({"recipe": [Prune(), Prune()]}, "Prune is in `recipe` twice"),
        ({"recipe": [Cluster(), Prune()]}, "Prune after Cluster would undo it.*Put Prune first"),
        ({"recipe": [Prune(), PruneStructured()]}, "PruneStructured after Prune would undo it"),
        ({"recipe": [Prune(), Distill(epochs=1)]}, "Distill after Prune would undo it"),
        ({"recipe": [Distill(epochs=1), PruneStructured()]}, "it trains the tf_keras rebuild"),
        ({"recipe": [Prune(), Distill()]}, "Distill guides nothing"),
        ({"recipe": [Distill(), Quantize("int8", method="ptq")]}, "Distill guides nothing"),
        ({"train_data": (X, np.full(4, np.nan))}, "finite targets"),
        ({"train_data": X}, "`train_data` must be a tuple"),
        ({"train_data": (X, Y[:3])}, r"`train_data`.*same length.*\[4\] of x and \[3\] of y"),
        ({"validation_data": (X[:3], Y)}, "`validation_data`.*same length"),
        ({"test_data": (X[:, :7], Y)}, r"`test_data`.*\('samples', 8, 8, 1\)"),
        ({"train_data": (X * np.nan, Y)}, "finite"),
        ({"train_data": (X.astype(str), Y)}, "finite numbers"),
        ({"train_data": ([X, X], Y)}, "shape|list of 1"),
        ({"train_data": ({"x": X}, Y)}, "keys"),
        ({"validation_data": None}, "`validation_data` or `test_data` is needed"),
        ({"tolerance": -0.1}, "`tolerance`"),
    ],
)
def test_bad_input_is_an_error_before_any_work(model, monkeypatch, changed, message):
    monkeypatch.setattr("kerasnas.compression.pipeline.build", None)
    with pytest.raises(ValueError, match=message):
        call(model, **changed)


def test_models_that_cannot_be_compressed():
    with pytest.raises(ValueError, match=r"must be a Keras 3 model\. Received: <class 'str'>"):
        call("model")
    plain = keras.Sequential([keras.Input((8, 8, 1)), L.Flatten(), L.Dense(2)])
    with pytest.raises(ValueError, match="must be compiled"):
        call(plain)
    plain.compile(loss="mse")
    with pytest.raises(ValueError, match="finds nothing to prune"):
        call(plain, recipe=[Prune(0.5)])


@pytest.mark.parametrize("hidden", [[], [L.Conv2D(4, 3, name="first"), L.Flatten()]])
def test_networks_of_first_and_last_layers_say_what_prunes_these(hidden):
    model = keras.Sequential([keras.Input((8, 8, 1)), *hidden, L.Flatten(), L.Dense(2, name="end")])
    graph = read(model)
    with pytest.raises(ValueError, match=r"stay whole unless `layers` names them") as raised:
        Prune(0.75).check(graph)
    advice = re.search(r"Prune\(layers=.*\)", str(raised.value))[0]
    assert list(eval(advice).layers) == ["first", "end"][-1 - bool(hidden) :]
    eval(advice).check(graph)
    model.trainable = False
    with pytest.raises(ValueError, match=r"Leave the step out"):
        Prune(0.75).check(read(model))


def test_several_inputs_and_outputs_by_name():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    y = L.Concatenate()([L.Dense(8, activation="relu")(a), L.Dense(8, activation="relu")(b)])
    y = L.Dense(8, activation="relu")(y)
    outputs = {"sum": L.Dense(1, name="sum")(y), "kind": L.Dense(3, name="kind")(y)}
    model = keras.Model({"left": a, "right": b}, outputs)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        "adam",
        loss={"sum": "mse", "kind": entropy},
        loss_weights={"sum": 0.5, "kind": 1.0},
        metrics={"kind": "accuracy", "sum": "mae"},
    )
    rng = np.random.default_rng(0)
    x = {"left": rng.normal(size=(64, 6)), "right": rng.normal(size=(64, 4))}
    y = {"sum": x["left"].sum(axis=1, keepdims=True), "kind": rng.integers(0, 3, 64)}
    result = compress(
        model, [Prune(0.5, epochs=1), Quantize(epochs=2)], train_data=(x, y), validation_data=(x, y)
    )
    assert result.report[0]["metric"] in ("kind_accuracy", "sum_mae")
    floats = model.predict(x, verbose=0)
    ordered = [floats[name] for name in model.output_names]
    got = result.predict([x[tensor.name] for tensor in model.inputs])
    assert [array.shape for array in got] == [array.shape for array in ordered]


def test_float_model_and_file_are_scored_alike():
    # A penalty of the weights is no part of what a file computes.
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(40, 4))
    model = keras.Sequential([keras.Input((4,)), L.Dense(1, kernel_regularizer="l2")])
    model.compile("adam", keras.losses.MeanSquaredError(reduction="sum"))
    data = (x, x[:, 0])
    result = compress(model, [Quantize("float32")], train_data=data, validation_data=data)
    first, last = result.report
    assert first["metric"] == "loss"
    assert first["direction"] == "min"
    assert last["value"] == pytest.approx(first["value"], rel=1e-5)


def test_outputs_by_keys_that_are_no_names_of_layers():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    outputs = {"u": L.Dense(1, name="a")(inputs), "v": L.Dense(1, name="b")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", loss={"u": "mse", "v": "mae"}, metrics={"v": "mae"})
    x = np.random.default_rng(0).normal(size=(32, 4))
    data = (x, {"u": x[:, :1], "v": x[:, 1:2]})
    result = compress(model, [Quantize(epochs=1)], train_data=data, validation_data=data)
    assert result.report[-1]["metric"] == "v_mae"
    with pytest.raises(ValueError, match=r"each of the outputs \['u', 'v'\]"):
        compress(model, [Quantize()], train_data=(x, {"u": x[:, :1]}), validation_data=data)


def test_what_the_converter_refuses_is_an_error_before_training(monkeypatch):
    model = keras.Sequential([keras.Input((6, 4)), L.GRU(4), L.Dense(8), L.Dense(4), L.Dense(1)])
    model.compile("adam", "mse")
    monkeypatch.setattr("kerasnas.compression.training.Training.fit", None)
    data = (np.zeros((8, 6, 4)), np.zeros((8, 1)))
    with pytest.raises(ValueError, match="'gru"):
        compress(
            model,
            [Prune(epochs=1), Quantize("int8", method="ptq")],
            train_data=data,
            validation_data=data,
        )


def test_other_backend_than_tensorflow():
    code = """
import keras, numpy as np
import kerasnas.compression as c
assert keras.backend.backend() == "jax"
import sys; assert "tensorflow" not in sys.modules
model = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Conv2D(4, 3, activation="relu"),
    keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.ReLU(),
    keras.layers.Flatten(), keras.layers.Dense(3)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
rng = np.random.default_rng(0)
data = rng.normal(size=(64, 8, 8, 2)), rng.integers(0, 3, 64)
small = c.compress(model, [c.Prune(0.5, epochs=2), c.Quantize(epochs=1)], train_data=data,
    validation_data=data)
print(round(small.report[-1]["sparsity"], 2))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**__import__("os").environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0.5\n"


def test_file_is_the_one_of_the_float_model_before_any_step(model, compressed):
    assert compressed.report[0]["bytes"] == len(to_tflite(model))


def test_the_float_row_does_not_depend_on_the_recipe(rng):
    # Quantization-aware training and calibration each bring these layers into another form.
    layers = [L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])]
    layers += [L.SeparableConv2D(4, 3), L.BatchNormalization(), L.Activation("hard_sigmoid")]
    layers += [L.Flatten()]
    model = small_model(keras.Input((6, 6, 3)), keras.Sequential(layers))
    data = rng.normal(size=(32, 6, 6, 3)), rng.normal(size=(32,))
    rows = [
        compress(model, [step], train_data=data, validation_data=data).report[0]
        for step in (Quantize("float32"), Quantize("int8", method="ptq"), Quantize(epochs=1))
    ]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["bytes"] == len(to_tflite(model))


def test_numbers_may_be_numpys():
    steps = [
        Prune(np.float64(0.25), pattern=(np.int64(2), np.int64(4)), layers={"a": np.float32(0.5)}),
        PruneStructured(np.float32(0.25)),
        Cluster(np.int64(8)),
        Quantize("int8", epochs=np.int32(2)),
    ]
    assert [step_text(step) for step in steps] == [
        "Prune(sparsity=0.25, pattern=(2, 4), layers={'a': 0.5})",
        "PruneStructured(keep=0.25)",
        "Cluster(clusters=8)",
        "Quantize(epochs=2)",
    ]
    with pytest.raises(ValueError, match="epochs"):
        Prune(epochs=np.float64(2))


def small_model(inputs, head=None, **compiled):
    y = inputs if head is None else head(inputs)
    y = L.Dense(1)(L.Dense(8, activation="relu")(y))
    model = keras.Model(inputs, y)
    model.compile("adam", **(compiled or {"loss": "mse"}))
    return model


def test_one_input_by_name_or_in_a_list(rng):
    x, y = rng.normal(size=(32, 4)).astype("float32"), rng.normal(size=(32,))
    model = small_model(keras.Input((4,), name="feats"))
    files = [
        compress(
            model,
            [Quantize("int8", method="ptq")],
            train_data=(given, y),
            validation_data=(given, list(y)),
        )
        for given in (x, {"feats": x}, [x])
    ]
    assert files[0].tflite == files[1].tflite == files[2].tflite
    np.testing.assert_array_equal(files[0].predict({"feats": x}), files[0].predict(x))
    (name,) = model.output_names
    assert files[0].evaluate({"feats": x}, {name: y}) == files[0].evaluate(x, y)
    compress(model, [Prune(layers={"*": 0.5})], train_data=(x, [y]), validation_data=(x, [y]))
    with pytest.raises(ValueError, match=r"must have shape \('samples', 4\)"):
        files[0].predict(x[0])


def test_batches_do_as_arrays_do(rng):
    import tensorflow as tf

    x, y = rng.normal(size=(32, 4)).astype("float32"), rng.normal(size=(32,)).astype("float32")
    model = small_model(keras.Input((4,)))
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
    of_arrays, of_batches = (
        compress(model, [Quantize("int8", epochs=1)], train_data=data, validation_data=data)
        for data in ((x, y), batches)
    )
    assert of_arrays.tflite == of_batches.tflite
    assert of_arrays.report == of_batches.report
    after = [Quantize("int8", method="ptq")]
    after = compress(model, after, train_data=batches, validation_data=batches).tflite
    assert to_tflite(model, "int8", batches.map(lambda x, y: x)) == after


@pytest.mark.parametrize("shape", [(None, 4), (None, None, 3)])
def test_inputs_of_no_fixed_shape_are_refused(shape, rng):
    pool = L.GlobalAveragePooling1D() if len(shape) == 2 else L.GlobalAveragePooling2D()
    model = small_model(keras.Input(shape), pool)
    x = rng.normal(size=(8, *(8 if n is None else n for n in shape)))
    with pytest.raises(ValueError, match=r"inputs of fixed shape.*Build it again"):
        compress(model, [Prune(0.5)], train_data=(x, np.zeros(8)), validation_data=(x, np.zeros(8)))
    with pytest.raises(ValueError, match="inputs of fixed shape"):
        to_tflite(model)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((np.zeros((4, 4)), np.array(list("abcd"))), "numbers in y. Received: dtypes"),
        ((np.zeros((4, 4)), *[np.zeros(4)] * 3), r"\(x, y, sample_weight\).*Received: 4 values"),
        ((np.zeros((4, 4)), np.zeros(4), np.ones(3)), r"weights of shape .*shape \(3,\)"),
        ((np.zeros((4, 4)), [0, 1, 2]), r"lengths \[4\] of x and \[3\] of y"),
        (([np.zeros((4, 4))] * 2, np.zeros(4)), r"x of shape .*Received: shape \(2, 4, 4\)"),
    ],
)
def test_wrong_data_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        compress(
            small_model(keras.Input((4,))), [Prune(0.5)], train_data=data, validation_data=data
        )


@keras.saving.register_keras_serializable("kerasnas_tests")
def strangeness(y_true, y_pred):
    return keras.ops.mean(y_true - y_pred)


def test_a_tolerance_of_a_metric_that_may_be_either_way(rng, monkeypatch):
    model = small_model(keras.Input((4,)), loss="mse", metrics=[strangeness])
    data = rng.normal(size=(32, 4)), rng.normal(size=(32,))
    steps, sets = [Quantize("int8", method="ptq")], {"train_data": data, "validation_data": data}
    assert compress(model, steps, **sets).report[-1]["direction"] is None
    with pytest.raises(ValueError, match=r"'strangeness' is to be large or small is not known"):
        compress(model, "auto", **sets)
    monkeypatch.setattr(Training, "fit", None)
    with pytest.raises(ValueError, match=r"'strangeness' is to be large or small is not known"):
        compress(model, [Quantize("int8")], **sets, tolerance=0.1)


def test_penalties_on_activations(rng):
    dense = L.Dense(8, activation="relu", activity_regularizer="l2")
    model = small_model(keras.Input((4,)), dense)
    data = rng.normal(size=(32, 4)), rng.normal(size=(32,))
    small = compress(model, [Quantize("int8", epochs=1)], train_data=data, validation_data=data)
    assert small.report[-1]["method"] == "quantization-aware"
    model = small_model(keras.Input((4,)), lambda x: L.ActivityRegularization(0.1)(dense(x)))
    for step in (Prune(0.5, layers={"*": 0.5}, epochs=1), Quantize("int8", epochs=1)):
        compress(model, [step], train_data=data, validation_data=data)

import importlib.util

import keras
import numpy as np
import pytest

from kerasnas.export import Interpreter, agreement, micro, to_tflite, verify

L = keras.layers


needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)


def test_a_file_beside_its_model(tmp_path, classifier, classifier_file, images, classes):
    path = tmp_path / "model.tflite"
    path.write_bytes(classifier_file)
    found = verify(path, images, classes, classifier)
    want = classifier.predict(images, verbose=0)
    have = Interpreter(classifier_file).predict(images)
    assert found.runtime == "litert"
    assert found.samples == 50
    assert found.metrics["accuracy"] == pytest.approx((have.argmax(-1) == classes).mean())
    assert found.model_metrics["accuracy"] == pytest.approx(0.74)
    assert set(found.metrics) == set(found.model_metrics) == {"loss", "accuracy"}
    name = classifier.layers[-1].name
    assert found.largest_difference == {name: pytest.approx(np.abs(have - want).max())}
    assert found.same_class == {name: pytest.approx((have.argmax(-1) == want.argmax(-1)).mean())}
    assert 0 < found.largest_difference[name] < 0.05


def test_the_file_is_what_is_scored_and_not_the_model(classifier, images, classes):
    other = keras.models.clone_model(classifier)
    found = verify(to_tflite(other), images, classes, classifier)
    assert found.largest_difference[classifier.layers[-1].name] > 0.1
    assert found.metrics["accuracy"] < found.model_metrics["accuracy"]


def test_without_a_model(classifier_file, images, classes):
    predicted = Interpreter(classifier_file).predict(images)
    for y in (classes, classes[:, np.newaxis]):
        found = verify(classifier_file, images, y)
        assert found.metrics == {
            "accuracy": pytest.approx((predicted.argmax(-1) == classes).mean())
        }
    found = verify(classifier_file, images, np.eye(4)[classes])
    error = np.square(predicted - np.eye(4)[classes]).mean()
    assert found.metrics == {"mean_squared_error": pytest.approx(error)}
    assert (found.model_metrics, found.largest_difference, found.same_class) == (None, None, None)


@pytest.fixture(scope="module")
def two_ends():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="z"), keras.Input((5,), name="a")
    outputs = {"wide": L.Dense(7, name="wide")(b), "one": L.Dense(1, name="one")(a)}
    return keras.Model({"z": a, "a": b}, outputs)


def test_several_inputs_and_outputs_by_name(two_ends):
    rng = np.random.default_rng(0)
    x = {"z": rng.normal(size=(20, 3)), "a": rng.normal(size=(20, 5))}
    y = {"wide": rng.integers(0, 7, 20), "one": rng.normal(size=20)}
    data = to_tflite(two_ends)
    found = verify(data, x, y, two_ends)
    assert set(found.metrics) == {"one_mean_squared_error", "wide_accuracy"}
    assert found.metrics == pytest.approx(found.model_metrics)
    assert set(found.largest_difference) == {"wide", "one"}
    assert max(found.largest_difference.values()) < 1e-5
    assert found.same_class == {"wide": 1.0}


def test_the_model_of_another_file_is_refused(classifier_file, images, classes):
    other = keras.Sequential([keras.Input((8, 8, 3)), L.Flatten(), L.Dense(1)])
    with pytest.raises(ValueError, match=r"outputs of shapes \[\(4,\)\]. Received: .*\[\(1,\)\]"):
        verify(classifier_file, images, classes, other)


@needs_micro
def test_micro_gives_what_litert_gives(classifier, classifier_file, images, classes):
    found = verify(classifier_file, images, classes, classifier, target="micro")
    assert found.runtime == "micro"
    assert found.metrics["accuracy"] == pytest.approx(0.74, abs=0.05)
    assert found.largest_runtime_difference[classifier.layers[-1].name] < 1.01


@needs_micro
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_micro_runs_an_lstm_from_a_fresh_state(quantization):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(5, return_sequences=True), L.LSTM(5)])
    x = np.random.default_rng(0).normal(size=(20, 6, 4)).astype("float32")
    y = model.predict(x, verbose=0)
    found = verify(to_tflite(model, quantization, x), x, y, model, target="micro")
    assert found.largest_difference[model.layers[-1].name] < 0.05


@needs_micro
def test_an_operator_that_micro_lacks_is_named():
    data = to_tflite(keras.Sequential([keras.Input((4,)), L.Dense(3), L.Activation("gelu")]))
    with pytest.raises(ValueError, match=r"refuses the file: operator GELU"):
        verify(data, np.zeros((2, 4)), np.zeros((2, 3)), target="micro")


def _group_normalization():
    return [L.Conv2D(8, 3), L.GroupNormalization(4), L.ReLU()], "int8"


def _elu():
    return [L.Conv2D(8, 3), L.ELU()], "float32"


@needs_micro
@pytest.mark.parametrize("network", [_group_normalization, _elu])
def test_kernels_that_litert_lacks_or_has_wrong_are_no_fault_of_micro(network):
    keras.utils.set_random_seed(0)
    layers, quantization = network()
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    y = model.predict(x, verbose=0)
    found = verify(to_tflite(model, quantization, x), x, y, model, target="micro")
    (difference,) = found.largest_difference.values()
    assert difference < (0.2 if quantization == "int8" else 1e-5)
    (difference,) = found.largest_runtime_difference.values()
    assert difference < (4 if quantization == "int8" else 1e-5)


@needs_micro
def test_depth_to_space_on_micro():
    import tensorflow as tf
    import tf_keras

    model = tf_keras.Sequential(
        [
            tf_keras.Input((6, 6, 3)),
            tf_keras.layers.Conv2D(4, 3),
            tf_keras.layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2)),
        ]
    )
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype("float32")
    y = model.predict(x, verbose=0)
    found = verify(to_tflite(model, "int8", x), x, y, target="micro")
    assert found.metrics["mean_squared_error"] < 1e-3
    assert found.largest_runtime_difference["output_000"] < 1.01


@needs_micro
def test_a_file_that_litert_does_not_run_is_compared_with_its_model_alone(
    monkeypatch, classifier, classifier_file, images, classes
):
    def refuse(file, arrays, runtime, timeout, child=None):
        raise ValueError("no such operator")

    monkeypatch.setattr(agreement, "run_file", refuse)
    found = verify(classifier_file, images, classes, classifier, target="micro")
    assert found.largest_runtime_difference is None
    assert found.largest_difference[classifier.layers[-1].name] < 0.05

    gives = micro.run_file
    monkeypatch.setattr(micro, "run_file", lambda *given: [1 - array for array in gives(*given)])
    with pytest.raises(ValueError, match=r"differs from the Keras model by \d+% .* output '"):
        verify(classifier_file, images, classes, classifier, target="micro")
    with pytest.raises(ValueError, match=r"differs from the Keras model by 0\."):
        verify(classifier_file, images, classes, classifier, target="micro", tolerance=1)


@pytest.mark.parametrize("scale", [0.0, -0.01, np.nan, np.inf])
@pytest.mark.parametrize("runtime", ["litert", pytest.param("micro", marks=needs_micro)])
def test_a_scale_that_cannot_be_one_is_refused(runtime, scale, classifier_file, images, classes):
    from ai_edge_litert import schema_py_generated as schema

    data = bytearray(classifier_file)
    graph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    tensors = [graph.Tensors(place) for place in range(graph.TensorsLength())]
    kernel = next(t for t in tensors if t.ShapeLength() == 4 and t.Quantization().ScaleLength() > 1)
    kernel.Quantization().ScaleAsNumpy()[1] = scale
    with pytest.raises(ValueError, match=r"tensor 'conv2d.*' has the quantization scale"):
        verify(bytes(data), images, classes, target=runtime)


def test_the_scales_of_channels_that_do_nothing_are_no_damage():
    model = keras.Sequential([keras.Input((6, 6, 2)), L.Conv2D(3, 3), L.Flatten(), L.Dense(2)])
    kernel, bias = model.layers[0].get_weights()
    kernel[..., 1] = 0
    model.layers[0].set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(16, 6, 6, 2)).astype("float32")
    for bits in ("int16x8", "int8"):
        verify(to_tflite(model, bits, x), x, model.predict(x, verbose=0))


@needs_micro
def test_indices_are_compared_by_the_scores_that_they_point_to(monkeypatch):
    keras.utils.set_random_seed(0)
    entry = keras.Input((6,))
    scores = L.Dense(8)(entry)
    model = keras.Model(entry, [keras.ops.argmax(scores, axis=-1), L.ReLU()(scores)])
    x = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    data = to_tflite(model, "int8", x)
    # Where the two largest scores are next to each other, a runtime may choose the second.
    score = keras.Model(entry, scores).predict(x, verbose=0)
    order, gaps = score.argsort(-1), np.diff(np.sort(score), axis=-1)[:, -1]
    chosen = np.where(gaps < np.quantile(gaps, 0.02), order[:, -2], order[:, -1])
    run = micro.run_file

    def other(array):
        monkeypatch.setattr(micro, "run_file", lambda *given: [array, run(*given)[1]])
        return array

    y = [chosen, np.maximum(score, 0)]
    other(chosen.astype("int32"))
    found = verify(data, x, y, model, target="micro")
    index, values = found.largest_runtime_difference.values()
    assert 0 < index < 8
    assert values < 1.01
    assert 0 < next(iter(found.largest_difference.values())) < 0.05
    with pytest.raises(ValueError, match="differs from LiteRT by"):
        verify(data, x, y, model, target="micro", tolerance=0)
    for wrong in (order[:, -3], np.full(400, 8)):
        other(wrong.astype("int32"))
        with pytest.raises(ValueError, match=r"differs from LiteRT by .* in output 'arg_?max"):
            verify(data, x, y, model, target="micro")


@needs_micro
@pytest.mark.parametrize("with_model", [False, True])
def test_interpreters_that_differ_are_an_error(
    monkeypatch, classifier, classifier_file, images, classes, with_model
):
    run = micro.run_file

    def off(*given):
        return [array + 0.2 for array in run(*given)]

    monkeypatch.setattr(micro, "run_file", off)
    model = classifier if with_model else None
    with pytest.raises(ValueError, match=r"differs from LiteRT by 0\.2.* in output"):
        verify(classifier_file, images[:4], classes[:4], model, target="micro")
    found = verify(classifier_file, images[:4], classes[:4], model, target="micro", tolerance=60)
    (difference,) = found.largest_runtime_difference.values()
    assert difference == pytest.approx(0.2 * 256, abs=1)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, classifier_file, images, classes, share):
    path = tmp_path / "model.tflite"
    path.write_bytes(classifier_file[: int(len(classifier_file) * share)])
    with pytest.raises(ValueError, match=r"\.tflite file"):
        verify(path, images, classes)


def test_what_litert_refuses_is_an_error(strange_file):
    with pytest.raises(ValueError, match=r"interpreter \(litert\) cannot run `file`"):
        verify(strange_file, np.zeros((2, 4)), np.zeros((2, 4)))


@pytest.fixture
def strange_file():
    """A file whose one operator no interpreter has."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(
        to_tflite(keras.Sequential([keras.Input((4,)), L.ReLU()])), 0
    )
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM, 32
    code.customCode = "Strange"
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 7, 8, 3)), np.zeros(4, int), r"`x` for input 0 must have shape"),
        (np.zeros((0, 8, 8, 3)), np.zeros(0, int), "at least one sample"),
        (
            np.zeros((4, 8, 8, 3)),
            np.zeros(5, int),
            r"`y` must hold integer classes of shape \(4,\)",
        ),
        (np.zeros((4, 8, 8, 3)), np.array(["a"] * 4), r"`y` must hold integer classes"),
    ],
)
def test_samples_that_do_not_fit(classifier_file, x, y, message):
    with pytest.raises(ValueError, match=message):
        verify(classifier_file, x, y)


def test_arguments_that_do_not_fit(classifier_file, images, classes, two_ends):
    with pytest.raises(ValueError, match="`target` must be 'litert' or 'micro'"):
        verify(classifier_file, images, classes, target="phone")
    for tolerance in (-1, np.nan, np.inf, True, "1"):
        with pytest.raises(ValueError, match="`tolerance` must be a number of quantization steps"):
            verify(classifier_file, images, classes, target="micro", tolerance=tolerance)
    with pytest.raises(ValueError, match="`model` must be a Keras 3 model"):
        verify(classifier_file, images, classes, "model")
    with pytest.raises(FileNotFoundError):
        verify("no such file", images, classes)


def test_outputs_of_one_name_are_told_apart():
    inner = keras.Input((4,))
    shared = keras.Model(inner, [L.Dense(3)(inner), L.Dense(3)(inner)], name="one")
    x = keras.Input((4,))
    model = keras.Model(x, shared(x))
    data = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    first, second = model.predict(data, verbose=0)
    found = verify(to_tflite(model), data, [first + 100, second], model)
    assert found.metrics["one_mean_squared_error"] > 9000
    assert found.metrics["one_1_mean_squared_error"] < 1e-6
    assert set(found.largest_difference) == {"one", "one_1"}


def test_two_outputs_of_one_name_and_one_of_the_next():
    # The second "scores" cannot be "scores_1", which another output is already called.
    x = keras.Input((4,))
    inner = keras.Input((4,))
    ends = [L.Dense(3, activation="softmax")(inner), L.Dense(3, activation="softmax")(inner)]
    y = L.Dense(3, name="scores_1")(x)
    model = keras.Model(x, [y, *keras.Model(inner, ends, name="scores")(x)])
    data = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    wanted = model.predict(data, verbose=0)
    found = verify(to_tflite(model), data, [wanted[0], wanted[1] + 100, wanted[2] + 200], model)
    names = ["scores_1", "scores", "scores_2"]
    assert list(found.largest_difference) == list(found.same_class) == names
    errors = [found.metrics[f"{name}_mean_squared_error"] for name in names]
    assert errors == [pytest.approx(0, abs=1e-6), pytest.approx(1e4), pytest.approx(4e4)]

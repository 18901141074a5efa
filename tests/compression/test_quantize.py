import keras
import numpy as np
import pytest

from kerasnas.bridge import build, canonical, read
from kerasnas.compression import Cluster, Prune, Quantize, compress
from kerasnas.compression.training import Training
from kerasnas.export import Interpreter
from kerasnas.tflite.inspection import float_operators, operators
from kerasnas.tflite.reader import read_tflite

L = keras.layers


IMAGE = (8, 8, 4)


CALIBRATE = Quantize("int8", epochs=2, learning_rate=1e-7)  # finds ranges, trains nothing


def merges():
    x = keras.Input(IMAGE)
    a = L.Conv2D(4, 3, padding="same")(x)
    b = L.ReLU()(L.Conv2D(4, 3, padding="same")(x))
    c = L.Conv2D(4, 1, activation="relu")(x)
    first = [L.Add()([a, b, c]), L.Subtract()([a, b]), L.Multiply()([a, b])]
    second = [L.Average()([b, c, a]), L.Maximum()([a, b, c]), L.Minimum()([a, c]), a]
    inner = L.Concatenate()([L.Concatenate()(first), L.Concatenate()(second)])
    return keras.Model(x, inner)


def ranges_apart():
    """Merges of one scale whose inputs differ in range, and are read elsewhere too."""
    x = keras.Input(IMAGE)
    small = L.ReLU()(L.Conv2D(4, 3, padding="same")(L.Rescaling(0.1)(x)))
    large = L.Conv2D(4, 3, padding="same")(L.Rescaling(3.0)(x))
    joined = L.Concatenate()([small, x, L.MaxPooling2D(1)(large)])
    most = L.Maximum()([L.Activation("sigmoid")(small), L.Dropout(0.1)(large)])
    return keras.Model(x, L.Concatenate()([L.Conv2D(8, 3, padding="same")(joined), most, small]))


def activations():
    x = keras.Input(IMAGE)
    names = ("relu6", "silu", "sigmoid", "tanh", "gelu", "relu", "linear")
    parts = [L.Conv2D(2, 3, activation=name)(x) for name in names]
    parts.append(L.LeakyReLU()(L.BatchNormalization()(L.Conv2D(2, 3)(x))))
    parts.append(L.ReLU(negative_slope=0.2)(L.DepthwiseConv2D(3, activation="relu6")(x)))
    parts.append(keras.ops.relu6(keras.ops.silu(L.Conv2D(2, 3)(x))))
    y = L.Flatten()(L.Concatenate()(parts))
    dense = [L.Dense(4, activation=name)(y) for name in ("sigmoid", "tanh", "relu6", "softmax")]
    return keras.Model(x, L.Concatenate()(dense))


def normalizations():
    x = keras.Input(IMAGE)
    y = L.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1, 2, 0.5, 1])(x)
    y = L.BatchNormalization()(L.ReLU()(L.Conv2D(6, 3)(L.Rescaling(2.0, offset=-1)(y))))
    y = L.Conv2D(6, 3)(y)
    y = L.Add()([y, L.BatchNormalization()(y)])
    y = L.Conv2DTranspose(4, 3, use_bias=False, strides=2)(y)
    y = L.GlobalAveragePooling2D()(L.ReLU()(L.BatchNormalization()(y)))
    y = L.ReLU()(L.BatchNormalization()(L.Dense(6)(L.BatchNormalization()(y))))
    return keras.Model(x, L.Dense(3)(y))


def inverted_bottlenecks():
    x = keras.Input(IMAGE)
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(x)))
    for kernel in (3, 5, 7):
        z = L.ReLU(max_value=6)(L.BatchNormalization()(L.Conv2D(18, 1, use_bias=False)(y)))
        z = L.BatchNormalization()(L.DepthwiseConv2D(kernel, padding="same")(z))
        z = L.BatchNormalization()(L.Conv2D(6, 1)(L.ReLU(max_value=6)(z)))
        y = L.Add()([y, z]) if kernel < 7 else L.Concatenate()([y, z])
    y = L.ReLU()(L.BatchNormalization()(L.SeparableConv2D(6, 3, padding="same")(y)))
    y = L.SeparableConv2D(6, 3, activation="relu6", depth_multiplier=2)(y)
    y = L.MaxPooling2D()(L.UpSampling2D()(L.Cropping2D(1)(L.ZeroPadding2D(1)(y))))
    y = L.GlobalMaxPooling2D()(L.SpatialDropout2D(0.1)(L.Permute((2, 1, 3))(y)))
    return keras.Model(x, L.Dense(3)(L.Dropout(0.1)(y)))


def nas_bench_201():
    x = keras.Input(IMAGE)

    def edge(y, kernel, filters=6, strides=1):
        y = L.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(L.ReLU()(y))
        return L.BatchNormalization()(y)

    y = L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(x))
    one = edge(y, 3)
    two = L.Add()([edge(y, 1), L.AveragePooling2D(3, strides=1, padding="same")(one)])
    three = L.Add()([y, edge(one, 1), edge(two, 3)])
    short = L.Conv2D(8, 1, use_bias=False)(L.AveragePooling2D(2)(three))
    y = L.Add()([edge(three, 3, 8, strides=2), short])
    y = L.GlobalAveragePooling2D()(L.ReLU()(L.BatchNormalization()(y)))
    return keras.Model(x, L.Dense(3)(y))


def lines():
    x = keras.Input(IMAGE)
    y = L.Reshape((16, 16))(x)
    y = L.ReLU()(L.BatchNormalization()(L.Conv1D(6, 3, padding="same", use_bias=False)(y)))
    z = L.DepthwiseConv1D(3, padding="same")(L.MaxPooling1D(2)(y))
    z = L.BatchNormalization()(L.Conv1D(6, 1)(L.ReLU(max_value=6)(L.BatchNormalization()(z))))
    y = L.Add()([L.AveragePooling1D(2)(y), z])
    y = L.SeparableConv1D(8, 3, strides=2, padding="same", activation="relu")(y)
    z = L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="hard_silu")(y)
    y = L.Concatenate()([y, L.Cropping1D((0, 1))(L.ZeroPadding1D((0, 1))(z))])
    y = L.Concatenate()([L.GlobalAveragePooling1D()(y), L.GlobalMaxPooling1D()(y)])
    return keras.Model(x, L.Dense(3)(y))


def mobilenet_v3_block():
    x = keras.Input(IMAGE)
    y = L.Activation("hard_silu")(L.BatchNormalization()(L.Conv2D(6, 3, padding="same")(x)))
    z = L.Conv2D(12, 1, activation="hard_silu")(y)
    z = L.Activation("hard_silu")(
        L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(z))
    )
    gate = L.Conv2D(4, 1, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(z))
    gate = L.ReLU(6.0)(L.Conv2D(12, 1)(gate) + 3.0) * (1 / 6)
    z = L.BatchNormalization()(L.Conv2D(6, 1, use_bias=False)(L.Multiply()([z, gate])))
    gate = L.Dense(6, activation="hard_sigmoid")(L.GlobalAveragePooling2D()(z))
    y = L.Add()([y, L.Multiply()([z, L.Reshape((1, 1, 6))(gate)])])
    return keras.Model(x, L.Dense(3, activation="hard_silu")(L.Flatten()(y)))


def convnext_block():
    from keras.src.applications.convnext import LayerScale

    x = keras.Input(IMAGE)
    y = L.Conv2D(6, 3, padding="same")(x)
    z = L.Conv2D(12, 1, activation="gelu")(L.DepthwiseConv2D(3, padding="same")(y))
    y = L.Add()([y, LayerScale(0.5, 6)(L.Conv2D(6, 1)(z))])
    return keras.Model(x, L.Dense(3)(L.Flatten()(y)))


NETWORKS = [
    *(merges, ranges_apart, activations, normalizations, inverted_bottlenecks, nas_bench_201),
    *(lines, mobilenet_v3_block),
    pytest.param(convnext_block, marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    strength = rng.uniform(0.2, 2, size=(128, 1, 1, 1))  # so that outputs differ by more than noise
    return (strength * rng.normal(size=(128, *IMAGE))).astype("float32")


def randomised(make):
    keras.utils.set_random_seed(1)
    model = make()
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif weight.path.endswith(("moving_mean", "beta", "bias")):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_quantization_aware_training_is_int8_throughout(make, samples):
    model = randomised(make)
    want = model.predict(samples, verbose=0)
    graph = canonical(read(model))
    CALIBRATE.check(graph)
    training = Training(model, graph, [samples], want, "mse", None, 0)
    quantized = CALIBRATE.apply(build(graph), training)
    data = CALIBRATE.export(quantized, training)
    assert float_operators(data) == []
    got = Interpreter(data).predict(samples)
    spread = np.abs(want - want.mean(axis=0)).mean()
    trained = quantized.predict(samples, verbose=0)
    assert np.abs(got - trained).mean() < 0.1 * spread
    # Random weights make for large rounding; swapped channels or a wrong range give 1 and more.
    assert np.abs(got - want).mean() < 0.5 * spread


def small_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Conv2D(6, 3), L.ReLU(name="act"), L.Flatten(), L.Dense(3)]
    )
    model.compile(loss="mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("bits", ["float32", "float16", "dynamic"])
def test_post_training_modes(bits, samples):
    model = small_model()
    step = Quantize(bits)
    assert (step.how, step.trained_epochs) == ("post-training", 0)
    graph = read(model)
    training = Training(model, graph, [samples], None, None, None, 0)
    data = step.export(step.apply(build(graph), training), training)
    want = model.predict(samples, verbose=0)
    assert np.abs(Interpreter(data).predict(samples) - want).max() < 0.05 * np.abs(want).max()


def test_int8_after_training(samples):
    model = small_model()
    x, y = samples, model.predict(samples, verbose=0)
    result = compress(
        model, [Quantize("int8", method="ptq")], train_data=(x, y), validation_data=(x, y)
    )
    assert result.report[-1]["method"] == "post-training"
    assert result.report[-1]["epochs"] == 0
    assert Interpreter(result.tflite).input_dtypes == ["int8"]
    assert next(op.name for op in operators(result.tflite)) == "CONV_2D"
    assert result.report[-1]["value"] < 0.05 * np.abs(y).mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": "int2"}, "bits='int2'"),
        ({"bits": 8}, "bits=8"),
        ({"method": "magic"}, "method='magic'"),
        ({"bits": "float16", "method": "qat"}, "int8 only.*bits='float16'"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"batch_size": True}, "batch_size=True"),
        ({"learning_rate": -1}, "learning_rate=-1"),
    ],
)
def test_wrong_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        Quantize(**arguments)


def recurrent(x):
    y = L.Conv1D(6, 3, padding="same", activation="relu")(x)
    return L.Bidirectional(L.LSTM(4), name="kept")(y)


def test_what_training_quantized_taught_is_in_the_file_of_a_network_with_other_layers():
    """Zeros and statistics of BatchNormalization come back out of TFMOT's wrappers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8, 4)).astype("float32")
    inputs = keras.Input((8, 4))
    y = L.Conv1D(8, 3, padding="same", use_bias=False)(inputs)
    y = L.ReLU()(L.BatchNormalization(momentum=0.5)(y))
    y = L.LSTM(4)(L.Conv1D(8, 3, padding="same", name="pruned")(y))
    model = keras.Model(inputs, L.Dense(1)(y))
    model.compile("adam", "mse", metrics=["mae"])
    steps = [Prune(0.75, epochs=2), Quantize("int8", epochs=2)]
    small = compress(model, steps, train_data=(x, x[:, 0, :1]), validation_data=(x, x[:, 0, :1]))
    before, last = small.report[-2:]
    assert "lstm" in last["method"]
    assert abs(last["value"] - before["value"]) < 0.2 * before["value"]
    assert last["sparsity"] > 0.3


@pytest.mark.parametrize("step", [Prune(0.75, epochs=2), Cluster(4, epochs=2)])
def test_zeros_and_shared_values_of_layers_in_float_stay(step):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(96, 8)).astype("float32")
    inputs, twice = keras.Input((8,)), L.Dense(16, activation="relu", name="shared")
    model = keras.Model(inputs, L.Dense(2)(twice(twice(L.Dense(16)(inputs)))))
    model.compile("adam", "mse", metrics=["mae"])
    data = (x, x[:, :2])
    quantize = Quantize("int8", epochs=20, learning_rate=1e-3)
    small = compress(model, [step, quantize], train_data=data, validation_data=data)
    kernels = [
        tensor.data.view("int8")
        for tensor in read_tflite(small.tflite)[0].tensors
        if tensor.data is not None and tensor.shape == (16, 16)
    ]
    assert kernels
    for kernel in kernels:
        if isinstance(step, Prune):
            assert (kernel == 0).mean() >= 0.75
        else:
            assert all(len(np.unique(row)) <= 4 for row in kernel.reshape(16, 16))


@pytest.mark.parametrize("recurrent", [True, False])
def test_frozen_layers_are_not_trained(recurrent):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 8, 4)).astype("float32")
    inputs, frozen = keras.Input((8, 4)), L.Conv1D(6, 1, activation="relu", name="frozen")
    y = frozen(inputs)
    frozen.trainable = False
    y = L.LSTM(4)(y) if recurrent else L.Flatten()(y)
    model = keras.Model(inputs, L.Dense(2)(y))
    model.compile("adam", "mse", metrics=["mae"])
    data = (x, x[:, 0, :2])
    step = Quantize("int8", epochs=10, learning_rate=1e-2)
    small = compress(model, [step], train_data=data, validation_data=data)
    assert small.report[-1]["value"] < small.report[0]["value"]
    (kernel,) = [
        tensor
        for tensor in read_tflite(small.tflite)[0].tensors
        if tensor.data is not None and tensor.shape == (6, 1, 1, 4)
    ]
    values = kernel.data.view("int8").reshape(6, 4)
    want = frozen.get_weights()[0][0].T
    want = np.round(127 * want / np.abs(want).max(axis=1, keepdims=True))
    assert np.abs(values - want).max() <= 1


@pytest.mark.parametrize(
    "first",
    [
        L.Reshape((8, 8, 1)),
        L.Flatten(),
        L.Cropping1D(1),
        lambda x: L.Concatenate()([x, L.Reshape((8, 8))(x)]),
    ],
)
@pytest.mark.parametrize("method", ["qat", "ptq"])
def test_integers_that_are_moved_before_they_are_rescaled(first, method):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).integers(0, 256, (64, 8, 8)).astype("uint8")
    inputs = keras.Input((8, 8), dtype="uint8")
    hidden = L.Dense(4, activation="relu")(L.Rescaling(1 / 255)(first(inputs)))
    model = keras.Model(inputs, L.Dense(1)(L.Flatten()(hidden)))
    model.compile("adam", "mse", metrics=["mae"])
    data = (x, model.predict(x, verbose=0))
    step = Quantize("int8", method=method, epochs=1, learning_rate=1e-7)
    small = compress(model, [step], train_data=data, validation_data=data)
    assert small.report[-1]["value"] < 0.02 * np.abs(data[1]).max()


def test_images_of_integers_are_rescaled_before_training_quantized():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (64, 8, 8, 3), dtype="uint8")
    y = (x[..., 0].mean((1, 2)) / 255)[:, None]
    inputs = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    hidden = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 255, name="scale")(inputs))
    model = keras.Model(inputs, L.Dense(1)(L.GlobalAveragePooling2D()(hidden)))
    model.compile("adam", "mse", metrics=["mae"])
    step = Quantize("int8", epochs=2)
    small = compress(model, [step], train_data=(x, y), validation_data=(x, y))
    assert small.report[-1]["method"] == "quantization-aware"
    assert Interpreter(small.tflite).input_dtypes == ["int8"]
    assert abs(small.report[-1]["value"] - small.report[0]["value"]) < 0.1


def test_a_network_with_nothing_to_train_quantized_is_refused():
    x = keras.Input((6,), dtype="int32", name="words")
    graph = canonical(read(keras.Model(x, L.LSTM(2, name="memory")(L.Embedding(9, 4)(x)))))
    with pytest.raises(ValueError, match=r"'words'.*int32[^$]*'memory'"):
        Quantize("int8").check(graph)
    Quantize("int8", method="ptq").check(graph)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("step", [Quantize("int8", method="ptq"), Quantize("int16x8")])
def test_normalization_of_small_and_large_inputs(scale, step, rng):
    x = rng.normal(size=(256, 6)).astype("float32") * np.array([1, 1, 1, 2, 2, 0.5], "float32")
    x = (x * scale).astype("float32")
    normalization = L.Normalization()
    normalization.adapt(x)
    y = np.asarray(normalization(x)).sum(axis=1)
    model = keras.Sequential(
        [keras.Input((6,)), normalization, L.Dense(8, activation="relu"), L.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    model.fit(x, y, epochs=20, verbose=0)
    small = compress(model, [step], train_data=(x, y), validation_data=(x, y))
    assert small.report[-1]["value"] < small.report[0]["value"] + 0.1


def test_what_scales_inputs_is_not_trained():
    inputs = keras.Input((4, 4, 2))
    y = L.Conv2D(3, 3)(L.Rescaling(1 / 255, name="scale")(inputs))
    model = keras.Model(inputs, L.Dense(1)(L.Flatten()(y)))
    graph = canonical(read(model))
    scale = next(node.layer for node in graph.nodes if node.layer.name == "scale")
    assert (scale.kind, scale.config["trainable"]) == ("DepthwiseConv2D", False)


@pytest.mark.parametrize("method", ["ptq", "qat"])
def test_a_feature_that_never_changes_is_named(method, rng):
    normalization = L.Normalization(mean=[0.0, 1.0, 2.0], variance=[1.0, 0.0, 2.0], name="scale")
    model = keras.Sequential([keras.Input((3,)), normalization, L.Dense(4), L.Dense(1)])
    model.compile("adam", "mse")
    data = rng.normal(size=(16, 3)), np.zeros(16)
    with pytest.raises(ValueError, match=r"'scale' .*never changes.*no variance in \[1\]"):
        compress(model, [Quantize("int8", method)], train_data=data, validation_data=data)

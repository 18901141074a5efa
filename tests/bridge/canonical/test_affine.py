"""Affine layers are folded into their neighbours, or become depthwise convolutions."""

import keras
import pytest

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


@pytest.mark.parametrize(
    ("layer", "shape"), [(L.Dense(5), (6,)), (L.Conv2DTranspose(5, 3, use_bias=False), IMAGE)]
)
def test_batch_normalization_is_folded(layer, shape, rewritten):
    x = keras.Input(shape)
    found = kinds(rewritten(keras.Model(x, L.BatchNormalization()(layer(x)))))
    assert found == [type(layer).__name__]


def test_batch_normalization_after_a_layer_that_is_read_twice_is_not_folded(rewritten):
    x = keras.Input((6,))
    y = L.Dense(5)(x)
    found = kinds(rewritten(keras.Model(x, L.Add()([y, L.BatchNormalization()(y)]))))
    assert found == ["Dense", "Reshape", "DepthwiseConv2D", "Reshape", "Add"]


def test_batch_normalization_after_an_output_is_not_folded(rewritten):
    x = keras.Input((6,))
    y = L.Dense(5)(x)
    legacy = rewritten(keras.Model(x, [y, L.BatchNormalization()(y)]))
    assert kinds(legacy) == ["Dense", "Reshape", "DepthwiseConv2D", "Reshape"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: L.BatchNormalization(), IMAGE),
        (lambda: L.BatchNormalization(scale=False), IMAGE),
        (lambda: L.BatchNormalization(center=False), (5, 4)),
        (lambda: L.BatchNormalization(), (4,)),
        (lambda: L.Rescaling(1 / 255, offset=-0.5), IMAGE),
        (lambda: L.Rescaling([1.0, 2.0, 3.0, 4.0]), IMAGE),
        (lambda: L.Normalization(mean=[1, 2, 3, 4], variance=[1, 2, 3, 4]), IMAGE),
        (lambda: L.Normalization(axis=None, mean=3.0, variance=2.0), (4,)),
        (lambda: L.Normalization(mean=[1, 2, 3, 4], variance=[1, 2, 3, 4], invert=True), IMAGE),
    ],
)
def test_affine_layer_becomes_a_depthwise_convolution(layer, shape, rewritten):
    found = kinds(rewritten(one(layer(), shape)))
    around = [] if len(shape) == 3 else ["Reshape"]
    assert found == [*around, "DepthwiseConv2D", *around]


def test_shared_batch_normalization(rewritten):
    x = keras.Input(IMAGE)
    norm = L.BatchNormalization()
    legacy = rewritten(keras.Model(x, norm(L.ReLU()(norm(x)))))
    assert kinds(legacy) == ["DepthwiseConv2D", "ReLU"]


def test_cell_of_nas_bench_201(rewritten):
    x = keras.Input(IMAGE)

    def edge(y, kernel):
        return L.BatchNormalization()(L.Conv2D(4, kernel, padding="same")(L.ReLU()(y)))

    first = edge(x, 3)
    pooled = L.AveragePooling2D(3, strides=1, padding="same")(first)
    second = L.Add()([edge(x, 1), pooled])
    third = L.Add()([x, edge(first, 1), edge(second, 3)])
    legacy = rewritten(keras.Model(x, L.ReLU()(L.BatchNormalization()(third))))
    found = kinds(legacy)
    assert found.count("BatchNormalization") == 4, "those after a convolution stay"
    assert found.count("Add") == 3
    assert found[-2:] == ["DepthwiseConv2D", "ReLU"]


def test_normalization_of_another_axis_stays(rewritten):
    assert kinds(rewritten(one(L.BatchNormalization(axis=1)))) == ["BatchNormalization"]


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_what_is_added_after_a_normalization_is_in_it(center, scale, rewritten):
    x = keras.Input(IMAGE)
    y = L.BatchNormalization(center=center, scale=scale)(L.Conv2D(6, 3)(x))
    found = kinds(rewritten(keras.Model(x, keras.ops.relu6(y + 3.0))))
    between = [] if center else ["DepthwiseConv2D"]
    assert found == ["Conv2D", "BatchNormalization", *between, "ReLU"]


def test_what_is_added_to_a_shared_layer_stays(rewritten):
    x = keras.Input(IMAGE)
    conv = L.Conv2D(4, 3, padding="same", name="shared")
    found = kinds(rewritten(keras.Model(x, L.Add()([conv(x) + 3.0, conv(conv(x))]))))
    assert found.count("DepthwiseConv2D") == 1


def excited(gate, project=True, bias=False):
    """Squeeze-and-excitation, as in MobileNetV3."""
    x = keras.Input((6, 6, 8))
    y = L.Conv2D(4, 1, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(x))
    y = L.Multiply()([x, gate(L.Conv2D(8, 1)(y))])
    return x, L.BatchNormalization()(L.Conv2D(5, 1, use_bias=bias)(y)) if project else y


def relu6_gate(x):
    return L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)


@pytest.mark.parametrize("gate", [relu6_gate, keras.ops.hard_sigmoid])
@pytest.mark.parametrize("bias", [True, False])
def test_a_gate_of_squeeze_and_excitation_is_two_operators(gate, bias, rewritten):
    found = kinds(rewritten(keras.Model(*excited(gate, bias=bias))))
    assert found[-5:] == ["Conv2D", "ReLU", "Multiply", "Conv2D", "BatchNormalization"]
    assert "DepthwiseConv2D" not in found


@pytest.mark.parametrize(
    "between",
    [
        [],
        [L.ReLU()],
        [L.Activation("relu"), L.Dropout(0.1), L.MaxPooling2D(2)],
        [L.AveragePooling2D(2), L.LeakyReLU(), L.ZeroPadding2D(1), L.UpSampling2D(2)],
    ],
)
def test_the_scale_of_an_average_is_in_a_normalization(between, rewritten):
    x = keras.Input(IMAGE)
    y = L.Average()([L.Conv2D(4, 1)(x) for _ in range(3)])
    for layer in between:
        y = layer(y)
    y = L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(y))
    found = kinds(rewritten(keras.Model(x, y)))
    assert found.count("Add") == 2
    assert found.count("DepthwiseConv2D") == 1


@pytest.mark.parametrize(
    "between", [L.ReLU(6.0), L.ReLU(threshold=0.5), L.Activation("tanh"), L.BatchNormalization()]
)
def test_a_scale_stays_before_what_changes_it(between, rewritten):
    x = keras.Input(IMAGE)
    y = between(L.Average()([L.Conv2D(4, 1)(x), x]))
    y = L.BatchNormalization()(L.Conv2D(4, 3)(y))
    assert kinds(rewritten(keras.Model(x, y))).count("DepthwiseConv2D") == 1


def test_the_scale_of_a_gate_stays_where_nothing_takes_it(rewritten):
    found = kinds(rewritten(keras.Model(*excited(relu6_gate, project=False))))
    assert found[-3:] == ["ReLU", "DepthwiseConv2D", "Multiply"]
    x, y = excited(relu6_gate)
    model = keras.Model(x, y)
    product = next(layer for layer in model.layers if isinstance(layer, L.Multiply)).output
    found = kinds(rewritten(keras.Model(x, [y, product])))
    assert found.count("DepthwiseConv2D") == 1
    x = keras.Input(IMAGE)
    square = L.Rescaling(0.5)(L.Conv2D(4, 1)(x))
    after = L.BatchNormalization()(L.Conv2D(4, 1)(L.Multiply()([square, square])))
    assert kinds(rewritten(keras.Model(x, after))).count("DepthwiseConv2D") == 1

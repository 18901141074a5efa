import keras
import numpy as np
import pytest

from kerasnas.bridge import build, canonical, expected, read, verify

L = keras.layers
IMAGE = (8, 8, 4)


def randomise(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        positive = "variance" in weight.path
        weight.assign(
            rng.uniform(0.5, 2, weight.shape) if positive else rng.normal(0, 0.5, weight.shape)
        )
    return model


def rewritten(model):
    """The canonical tf_keras model, after comparing its outputs with the source's."""
    graph = canonical(read(randomise(model)))
    legacy = build(graph)
    verify(model, expected(model, graph), legacy)
    return legacy


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


def test_what_is_known_stays():
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Conv2D(6, 3), L.BatchNormalization(), L.ReLU(), L.Dropout(0.1)]
    )
    assert kinds(rewritten(model)) == ["Conv2D", "BatchNormalization", "ReLU", "Dropout"]


def test_idle_layers_go():
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Identity(), L.GaussianDropout(0.1), L.Conv2D(2, 3), L.Identity()]
    )
    assert kinds(rewritten(model)) == ["Conv2D"]


def test_a_model_that_is_only_idle_stays():
    model = one(L.Identity())
    assert kinds(build(canonical(read(model)))) == ["Identity"]


@pytest.mark.parametrize(
    ("activation", "split"),
    [("silu", "Activation"), ("relu6", "ReLU"), ("relu", None), ("linear", None)],
)
def test_activation_inside_a_layer(activation, split):
    found = kinds(rewritten(one(L.DepthwiseConv2D(3, activation=activation))))
    assert found == ["DepthwiseConv2D", *([split] if split else [])]


def test_activation_of_a_shared_layer():
    x = keras.Input(IMAGE)
    conv = L.Conv2D(4, 3, padding="same", activation="relu6")
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert kinds(legacy) == ["Conv2D", "ReLU"]
    assert len(legacy.weights) == 2


@pytest.mark.parametrize("multiplier", [1, 2])
def test_separable_convolution_is_two(multiplier):
    layer = L.SeparableConv2D(
        6, 3, strides=2, depth_multiplier=multiplier, activation="relu6", name="sep"
    )
    legacy = rewritten(one(layer))
    assert kinds(legacy) == ["DepthwiseConv2D", "Conv2D", "ReLU"]
    assert [layer.name for layer in legacy.layers[1:]] == [
        "sep",
        "sep_pointwise",
        "sep_pointwise_relu6",
    ]


def test_shared_separable_convolution():
    x = keras.Input(IMAGE)
    conv = L.SeparableConv2D(4, 3, padding="same", use_bias=False)
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert len(legacy.weights) == 2


@pytest.mark.parametrize("merge", [L.Add, L.Multiply, L.Maximum, L.Minimum])
def test_merge_of_many_is_a_chain(merge):
    x = keras.Input(IMAGE)
    parts = [L.Conv2D(4, 1, name=f"part{i}")(x) for i in range(4)]
    found = kinds(rewritten(keras.Model(x, merge(name="all")(parts))))
    assert found.count(merge.__name__) == 3


@pytest.mark.parametrize("count", [2, 3])
def test_average_is_a_scaled_sum(count):
    x = keras.Input(IMAGE)
    parts = [L.Conv2D(4, 1)(x) for _ in range(count)]
    found = kinds(rewritten(keras.Model(x, L.Average()(parts))))
    others = [kind for kind in found if kind != "Conv2D"]
    assert others == ["Add"] * (count - 1) + ["DepthwiseConv2D"]


@pytest.mark.parametrize(
    ("layer", "shape"), [(L.Dense(5), (6,)), (L.Conv2DTranspose(5, 3, use_bias=False), IMAGE)]
)
def test_batch_normalization_is_folded(layer, shape):
    x = keras.Input(shape)
    found = kinds(rewritten(keras.Model(x, L.BatchNormalization()(layer(x)))))
    assert found == [type(layer).__name__]


def test_batch_normalization_after_a_layer_that_is_read_twice_is_not_folded():
    x = keras.Input((6,))
    y = L.Dense(5)(x)
    found = kinds(rewritten(keras.Model(x, L.Add()([y, L.BatchNormalization()(y)]))))
    assert found == ["Dense", "Reshape", "DepthwiseConv2D", "Reshape", "Add"]


def test_batch_normalization_after_an_output_is_not_folded():
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
def test_affine_layer_becomes_a_depthwise_convolution(layer, shape):
    found = kinds(rewritten(one(layer(), shape)))
    around = [] if len(shape) == 3 else ["Reshape"]
    assert found == [*around, "DepthwiseConv2D", *around]


def test_shared_batch_normalization():
    x = keras.Input(IMAGE)
    norm = L.BatchNormalization()
    legacy = rewritten(keras.Model(x, norm(L.ReLU()(norm(x)))))
    assert kinds(legacy) == ["DepthwiseConv2D", "ReLU"]


def test_cell_of_nas_bench_201():
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


def test_normalization_of_another_axis_stays():
    assert kinds(rewritten(one(L.BatchNormalization(axis=1)))) == ["BatchNormalization"]


@pytest.mark.parametrize(("dtype", "first"), [("int32", "Rescaling"), ("uint8", "DepthwiseConv2D")])
def test_rescaling_of_integers_stays_but_pixels_come_as_floats(dtype, first):
    x = keras.Input(IMAGE, dtype=dtype)
    legacy = build(canonical(read(keras.Model(x, L.Rescaling(0.5)(L.Rescaling(2.0)(x))))))
    assert kinds(legacy) == [first, "DepthwiseConv2D"]


LINE = (9, 4)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (lambda: L.Conv1D(6, 3, strides=2, padding="same", activation="relu"), "Conv2D"),
        (lambda: L.Conv1D(6, 3, dilation_rate=2, groups=2), "Conv2D"),
        (lambda: L.Conv1DTranspose(6, 3, strides=2, output_padding=1), "Conv2DTranspose"),
        (lambda: L.DepthwiseConv1D(3, strides=2, depth_multiplier=2), "DepthwiseConv2D"),
        (lambda: L.MaxPooling1D(3, strides=2, padding="same"), "MaxPooling2D"),
        (lambda: L.AveragePooling1D(2), "AveragePooling2D"),
        (lambda: L.UpSampling1D(2), "UpSampling2D"),
        (lambda: L.ZeroPadding1D((1, 2)), "ZeroPadding2D"),
        (lambda: L.Cropping1D((1, 2)), "Cropping2D"),
        (lambda: L.SpatialDropout1D(0.1), "SpatialDropout2D"),
    ],
)
def test_layer_of_lines_is_one_of_images(layer, kind):
    assert kinds(rewritten(one(layer(), LINE))) == ["Reshape", kind, "Reshape"]


@pytest.mark.parametrize("kept", [False, True])
def test_global_pooling_of_lines(kept):
    for layer in (L.GlobalAveragePooling1D(keepdims=kept), L.GlobalMaxPooling1D(keepdims=kept)):
        assert kinds(rewritten(one(layer, LINE))) == [
            "Reshape",
            type(layer).__name__.replace("1D", "2D"),
            *["Reshape"] * kept,
        ]


def test_network_of_lines_has_no_reshape_inside():
    x = keras.Input(LINE)
    y = L.ReLU()(L.BatchNormalization()(L.Conv1D(6, 3, padding="causal", dilation_rate=2)(x)))
    z = L.Activation("hard_silu")(L.BatchNormalization(axis=2)(L.Conv1D(6, 1)(y)))
    y = L.Concatenate(axis=2)([L.Add()([y, z]), L.SeparableConv1D(4, 3, padding="same")(y)])
    model = keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(L.AveragePooling1D(2)(y))))
    found = kinds(rewritten(model))
    assert found.count("Reshape") == 1
    assert found[0] == "Reshape"
    assert found[1:5] == ["ZeroPadding2D", "Conv2D", "BatchNormalization", "ReLU"]


def test_lines_of_any_length():
    x = keras.Input((None, 4))
    y = L.Conv1D(5, 3, padding="same")(x)
    rewritten(keras.Model(x, [L.MaxPooling1D(2)(y), y]))


def test_shared_convolution_of_lines():
    x = keras.Input(LINE)
    conv = L.Conv1D(4, 3, padding="causal")
    legacy = rewritten(keras.Model(x, conv(conv(x))))
    assert len(legacy.weights) == 2


@pytest.mark.parametrize("maker", [L.Conv2D, L.Conv2DTranspose])
def test_hard_sigmoid_is_a_relu6_before_an_affine_layer(maker):
    found = kinds(rewritten(one(maker(6, 3, activation="hard_sigmoid"))))
    assert found == [maker.__name__, "ReLU", "DepthwiseConv2D"]
    x = keras.Input(IMAGE)
    y = maker(6, 3, use_bias=False)(x)
    both = [L.Activation("hard_sigmoid", name="gate")(y), y]
    found = kinds(rewritten(keras.Model(x, both)))  # What else reads it has no offset.
    assert found == [maker.__name__, "DepthwiseConv2D", "ReLU", "DepthwiseConv2D"]


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_what_is_added_after_a_normalization_is_in_it(center, scale):
    x = keras.Input(IMAGE)
    y = L.BatchNormalization(center=center, scale=scale)(L.Conv2D(6, 3)(x))
    found = kinds(rewritten(keras.Model(x, keras.ops.relu6(y + 3.0))))
    between = [] if center else ["DepthwiseConv2D"]
    assert found == ["Conv2D", "BatchNormalization", *between, "ReLU"]


def test_what_is_added_to_a_shared_layer_stays():
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
def test_a_gate_of_squeeze_and_excitation_is_two_operators(gate, bias):
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
def test_the_scale_of_an_average_is_in_a_normalization(between):
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
def test_a_scale_stays_before_what_changes_it(between):
    x = keras.Input(IMAGE)
    y = between(L.Average()([L.Conv2D(4, 1)(x), x]))
    y = L.BatchNormalization()(L.Conv2D(4, 3)(y))
    assert kinds(rewritten(keras.Model(x, y))).count("DepthwiseConv2D") == 1


def test_the_scale_of_a_gate_stays_where_nothing_takes_it():
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


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x * (L.ReLU(6.0)(x + 3.0) * (1 / 6)),
        lambda x: L.Multiply()([keras.ops.relu6(x + 3.0) / 6.0, x]),
        lambda x: (x * keras.ops.relu6(x + 3.0)) / 6.0,
        lambda x: x * keras.ops.clip(x + 3.0, 0.0, 6.0) * (1 / 6),
        lambda x: x * keras.ops.hard_sigmoid(x),
        lambda x: keras.ops.hard_silu(x),
    ],
)
def test_hard_silu_is_one_layer_in_all_of_its_forms(form):
    x = keras.Input(IMAGE)
    found = kinds(rewritten(keras.Model(x, form(L.Conv2D(6, 3)(x)))))
    assert found == ["Conv2D", "Activation"]


@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: y * (L.ReLU(6.0)(x + 3.0) * (1 / 6)),
        lambda x, y: x * (L.ReLU(6.0)(x + 2.0) * (1 / 6)),
        lambda x, y: x * (L.ReLU(5.0)(x + 3.0) * (1 / 6)),
        lambda x, y: x * (L.ReLU(6.0)(x + 3.0) * (1 / 5)),
        lambda x, y: x * L.ReLU(6.0)(x + 3.0),
        lambda x, y: x * keras.ops.sigmoid(x),
    ],
)
def test_what_is_only_like_hard_silu_is_kept(form):
    x = keras.Input(IMAGE)
    y, z = (L.Conv2D(6, 3)(x) for _ in range(2))
    found = kinds(rewritten(keras.Model(x, [form(y, z), z])))
    assert "Multiply" in found


def test_parts_of_hard_silu_that_others_read_are_kept():
    x = keras.Input(IMAGE)
    y = L.Conv2D(6, 3)(x)
    gate = keras.ops.hard_sigmoid(y)
    found = kinds(rewritten(keras.Model(x, [y * gate, gate])))
    assert found.count("ReLU") == 1
    assert "Multiply" not in found

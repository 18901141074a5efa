import keras
import pytest

import kerasnas as kn
from kerasnas.hardware import Sketch, keras_graph
from kerasnas.hypermodels import layers, operations

# Those of every other operation that is registered are added to these.
CODES = [
    *("conv1x1", "conv3x3", "conv5x5", "sepconv3x3", "sepconv5x5", "dwconv3x3", "dwconv7x7"),
    *("mbconv3x3_e1", "mbconv5x5_e3", "mbconv7x7_e6", "dense", "maxpool3x3", "avgpool3x3"),
    *("se_r4", "se_r8", "mbconvse3x3_e1_r4", "mbconvse5x5_e3_r8"),
    *("dropout_r0.3", "flatten", "identity"),
]


def settings_of(code: str, **wanted):
    operation, fixed = operations.parse(code)
    given = {"filters": 6, "activation": "relu6", "normalization": "batch", **wanted}
    return operation, {**fixed, **{k: v for k, v in given.items() if k in operation.decisions}}


@pytest.mark.parametrize("shape", [(9, 7, 4), (9, 4)])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(
    ("normalization", "activation"), [("batch", "relu6"), ("none", "hard_silu")]
)
def test_the_cost_of_every_operation_is_that_of_what_it_builds(
    code, normalization, activation, strides, shape
):
    operation, settings = settings_of(code, normalization=normalization, activation=activation)
    inputs = keras.Input(shape, name="input")
    built = operation(inputs, name="place", strides=strides, **settings)
    model = keras.Model(inputs, built)
    sketched = operation(Sketch.input(shape), name="place", strides=strides, **settings)
    sketched.graph.outputs = (sketched.index,)
    assert sketched.shape == tuple(built.shape[1:])
    assert sketched.graph.fingerprint() == keras_graph(model).fingerprint()
    assert sum(node.params for node in sketched.graph.nodes) == model.count_params()
    named = {layer.name for layer in model.layers} - {"input"}
    assert named == {node.name for node in sketched.graph.nodes} - {"input"}
    assert all(name.startswith("place") for name in named)


def test_zero_drops_the_edge():
    operation, settings = settings_of("zero")
    assert operation(keras.Input((4, 4, 2)), name="z", strides=1, **settings) is None


def test_pre_activation_order():
    operation, settings = settings_of("conv3x3", activation="relu")
    inputs = keras.Input((4, 4, 2))
    model = keras.Model(inputs, operation(inputs, name="p", strides=1, order="pre", **settings))
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["ReLU", "Conv2D", "BatchNormalization"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("konv3x3", "Unknown operation 'konv3x3'"),
        ("conv3x5", "3x5"),
        ("identity3x3", "3x3"),
        ("conv3x3_e6", "starts with 'e'"),
        (7, "Unknown operation 7"),
        ("", "Unknown operation ''"),
    ],
)
def test_a_name_that_says_nothing_is_refused(name, complaint):
    with pytest.raises(ValueError, match=complaint):
        operations.parse(name)


def test_an_operation_of_a_raw_keras_layer_is_its_own_cost(random_values, rng):
    @kn.hypermodels.operation("widen", kernel=(2, 3))
    def widen(x, *, name, kernel, strides):
        x = layers.apply(x, keras.layers.UpSampling2D(kernel, name=f"{name}_up"))
        return layers.max_pooling(x, kernel, strides=kernel * strides, name=f"{name}_down")

    space = kn.LayerwiseHyperModel((16, 16, 1), 3, operations=("conv3x3", "widen"))
    for hp in random_values(space, 3, rng):
        sketched = space.sketch(kn.hypermodels.FixedHyperParameters(hp.values))
        assert sketched.fingerprint() == keras_graph(space.build(hp)).fingerprint()


def test_the_users_own_operation_with_its_cost(random_values, rng):
    def cost(x, *, name, strides):
        return x.max_pooling2d(2, strides=2, name=name)

    @kn.hypermodels.operation("shrink", cost=cost)
    def shrink(x, *, name, strides):
        return keras.layers.MaxPooling2D(2, strides=2, padding="same", name=name)(x)

    space = kn.LayerwiseHyperModel((16, 16, 1), 3, operations=("conv3x3", "shrink"))
    for hp in random_values(space, 3, rng):
        sketched = space.sketch(kn.hypermodels.FixedHyperParameters(hp.values))
        assert sketched.fingerprint() == keras_graph(space.build(hp)).fingerprint()
    with pytest.raises(ValueError, match="registered already"):
        kn.hypermodels.operation("shrink")


def test_a_wrong_registration_is_refused():
    with pytest.raises(ValueError, match="decisions"):
        kn.hypermodels.operation("fresh", decisions=("colour",))
    with pytest.raises(ValueError, match="lower-case"):
        kn.hypermodels.operation("Conv3")

"""The same model without some of its channels."""

import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.compression import prune_channels
from kerasnas.compression.structured.rebuild import rebuild
from kerasnas.compression.structured.trace import trace
from kerasnas.hypermodels import operations

L = keras.layers


ops = keras.ops


def randomise(model, seed=0):
    """Every weight random, BatchNormalization's statistics too: fresh ones hide differences."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(0, 0.3, weight.shape)
        if "variance" in weight.path:
            values = rng.uniform(0.5, 2, weight.shape)
        weight.assign(values)
    return model


def predict(model, inputs):
    one = isinstance(model, keras.Sequential)
    given = inputs[0] if one else keras.tree.pack_sequence_as(model.input, inputs)
    outputs = keras.tree.flatten(model(given, training=False))
    return [ops.convert_to_numpy(y) for y in outputs]


def assert_same(model, pruned, inputs):
    for want, got in zip(predict(model, inputs), predict(pruned, inputs), strict=True):
        assert want.std() > 0, "a constant output compares nothing"
        assert np.abs(want - got).max() <= 1e-5 * np.abs(want).max()


def without_dead_channels(model, inputs, seed=0, share=0.5):
    """Zeroes every weight of some sets of channels, removes these sets, and compares outputs.

    A weight that the sets assign to the wrong channel would be zeroed at a place that still counts.
    """
    randomise(model, seed)
    traced = trace(model)
    rng = np.random.default_rng(seed)
    gone = np.zeros(traced.labels, bool)
    gone[rng.choice(traced.removable, max(1, int(share * len(traced.removable))), False)] = True
    for weight in traced.weights.values():
        labels = weight.filter_labels
        # Nothing would be left of a layer whose channels are all among the dead.
        gone[labels[:1]] = False
    for weight in traced.weights.values():
        values = weight.values.copy()
        for axis, labels in enumerate(weight.axes.labels):
            if labels is not None:
                np.moveaxis(values, axis, 0)[gone[labels]] = 0
        getattr(weight.layer, weight.attribute).assign(values)
    pruned = rebuild(traced, gone)
    assert pruned.count_params() < model.count_params()
    assert_same(model, pruned, inputs)
    return pruned


def conv_bn(x, filters, kernel=3, strides=1, activation="relu"):
    x = L.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return L.Activation(activation)(x) if activation else x


def head(x, name="head"):
    return L.Dense(3, name=name)(L.GlobalAveragePooling2D()(x))


def several_ends():
    a, b = keras.Input((8, 8, 3), name="a"), keras.Input((8, 8, 2), name="b")
    y = L.Concatenate()([conv_bn(a, 6), conv_bn(b, 6), a])
    outputs = {"first": head(y, "first"), "second": L.Conv2D(2, 3, name="second")(y)}
    return keras.Model({"a": a, "b": b}, outputs)


def test_several_inputs_and_outputs(rng):
    shapes = [(2, 8, 8, 3), (2, 8, 8, 2)]
    inputs = [rng.normal(size=shape).astype("float32") for shape in shapes]
    pruned = without_dead_channels(several_ends(), inputs)
    assert pruned.output_names == ["first", "second"]
    assert set(pruned.input) == {"a", "b"}


def drawn(random_values, space, number):
    for seed, hp in enumerate(random_values(space, number, np.random.default_rng(number))):
        model = space.build(hp)
        # Probabilities hide differences: most are 0 or 1 with random weights.
        model.layers[-1].activation = keras.activations.linear
        inputs = [np.random.default_rng(seed).normal(size=(2, 16, 16, 3)).astype("float32")]
        yield seed, model, inputs


def test_networks_of_the_layerwise_space(random_values):
    images = [n for n in operations.names() if n not in ("zero", "flatten", "dense")]
    space = kn.LayerwiseHyperModel((16, 16, 3), 10, stages=[(4, 8), (6, 12)], operations=images)
    for seed, model, inputs in drawn(random_values, space, 6):
        without_dead_channels(model, inputs, seed)


def test_cell_networks(random_values):
    space = kn.CellHyperModel((16, 16, 3), 10, filters=4)
    for seed, model, inputs in drawn(random_values, space, 3):
        without_dead_channels(model, inputs, seed)


def residual(x):
    x = conv_bn(x, 8)
    y = conv_bn(conv_bn(x, 6), 8, activation=None)
    x = L.ReLU()(L.Add()([x, y]))
    y = conv_bn(conv_bn(x, 12, strides=2), 12, activation=None)
    return head(L.Add()([conv_bn(x, 12, 1, 2, None), y]))


def compiled(build=residual):
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, build(x), name="net")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.3), loss, metrics=["accuracy"])
    return model


def test_normalization_keeps_its_statistics(rng):
    data = rng.normal(3, 2, (64, 8, 8, 3)).astype("float32")
    normalization = L.Normalization()
    normalization.adapt(data)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), normalization, L.Conv2D(8, 3), L.Conv2D(2, 1)]
    )
    kernel = ops.convert_to_numpy(model.layers[1].kernel).copy()
    kernel[..., 4:] = 0
    model.layers[1].kernel.assign(kernel)
    pruned = prune_channels(model, 0.5)
    assert pruned.get_layer(model.layers[1].name).filters == 4
    want, got = model.predict(data, verbose=0), pruned.predict(data, verbose=0)
    np.testing.assert_allclose(want, got, rtol=1e-5, atol=1e-6)


def test_compiled_alike():
    model = compiled()
    pruned = prune_channels(model)
    assert pruned.loss is model.loss
    assert isinstance(pruned.optimizer, keras.optimizers.SGD)
    assert pruned.optimizer is not model.optimizer
    assert float(pruned.optimizer.learning_rate) == pytest.approx(0.3)
    logs = pruned.evaluate(np.zeros((2, 8, 8, 3)), np.zeros(2), verbose=0, return_dict=True)
    assert set(logs) == {"loss", "accuracy"}

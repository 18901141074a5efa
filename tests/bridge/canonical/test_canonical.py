import keras

from kerasnas.bridge import build, canonical, read

L = keras.layers


IMAGE = (8, 8, 4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if "Input" not in type(layer).__name__]


def one(layer, shape=IMAGE):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


def test_what_is_known_stays(rewritten):
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Conv2D(6, 3), L.BatchNormalization(), L.ReLU(), L.Dropout(0.1)]
    )
    assert kinds(rewritten(model)) == ["Conv2D", "BatchNormalization", "ReLU", "Dropout"]


def test_idle_layers_go(rewritten):
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Identity(), L.GaussianDropout(0.1), L.Conv2D(2, 3), L.Identity()]
    )
    assert kinds(rewritten(model)) == ["Conv2D"]


def test_a_model_that_is_only_idle_stays():
    model = one(L.Identity())
    assert kinds(build(canonical(read(model)))) == ["Identity"]

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels import FixedHyperParameters, NotSymbolicError


class MyNet(kn.HyperModel):
    def body(self, hp, x):
        for i in self.repeat(hp, "depth", 2, 4):
            x = self.choose(
                hp, f"block_{i}", ["conv3x3", "sepconv5x5", "mbconv3x3_e3", "identity"]
            )(x)
        return x


def test_the_smallest_subclass_builds_and_trains():
    model = MyNet((8, 8, 1), 3).build(keras_tuner.HyperParameters())
    x, y = np.zeros((4, 8, 8, 1), "float32"), np.array([0, 1, 2, 0])
    history = model.fit(x, y, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.predict(x, verbose=0).shape == (4, 3)


def test_the_whole_space_is_declared_without_a_build(declared, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a layer was built")

    monkeypatch.setattr(keras.layers.Layer, "__call__", refuse)
    hp = declared(MyNet((8, 8, 1), 3))
    conditions = {p.name: [(c.name, c.values) for c in p.conditions] for p in hp.space}
    assert conditions == {
        "depth": [],
        "block_0": [],
        "block_1": [],
        "block_2": [("depth", [3, 4])],
        "block_3": [("depth", [4])],
    }


def test_what_a_build_reads_is_what_was_declared(declared, rng, random_values):
    space = kn.LayerwiseHyperModel((8, 8, 1), 3, learning_rate=[1e-3, 1e-2])
    names = {p.name for p in declared(space).space}
    for hp in random_values(space, 5, rng):
        before = dict(hp.values)
        space.build(hp)
        assert hp.values == before
        assert {p.name for p in hp.space} == names


def test_raw_layers_are_built_instead_of_sketched():
    class Raw(kn.HyperModel):
        def body(self, hp, x):
            return keras.layers.Conv2D(hp.Int("filters", 2, 8), 3)(x)

    space = Raw((8, 8, 1), 3)
    with pytest.raises(NotSymbolicError):
        space.sketch(FixedHyperParameters({}))
    space.declare_hyperparameters(keras_tuner.HyperParameters())
    assert space.build(keras_tuner.HyperParameters()).output_shape == (None, 3)


def test_hyperparameters_of_compile_are_declared_and_told_apart(declared):
    class Compiled(MyNet):
        def compile(self, hp, model):
            rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
            model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")

    space = Compiled((8, 8, 1), 3)
    assert "rate" in {p.name for p in declared(space).space}
    assert space.training_values({"rate": 0.01, "depth": 3}) == {"rate": 0.01}


def test_a_network_that_zero_cuts_is_refused():
    class Cut(kn.HyperModel):
        def body(self, hp, x):
            return self.choose(hp, "b", ["zero"])(x)

    with pytest.raises(ValueError, match="zero"):
        Cut((8, 8, 1), 3).build(keras_tuner.HyperParameters())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [((), "input_shape"), (((8, 0, 1), 3), "input_shape"), (((8, 8, 1), 0), "num_classes")],
)
def test_wrong_shapes_are_refused(arguments, complaint):
    with pytest.raises((ValueError, TypeError), match=complaint):
        MyNet(*arguments)


def test_repeat_needs_a_range():
    with pytest.raises(ValueError, match="minimum"):
        list(MyNet((8, 8, 1), 3).repeat(keras_tuner.HyperParameters(), "depth", 3, 2))


def test_a_body_must_be_given():
    with pytest.raises(NotImplementedError, match="body"):
        kn.HyperModel((8, 8, 1), 3).build(keras_tuner.HyperParameters())


def test_a_table_of_features_needs_no_convolution():
    class Table(kn.HyperModel):
        def body(self, hp, x):
            return self.choose(hp, "hidden", ["dense"], filters=[8, 16])(x)

    model = Table((13,), 3).build(keras_tuner.HyperParameters())
    assert model.output_shape == (None, 3)
    assert kn.profile(model).macs == 13 * 8 + 8 * 3


class Whole(kn.HyperModel):
    """Overrides `build`, as a subclass of `keras_tuner.HyperModel` does."""

    def build(self, hp):
        units = hp.Int("units", 2, 4)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return model


def test_one_that_builds_by_itself_needs_no_arguments():
    hypermodel = Whole(name="mine")
    assert (hypermodel.name, hypermodel.tunable) == ("mine", True)
    hp = keras_tuner.HyperParameters()
    assert hypermodel.build(hp).output_shape == (None, 2)
    with pytest.raises(NotSymbolicError, match="Whole overrides build"):
        hypermodel.declare(hp)
    fixed = keras_tuner.HyperParameters()
    assert Whole(tunable=False).build(fixed).built
    assert not fixed.space


def test_a_constructor_of_its_own_need_not_call_ours():
    class Silent(Whole):
        def __init__(self, width):
            self.width = width

    hp = keras_tuner.HyperParameters()
    hypermodel = Silent(5)
    hypermodel.declare_hyperparameters(hp)
    assert not hp.space
    model = hypermodel.build(hp)
    assert model.output_shape == (None, 2)
    hypermodel.fit(hp, model, np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)


@pytest.mark.parametrize("given", [{}, {"input_shape": (3,)}, {"num_classes": 2}])
def test_any_other_says_which_arguments_it_needs(given):
    with pytest.raises(
        TypeError, match="MyNet needs the arguments `input_shape` and `num_classes`"
    ):
        MyNet(**given)


def test_a_build_is_not_taken_for_what_the_other_parts_say():
    """Its cost and its space were those of a network that it does not build."""

    class Wider(MyNet):
        def build(self, hp):
            inputs = keras.Input(self.input_shape)
            x = keras.layers.Dense(hp.Int("units", 2, 4))(keras.layers.Flatten()(inputs))
            model = keras.Model(inputs, x)
            model.compile("sgd", "mse")
            return model

    with pytest.raises(NotSymbolicError):
        Wider((8, 8, 1), 3).sketch(keras_tuner.HyperParameters())
    hp = keras_tuner.HyperParameters()
    Wider((8, 8, 1), 3).declare_hyperparameters(hp)
    assert not hp.space

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels import FixedHyperParameters, NotSymbolicError, scope


class MyNet(kn.HyperModel):
    def body(self, hp, x):
        for i in self.repeat(hp, "depth", 2, 4):
            x = self.choose(
                hp, f"block_{i}", ["conv3x3", "sepconv5x5", "mbconv3x3_e3", "identity"]
            )(x)
        return x


def declared(space):
    hp = keras_tuner.HyperParameters()
    space.declare(hp)
    return hp


def test_the_smallest_subclass_builds_and_trains():
    model = MyNet((8, 8, 1), 3).build(keras_tuner.HyperParameters())
    x, y = np.zeros((4, 8, 8, 1), "float32"), np.array([0, 1, 2, 0])
    history = model.fit(x, y, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.predict(x, verbose=0).shape == (4, 3)


def test_the_whole_space_is_declared_without_a_build(monkeypatch):
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


def test_what_a_build_reads_is_what_was_declared(rng, random_values):
    space = kn.LayerwiseHyperModel((8, 8, 1), 3, learning_rate=[1e-3, 1e-2])
    names = {p.name for p in declared(space).space}
    for hp in random_values(space, 5, rng):
        before = dict(hp.values)
        space.build(hp)
        assert hp.values == before
        assert {p.name for p in hp.space} == names


def test_a_list_makes_a_decision_and_a_value_makes_none():
    class Wired(kn.HyperModel):
        def body(self, hp, x):
            return self.choose(
                hp, "b", ["conv", "maxpool3x3"], filters=[4, 8], activation=["relu", "relu6"]
            )(x)

    conditions = {
        p.name: [(c.name, c.values) for c in p.conditions]
        for p in declared(Wired((8, 8, 1), 3)).space
    }
    assert conditions == {
        "b": [],
        "b/kernel": [("b", ["conv"])],
        "b/filters": [("b", ["conv"])],
        "b/activation": [("b", ["conv"])],
    }


@pytest.mark.parametrize("skip", ["add", "concatenate"])
@pytest.mark.parametrize("code", ["conv3x3", "mbconv5x5_e3", "dwconv3x3", "dense"])
@pytest.mark.parametrize("strides", [1, 2])
def test_a_skip_joins_whatever_the_shapes(code, skip, strides):
    class Skipping(kn.HyperModel):
        def body(self, hp, x):
            return self.choose(hp, "b", [code], filters=12, skip=skip, strides=strides)(x)

    space = Skipping((8, 8, 1), 3)
    model = space.build(keras_tuner.HyperParameters())
    joined = [layer.name for layer in model.layers if layer.name == f"b_{skip}"]
    assert joined == [f"b_{skip}"]
    assert (
        space.sketch(FixedHyperParameters({})).fingerprint()
        == kn.hardware.keras_graph(model).fingerprint()
    )


def test_blocks_that_share_a_module_share_its_decisions_and_not_its_weights():
    class Shared(kn.HyperModel):
        def body(self, hp, x):
            for i in range(3):
                x = self.choose(hp, f"block_{i}", ["conv", "sepconv"], share="module")(x)
            return x

    space = Shared((8, 8, 1), 3)
    hp = declared(space)
    assert {p.name for p in hp.space} == {"module", "module/kernel"}
    hp.values["module"] = "sepconv"
    names = [layer.name for layer in space.build(hp).layers]
    assert [n for n in names if n.endswith("depthwise")] == [
        f"block_{i}_depthwise" for i in range(3)
    ]


def test_layers_are_named_by_their_place(rng, random_values):
    space = kn.LayerwiseHyperModel((8, 8, 1), 3)
    for hp in random_values(space, 3, rng):
        first, second = space.build(hp), space.build(hp)
        assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
        assert any(layer.name.startswith("stage_0_block_0_") for layer in first.layers)


def test_raw_layers_are_built_instead_of_sketched():
    class Raw(kn.HyperModel):
        def body(self, hp, x):
            return keras.layers.Conv2D(hp.Int("filters", 2, 8), 3)(x)

    space = Raw((8, 8, 1), 3)
    with pytest.raises(NotSymbolicError):
        space.sketch(FixedHyperParameters({}))
    space.declare_hyperparameters(keras_tuner.HyperParameters())
    assert space.build(keras_tuner.HyperParameters()).output_shape == (None, 3)


def test_hyperparameters_of_compile_are_declared_and_told_apart():
    class Compiled(MyNet):
        def compile(self, hp, model):
            rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
            model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")

    space = Compiled((8, 8, 1), 3)
    assert "rate" in {p.name for p in declared(space).space}
    assert space.training_values({"rate": 0.01, "depth": 3}) == {"rate": 0.01}


def test_scopes_nest_in_any_order():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["conv", "dense"])
    hp.Int("depth", 1, 3)
    with scope(hp, "depth", [1, 2]), scope(hp, "kind", ["conv"]):
        assert hp.Choice("kernel", [3, 5]) == 3
    with scope(hp, "kind", ["dense"]), scope(hp, "depth", [1]):
        assert hp.Choice("units", [8, 16]) is None
    read = keras_tuner.HyperParameters.from_config(hp.get_config())
    assert [(c.name, c.values) for c in read.space[-1].conditions] == [
        ("kind", ["dense"]),
        ("depth", [1]),
    ]
    with pytest.raises(ValueError, match="nothing"), scope(hp, "nothing", [1]):
        pass


def test_settled_answers_as_a_container_does():
    def ask(hp):
        kind = hp.Choice("kind", ["conv", "dense"])
        with hp.conditional_scope("kind", ["dense"]):
            units = hp.Int("units", 8, 16, default=12)
        with hp.name_scope("inner"):
            flag, rate = hp.Boolean("flag"), hp.Float("rate", 0.1, 0.5)
        return kind, units, flag, rate, hp.Fixed("fixed", 7), hp.get("kind"), "kind" in hp

    for values in ({"kind": "conv"}, {"kind": "dense", "units": 9, "inner/flag": True}):
        hp = keras_tuner.HyperParameters()
        hp.values = dict(values)
        assert ask(FixedHyperParameters(values)) == ask(hp)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"operations": ["convolution"]}, "Unknown operation 'convolution'"),
        ({"operations": []}, "operations"),
        ({"operations": "conv3x3"}, "operations"),
        ({"operations": ["conv3x3"], "skip": "jump"}, "skip='jump'"),
        ({"operations": ["conv3x3"], "normalization": ["layer"]}, "normalization"),
        ({"operations": ["conv3x3"], "order": "middle"}, "order"),
        ({"operations": ["conv3x3"], "filters": []}, "filters"),
    ],
)
def test_a_wrong_choice_is_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        MyNet((8, 8, 1), 3).choose(keras_tuner.HyperParameters(), "b", **arguments)


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
    assert hypermodel.build(hp).output_shape == (None, 2)


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

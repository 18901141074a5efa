import keras
import keras_tuner
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.hardware import Sketch, keras_graph
from kerasnas.hypermodels import FixedHyperParameters, operations

OFFERED = ["conv", "conv1x1", "sepconv", "dwconv5x5", "mbconv", "mbconv3x3_e3", "maxpool", "se"]
SEARCHED = {
    "filters": (4, 6, 8),
    "activation": ("relu", "relu6", "hard_silu"),
    "normalization": ("batch", "none"),
    "skip": ("none", "add", "concatenate"),
}


@st.composite
def choices(draw):
    """The arguments of `choose`."""
    lists = {
        key: st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)
        for key, values in SEARCHED.items()
    }
    codes = draw(st.lists(st.sampled_from(OFFERED), min_size=1, max_size=4, unique=True))
    chosen = {key: draw(values) for key, values in lists.items()}
    strides, order = draw(st.integers(1, 2)), draw(st.sampled_from(["post", "pre"]))
    return {"operations": codes, "strides": strides, "order": order, **chosen}


@settings(max_examples=60, deadline=None)
@given(choices(), st.randoms(use_true_random=False))
def test_a_block_decides_what_its_operation_heeds_and_nothing_else(arguments, random):
    hp, choose = keras_tuner.HyperParameters(), kn.HyperModel((6, 6, 3), 2).choose
    choose(hp, "a/b", **arguments)
    for p in hp.space:
        if hp.is_active(p):
            hp.values[p.name] = random.choice(p.values)
    block = choose(hp, "a/b", **arguments)
    codes = arguments["operations"]
    code = hp.values["a/b"] if len(codes) > 1 else codes[0]
    operation, fixed = operations.parse(code)
    assert block.operation is operation
    assert {**block.settings, **fixed} == block.settings
    active = {p.name.removeprefix("a/b/") for p in hp.space if hp.is_active(p)} - {"a/b"}
    several = {key for key in SEARCHED if len(arguments[key]) > 1}
    assert active & set(SEARCHED) == operation.decisions & several
    free = [key for key, values in operation.parameters.items() if key not in fixed]
    # Of a parameter of an operation; where two operations have other values, its name is in front.
    own = active - set(SEARCHED)
    assert len(own) == sum(len(operation.parameters[key]) > 1 for key in free)
    assert all(any(name.endswith(key) for key in free) for name in own)

    inputs, sketch = keras.Input((6, 6, 3), name="input"), Sketch.input((6, 6, 3))
    model = keras.Model(inputs, block(inputs))
    sketch.graph.outputs = (block(sketch).index,)
    assert sketch.graph.fingerprint() == keras_graph(model).fingerprint()
    assert all(layer.name.startswith("a_b_") for layer in model.layers[1:])


def test_operations_share_a_decision_only_where_they_have_the_same_values(declared):
    class Mixed(kn.HyperModel):
        def body(self, hp, x):
            return self.choose(hp, "b", ["conv", "sepconv", "stretch", "dense"])(x)

    @operations.operation("stretch", kernel=(2, 4))
    def stretch(x, *, name, kernel, strides):
        return x

    conditions = {
        p.name: [c.values for c in p.conditions] for p in declared(Mixed((8, 8, 1), 3)).space
    }
    assert conditions == {
        "b": [],
        "b/conv_sepconv_kernel": [["conv", "sepconv"]],
        "b/stretch_kernel": [["stretch"]],
    }


def test_a_list_makes_a_decision_and_a_value_makes_none(declared):
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


def test_blocks_that_share_a_module_share_its_decisions_and_not_its_weights(declared):
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


@pytest.mark.parametrize("several", [(4, 8, 12), [4, 8, 12], range(4, 13, 4)])
def test_several_values_may_come_as_any_sequence(several):
    hp = keras_tuner.HyperParameters()
    block = kn.HyperModel((8, 8, 1), 3).choose(hp, "b", ["conv3x3"], filters=several)
    assert [(p.name, p.values) for p in hp.space] == [("b/filters", [4, 8, 12])]
    assert block.filters == 4


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
        kn.HyperModel((8, 8, 1), 3).choose(keras_tuner.HyperParameters(), "b", **arguments)

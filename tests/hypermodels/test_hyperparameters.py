import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.hypermodels import FixedHyperParameters, scope
from kerasnas.hypermodels.hyperparameters import decide, nested_scopes


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


@st.composite
def programs(draw):
    """What a build asks: (name, options, parents and their values); and some of the answers."""
    options = st.lists(st.integers(0, 5), min_size=2, max_size=4, unique=True)
    asked, values = [], {}
    for i in range(draw(st.integers(1, 6))):
        name, choices = f"p{i}", draw(options)
        parents = st.sampled_from([f"p{j}" for j in range(i)] or [name])
        conditions = draw(st.dictionaries(parents, options, max_size=2 if i else 0))
        asked.append((name, choices, conditions))
        if draw(st.booleans()):
            values[name] = draw(st.sampled_from(choices))
    return asked, values


@given(programs())
def test_fixed_values_answer_nested_questions_as_a_container_does(program):
    asked, values = program

    def ask(hp):
        answers = {}
        for name, options, conditions in asked:
            with nested_scopes(hp, conditions):
                answers[name] = decide(hp, name, options)
        return answers

    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    fixed = FixedHyperParameters(values)
    assert ask(fixed) == ask(hp)
    assert fixed.read == {p.name: hp.values[p.name] for p in hp.space if hp.is_active(p)}


def test_a_decision_between_one_value_is_no_hyperparameter():
    hp = keras_tuner.HyperParameters()
    assert decide(hp, "width", [8]) == 8
    assert not hp.space
    assert decide(hp, "kernel", [3, 5], default=5) == 5
    assert [p.name for p in hp.space] == ["kernel"]


def test_a_name_declared_under_two_conditions_keeps_its_value():
    hp = keras_tuner.HyperParameters()
    hp.values = {"kind": "a", "width": 16}
    hp.Choice("kind", ["a", "b"])
    for kind in ("a", "b"):
        with scope(hp, "kind", [kind]):
            found = decide(hp, "width", [8, 16])
            assert found == (16 if kind == "a" else None)


def test_what_was_not_asked_for_is_not_there():
    hp = FixedHyperParameters({"kind": "conv"})
    assert hp["kind"] == "conv"
    with pytest.raises(KeyError, match="inner/kind does not exist"), hp.name_scope("inner"):
        hp.get("kind")

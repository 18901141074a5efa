import keras
import keras_tuner
import pytest

import kerasnas as kn
from kerasnas.hypermodels import scope
from kerasnas.tuners.space import discover


def nested(hp):
    """Two branches, one with a branch of its own."""
    built.append(dict(hp.values))
    kind = hp.Choice("kind", ["mlp", "cnn"])
    with hp.conditional_scope("kind", ["cnn"]):
        if kind == "cnn":
            pool = hp.Choice("pool", ["none", "max"])
            with hp.conditional_scope("pool", ["max"]):
                if pool == "max":
                    hp.Int("size", 2, 3)
    with hp.conditional_scope("kind", ["mlp"]):
        if kind == "mlp":
            for i in range(hp.Int("layers", 1, 3)):
                hp.Int(f"units_{i}", 4, 8)
    return keras.Sequential()


built: list = []


@pytest.fixture(autouse=True)
def _count():
    built.clear()


def test_every_branch_is_found_from_default_values():
    hp = keras_tuner.HyperParameters()
    model, names = discover(nested, hp)
    assert isinstance(model, keras.Model)
    assert names == ["kind", "layers", "units_0"]
    assert [p.name for p in hp.space] == ["kind", "layers", "units_0", "pool", "size"]
    assert len(built) == 3
    assert hp.values == {"kind": "mlp", "layers": 1, "units_0": 4}


def test_it_finds_the_same_space_each_time():
    spaces = []
    for _ in range(3):
        hp = keras_tuner.HyperParameters()
        discover(nested, hp)
        spaces.append(hp.get_config())
    assert spaces[0] == spaces[1] == spaces[2]


def test_a_branch_that_does_not_build_keeps_what_it_declared():
    def half_broken(hp):
        with_units = hp.Choice("kind", ["a", "b"]) == "b"
        with hp.conditional_scope("kind", ["b"]):
            if with_units:
                hp.Int("units", 1, 4)
                raise ValueError("b is broken")
        return keras.Sequential()

    hp = keras_tuner.HyperParameters()
    discover(half_broken, hp)
    assert [p.name for p in hp.space] == ["kind", "units"]


def test_a_scope_that_can_never_be_active_is_left(recwarn):
    def stubborn(hp):
        built.append(1)
        hp.Choice("kind", ["a", "b"])
        hp.values["kind"] = "a"
        with hp.conditional_scope("kind", ["b"]):
            pass
        return keras.Sequential()

    discover(stubborn, keras_tuner.HyperParameters())
    assert len(built) == 2


def test_a_branch_that_does_not_build_is_named():
    def half_broken(hp):
        kind = hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["b"]):
            if kind == "b":
                keras.layers.Dense(3)(keras.Input((2, 2)))(1)
        return keras.Sequential()

    with pytest.warns(RuntimeWarning, match="kind='b' cannot be built, .*: TypeError: "):
        discover(half_broken, keras_tuner.HyperParameters())


@pytest.mark.parametrize("parent", ["n", "typo"])
def test_a_scope_whose_parent_keras_tuner_does_not_find_is_an_error(parent):
    def nested_on_one_parent(hp):
        n = hp.Int("n", 0, 3)
        with hp.conditional_scope("n", [1, 2, 3]):
            if n:
                with hp.conditional_scope(parent, [2, 3]):
                    if n > 1:
                        hp.Int("units", 4, 16)
        return keras.Sequential()

    with pytest.raises(ValueError, match=rf'kerasnas.hypermodels.scope\(hp, "{parent}"'):
        discover(nested_on_one_parent, keras_tuner.HyperParameters())


def test_scopes_of_ours_nest_on_one_parent():
    def nested_on_one_parent(hp):
        n = hp.Int("n", 0, 3)
        with scope(hp, "n", [1, 2, 3]), scope(hp, "n", [2, 3]):
            if n > 1:
                hp.Int("units", 4, 16)
        return keras.Sequential()

    hp = keras_tuner.HyperParameters()
    discover(nested_on_one_parent, hp)
    assert [p.name for p in hp.space] == ["n", "units"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda hp: hp.Int("u", 4, 16), lambda hp: hp.Int("u", 8, 16)),
        (lambda hp: hp.Int("u", 4, 16), lambda hp: hp.Int("u", 4, 16, sampling="log")),
        (lambda hp: hp.Int("u", 4, 16), lambda hp: hp.Float("u", 4, 16)),
        (lambda hp: hp.Choice("u", [1, 2]), lambda hp: hp.Choice("u", [1, 2, 3])),
        (lambda hp: hp.Boolean("u"), lambda hp: hp.Boolean("u", default=True)),
    ],
)
def test_a_name_with_two_ranges_is_told(first, second):
    def twice(hp):
        first(hp)
        second(hp)
        return keras.Sequential()

    with pytest.warns(UserWarning, match="Hyperparameter 'u' is declared in two ways"):
        discover(twice, keras_tuner.HyperParameters())


def test_one_range_in_two_places_and_two_in_branches_apart_are_fine(recwarn):
    def apart(hp):
        hp.Int("same", 1, 3)
        hp.Int("same", 1, 3)
        kind = hp.Choice("kind", ["a", "b"])
        for name, most in (("a", 4), ("b", 8)):
            with hp.conditional_scope("kind", [name]):
                if kind == name:
                    hp.Int("units", 1, most)
        return keras.Sequential()

    discover(apart, keras_tuner.HyperParameters())
    assert not recwarn


@pytest.mark.parametrize("oracle", ["random", "auto", kn.oracles.RandomOracle("loss", 1)])
def test_a_tuner_declares_the_space_once(tmp_path, oracle):
    asked = []

    class Counts(kn.LayerwiseHyperModel):
        def declare(self, hp):
            asked.append("declare")
            super().declare(hp)

        def sketch(self, hp):
            if not isinstance(hp, keras_tuner.HyperParameters):
                asked.append("sketch of the default network")
            return super().sketch(hp)

    made = {"objective": "loss"} if isinstance(oracle, str) else {}
    tuner = kn.Tuner(Counts((8, 8, 1), 2), oracle, directory=tmp_path, **made)
    assert sorted(asked) == ["declare", "sketch of the default network"]
    declared = keras_tuner.HyperParameters()
    kn.LayerwiseHyperModel((8, 8, 1), 2).declare(declared)
    assert tuner.oracle.get_space().get_config() == declared.get_config()

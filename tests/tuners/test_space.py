import keras
import keras_tuner
import pytest

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

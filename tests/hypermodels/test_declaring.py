"""A space is declared whole, and a name that is declared in two ways is told."""

import keras_tuner
import pytest

from kerasnas.hypermodels.declaring import DeclaringHyperParameters, declared_by


def names(hp):
    return [one.name for one in hp.space]


def test_every_scope_is_visited_however_deep():
    calls = []

    def visit(hp):
        calls.append(dict(hp.values))
        for outer in ("a", "b"):
            kind = hp.Choice("kind", ["a", "b"])
            with hp.conditional_scope("kind", [outer]):
                if kind == outer:
                    size = hp.Choice(f"{outer}/size", [1, 2, 3])
                    with hp.conditional_scope(f"{outer}/size", [3]):
                        if size == 3:
                            hp.Boolean(f"{outer}/bias")

    found = declared_by(visit)
    assert sorted(names(found)) == ["a/bias", "a/size", "b/bias", "b/size", "kind"]
    assert len(calls) <= 5


def test_a_space_without_decisions_is_visited_once():
    calls = []
    assert names(declared_by(calls.append)) == []
    assert len(calls) == 1


def test_one_name_with_two_ranges_is_told_and_two_scopes_are_not():
    hp = DeclaringHyperParameters()
    hp.Int("units", 4, 16)
    with pytest.warns(UserWarning, match=r"'units' is declared in two ways, and the first counts"):
        hp.Int("units", 4, 32)
    hp.Choice("kind", ["a", "b"])
    for kind, most in (("a", 2), ("b", 3)):
        with hp.conditional_scope("kind", [kind]):
            hp.Int("depth", 1, most)


def test_a_copy_is_of_its_kind():
    hp = DeclaringHyperParameters()
    hp.Int("units", 4, 16)
    copy = hp.copy()
    assert isinstance(copy, DeclaringHyperParameters)
    assert isinstance(copy, keras_tuner.HyperParameters)
    assert copy.values == {"units": 4}

import dataclasses
import inspect
import warnings

import pytest

from kerasnas.runtime.stability import deprecated, experimental


def make():
    """A fresh function, whose first call is still to come."""

    @experimental(since="0.2.0")
    def scaled(x: int, by: int = 2) -> int:
        """Returns a multiple.

        Args:
            x: A number.
        """
        return x * by

    return scaled


def test_a_function_warns_where_it_is_first_called():
    scaled = make()
    with pytest.warns(FutureWarning, match=r"scaled: Experimental since version 0\.2\.0") as seen:
        assert scaled(3) == 6
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scaled(3, by=3) == 9


def test_docstring_and_signature_are_those_of_the_function_with_a_note():
    scaled = make()
    summary, note, arguments = scaled.__doc__.split("\n\n")
    assert summary == "Returns a multiple."
    assert note == "Experimental since version 0.2.0: it may change in any version."
    assert arguments.startswith("Args:\n    x: A number.")
    assert list(inspect.signature(scaled).parameters) == ["x", "by"]
    assert scaled.__name__ == "scaled"


def test_a_class_stays_the_class_that_it_is():
    @deprecated(since="0.2.0", removed_in="0.3.0", use="kn.Budget(ram=...)")
    @dataclasses.dataclass(frozen=True)
    class Limit:
        """A limit."""

        ram: int = 0

    class Narrow(Limit):
        pass

    with pytest.warns(DeprecationWarning, match=r"removed in 0\.3\.0: use `kn\.Budget") as seen:
        limit = Narrow(ram=3)
    assert seen[0].filename == __file__
    assert limit.ram == 3
    assert isinstance(limit, Limit)
    assert list(inspect.signature(Limit).parameters) == ["ram"]
    assert "Deprecated since version 0.2.0" in Limit.__doc__

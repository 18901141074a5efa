import pytest

from kerasnas.data.scoring import distinct


@pytest.mark.parametrize(
    ("names", "told_apart"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a", "a_1", "a"], ["a", "a_1", "a_2"]),
        (["a", "a", "a_1"], ["a", "a_2", "a_1"]),
        (["a_1", "a", "a", "a_1"], ["a_1", "a", "a_2", "a_1_1"]),
    ],
)
def test_names_are_told_apart(names, told_apart):
    assert distinct(names) == told_apart

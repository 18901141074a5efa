import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.training.class_weights import balanced, classes_of, count_classes, weights_of


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_balanced_classes_count_alike_and_as_much_as_all_samples(y):
    y = np.array(y)
    weights = weights_of(y, balanced(count_classes(y)))
    sums = [weights[y == name].sum() for name in set(y.tolist())]
    assert sums == pytest.approx([sums[0]] * len(sums), rel=1e-4)
    assert weights.sum() == pytest.approx(len(y), rel=1e-4)


def test_classes_are_read_in_every_form():
    y = np.array([2, 0, 1])
    assert (classes_of(y) == y).all()
    assert (classes_of(y[:, None].astype("float32")) == y).all()
    assert (classes_of(np.eye(3)[y]) == y).all()
    with pytest.raises(ValueError, match="class_weight"):
        classes_of(np.zeros((2, 4, 4)))


@pytest.mark.parametrize("of", [list, tuple, lambda arrays: dict(zip("abc", arrays, strict=True))])
def test_targets_of_several_outputs_are_refused(of):
    """Three arrays of classes would pass for one array of shape (3, samples)."""
    with pytest.raises(ValueError, match=r"`class_weight`.*Received: 3 arrays"):
        count_classes(of([np.arange(5)] * 3))


def test_weights_of_samples_are_multiplied():
    found = weights_of([0, 1, 7], {0: 2.0, 1: 0.5}, [1.0, 4.0, 3.0])
    assert found.tolist() == [2.0, 2.0, 3.0]

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.engine import pareto

points = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 5), min_size=width, max_size=width), min_size=1, max_size=12
    ).map(lambda rows: np.array(rows, dtype=float))
)


def dominates(a, b):
    return (a <= b).all() and (a < b).any()


@given(points)
def test_non_dominated_is_what_no_other_dominates(losses):
    expected = [not any(dominates(other, one) for other in losses) for one in losses]
    assert list(pareto.non_dominated(losses)) == expected


@given(points)
def test_a_front_is_dominated_by_the_one_before_it(losses):
    ranks = pareto.fronts(losses)
    for one, rank in zip(losses, ranks, strict=True):
        above = losses[ranks == rank - 1]
        assert rank == 0 or any(dominates(other, one) for other in above)
        assert not any(dominates(other, one) for other in losses[ranks == rank])


@given(points)
def test_hypervolume_counts_the_dominated_cells(losses):
    """On a grid of whole numbers the volume is the number of unit cells."""
    cells = itertools.product(range(7), repeat=losses.shape[1])
    count = sum(any((one <= cell).all() for one in losses) for cell in map(np.array, cells))
    volume = pareto.hypervolume(losses, np.full(losses.shape[1], 7.0))
    assert volume == pytest.approx(count)


@given(points)
def test_the_running_hypervolume_is_that_of_every_beginning(losses):
    reference = np.full(losses.shape[1], 7.0)
    expected = [pareto.hypervolume(losses[: n + 1], reference) for n in range(len(losses))]
    assert pareto.running_hypervolume(losses, reference) == pytest.approx(expected)


def test_the_scaled_hypervolume_is_a_share():
    losses = np.array([[10.0, 0.9], [20.0, 0.5], [30.0, 0.1], [10.0, 0.1]])
    volumes = pareto.running_hypervolume(losses)
    assert volumes[-1] == pytest.approx(1.0)
    assert (np.diff(volumes) >= 0).all()
    assert len(pareto.running_hypervolume(losses[:0])) == 0


def test_crowding_prefers_the_ends_and_the_lonely():
    room = pareto.crowding(np.array([[0, 4.0], [1, 3.0], [1.1, 2.9], [4, 0.0]]))
    assert np.isinf(room[[0, 3]]).all()
    assert room[2] > room[1]
    assert np.isinf(pareto.crowding(np.array([[1.0, 1.0]]))).all()


def test_hypervolume_beyond_the_reference_is_nothing():
    assert pareto.hypervolume(np.array([[2.0, 0.0]]), np.array([1.0, 1.0])) == 0.0

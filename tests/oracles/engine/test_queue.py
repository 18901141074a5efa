"""Settings that a user puts before all proposals."""

import keras_tuner
import pytest

from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.queue import Queue
from kerasnas.testing.search import Violation, small_space

CONV = {"op": "conv", "kernel": 5, "bias": True}


def test_settings_come_in_order_each_once_filled_up_with_defaults():
    queue, space = Queue(ProposalFilter()), small_space()
    for values in (CONV, {"op": "pool"}, CONV):
        queue.add(values, space)
    assert queue.settings == [CONV, {"op": "pool"}]
    first, second = queue.next(space), queue.next(space)
    assert (first.values, first.operator, first.parents) == (CONV, "enqueued", ())
    assert second.values == {"op": "pool", "bias": False}
    assert queue.next(space) is None
    assert queue.done == 2


def test_what_was_tried_already_is_passed_over():
    proposal_filter = ProposalFilter()
    queue, space = Queue(proposal_filter), small_space()
    queue.add(CONV, space)
    queue.add({"op": "pool"}, space)
    proposal_filter.remember("00", CONV)
    assert queue.next(space).values["op"] == "pool"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 1}, "no hyperparameter 'width'"),
        ({"op": "dense"}, "'op' must be one of"),
        ({"op": "pool", "kernel": 3}, "'kernel' does not matter"),
    ],
)
def test_what_the_space_does_not_allow_is_refused(values, message):
    queue = Queue(ProposalFilter())
    with pytest.raises(ValueError, match=f"Cannot enqueue: .*{message}"):
        queue.add(values, small_space())
    assert queue.settings == []


def test_what_was_queued_before_the_space_was_known_is_skipped_with_a_warning():
    queue = Queue(ProposalFilter())
    for values in ({"op": "dense"}, {"op": "pool"}):
        queue.add(values, keras_tuner.HyperParameters())
    with pytest.warns(RuntimeWarning, match="Skipped a queued setting: 'op' must be one of"):
        assert queue.next(small_space()).values["op"] == "pool"


def test_what_breaks_the_budget_is_refused_or_skipped(filter_of):
    gated = filter_of(lambda v: {"ram": Violation(9, 4)} if v["op"] == "conv" else {})
    queue, space = Queue(gated), small_space()
    with pytest.raises(ValueError, match=r"Cannot enqueue: .*breaks the budget: ram=9 > limit 4"):
        queue.add(CONV, space)
    # Queued before the budget was known.
    queue.restore([CONV])
    with pytest.warns(RuntimeWarning, match="breaks the budget"):
        assert queue.next(space) is None
    assert gated.turned_away == 0


def test_settings_of_a_saved_run_come_before_those_added_since():
    queue = Queue(ProposalFilter())
    space = small_space()
    for op in ("identity", "pool"):
        queue.add({"op": op}, space)
    queue.restore([{"op": "pool"}, CONV])
    assert queue.settings == [{"op": "pool"}, CONV, {"op": "identity"}]

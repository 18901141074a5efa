"""Sets of channels that go together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.compression.structured.channels import Channels

JOINS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8)


def joined(pairs) -> tuple[Channels, list[np.ndarray]]:
    """Six tensors of three channels, some of which meet."""
    channels = Channels()
    tensors = [channels.new(3) for _ in range(6)]
    for a, b in pairs:
        channels.join([tensors[a], tensors[b]])
    return channels, tensors


@given(JOINS)
def test_channels_that_met_are_of_one_set_and_no_others(pairs):
    channels, tensors = joined(pairs)
    roots = channels.roots()
    groups = [{place} for place in range(6)]
    for a, b in pairs:
        whole = groups[a] | groups[b]
        for place in whole:
            groups[place] = whole
    for a in range(6):
        for b in range(6):
            together = np.array_equal(roots[tensors[a]], roots[tensors[b]])
            assert together == (b in groups[a])


@given(JOINS, st.integers(0, 5), st.booleans())
def test_a_reason_to_stay_holds_for_all_of_a_set_whenever_it_is_said(pairs, place, before):
    channels, tensors = joined([] if before else pairs)
    channels.stay(tensors[place][:1], "it is needed")
    for a, b in pairs if before else []:
        channels.join([tensors[a], tensors[b]])
    roots, removable = channels.roots(), set(channels.removable().tolist())
    for labels in tensors:
        met = roots[labels[0]] == roots[tensors[place][0]]
        assert channels.reason(labels) == ("it is needed" if met else None)
        assert (roots[labels[0]] not in removable) == met
        assert {roots[label] for label in labels[1:].tolist()} <= removable


def test_a_shared_layer_makes_the_same_channels_wherever_it_is_called():
    channels, layer = Channels(), object()
    assert np.array_equal(channels.made_by(layer, 4), channels.made_by(layer, 4))
    assert len(channels) == 4


def test_tensors_of_unlike_widths_do_not_meet():
    channels = Channels()
    with pytest.raises(ValueError, match="shorter"):
        channels.join([channels.new(3), channels.new(2)])

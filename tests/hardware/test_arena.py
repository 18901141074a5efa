from hypothesis import given
from hypothesis import strategies as st

from kerasnas.hardware.arena import Lifetime, peak, plan

buffers = st.lists(
    st.tuples(st.integers(1, 2000), st.integers(0, 10), st.integers(0, 10)).map(
        lambda t: Lifetime(t[0], min(t[1:]), max(t[1:]))
    ),
    min_size=1,
    max_size=12,
)


def test_a_chain_needs_its_two_largest_neighbours():
    chain = [Lifetime(160, 0, 0), Lifetime(320, 0, 1), Lifetime(64, 1, 2)]
    offsets = plan(chain)
    assert max(o + b.size for o, b in zip(offsets, chain, strict=True)) == 480


def test_a_gap_is_filled_before_the_arena_grows():
    # The two large ones leave 64 bytes between them free at step 2.
    held = [Lifetime(256, 0, 2), Lifetime(64, 0, 1), Lifetime(128, 1, 2), Lifetime(48, 2, 2)]
    assert plan(held)[3] in range(256, 448)
    assert max(o + b.size for o, b in zip(plan(held), held, strict=True)) == 448


def test_the_peak_is_the_end_of_the_highest_buffer():
    assert peak([], []) == 0
    buffers = [Lifetime(17, 0, 1), Lifetime(1, 1, 1)]
    assert peak(buffers, plan(buffers)) == 48


@given(buffers)
def test_buffers_that_live_together_never_overlap(given_buffers):
    offsets = plan(given_buffers)
    for i, a in enumerate(given_buffers):
        assert offsets[i] % 16 == 0
        for j, b in enumerate(given_buffers[:i]):
            together = a.first <= b.last and b.first <= a.last
            apart = offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]
            assert apart or not together


@given(buffers)
def test_the_arena_is_at_least_what_is_alive_at_once(given_buffers):
    offsets = plan(given_buffers)
    height = max(o + b.size for o, b in zip(offsets, given_buffers, strict=True))
    for step in range(11):
        assert height >= sum(b.size for b in given_buffers if b.first <= step <= b.last)

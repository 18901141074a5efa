"""What NEAT does to a setting: growth, shrinkage, crossover by name."""

import numpy as np
import pytest

from kerasnas.hypermodels.graph import GraphNames
from kerasnas.oracles import genome
from kerasnas.oracles.neat.moves import Moves, cross
from kerasnas.testing import search

NAMES = GraphNames("graph", 8)


def nodes(values):
    return len(NAMES.nodes(values))


def test_a_node_takes_the_place_of_a_connection(space, rng):
    moves = Moves(space, 1.0, 0.0)
    values, seen = genome.settle(space, {}), set()
    while (grown := moves.grow(values, rng)) is not None:
        after, operator = grown
        seen.add(operator)
        before, now = set(NAMES.edges(values)), set(NAMES.edges(after))
        if operator == "add_node":
            (new,) = set(NAMES.nodes(after)) - set(NAMES.nodes(values))
            into, out = sorted(now - before)
            assert (into[1], out[0]) == (new, new)
            assert before - now <= {(into[0], out[1])}
            assert (into[0], out[1]) in NAMES.connections(values)
            assert (into[0], out[1]) not in now
        else:
            assert operator == "add_connection"
            assert len(now - before) == 1
            assert not before - now
            assert NAMES.nodes(values) == NAMES.nodes(after)
        # All names that were there have kept their values.
        kept = {*values} - {NAMES.edge(*pair) for pair in before ^ now}
        assert sum(values[name] != after[name] for name in kept) == (operator == "add_node")
        values = after
    assert seen == {"add_node", "add_connection"}
    # Nothing is left to add.
    assert nodes(values) == 7
    assert len(NAMES.edges(values)) == 36


def test_shrinking_leads_back_to_the_smallest(space, rng):
    moves = Moves(space, 0.0, 1.0)
    values, seen = genome.sample(space, rng), set()
    while (shrunk := moves.shrink(values, rng)) is not None:
        assert nodes(shrunk[0]) + len(NAMES.edges(shrunk[0])) <= 7 + 36
        values, operator = shrunk
        seen.add(operator)
    assert nodes(values) == 0
    assert seen == {"remove_node", "remove_connection"}


def test_a_space_without_graphs_grows_by_decisions(rng):
    space = search.conditional_space()
    moves = Moves(space, 1.0, 0.0)
    values = genome.settle(space, {})
    while (grown := moves.grow(values, rng)) is not None:
        assert grown[1] == "growth"
        assert len(grown[0]) > len(values)
        assert sum(grown[0][name] != value for name, value in values.items()) == 1
        values = grown[0]
    assert values["depth"] == 3
    shrunk, operator = moves.shrink(values, rng)
    assert operator == "shrinkage"
    assert len(shrunk) < len(values)


def test_crossover_aligns_by_name(space, rng):
    only_weaker = only_fitter = mixed = 0
    for _ in range(200):
        fitter, weaker = genome.sample(space, rng), genome.sample(space, rng)
        child = cross(space, fitter, weaker, rng)
        assert genome.complete(space, child) == child
        # Disjoint and excess genes are those of the fitter one: the same nodes are there.
        assert NAMES.nodes(child) == NAMES.nodes(fitter)
        assert {*child} == {*fitter}
        for name, value in child.items():
            assert value in (fitter[name], weaker.get(name))
            if weaker.get(name, "zero") == "zero":
                assert value == fitter[name]
                only_fitter += fitter[name] != "zero"
            elif fitter[name] != weaker[name] and fitter[name] != "zero":
                mixed += 1
                only_weaker += value == weaker[name]
    assert only_fitter > 100
    assert 0.45 < only_weaker / mixed < 0.55


def test_a_gene_of_the_weaker_one_brings_what_belongs_to_it(rng):
    space = search.small_space()
    fitter, weaker = {"op": "pool", "bias": True}, {"op": "conv", "kernel": 7, "bias": True}
    children = [cross(space, fitter, weaker, rng) for _ in range(20)]
    assert fitter in children
    assert weaker in children
    assert all(child in (fitter, weaker) for child in children)


@pytest.mark.parametrize("seed", range(3))
def test_a_change_keeps_the_topology_and_changes_one_decision(space, seed):
    rng = np.random.default_rng(seed)
    moves = Moves(space, 0.0, 0.0)
    values = genome.sample(space, rng)
    for _ in range(20):
        changed, operator = moves.change(values, rng)
        assert operator == "mutation"
        assert sum(changed[name] != value for name, value in values.items()) == 1
        assert NAMES.nodes(changed) == NAMES.nodes(values)
        assert NAMES.edges(changed) == NAMES.edges(values)
        values = changed


def test_where_there_is_nothing_to_shrink_something_else_is_done(space, rng):
    smallest = genome.settle(space, {})
    moves = Moves(space, 0.0, 1.0)
    assert moves.shrink(smallest, rng) is None
    child, operator = moves.mutate(smallest, rng)
    assert operator == "mutation"
    assert child != smallest


def test_only_a_space_without_graphs_is_scattered(space, rng):
    """What brings other decisions stays as it is, so that the network stays small."""
    smallest = genome.settle(space, {})
    assert Moves(space, 0.4, 0.1).scatter(smallest, rng) == smallest
    flat = search.conditional_space()
    smallest = genome.settle(flat, {})
    scattered = [Moves(flat, 0.4, 0.1).scatter(smallest, rng) for _ in range(20)]
    assert {(one["depth"], one["block_0"]) for one in scattered} == {(1, "conv")}
    assert len({one["block_0/width"] for one in scattered}) > 3


def test_moves_are_of_a_space_until_it_grows():
    flat = search.small_space()
    moves = Moves(flat, 0.4, 0.1)
    assert moves.are_of(flat)
    assert not moves.are_of(search.small_space())
    flat.Boolean("late")
    assert not moves.are_of(flat)

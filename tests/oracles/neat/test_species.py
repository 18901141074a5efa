"""The living trials of NEAT in species, which protect what is new."""

import numpy as np

from kerasnas.hypermodels.graph import GraphHyperModel, GraphNames
from kerasnas.oracles import genome
from kerasnas.oracles.neat.species import Member, Population, genes_of

NAMES = GraphNames("graph", 8)


OPERATIONS = GraphHyperModel((8, 8, 1), 3).operations


def filled(space, size=10):
    """A population of one species: one node, its operation, and two learning rates."""
    population = Population(size, 1)
    for place in range(size):
        values = {"graph/node_4": OPERATIONS[place % 5], "learning_rate": (1e-3, 1e-2)[place // 5]}
        add(population, space, f"old {place}", genome.complete(space, values), -1 - place / 100)
    return population


def add(population, space, name, values, loss):
    population.add(space, Member(name, values, genes_of(values), loss))


def test_a_new_topology_that_is_worse_is_protected_until_it_had_its_time(space, rng):
    population = filled(space)
    assert len(population.species) == 1
    values = genome.complete(
        space, {NAMES.node(p): "sepconv5x5" for p in (1, 2, 3, 4, 5)} | {"graph/edge_0_8": False}
    )
    add(population, space, "new", values, 5.0)
    (new,) = population.species[1:]
    assert [member.trial_id for member in new.members] == ["new"]
    # The worst of all, and yet it has half as many children as the average species.
    drawn = [population.draw(rng) is new for _ in range(400)]
    assert 0.14 < np.mean(drawn) < 0.26
    # Without species, it would be among the next to die; here others die for it.
    small = genome.settle(space, {"graph/node_4": "conv3x3"})
    for place in range(4):
        add(population, space, f"more {place}", small, -2.0)
        assert new in population.species
    # Its time is over.
    for place in range(4, 40):
        add(population, space, f"more {place}", small, -2.0)
    assert new not in population.species
    assert sum(len(one.members) for one in population.species) == 10


def test_a_species_that_stands_still_has_fewer_children(space, rng):
    shares = []
    small = genome.settle(space, {"graph/node_4": "conv3x3"})
    large = genome.complete(space, {NAMES.node(p): "sepconv5x5" for p in (1, 2, 3, 4, 5)})
    for improving in (True, False):
        population = filled(space)
        for place in range(30):
            add(population, space, f"best {place}", small, -4.0)
            add(population, space, f"large {place}", large, -3 - improving * place / 1e6)
        (number,) = [n for n, trials in population.history.items() if "large 0" in trials]
        shares.append(np.mean([population.draw(rng).number == number for _ in range(2000)]))
    assert shares[0] > 0.02
    assert shares[1] < 0.6 * shares[0]


def test_genes_are_what_a_network_has():
    values = {"graph/node_1": "conv3x3", "graph/node_2": "zero", "graph/edge_0_2": False, "x": 0}
    assert genes_of(values) == {"graph/node_1": "conv3x3", "x": 0}


def test_no_more_are_alive_than_the_size_and_all_are_remembered(space, rng):
    population = Population(6, 3)
    for place in range(40):
        values = genome.sample(space, rng)
        add(population, space, str(place), values, float(rng.normal()))
        living = [member for one in population.species for member in one.members]
        assert len(living) == min(place + 1, 6)
        for one in population.species:
            losses = [member.loss for member in one.members]
            assert losses == sorted(losses)
            assert one.best <= losses[0]
    ever = [name for names in population.history.values() for name in names]
    assert sorted(ever, key=int) == [str(place) for place in range(40)]


def test_a_living_trial_is_found_by_its_setting(space):
    population = filled(space)
    values = population.species[0].members[3].values
    assert population.find(values) == (population.species[0].members[3].trial_id,)
    assert population.find({**values, "learning_rate": 5.0}) == ()

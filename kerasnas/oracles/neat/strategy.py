"""NEAT: networks that grow from the smallest one, in species. Stanley and Miikkulainen 2002."""

import math

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.genome import Values
from kerasnas.oracles.neat.moves import Moves, cross, pick
from kerasnas.oracles.neat.species import Member, Population, genes_of
from kerasnas.runtime.arguments import check_integer, check_number

# A child that was tried before is changed again, at most so often.
_FURTHER = 10
# The share of a species that may be parents: of ten or fewer members, only the best one.
_SURVIVAL = 0.1


class NEAT(Strategy):
    """Starts with the smallest network and lets it grow, in species, by the names of its parts.

    The first population is the setting of all defaults, and settings one change away from it. In a
    space without graphs, the decisions that activate no others are drawn at random first. From then
    on each trial is the child of a species, drawn by the mean rank of its members (explicit
    fitness sharing): one of its best members is changed, or two members are crossed. A child that
    differs from the best of every species by more than a threshold founds a new one, which is
    protected from the others until it has had time to improve.

    On a graph of `kerasnas.hypermodels.graph.GraphHyperModel`, growth splits a connection by a node
    or adds a connection; on any other space, it changes one decision so that others become active.

    Args:
        population_size: How many trials are alive. Defaults to a tenth of `max_trials`, at least
            10 (a third of `max_trials` when that is less) and at most 20.
        num_species: How many species the compatibility threshold aims at. Defaults to the square
            root of `population_size`.
        crossover: Share of the children with two parents, between 0 and 1.
        growth: Share of the mutations that add a node, a connection or decisions.
        shrinkage: Share of the mutations that remove one. The rest change one decision.

    Raises:
        ValueError: A number out of its range, or `growth` and `shrinkage` above 1 together.

    Source:
        Stanley and Miikkulainen 2002, "Evolving Neural Networks through Augmenting Topologies";
        one child at a time as in rtNEAT (Stanley, Bryant and Miikkulainen 2005). An innovation's
        number is a hyperparameter's name here. Ranks stand for fitness, which has to be positive.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.NEATOracle("val_accuracy", max_trials=100, seed=0)
    """

    def __init__(
        self,
        population_size: int | None = None,
        num_species: int | None = None,
        crossover: float = 0.25,
        growth: float = 0.4,
        shrinkage: float = 0.1,
    ):
        check_integer("population_size", population_size, least=2, optional=True)
        check_integer("num_species", num_species, least=1, optional=True)
        shares = {"crossover": crossover, "growth": growth, "shrinkage": shrinkage}
        for name, share in shares.items():
            check_number(name, share, least=0, most=1)
        if growth + shrinkage > 1:
            raise ValueError(
                "growth and shrinkage must not be above 1 together: they are shares of the "
                f"mutations. Received: growth={growth!r}, shrinkage={shrinkage!r}"
            )
        self.population_size, self.num_species = population_size, num_species
        self.crossover, self.growth, self.shrinkage = crossover, growth, shrinkage
        # Both follow from the space and the completed trials; None before they are needed.
        self._moves: Moves | None = None
        self._population: Population | None = None

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Extends the smallest network until the population is full, then breeds in a species."""
        history.check_population(self.population_size)
        population, moves = self._read_trials(history)

        def new(child: Values, operator: str) -> tuple[Values, str]:
            """Changes a child again while it is one that was tried before."""
            for _ in range(_FURTHER):
                if not history.ruled_out(child):
                    break
                child, operator = moves.mutate(child, rng)[0], "jump"
            return child, operator

        if len(history.trials) < population.size or not population.species:
            smallest = genome.settle(history.space, {})
            if not history.ruled_out(smallest):
                return Proposal(smallest, operator="minimal")
            child, _ = new(*moves.mutate(moves.scatter(smallest, rng), rng))
            return Proposal(child, population.find(smallest), "extension")
        species = population.draw(rng)
        parent = species.members[int(rng.integers(math.ceil(_SURVIVAL * len(species.members))))]
        others = [member for member in species.members if member is not parent]
        if not others or rng.random() >= self.crossover:
            child, operator = new(*moves.mutate(parent.values, rng))
            return Proposal(child, (parent.trial_id,), operator)
        # Of two with the same loss, the smaller network counts as the fitter one.
        mates = sorted((parent, pick(others, rng)), key=lambda one: (one.loss, len(one.genes)))
        child = cross(history.space, mates[0].values, mates[1].values, rng)
        if history.ruled_out(child) or rng.random() < 0.5:
            child, _ = new(*moves.mutate(child, rng))
        return Proposal(child, (mates[0].trial_id, mates[1].trial_id), "crossover")

    def invalidate_cache(self) -> None:
        """Makes all trials be put into species again."""
        self._population = None

    def species(self, history: History) -> dict[int, list[str]]:
        """Returns the completed trials by species, extinct ones included.

        Args:
            history: The view of the search.

        Returns:
            Ids in the order in which the trials ended, by the number of their species.

        Example:

        ```python
        oracle.strategy.species(oracle.history)   # {0: ["00", "01", "03"], 1: ["02", "04"]}
        ```
        """
        known = self.population(history).history
        return {number: list(trials) for number, trials in known.items()}

    def population(self, history: History) -> Population:
        """Returns the living trials in their species.

        Args:
            history: The view of the search.
        """
        return self._read_trials(history)[0]

    def sizes(self, history: History) -> tuple[int, int]:
        """Returns how many trials are alive, and how many species are aimed at.

        Args:
            history: The view of the search.
        """
        least = history.share_of_trials(3, 3, 10)
        size = self.population_size or history.share_of_trials(10, least, 20)
        return size, self.num_species or max(2, round(math.sqrt(size)))

    def _read_trials(self, history: History) -> tuple[Population, Moves]:
        """Returns the population after all trials that have ended, and the moves of the space."""
        space = history.space
        if self._moves is None or not self._moves.are_of(space):
            # The distances between trials change when the space grows.
            self._moves, self._population = Moves(space, self.growth, self.shrinkage), None
        if self._population is None:
            self._population = Population(*self.sizes(history))
        for trial in history.completed[self._population.clock :]:
            values = history.values(trial)
            member = Member(trial.trial_id, values, genes_of(values), history.loss(trial))
            self._population.add(space, member)
        return self._population, self._moves

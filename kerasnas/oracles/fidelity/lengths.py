"""The same networks trained for several lengths: what each length has come to."""

import bisect
import collections
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Plan, Proposal
from kerasnas.oracles.engine.fidelity import SearchCall
from kerasnas.oracles.fidelity.networks import Networks

# The length of a full training, which is longer than all others.
FULL = 1000

# Each length is a third of the next longer one, down to so many samples in all.
_FACTOR, _FEWEST_SAMPLES, _MOST_LENGTHS = 3, 2000, 5

_LENGTH, _NETWORK = "length", "network"


class ShorterTraining(NamedTuple):
    """A training that is shorter than a full one.

    Args:
        epochs: Passes over the training data.
        samples: How many training samples there are in a pass; None for all.
        cost: What it costs, as a share of a full training.
    """

    epochs: int
    samples: int | None
    cost: float


class Lengths:
    """Knows of each network which trials have trained it, and for how long.

    Lengths are integers, of which a larger one is a longer training. A trial's lineage holds its
    `length` and, unless it is the first of its network, the id of that first trial as `network`.

    Args:
        history: All trials of the search.
        cost: Callable from a length to its cost as a share of a full training, without what a
            training takes before its first step.

    Attributes:
        networks: The trials of each network, a dict of trials by length, by the id of its first.
        seconds: How many seconds the completed trainings of each length took together.
    """

    def __init__(self, history: History, cost: Callable[[int], float]):
        self._history, self._cost = history, cost
        self.networks: dict[str, dict[int, Trial]] = {}
        self.seconds: dict[int, float] = collections.defaultdict(float)
        # How many starts and ends were read.
        self._read = (0, 0)
        self._failed: set[str] = set()
        # For each length pairs of loss and network, the best first, and the losses by network.
        self._ranked: dict[int, list[tuple[float, str]]] = collections.defaultdict(list)
        self._losses: dict[int, dict[str, float]] = collections.defaultdict(dict)
        # What passes before the first step, by networks that were trained for several lengths.
        self._starts: dict[str, float] = {}
        self._view = Networks(history, self._is_first, self._losses_of, self._neighbours)

    def read(self) -> None:
        """Takes in the trials that have begun or ended since the last call."""
        started, ended = self._read
        self._read = len(self._history.started), len(self._history.ended)
        for trial in self._history.started[started:]:
            self.networks.setdefault(self._network(trial), {})[self.of(trial)] = trial
        for trial in self._history.ended[ended:]:
            network, length = self._network(trial), self.of(trial)
            if trial.status != TrialStatus.COMPLETED:
                self._failed.add(network)
                continue
            loss = self._history.loss(trial)
            self._losses[length][network] = loss
            bisect.insort(self._ranked[length], (loss, network))
            self.seconds[length] += self._history.seconds(trial.trial_id) or 0.0
            times = sorted(self._times(network).items())
            if len(times) > 1:
                (here, first), *_, (there, last) = times
                apart = self._cost(there) - self._cost(here)
                steps = (last - first) / apart if apart else 0.0
                self._starts[network] = min(max(first - steps * self._cost(here), 0.0), first)

    def view(self) -> History:
        """Returns each network once, with an estimate of its loss after a full training."""
        self.read()
        return self._view.view()

    def of(self, trial: Trial) -> int:
        """Returns the length of a trial; a trial of another fidelity was trained in full."""
        return int(self._history.lineage(trial.trial_id).get(_LENGTH, FULL))

    def tier(self, trial: Trial) -> int:
        """Returns the tier of a trial, which ranks longer trainings before shorter ones."""
        return FULL - self.of(trial)

    def running(self, length: int) -> bool:
        """Returns whether a training of this length has not ended."""
        return any(self.of(trial) == length for trial in self._history.running.values())

    def best(self, length: int) -> Iterator[str]:
        """Yields the networks that have completed a length, the best first.

        Those of which a training has failed, of any length, are left out.
        """
        self.read()
        for _, network in self._ranked[length]:
            if network not in self._failed:
                yield network

    def loss(self, network: str, length: int) -> float | None:
        """Returns the loss of a network after a training, or None where that is not completed."""
        self.read()
        return self._losses[length].get(network)

    def count(self, length: int) -> int:
        """Returns how many trainings of a length are completed."""
        self.read()
        return len(self._ranked[length])

    def needed(self, network: str, length: int, start: float = 0.0) -> float:
        """Returns how many seconds a training would take, by what shorter ones have taken.

        Args:
            network: Id of a network with a completed training.
            length: The length.
            start: The share of a training's time that passes before its first step, where no
                network was trained for two lengths, which tells it.
        """
        known = self._times(network)
        if not known:
            return 0.0
        if length in known:
            return known[length]
        longest = max(known)
        starts = self._starts.values()
        before = statistics.median(starts) if starts else start * known[longest]
        trained = max(known[longest] - before, 0.0)
        return before + trained * self._cost(length) / self._cost(longest)

    def again(
        self, network: str, length: int, schedule: Mapping[str, Any], operator: str = "promotion"
    ) -> Plan:
        """Returns a trial that trains a known network anew, for another length.

        Args:
            network: Id of the network.
            length: The length.
            schedule: Values that tell the tuner the length; none for a full training.
            operator: Name in the lineage.
        """
        values = genome.network_values(self._history.trials[network].hyperparameters.values)
        proposal = Proposal(values, (network,), operator)
        return Plan(proposal, schedule, {_LENGTH: length, _NETWORK: network}, is_new=False)

    def first(self, proposal: Proposal, length: int, schedule: Mapping[str, Any]) -> Plan:
        """Returns the first trial of a new network."""
        return Plan(proposal, schedule, {_LENGTH: length})

    def _times(self, network: str) -> dict[int, float]:
        """Returns how long the completed trainings of a network took, by length."""
        found = {}
        for length, trial in self.networks[network].items():
            taken = self._history.seconds(trial.trial_id)
            if taken is not None and trial.status == TrialStatus.COMPLETED:
                found[length] = taken
        return found

    def _network(self, trial: Trial) -> str:
        return str(self._history.lineage(trial.trial_id).get(_NETWORK, trial.trial_id))

    def _is_first(self, trial: Trial) -> bool:
        return self._network(trial) == str(trial.trial_id)

    def _losses_of(self, trial: Trial) -> Mapping[int, float]:
        """Returns the losses of a network by length."""
        self.read()
        network = self._network(trial)
        return {
            length: self._losses[length][network]
            for length in self.networks[network]
            if network in self._losses[length]
        }

    def _neighbours(self, trial: Trial) -> Mapping[int, float]:
        """Returns the loss of a trial, and of the next shorter training of its network."""
        here, losses = self.of(trial), self._losses_of(trial)
        shorter = [length for length in losses if length < here]
        return {length: losses[length] for length in (*sorted(shorter)[-1:], here)}


def shorter_trainings(call: SearchCall) -> list[ShorterTraining]:
    """Returns the trainings that are shorter than a full one, the shortest first."""
    if call.epochs is None:
        return []
    found: list[ShorterTraining] = []
    share = call.epochs / _FACTOR
    while len(found) < _MOST_LENGTHS:
        epochs, samples = max(round(share), 1), None
        if share < 1:
            if call.samples is None:
                break
            samples = round(share * call.samples)
        if call.samples is not None and epochs * (samples or call.samples) < _FEWEST_SAMPLES:
            break
        cost = (share if share < 1 else epochs) / call.epochs
        if cost >= 1:
            break
        found.append(ShorterTraining(epochs, samples, cost))
        share /= _FACTOR
    return found[::-1]


def schedule(epochs: int, samples: int | None = None) -> dict[str, Any]:
    """Returns the values that tell the tuner how long to train.

    Args:
        epochs: Passes over the training data.
        samples: How many training samples there are in a pass; None for all.
    """
    fewer = {} if samples is None else {"tuner/samples": samples}
    return {"tuner/epochs": epochs, "tuner/initial_epoch": 0, **fewer}


def kendall(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Returns how well two scores agree on the order of the same networks.

    Args:
        first: A score of each network.
        second: The other score, in the same order.

    Returns:
        Kendall's tau (b, as of tied scores), from -1 to 1, and the ends of its 90 % interval.

    Source:
        Fieller, Hartley & Pearson 1957, "Tests for rank correlation coefficients", section 3: the
        variance of its inverse hyperbolic tangent is .437 / (n - 4).

    Example:

    >>> from kerasnas.oracles.fidelity.lengths import kendall
    >>> kendall([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 6, 5])[0]
    0.8666666666666667
    """
    agreeing = ties_first = ties_second = 0
    pairs = len(first) * (len(first) - 1) // 2
    for one in range(len(first)):
        for other in range(one):
            here = (first[one] > first[other]) - (first[one] < first[other])
            there = (second[one] > second[other]) - (second[one] < second[other])
            agreeing += here * there
            ties_first += here == 0
            ties_second += there == 0
    apart = math.sqrt((pairs - ties_first) * (pairs - ties_second))
    tau = agreeing / apart if apart else 0.0
    if len(first) <= 4:
        return tau, -1.0, 1.0
    middle = math.atanh(min(max(tau, -0.999), 0.999))
    width = 1.645 * math.sqrt(0.437 / (len(first) - 4))
    return tau, math.tanh(middle - width), math.tanh(middle + width)

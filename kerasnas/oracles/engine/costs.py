"""What a trial takes: networks that take long are tried seldom while little of the time is over."""

from collections.abc import Callable

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine.fidelity import SearchCall
from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.genome import Values

# How many random settings are looked at for what a cheap network of the space computes, how many
# trials the seconds are learned from, and from how many on.
_SAMPLES, _TRIALS, _FEWEST = 100, 30, 5
# How many proposals for one trial are turned away for what they take.
_REFUSED = 20


class TrialCosts:
    """Turns away proposals of costly networks, by chance, where the time of a search is limited.

    A network that takes no longer than a cheap one of the space, the lower quartile of random
    settings within the budget, always passes. One that takes `n` times as long passes with a
    chance of one in `n` at the beginning of the search; the chance rises to certainty at its end.
    So many cheap networks are tried early, and costly ones where it is known what they are for.

    The seconds of a network are learned from those of the full trainings: a constant, and so many
    for each multiply-accumulate; before there are any, the latter alone. Where the number of trials
    is limited, or the strategy tries every setting, all proposals pass.

    Args:
        history: All trials of the search.
        proposal_filter: The filter, which knows what a setting computes.

    Source:
        Expected improvement per second: Snoek et al. 2012, arXiv:1206.2944, section 3.2. The
        influence of the costs ends with the time: Lee et al. 2020, arXiv:2003.10870, section 4.
    """

    def __init__(self, history: History, proposal_filter: ProposalFilter):
        self._history, self._filter = history, proposal_filter
        self._call = SearchCall()
        self._cheap: float | None = None
        # Multiply-accumulates and seconds of each full training. What a short one costs is little,
        # but it may lead to a full one.
        self._times: list[tuple[float, float]] = []
        self._read = 0

    def prepare(self, call: SearchCall) -> None:
        """Takes the time limit of a call of `search`, and reads the trials anew."""
        self._call, self._times, self._read = call, [], 0

    def judge(self, rng: np.random.Generator) -> Callable[[Values], bool]:
        """Returns a judge of the proposals for one trial, which turns away several at most.

        Args:
            rng: The oracle's generator.

        Returns:
            Callable from a setting to whether it may become a trial in spite of what it takes.
        """
        refused = 0

        def passes(values: Values) -> bool:
            nonlocal refused
            if refused >= _REFUSED or self._passes(values, rng):
                return True
            refused += 1
            return False

        return passes

    def _passes(self, values: Values, rng: np.random.Generator) -> bool:
        seconds = self._call.seconds
        if seconds is None or self._history.max_trials is not None or self._filter.work is None:
            return True
        work = self._filter.work(values)
        if work is None:
            return True
        if self._cheap is None:
            self._cheap = self._cheap_work()
        left = max(self._call.left / seconds, 0.0)
        start, each = self._learned()
        ratio = (start + each * self._cheap) / (start + each * work)
        return bool(rng.random() < ratio**left)

    def _cheap_work(self) -> float:
        """Returns the lower quartile of what random settings within the budget compute."""
        # A generator of its own: what is drawn here must not depend on when it is asked.
        rng = np.random.default_rng(self._history.seed)
        settings = [genome.sample(self._history.space, rng) for _ in range(_SAMPLES)]
        fitting = [values for values in settings if self._filter.excess(values) == 0]
        work = self._filter.work
        found = [work(values) for values in fitting or settings] if work is not None else []
        known = sorted(one for one in found if one)
        return known[len(known) // 4] if known else 1.0

    def _learned(self) -> tuple[float, float]:
        """Returns the seconds of a trial before its work, and those for each unit of that."""
        for trial in self._history.ended[self._read :]:
            seconds = self._history.seconds(trial.trial_id)
            work = self._filter.work and self._filter.work(self._history.values(trial))
            in_full = "tuner/epochs" not in trial.hyperparameters.values
            if trial.status == "COMPLETED" and in_full and seconds is not None and work:
                self._times.append((float(work), seconds))
        self._read = len(self._history.ended)
        times = self._times[-_TRIALS:]
        if len(times) < _FEWEST:
            return 0.0, 1.0
        works, taken = np.array(times).T
        each = float(np.cov(works, taken)[0, 1]) / (float(np.var(works, ddof=1)) or 1.0)
        each = max(each, 1e-3 * float(taken.mean() / works.mean()))
        return max(float(taken.mean() - each * works.mean()), 0.0), each

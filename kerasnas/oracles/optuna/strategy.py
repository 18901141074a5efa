"""Optuna's samplers as strategies, behind our gate, our saving and our check for repeats.

Each ask goes to a fresh copy of the sampler, seeded from the oracle's generator: what a sampler
remembers beside the study could not be saved.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine import History, Proposal, Strategy
from kerasnas.oracles.genome.decision import Decision, Value
from kerasnas.oracles.genome.settings import decide
from kerasnas.oracles.optuna.sampler import known_sampler, quiet
from kerasnas.oracles.optuna.space import only
from kerasnas.oracles.optuna.study import Study, check_takes_several

# How often a sampler is asked for one trial. A model that is fitted to the same trials again has
# little new to propose, and may take seconds to do it.
_ASKS = 50


class Optuna(Strategy):
    """Any sampler of Optuna 5 as a strategy, conditional spaces included.

    The space is given to the sampler as it is walked: only hyperparameters that matter are
    suggested, each under its name. Numbers without a step are suggested as such, and so are `Int`
    with an additive step; other ordered values by their place among the possible ones, unordered
    ones as categories. A name registered with several sets of values has a parameter for each.

    The sampler sees queued settings and running trials as well; failed trials are told as FAIL, as
    in Optuna. While a proposal is sought, it sees what was turned away as running, so that it looks
    elsewhere; after 50 asks for one trial, uniform samples follow.

    CMA-ES searches only the numbers that every setting has, and draws the rest. Its distribution is
    rebuilt from the trials: what Optuna pickles is neither written nor read. A sampler that is not
    Optuna's own may unpickle what it noted in the journal: with one, resume only folders that you
    trust.

    Args:
        sampler: `tpe`, `gp`, `cmaes`, `nsgaii`, `nsgaiii`, `qmc` or `random`, with Optuna's
            defaults; or an `optuna.samplers.BaseSampler`. It is copied for each proposal, so it
            must keep in the study what it learns, as all of Optuna's do.

    Raises:
        ImportError: Optuna, or a package that the sampler needs, is not installed.
        ValueError: An unknown sampler, or several objectives for a sampler of one.

    Source:
        Akiba et al. 2019, arXiv:1907.10902; of the samplers, Bergstra et al. 2011, NeurIPS (TPE),
        and the papers that Optuna's documentation names.

    Example:

    >>> import kerasnas as kn
    >>> oracle = kn.oracles.OptunaOracle("val_accuracy", max_trials=50, sampler="tpe", seed=0)
    """

    multi_objective = True

    def __init__(self, sampler: Any = "tpe"):
        self.sampler = known_sampler(sampler)
        self._study: Study | None = None
        # Attributes of the study that are not in any lineage, kept here while there is no study.
        self._pending: dict[str, Any] = {}
        # For the trial that is being looked for: how many asks, and the values and attributes of
        # the last one.
        self._asks = 0
        self._asked: tuple[genome.Values, dict[str, Any]] | None = None

    def check_objectives(self, names: Sequence[str]) -> None:
        """Lets the sampler itself say whether it takes several objectives, before any trial."""
        if len(names) > 1:
            check_takes_several(self.sampler, names)

    def settings(self) -> dict[str, Any]:
        """Returns the sampler's class."""
        name = self.sampler if isinstance(self.sampler, str) else type(self.sampler).__name__
        return {"sampler": name}

    def propose(self, history: History, rng: np.random.Generator) -> Proposal:
        """Asks the sampler, decision by decision."""
        with quiet():
            study = self._study_for(history)
            if self._asks >= _ASKS:
                return Proposal(genome.sample(history.space, rng))
            self._asks += 1
            trial = study.ask(rng)

            def suggest(decision: Decision) -> Value:
                parameter = study.parameters.get(decision)
                return only(decision) if parameter is None else parameter.suggest(trial)

            values = decide(history.space, suggest)
            self._asked = (values, study.attributes_of(trial))
            return Proposal(values, operator="optuna")

    def note(
        self, history: History, values: genome.Values, rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """Returns what the sampler noted about the trial and about the study."""
        with quiet():
            study = self._study_for(history)
            if not study.parameters:
                return None
            if self._asked is None or self._asked[0] != values:
                # A queued or sampled setting: the sampler's attributes are those of one of its own.
                attributes = study.attributes_of_another(rng)
            else:
                attributes = self._asked[1]
            noted = {"trial": attributes, "study": study.unsaved()}
            study.note_saved()
            if not any(noted.values()):
                return None
            common = {"common": study.common} if study.common else {}
            # Through JSON, so that it is the same after a resume: tuples become lists.
            return {"optuna": json.loads(json.dumps({**noted, **common}))}

    def state(self) -> dict[str, Any]:
        """Returns the attributes of the study that no trial's lineage has yet; mostly none."""
        return {"attributes": dict(self._pending) if self._study is None else self._study.unsaved()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the attributes; the study is made again when it is needed."""
        self._pending, self._study = dict(state["attributes"]), None

    def invalidate_cache(self) -> None:
        """Drops the study, which is made again from the trials."""
        self._pending, self._study = self.state()["attributes"], None

    def _study_for(self, history: History) -> Study:
        """Returns the study with all trials; in a new search for a trial, without earlier asks."""
        if self._study is not None and history.asked:
            return self._study
        if self._study is None or not self._study.is_of(history.space):
            # Trials from before the space grew have the defaults of new hyperparameters.
            self._study = Study(self.sampler, history, self.state()["attributes"])
        self._study.forget_asked()
        self._asks, self._asked = 0, None
        self._study.follow(history)
        common = self._study.common_to_cmaes()
        if common != self._study.common:
            self._study = Study(self.sampler, history, self._study.unsaved(), common)
            self._study.follow(history)
        return self._study

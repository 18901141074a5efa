"""Optuna's samplers as strategies, behind our gate, our saving and our check for repeats.

The study lives in memory, and everything in it follows from the trials and from the attributes
that the sampler gave to them and to the study, which each trial's lineage keeps. Each ask goes to a
fresh copy of the sampler, seeded from the oracle's generator: what a sampler remembers beside the
study could not be saved.

Private parts of Optuna, as read in 5.0.0: `Study._storage`, `Study._study_id`, `Trial._trial_id`,
and, in `_forget`, the lists of `InMemoryStorage`, which cannot delete a trial.
"""

import copy
import json
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle
from kerasnas.oracles.decision import Decision, plan_of
from kerasnas.oracles.optuna_cmaes import PREFIXES, Replay, without_pickles
from kerasnas.oracles.optuna_sampler import known_sampler, make_sampler, parts_of, quiet, reseed
from kerasnas.oracles.optuna_space import Parameter, only, parameters_of
from kerasnas.oracles.proposal import Proposal

# So often a sampler is asked for one trial; a model fitted to the same trials again and again has
# little new to say, and may take seconds for it.
_ASKS = 50
# Values of a running trial that its parameters repeat.
_REPEATED = ":relative_params:"


class OptunaOracle(Oracle):
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
        objective: As in `kerasnas.oracles.Oracle`; a list where the sampler takes several.
        max_trials: As there.
        sampler: `tpe`, `gp`, `cmaes`, `nsgaii`, `nsgaiii`, `qmc` or `random`, with Optuna's
            defaults; or an `optuna.samplers.BaseSampler`. It is copied for each proposal, so it
            must keep in the study what it learns, as all of Optuna's do.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ImportError: Optuna, or a package that the sampler needs, is not installed.
        ValueError: An unknown sampler, or several objectives for a sampler of one.

    Source:
        Akiba et al. 2019, arXiv:1907.10902; of the samplers, Bergstra et al. 2011, NeurIPS (TPE),
        and the papers that Optuna's documentation names.

    Example:

    ```python
    oracle = OptunaOracle("val_accuracy", max_trials=50, sampler="tpe", seed=0)
    tuner = keras_tuner.Tuner(oracle=oracle, hypermodel=build, directory="runs")
    ```
    """

    multi_objective = True

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        sampler: Any = "tpe",
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        self._given = known_sampler(sampler)
        self._study: Any = None
        self._storage: Any = None
        self._sampler: Any = None
        # The optuna parameter of each open decision, the size of the space that they were made for,
        # and those of them that CMA-ES searches.
        self._parameters: dict[Decision, Parameter] = {}
        self._size = 0
        self._common: list[str] | None = None
        # How many trials the study holds, and the numbers of those that have ended there.
        self._added = 0
        self._told: list[int] = []
        self._replay = Replay()
        # Attributes of the study that are in a lineage, and those that are not, before it is open.
        self._saved: dict[str, Any] = {}
        self._pending: dict[str, Any] = {}
        # For the trial that is being sought: how many asks, and what the last one gave.
        self._asks = 0
        self._asked: tuple[genome.Values, dict[str, Any]] | None = None
        if len(self.objectives) > 1:
            self._check_takes_several()

    def settings(self) -> dict[str, Any]:
        """The sampler's class."""
        name = self._given if isinstance(self._given, str) else type(self._given).__name__
        return {"sampler": name}

    def reload(self) -> None:
        """Restores the search; the study follows from its trials."""
        self._study = None
        super().reload()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Tells the study what has happened, asks it, and keeps what the sampler noted."""
        with self._lock, quiet():
            self._catch_up()
            response = super().populate_space(trial_id)
            if response["status"] == TrialStatus.RUNNING and self._parameters:
                self._keep_attributes(trial_id, response["values"])
            return response

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Asks the sampler, decision by decision."""
        if self._study is None:
            self._catch_up()
        if self._asks >= _ASKS:
            return Proposal(genome.sample(self.hyperparameters, rng))
        self._asks += 1
        trial = self._ask(rng)
        values: genome.Values = {}
        for name, decisions in plan_of(self.hyperparameters):
            decision = next((d for d in decisions if d.is_active(values)), None)
            if decision is not None:
                parameter = self._parameters.get(decision)
                values[name] = only(decision) if parameter is None else parameter.suggest(trial)
        self._asked = (values, self._attributes_of(trial))
        return Proposal(values, operator="optuna")

    def strategy_state(self) -> dict[str, Any]:
        """Attributes of the study that no trial's lineage has yet; mostly none."""
        return {"attributes": self._unsaved()}

    def set_strategy_state(self, state: dict[str, Any]) -> None:
        """Takes them up; the study is made anew when it is needed."""
        self._pending = dict(state["attributes"])
        self._study = None

    # ------------------------------------------------------------------ the study

    def _check_takes_several(self) -> None:
        """Lets the sampler itself say so, before any trial."""
        with quiet():
            study = _new_study(len(self.objectives))
            study.sampler = make_sampler(self._given, self.seed)
            try:
                # Drawn when it is looked at.
                _ = study.ask().relative_params
            except ValueError as error:
                raise ValueError(
                    f"The sampler {type(study.sampler).__name__} searches for one objective. Use "
                    "sampler='tpe' or 'nsgaii' for several. "
                    f"Received: objective={[one.name for one in self.objectives]}"
                ) from error

    def _open_study(self) -> None:
        """An empty study of the space as it is now."""
        self._sampler = make_sampler(self._given, self.seed)
        self._study = _new_study(len(self.objectives))
        self._study.sampler = self._sampler
        self._storage = self._study._storage
        self._size = len(self.hyperparameters.space)
        self._parameters = parameters_of(self.hyperparameters)
        self._added, self._told = 0, []
        self._replay = Replay()
        self._saved = {}
        for trial_id in self.start_order:
            self._saved.update(self._noted(trial_id).get("study", {}))
        for name, value in {**self._saved, **self._pending}.items():
            self._storage.set_study_system_attr(self._study._study_id, name, value)

    def _catch_up(self) -> None:
        """Brings the study up to the trials, and forgets what was turned away."""
        if self._study is None or self._size != len(self.hyperparameters.space):
            # Trials made before the space grew have the defaults of what is new, as when they ran.
            self._pending = self._unsaved()
            self._open_study()
        _forget(self._storage, self._study._study_id, self._added)
        self._asks, self._asked = 0, None
        self._follow()
        common = self._common_to_cmaes()
        if common != self._common:
            self._common = common
            self._pending = self._unsaved()
            self._open_study()
            self._follow()

    def _follow(self) -> None:
        for trial_id in self.start_order[self._added :]:
            self._add(self.trials[trial_id])
            self._added += 1
        for trial_id in self.end_order[len(self._told) :]:
            number = self.start_order.index(trial_id)
            self._tell(number, self.trials[trial_id])
            self._told.append(number)

    def _common_to_cmaes(self) -> list[str] | None:
        """The parameters that CMA-ES searches: the numbers that all settings have."""
        import optuna

        if not isinstance(self._sampler, optuna.samplers.CmaEsSampler):
            return None
        sampler = copy.deepcopy(self._sampler)
        return sorted(sampler.infer_relative_search_space(self._study, None))

    def _add(self, trial: Trial) -> None:
        import optuna

        values = genome.settle(self.hyperparameters, trial.hyperparameters.values)
        noted = self._noted(trial.trial_id)
        attributes = without_pickles(noted.get("trial", {}))
        if noted.get("common") != self._common:
            # Where other hyperparameters have become common to all settings, CMA-ES would draw at
            # random for ever, or break; without these it begins anew.
            attributes = {
                name: value for name, value in attributes.items() if not name.startswith(PREFIXES)
            }
        params, distributions = {}, {}
        for decision in genome.decisions_of(self.hyperparameters, values):
            parameter = self._parameters.get(decision)
            encoded = None if parameter is None else parameter.encode(values[decision.hp.name])
            if parameter is not None and encoded is not None:
                params[parameter.name] = encoded
                distributions[parameter.name] = parameter.distribution
        self._study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=params,
                distributions=distributions,
                system_attrs=attributes,
            )
        )

    def _tell(self, number: int, trial: Trial) -> None:
        import optuna

        if trial.status != TrialStatus.COMPLETED:
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
        elif len(self.objectives) > 1:
            self._study.tell(number, list(self.losses(trial)))
        else:
            self._study.tell(number, self.loss(trial))

    # ------------------------------------------------------------------ an ask

    def _ask(self, rng: np.random.Generator) -> Any:
        """A new running trial of the study, of which nothing is suggested yet."""
        import optuna

        sampler = copy.deepcopy(self._sampler)
        reseed(sampler, np.random.RandomState(int(rng.integers(2**32))))
        for part in parts_of(sampler):
            if isinstance(part, optuna.samplers.CmaEsSampler):
                self._replay.lend(part, self._completed_there())
        self._study.sampler = sampler
        return self._study.ask()

    def _completed_there(self) -> list[Any]:
        """The study's completed trials, in the order of their ends."""
        trials = self._study.get_trials(deepcopy=False)
        ended = (trials[number] for number in self._told)
        return [trial for trial in ended if trial.state.name == "COMPLETE"]

    def _attributes_of(self, trial: Any) -> dict[str, Any]:
        attributes = self._storage.get_trial(trial._trial_id).system_attrs
        return {name: value for name, value in attributes.items() if _REPEATED not in name}

    def _keep_attributes(self, trial_id: str, values: genome.Values) -> None:
        """Puts into the trial's lineage what the sampler noted about it and about the study."""
        if self._asked is None or self._asked[0] != values:
            # Queued, or found where the sampler found nothing: an evolution takes it in as well.
            trial = self._ask(self.rng)
            _ = trial.relative_params
            attributes = self._attributes_of(trial)
            if "x_for_tell" in attributes:
                # CMA-ES with margin would take it for the point that it has just drawn.
                attributes = {}
        else:
            attributes = self._asked[1]
        noted = {"trial": attributes, "study": self._unsaved()}
        if any(noted.values()):
            # As it will be after a resume: lists where there were tuples.
            self.lineage[trial_id]["optuna"] = json.loads(
                json.dumps({**noted, **({"common": self._common} if self._common else {})})
            )
        self._saved = self._storage.get_study_system_attrs(self._study._study_id)
        self._pending = {}

    def _noted(self, trial_id: str) -> dict[str, Any]:
        return self.lineage.get(trial_id, {}).get("optuna", {})

    def _unsaved(self) -> dict[str, Any]:
        if self._study is None:
            return dict(self._pending)
        now = self._storage.get_study_system_attrs(self._study._study_id)
        return {name: value for name, value in now.items() if self._saved.get(name) != value}


def _new_study(objectives: int) -> Any:
    import optuna

    # All are minimised: the oracle turns their signs.
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), directions=["minimize"] * objectives
    )
    # Some samplers end the study, which must be an error outside of Optuna's own loop.
    study.stop = lambda: None
    return study


def _forget(storage: Any, study_id: int, kept: int) -> None:
    """Drops all trials of a storage's only study after the first `kept`."""
    trials = storage._studies[study_id].trials
    for trial in trials[kept:]:
        del storage._trial_id_to_study_id_and_number[trial._trial_id]
    del trials[kept:]
    storage._max_trial_id = kept - 1

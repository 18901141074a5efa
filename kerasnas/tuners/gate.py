"""Judges a proposal before it becomes a trial: what it would build, and whether that fits."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner

from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.estimation import profile_graph
from kerasnas.hardware.graph import Graph
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.profile import Profile
from kerasnas.hypermodels import HyperModel, NotSymbolicError
from kerasnas.hypermodels.hyperparameters import FixedHyperParameters
from kerasnas.hypermodels.recipe import has_recipe, read_recipe
from kerasnas.hypermodels.trained import has_own_fit
from kerasnas.runtime.session import clear_session

# How many proposals are remembered with their costs.
_REMEMBERED = 20_000

Building = Callable[[Mapping[str, Any]], contextlib.AbstractContextManager[bool]]


class LatencyError(keras_tuner.errors.FatalValueError):
    """The budget's latency cannot be predicted for a proposal, which ends the search.

    A proposal that cannot be built is one failed trial, and the search goes on. A latency model
    that does not know an operator would fail with one trial after another.
    """


@dataclasses.dataclass(frozen=True)
class _Judged:
    key: str
    profile: Profile | None
    network: str = ""  # A fingerprint: equal for proposals that build the same network.
    params: int | None = None  # Its number of weights, known for some without a profile, too.
    why_not: str = ""  # The reason why there is no profile.


class Gate:
    """Profiles and identifies proposals, and remembers what it found by their values.

    A `kerasnas.HyperModel` is sketched; any other hypermodel is built, once for each new proposal,
    with a container that notes which hyperparameters the build reads. Proposals with another recipe
    are told apart; costs are those of the network before it is compressed.

    Args:
        hypermodel: What builds the models.
        space: Returns the space as it is known now.
        budget: Limits; None for none.
        max_params: Number of weights that no network may exceed; None for no such limit.
        wants_latency: Whether the latency is wanted though it is not limited: as an objective.
        building: Makes the context in which values are built, which says whether they may be. Those
            that may not are judged as if the build had raised.
    """

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel,
        space: Callable[[], keras_tuner.HyperParameters],
        budget: Budget | None = None,
        max_params: int | None = None,
        wants_latency: bool = False,
        building: Building = lambda values: contextlib.nullcontext(True),
    ) -> None:
        self._hypermodel = hypermodel
        self._known = space
        self._building = building
        self._budget = Budget() if budget is None else budget
        self._max_params = max_params
        self._wants_latency = wants_latency or self._budget.latency_ms is not None
        self._judged: dict[str, _Judged] = {}
        self._measured: dict[str, Profile] = {}
        self._trainings: dict[str, dict[str, Any]] = {}
        # Names of hyperparameters that a network was seen to depend on. The others can be read by
        # a `fit` of the user's own.
        self._architectural: set[str] = set()
        self._own_fit = has_own_fit(hypermodel)
        # If the default network can be sketched, so can the others, as a rule.
        self._default: tuple[Graph, FixedHyperParameters] | None = None
        if isinstance(hypermodel, HyperModel):
            with contextlib.suppress(NotSymbolicError):
                self._default = self._sketch({})
        self.sketches = self._default is not None

    def violations(self, values: Mapping[str, Any]) -> dict[str, Violation]:
        """Returns the limits that a proposal breaks; none when it fits or cannot be built.

        Raises:
            LatencyError: Its latency cannot be predicted.
        """
        if not self.limits:
            return {}
        judged = self._judge(values)
        if judged.profile is None:
            return {} if judged.params is None else self._too_many(judged.params)
        return self._violations(judged.profile, judged.network, lambda: self._build(values)[0])

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return bool(self._budget) or self._max_params is not None

    def key(self, values: Mapping[str, Any]) -> str:
        """Returns text that is the same for values that build, train and compress the same."""
        return self._judge(values).key

    def profile(self, values: Mapping[str, Any]) -> Profile | None:
        """Returns the costs of a proposal as an int8 file; None when they cannot be computed.

        A latency that must be measured is missing, for it takes seconds: `costs` measures it.
        """
        found = self._judge(values).profile
        return None if found is None else self._predicted(found)

    def costs(self, values: Mapping[str, Any]) -> Profile | None:
        """Returns the costs as `profile` does, and measures the latency if that is needed."""
        judged = self._judge(values)
        if judged.profile is None:
            return None
        return self._completed(judged.profile, judged.network, lambda: self._build(values)[0])

    def work(self, values: Mapping[str, Any]) -> float | None:
        """Returns a proposal's multiply-accumulates; None where only a build would tell them."""
        found = self._judge(values).profile if self.sketches else None
        return None if found is None else float(found.macs)

    def params(self, values: Mapping[str, Any]) -> int | None:
        """Returns a proposal's number of weights, known without a profile, too; None if unbuilt."""
        return self._judge(values).params

    def why_not(self, values: Mapping[str, Any]) -> str:
        """Returns why a proposal has no profile; nothing where it has one, or its build failed."""
        return self._judge(values).why_not

    def check(self, model: keras.Model) -> dict[str, Violation]:
        """Returns the limits that a built model breaks."""
        too_many = self._too_many(model.count_params()) if model.built else {}
        if too_many or not self._budget.needs_profile:
            return too_many
        graph = keras_graph(model)
        found = profile_graph(graph, by_layer=False)
        return self._violations(found, self._network(graph), lambda: model)

    def _too_many(self, params: int) -> dict[str, Violation]:
        limits = [limit for limit in (self._budget.params, self._max_params) if limit is not None]
        least = min(limits, default=params)
        return {"params": Violation(params, least)} if params > least else {}

    def _network(self, graph: Graph) -> str:
        """The text by which a network's measured latency is remembered."""
        return graph.fingerprint() if self._budget.measures else ""

    def _violations(
        self, found: Profile, network: str, model: Callable[[], keras.Model]
    ) -> dict[str, Violation]:
        found = self._predicted(found)
        broken = {**self._budget.violations(found), **self._too_many(found.params)}
        if broken or self._budget.latency_ms is None or not self._budget.measures:
            return broken
        # The measurement is last, for it takes seconds.
        return self._budget.violations(self._completed(found, network, model))

    def _completed(self, found: Profile, network: str, model: Callable[[], keras.Model]) -> Profile:
        if not self._budget.measures:
            return self._predicted(found)
        if network not in self._measured:
            self._measured[network] = self._budget.completed(found, model)
        return self._measured[network]

    def _predicted(self, found: Profile) -> Profile:
        """A profile with its predicted latency, unless that is neither known nor wanted."""
        try:
            return self._budget.completed(found)
        except Exception as error:
            if not self._wants_latency:
                return found
            raise LatencyError(f"The latency of a proposal cannot be predicted. {error}") from error

    def _sketch(self, values: Mapping[str, Any]) -> tuple[Graph, FixedHyperParameters]:
        """The sketch of a proposal, and the hyperparameters that it has read."""
        hp = FixedHyperParameters(values)
        return self._hypermodel.sketch(hp), hp

    def _judge(self, values: Mapping[str, Any]) -> _Judged:
        text = json.dumps(dict(values), sort_keys=True)
        if text not in self._judged:
            judge = self._judge_sketch if self.sketches else self._judge_build
            found = judge(values)
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()  # A long search must not need more and more memory.
            self._judged[text] = found
        return self._judged[text]

    def _judge_sketch(self, values: Mapping[str, Any]) -> _Judged:
        try:
            known = None if values else self._default
            graph, hp = self._sketch(values) if known is None else known
        except NotSymbolicError:
            return self._judge_build(values)
        unread = {name: value for name, value in values.items() if name not in hp.read}
        training = {**self._training(unread), **self._recipe(values)}
        fit = self._fit_values(values, {*hp.read, *training})
        network = graph.fingerprint()
        key = _digest({"graph": network, "training": training, **fit})
        found = profile_graph(graph, by_layer=False)
        return _Judged(key, found, network, found.params)

    def _training(self, values: dict[str, Any]) -> dict[str, Any]:
        """Of values that do not change the network, those that its compilation reads."""
        if not values:
            return {}
        text = json.dumps(values, sort_keys=True)
        if text not in self._trainings:
            self._trainings[text] = self._hypermodel.training_values(values)
        return self._trainings[text]

    def _recipe(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of the values, those that the recipe reads."""
        if not has_recipe(self._hypermodel):
            return {}
        hp = FixedHyperParameters(values)
        try:
            read_recipe(self._hypermodel, hp)
        except Exception:
            return dict(values)  # It will be a failed trial, where its reason is shown.
        return {name: value for name, value in hp.read.items() if name in values}

    def _fit_values(self, values: Mapping[str, Any], read: set[str]) -> dict[str, Any]:
        """Of the values, those that only a `fit` of the hypermodel's own can read."""
        self._architectural |= read
        if not self._own_fit:
            return {}
        return {name: value for name, value in values.items() if name not in self._architectural}

    def _build(self, values: Mapping[str, Any]) -> tuple[keras.Model, "_Noting"]:
        hp = _Noting.from_config({**self._known().get_config(), "values": dict(values)})
        # Keras numbers layers without a name through a session, and the file has their names:
        # without this its size would depend on what was built before.
        clear_session()
        model = self._hypermodel.build(hp)
        read_recipe(self._hypermodel, hp)
        return model, hp

    def _judge_build(self, values: Mapping[str, Any]) -> _Judged:
        # What cannot be built will fail again as a trial, where its reason is shown.
        unknown = _Judged(_digest(dict(values)), None)
        with self._building(values) as may_be_built:
            if not may_be_built:
                return unknown
            try:
                model, hp = self._build(values)
            except Exception:
                return unknown
        fit = self._fit_values(values, hp.read)
        key = _digest({name: hp.values[name] for name in hp.read if name in hp.values} | fit)
        try:
            graph = keras_graph(model)
            found = profile_graph(graph, by_layer=False)
            return _Judged(key, found, self._network(graph), found.params)
        except (TypeError, ValueError) as error:
            params = model.count_params() if model.built else None
            return _Judged(key, None, params=params, why_not=str(error))


class _Noting(keras_tuner.HyperParameters):
    """A container of hyperparameters that notes which of them a build reads.

    Every way to read one ends in `_retrieve` or `get` (keras_tuner 1.4.8, hyperparameters.py:196
    and 241).
    """

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def _retrieve(self, hp: Any) -> Any:
        self.read.add(hp.name)
        return super()._retrieve(hp)

    def get(self, name: str) -> Any:
        self.read.add(self._get_name(name))
        return super().get(name)


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

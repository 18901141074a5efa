"""Judges a proposal before it becomes a trial: what it would build, and whether that fits."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner

from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.profile import Profile, profile, profile_graph
from kerasnas.hypermodels.hypermodel import HyperModel, NotSketchable
from kerasnas.hypermodels.settled import Settled
from kerasnas.oracles.session import clear_session


@dataclasses.dataclass(frozen=True)
class _Judged:
    key: str
    profile: Profile | None


class Gate:
    """Profiles and identifies proposals, and remembers every one by its values.

    A `kerasnas.HyperModel` is sketched; any other hypermodel is built, once for each new proposal,
    with a container that notes which hyperparameters the build reads.

    Args:
        hypermodel: What builds the models.
        space: Returns the space as it is known now.
        budget: Limits; None for none.
    """

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel,
        space: Callable[[], keras_tuner.HyperParameters],
        budget: Budget | None = None,
    ) -> None:
        self._hypermodel = hypermodel
        self._known = space
        self._budget = budget or Budget()
        self._judged: dict[str, _Judged] = {}
        self._trainings: dict[str, dict[str, Any]] = {}
        # Names that a network was seen to depend on; the others are for a `fit` of one's own.
        self._architectural: set[str] = set()
        self._own_fit = type(hypermodel).fit is not keras_tuner.HyperModel.fit
        self._sketchable = isinstance(hypermodel, HyperModel) and self._try_sketch()

    def space(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the whole space without building a model.

        Args:
            hp: Where to declare it.

        Raises:
            NotSketchable: The hypermodel must be built to find its space.
        """
        if not self._sketchable:
            raise NotSketchable(f"{type(self._hypermodel).__name__} must be built")
        assert isinstance(self._hypermodel, HyperModel)
        self._hypermodel.declare(hp)

    def violations(self, values: Mapping[str, Any]) -> dict[str, Violation]:
        """Limits that the proposal breaks; empty when it fits or cannot be built."""
        found = self._judge(values).profile if self._budget else None
        return {} if found is None else self._budget.violations(found)

    def key(self, values: Mapping[str, Any]) -> str:
        """The network that the values build and train, as text that equals for equal networks."""
        return self._judge(values).key

    def profile(self, values: Mapping[str, Any]) -> Profile | None:
        """Cost in total, as an int8 file; None when it cannot be built or costed."""
        return self._judge(values).profile

    def check(self, model: keras.Model) -> dict[str, Violation]:
        """Limits that a built model breaks."""
        return self._budget.violations(profile(model)) if self._budget else {}

    def _try_sketch(self) -> bool:
        try:
            self._hypermodel.sketch(Settled({}))
        except NotSketchable:
            return False
        return True

    def _judge(self, values: Mapping[str, Any]) -> _Judged:
        text = json.dumps(dict(values), sort_keys=True)
        if text not in self._judged:
            judge = self._judge_sketch if self._sketchable else self._judge_build
            self._judged[text] = judge(values)
        return self._judged[text]

    def _judge_sketch(self, values: Mapping[str, Any]) -> _Judged:
        assert isinstance(self._hypermodel, HyperModel)
        hp = Settled(values)
        try:
            graph = self._hypermodel.sketch(hp)
        except NotSketchable:
            return self._judge_build(values)
        unread = {name: value for name, value in values.items() if name not in hp.read}
        training = self._training(unread)
        fit = self._fit_values(values, {*hp.read, *training})
        key = _digest({"graph": graph.fingerprint(), "training": training, **fit})
        return _Judged(key, profile_graph(graph, by_layer=False))

    def _training(self, values: dict[str, Any]) -> dict[str, Any]:
        """Those of the values that the network's shape leaves open and its compilation reads."""
        if not values:
            return {}
        text = json.dumps(values, sort_keys=True)
        if text not in self._trainings:
            assert isinstance(self._hypermodel, HyperModel)
            self._trainings[text] = self._hypermodel.training_values(values)
        return self._trainings[text]

    def _fit_values(self, values: Mapping[str, Any], read: set[str]) -> dict[str, Any]:
        """Those of the values that only a `fit` of the hypermodel's own can read."""
        self._architectural |= read
        if not self._own_fit:
            return {}
        return {name: value for name, value in values.items() if name not in self._architectural}

    def _judge_build(self, values: Mapping[str, Any]) -> _Judged:
        hp = _Noting.of(self._known(), values)
        # Layers without a name are numbered on, and their names are in the file that is costed.
        clear_session()
        try:
            model = self._hypermodel.build(hp)
        except Exception:
            # It will fail again as a trial, where its reason is shown.
            return _Judged(_digest(dict(values)), None)
        fit = self._fit_values(values, hp.read)
        key = _digest({name: hp.values[name] for name in hp.read if name in hp.values} | fit)
        try:
            return _Judged(key, dataclasses.replace(profile(model), layers=()))
        except (TypeError, ValueError):
            # The check of the built model says which layer cannot be costed.
            return _Judged(key, None)


class _Noting(keras_tuner.HyperParameters):
    """A container that notes which hyperparameters a build reads.

    Every way to read one ends in `_retrieve` or `get` (keras_tuner 1.4.8, hyperparameters.py:196
    and 241).
    """

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    @classmethod
    def of(cls, space: keras_tuner.HyperParameters, values: Mapping[str, Any]) -> "_Noting":
        made = cls.from_config({"space": space.get_config()["space"], "values": dict(values)})
        made.read = set()
        return made

    def _retrieve(self, hp: Any) -> Any:
        self.read.add(hp.name)
        return super()._retrieve(hp)

    def get(self, name: str) -> Any:
        self.read.add(self._get_name(name))
        return super().get(name)


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

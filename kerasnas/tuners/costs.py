"""What a trial's network costs, as the search needs it."""

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial

from kerasnas.hardware.budget import LIMITS
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.objectives import COSTS, members
from kerasnas.oracles.genome import network_values
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.gate import Gate


def told(oracle: Oracle | ForeignOracle) -> list[keras_tuner.Objective]:
    """Returns what the oracle has to be told of a trial: its objectives, and what it limits."""
    return [*members(oracle.objective), *(objective for objective, _ in oracle.limits)]


def cost_names(oracle: Oracle | ForeignOracle) -> list[str]:
    """Returns the costs of the network among what the oracle has to be told."""
    return sorted({one.name for one in told(oracle) if one.name in COSTS})


class Costs:
    """Looks up what the networks of trials cost.

    Args:
        oracle: What the tuner asks.
        gate: Knows the cost of each proposal; None where there is no hypermodel.
    """

    def __init__(self, oracle: Oracle | ForeignOracle, gate: Gate | None) -> None:
        self._oracle = oracle
        self._gate = gate

    def of(self, trial: Trial) -> dict[str, float]:
        """Returns all that is known of a trial's costs, by the names of a profile's attributes."""
        if self._gate is None:
            return {}
        network = network_values(trial.hyperparameters.values)
        profile = self._gate.costs(network)
        found = {name: getattr(profile, name, None) for name in LIMITS.values()}
        found["params"] = self._gate.params(network)
        return {name: value for name, value in found.items() if value is not None}

    def objectives(self, trial: Trial, model: keras.Model | None) -> dict[str, float]:
        """Returns the costs that the oracle has to be told of a trial, by the names it has them by.

        Args:
            trial: The trial.
            model: Its model; None if it is not known.

        Raises:
            FailedTrialError: A cost is not known.
        """
        names = cost_names(self._oracle)
        costs = self.of(trial) if names else {}
        if model is not None and model.built:
            costs.setdefault("params", model.count_params())
        unknown = [name for name in names if LIMITS[name] not in costs]
        if unknown:
            network = network_values(trial.hyperparameters.values)
            reason = "" if self._gate is None else self._gate.why_not(network)
            raise keras_tuner.errors.FailedTrialError(
                f"the cost of the network, an objective, is not known: {', '.join(unknown)}"
                + (f". {reason}" if reason else "")
            )
        return {name: costs[LIMITS[name]] for name in names}

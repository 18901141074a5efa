"""The decisions of a search space as parameters of Optuna."""

from dataclasses import dataclass
from typing import Any

import keras_tuner

from kerasnas.oracles.genome.decision import Decision, Value, plan_of


@dataclass(frozen=True)
class Parameter:
    """A decision as a parameter of Optuna.

    Args:
        name: The parameter's name.
        decision: The decision.
        distribution: The `optuna` distribution.
        form: What Optuna suggests: the `value` itself, its `place` among the possible values, or
            the `quantile` of its prior.
    """

    name: str
    decision: Decision
    distribution: Any
    form: str = "value"

    def suggest(self, trial: Any) -> Value:
        """Lets a trial of Optuna suggest the parameter, and returns the hyperparameter's value."""
        drawn = self._drawn(trial)
        found: Value = drawn
        if self.form == "quantile":
            value = self.decision.hp.prob_to_value(drawn)
            found = min(max(value, self.decision.hp.min_value), self.decision.hp.max_value)
        if self.form == "place" and self.decision.domain is not None:
            found = self.decision.domain[drawn]
        return found

    def encode(self, value: Any) -> Any:
        """Returns what the distribution has nearest to a value; None where nothing is near."""
        decision, domain = self.decision, self.decision.domain
        if self.form == "quantile" or domain is None:
            low, high = decision.hp.min_value, decision.hp.max_value
            value = min(max(value, low), high)
            if self.form == "quantile":
                return min(max(float(decision.hp.value_to_prob(value)), 0.0), 1.0)
            return float(value)
        place = decision.index(value)
        if place is None and not decision.ordered:
            return None
        if place is None:
            # A default need not be one of the values that the step reaches.
            place = min(range(len(domain)), key=lambda here: abs(domain[here] - value))
        return place if self.form == "place" else domain[place]

    def _drawn(self, trial: Any) -> Any:
        import optuna

        own = self.distribution
        if isinstance(own, optuna.distributions.CategoricalDistribution):
            return trial.suggest_categorical(self.name, own.choices)
        if isinstance(own, optuna.distributions.IntDistribution):
            return trial.suggest_int(self.name, own.low, own.high, step=own.step, log=own.log)
        return trial.suggest_float(self.name, own.low, own.high, log=own.log)


def parameters_of(space: keras_tuner.HyperParameters) -> dict[Decision, Parameter]:
    """Returns the parameter of each decision with more than one value."""
    found = {}
    for name, decisions in plan_of(space):
        # Optuna allows one distribution for each name; equal registrations share it.
        distinct: list[Any] = []
        for decision in decisions:
            if decision.is_open:
                distribution, form = _distribution(decision)
                kind = (distribution, form, decision.domain)
                if kind not in distinct:
                    distinct.append(kind)
                number = distinct.index(kind)
                own = f"{name} ({number + 1})" if number else name
                found[decision] = Parameter(own, decision, distribution, form)
    return found


def _distribution(decision: Decision) -> tuple[Any, str]:
    from optuna import distributions

    hp, domain = decision.hp, decision.domain
    sampling = getattr(hp, "sampling", None)
    if domain is not None and not decision.ordered:
        return distributions.CategoricalDistribution(tuple(domain)), "value"
    if sampling == "reverse_log" and hp.step is None:
        # Optuna has no such prior.
        return distributions.FloatDistribution(0.0, 1.0), "quantile"
    if domain is None:
        log = sampling == "log"
        return distributions.FloatDistribution(hp.min_value, hp.max_value, log=log), "value"
    if isinstance(domain, range):
        log = sampling == "log"
        return distributions.IntDistribution(domain[0], domain[-1], log, domain.step), "value"
    # Places are exact, unlike steps of floats, and evenly spaced, unlike some lists of values.
    return distributions.IntDistribution(0, len(domain) - 1), "place"


def only(decision: Decision) -> Value:
    """Returns the value of a decision that has only one."""
    return float(decision.hp.min_value) if decision.domain is None else decision.domain[0]

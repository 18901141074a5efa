"""Finds the next trial: a queued setting, a proposal of the strategy, or one that goes on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasnas.oracles import genome
from kerasnas.oracles.engine.costs import TrialCosts
from kerasnas.oracles.engine.fidelity import Fidelity, Plan
from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.proposal_search import find
from kerasnas.oracles.engine.queue import Queue
from kerasnas.oracles.engine.strategy import Strategy


class Proposer:
    """Asks the fidelity and the strategy for the next trial, and keeps the state of both.

    Attributes:
        rng: The generator of every draw in the search.
        queue: The settings that are tried before any proposal.
        stop_reason: Why there will be no further proposal, or None.
        costs: Lets costly networks wait where the time is limited.
    """

    def __init__(
        self,
        strategy: Strategy,
        fidelity: Fidelity,
        history: History,
        proposal_filter: ProposalFilter,
        seed: int,
    ):
        self.strategy, self.fidelity, self.history = strategy, fidelity, history
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.queue = Queue(proposal_filter)
        self.stop_reason: str | None = None
        self.costs = TrialCosts(history, proposal_filter)
        self._filter = proposal_filter
        # The revision of the history when the strategy saw it last.
        self._revision = 0
        fidelity.begin(history)

    def restart(self) -> None:
        """Makes the strategy and the fidelity read all trials again, as after a resume."""
        self.fidelity.begin(self.history)
        self._revision = self.history.revision
        self.strategy.invalidate_cache()

    def next_trial(self) -> Plan | None:
        """Returns the next trial to begin.

        Returns:
            The trial, or None where no trial can begin now. If `stop_reason` is set after that, the
            strategy will propose no other network.
        """
        declared = bool(self.history.space.space)
        propose = self._next_network if declared else self._explore_empty_space
        return self.fidelity.next_trial(propose, lambda: self.stop_reason is not None)

    @property
    def waits(self) -> bool:
        """Whether another trial may begin once a running one has ended."""
        return self.stop_reason is None or self.fidelity.goes_on

    def lineage(self, plan: Plan) -> dict[str, Any]:
        """Returns the lineage of a trial that begins.

        Returns:
            `parents` and `operator`, the names that have `changed` from the first parent, and the
            notes of the strategy and of the fidelity.
        """
        proposal, space = plan.proposal, self.history.space
        found: dict[str, Any] = {
            "parents": list(proposal.parents),
            "operator": proposal.operator,
        }
        if proposal.parents:
            old = self.history.values(self.history.trials[proposal.parents[0]])
            new = genome.settle(space, proposal.values)
            found["changed"] = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        found.update(plan.notes)
        if space.space and plan.is_new:
            found.update(self.strategy.note(self._view(), proposal.values, self.rng) or {})
        return found

    def position(self) -> dict[str, Any]:
        """Returns everything besides the trials that the next proposal depends on, fit for JSON."""
        state = self.strategy.state()
        return {
            "rng": self.rng.bit_generator.state,
            "strategy": state if self.fidelity.trains_in_full else {"searcher": state},
            "turned_away": self._filter.turned_away,
            "repeats": self._filter.repeats,
            "repaired": self._filter.repaired,
            "enqueued": self.queue.done,
        }

    def take_position(self, position: dict[str, Any]) -> None:
        """Restores a position."""
        state = position["strategy"]
        self.rng.bit_generator.state = position["rng"]
        self.strategy.set_state(state if self.fidelity.trains_in_full else state["searcher"])
        self._filter.turned_away = position["turned_away"]
        self._filter.repeats = position["repeats"]
        self._filter.repaired = position["repaired"]
        self.queue.done = position["enqueued"]

    def _next_network(self) -> Proposal | None:
        """Returns a setting that was not tried before; None if there is none, now or at all."""
        self._filter.begin()
        queued = self.queue.next(self.history.space)
        if queued is not None or self.stop_reason is not None:
            return queued
        before = self.position()
        view = self._view()
        self.strategy.has_searched = True
        # What a walk over all settings passes over it never comes back to.
        judge = {} if self.strategy.exhaustive else {"passes": self.costs.judge(self.rng)}
        proposal, reason = find(
            lambda: self._ask(view),
            self.history.space,
            self.rng,
            self._filter,
            self.history.max_proposals,
            self.strategy.patience,
            **judge,
        )
        if proposal is not None:
            return proposal
        if reason is None and self.history.running:
            # The strategy waits. Its position is restored because the search must not depend on how
            # often workers ask.
            self.take_position(before)
            return None
        self.stop_reason = self.strategy.end_reason or reason or _NOTHING
        return None

    def _ask(self, view: History) -> Proposal | None:
        """Asks the strategy, and completes and checks what it proposes."""
        space, known = self.history.space, len(self.history.space.space)
        name = type(self.strategy).__name__
        found = self.strategy.propose(view, self.rng)
        if len(space.space) != known:
            raise RuntimeError(
                f"{name}.propose has added hyperparameters to history.space: only trials may. "
                f"Received: {[hp.name for hp in space.space[known:]]}"
            )
        if found is None:
            return None
        if not isinstance(found, Proposal) or not isinstance(found.values, Mapping):
            raise TypeError(
                f"{name}.propose must return a kerasnas.oracles.Proposal with a dict of values, or "
                f"None. Received: {found!r}"
            )
        strangers = [parent for parent in found.parents if parent not in view.trials]
        if strangers:
            raise ValueError(
                f"{name}.propose must name ids of trials as parents. Received: {strangers}"
            )
        network = genome.network_values(found.values)
        values = {key: genome.plain(value) for key, value in network.items()}
        try:
            # What a changed parent has made meaningless is dropped; unknown names are an error.
            unknown = values.keys() - {hp.name for hp in space.space}
            full = genome.complete(space, values if unknown else genome.settle(space, values))
        except ValueError as error:
            raise ValueError(
                f"{name} has proposed what the space does not allow: {error}"
            ) from error
        return Proposal(full, tuple(found.parents), found.operator)

    def _view(self) -> History:
        """Returns the history that the strategy sees, and tells it if old losses have changed."""
        view = self.fidelity.view()
        if view.revision != self._revision:
            self._revision = view.revision
            self.strategy.invalidate_cache()
        return view

    def _explore_empty_space(self) -> Proposal | None:
        """Proposes one trial with no values, whose build shows which hyperparameters there are."""
        if not self._filter.ruled_out({}):
            return Proposal({}, operator="default")
        if not self.history.running:
            self.stop_reason = "the search space has no hyperparameters"
        return None


_NOTHING = "the strategy has nothing more to propose"

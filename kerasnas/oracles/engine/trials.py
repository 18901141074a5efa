"""The trials of a search in memory: running, completed and failed."""

from collections.abc import Mapping

from keras_tuner.engine.trial import Trial, TrialStatus


class Trials:
    """Keeps trials in the order in which they started, and in the order in which they ended.

    Attributes:
        by_id: All trials by their id, in the order of their starts.
        started: All trials in the order of their starts.
        running: The trials that have not ended, by id, in the order of their starts.
        ended: The trials that have ended, in the order of their ends.
        completed: The ended trials that have a score, in the same order.
        failed: The ended trials that have no score, in the same order.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Trial] = {}
        self.started: list[Trial] = []
        self.running: dict[str, Trial] = {}
        self.ended: list[Trial] = []
        self.completed: list[Trial] = []
        self.failed: list[Trial] = []

    def begin(self, trial: Trial) -> None:
        """Adds a running trial."""
        self.by_id[trial.trial_id] = self.running[trial.trial_id] = trial
        self.started.append(trial)

    def end(self, trial: Trial) -> None:
        """Moves a running trial to the completed or to the failed ones, by its status."""
        del self.running[trial.trial_id]
        self.ended.append(trial)
        completed = trial.status == TrialStatus.COMPLETED
        (self.completed if completed else self.failed).append(trial)

    def clear(self) -> None:
        """Removes all trials."""
        for known in (self.by_id, self.running):
            known.clear()
        for order in (self.started, self.ended, self.completed, self.failed):
            order.clear()

    def restore(self, trials: Mapping[str, Trial], ended: list[str]) -> None:
        """Replaces all trials.

        Args:
            trials: Trials by id, in the order of their starts.
            ended: Ids of the trials that have ended, in the order of their ends.
        """
        self.clear()
        for trial in trials.values():
            self.begin(trial)
        for trial_id in ended:
            self.end(trials[trial_id])

import keras_tuner
import pytest
from hypothesis import settings
from keras_tuner.engine.trial import Trial

# The same examples in every run, and no time limit for one: a busy machine is no failure.
settings.register_profile("oracles", deadline=None, derandomize=True)
settings.load_profile("oracles")


@pytest.fixture(scope="session")
def make_trial():
    """Makes a trial with metrics; COMPLETED with the first of them as its score, or RUNNING."""

    def make(name, values=(), status=None, space=None, **metrics):
        hp = keras_tuner.HyperParameters() if space is None else space.copy()
        hp.values = dict(values)
        trial = Trial(hp, name, status or ("COMPLETED" if metrics else "RUNNING"))
        for metric, value in metrics.items():
            trial.metrics.register(metric, "max" if "acc" in metric else "min")
            trial.metrics.update(metric, value, step=1)
        trial.score = next(iter(metrics.values()), None)
        return trial

    return make

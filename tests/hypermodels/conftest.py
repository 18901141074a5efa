import keras_tuner
import pytest


@pytest.fixture
def declared():
    """Declares the space of a hypermodel."""

    def declare(space):
        hp = keras_tuner.HyperParameters()
        space.declare(hp)
        return hp

    return declare


@pytest.fixture
def every_setting(declared):
    """Lists all settings of a small space."""

    def settings(space):
        found = [{}]
        for p in declared(space).space:
            grown = []
            for values in found:
                if all(c.is_active(values) for c in p.conditions):
                    assert p.name not in values, "a name is active twice"
                    grown += [{**values, p.name: v} for v in p.values]
                else:
                    grown.append(values)
            found = grown
        return found

    return settings

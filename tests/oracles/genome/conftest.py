"""Random search spaces, and KerasTuner's own word on what is a setting of one."""

import keras_tuner
import pytest
from hypothesis import strategies as st

PARENTS = {
    "choice": ["a", "b", "c"],
    "numbers": [3, 5, 7],
    "int": [1, 2, 3],
    "bool": [True, False],
}


@pytest.fixture(scope="session")
def spaces():
    """Strategy of random spaces; `finite=True` leaves out continuous ranges."""
    return random_spaces


@pytest.fixture(scope="session")
def is_setting():
    """Tells whether values are a setting of a space."""
    return holds


@st.composite
def random_spaces(draw, finite=False):
    """Random spaces: every type, nested conditions, names registered under several conditions."""
    hp = keras_tuner.HyperParameters()
    parents = {}
    for place in range(draw(st.integers(1, 7))):
        name = f"h{place}"
        kinds = ["choice", "numbers", "int", "bool", "fixed", "grid"]
        kind = draw(st.sampled_from(kinds if finite else [*kinds, "float", "log"]))
        stacks = [()]
        if parents and draw(st.booleans()):
            # The same name under one or two conditions: either of them makes it matter.
            names = st.lists(st.sampled_from(sorted(parents)), min_size=1, max_size=2, unique=True)
            stacks = []
            for parent in draw(names):
                stack, values = parents[parent]
                chosen = sorted(draw(st.sets(st.sampled_from(values), min_size=1)))
                stacks.append((*stack, (parent, chosen)))
        for stack in stacks:
            with nested(hp, stack):
                register(hp, kind, name)
        if kind in PARENTS and len(stacks) == 1:
            parents[name] = stacks[0], PARENTS[kind]
    return hp


class nested:
    def __init__(self, hp, stack):
        self.scopes = [hp.conditional_scope(name, values) for name, values in stack]

    def __enter__(self):
        for scope in self.scopes:
            scope.__enter__()

    def __exit__(self, *error):
        for scope in reversed(self.scopes):
            scope.__exit__(*error)


def register(hp, kind, name):
    if kind == "choice":
        hp.Choice(name, ["a", "b", "c"])
    elif kind == "numbers":
        hp.Choice(name, [3, 5, 7])
    elif kind == "int":
        hp.Int(name, 1, 3)
    elif kind == "bool":
        hp.Boolean(name)
    elif kind == "fixed":
        hp.Fixed(name, 4)
    elif kind == "grid":
        hp.Float(name, 0.0, 0.5, step=0.1)
    elif kind == "float":
        hp.Float(name, 0.0, 1.0)
    else:
        hp.Float(name, 1e-4, 1.0, sampling="log")


def holds(space, values):
    """KerasTuner's own word on it: every active value is there and offered, and no other."""
    hp = keras_tuner.HyperParameters.from_config({**space.get_config(), "values": values})
    for parameter in hp.space:
        if hp.is_active(parameter):
            value = values.get(parameter.name)
            if value is None:
                return False
            continuous = getattr(parameter, "step", 0) is None
            if not continuous and value not in list(parameter.values):
                return False
            if continuous and not parameter.min_value <= value <= parameter.max_value:
                return False
    return all(hp.is_active(name) for name in values)

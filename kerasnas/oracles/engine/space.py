"""Search spaces with values, as KerasTuner's trials hold them.

Private parts of `keras_tuner.HyperParameters`, as read in keras-tuner 1.4.8 (1.4.7 is the same):
`_space` and `_hps`.
"""

import collections
from collections.abc import Mapping

import keras_tuner

from kerasnas.oracles.genome.decision import Value


def with_values(
    space: keras_tuner.HyperParameters, values: Mapping[str, Value]
) -> keras_tuner.HyperParameters:
    """Returns a space with values.

    Args:
        space: The search space; its hyperparameters are shared, since nothing changes them.
        values: Values by name.

    Returns:
        A copy of the space that holds these values and no others.
    """
    copy = keras_tuner.HyperParameters()
    copy._space = list(space._space)
    copy._hps = collections.defaultdict(
        list, {name: list(same) for name, same in space._hps.items()}
    )
    copy.values = dict(values)
    return copy

"""How a hypermodel has its networks compressed: a decision of the search like any other."""

from typing import Any

import keras_tuner

from kerasnas.hypermodels.hyperparameters import Hyperparameters


def has_recipe(hypermodel: Any) -> bool:
    """Whether a hypermodel says how its networks are compressed: a method `recipe(hp)`."""
    return callable(getattr(hypermodel, "recipe", None))


def read_recipe(hypermodel: keras_tuner.HyperModel, hp: Hyperparameters) -> Any:
    """Ask a hypermodel for its recipe.

    Args:
        hypermodel: Any `keras_tuner.HyperModel`.
        hp: The hyperparameters that the recipe reads, as the build does.

    Returns:
        What its `recipe` returned, which should be a list of steps; None where it has none.

    Example:

    >>> import keras_tuner, kerasnas as kn
    >>> from kerasnas.hypermodels.recipe import read_recipe
    >>> class Sparse(kn.LayerwiseHyperModel):
    ...     def recipe(self, hp):
    ...         return [kn.Prune(hp.Choice("sparsity", [0.5, 0.8])), kn.Quantize("int8")]
    >>> recipe = read_recipe(Sparse((8, 8, 1), 10), keras_tuner.HyperParameters())
    >>> [step.name for step in recipe]
    ['prune', 'quantize int8']
    """
    return hypermodel.recipe(hp) if has_recipe(hypermodel) else None

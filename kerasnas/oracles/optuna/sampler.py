"""Optuna's samplers: by name, with what they need, seeded and silent.

Private parts of Optuna, as read in 5.0.0: `LazyRandomState`, since Optuna's own `reseed_rng` seeds
from the system.
"""

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

_SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "qmc": "QMCSampler",
    "random": "RandomSampler",
}
# Packages that Optuna does not install itself.
_NEEDS = {
    "GPSampler": ("scipy", "torch"),
    "CmaEsSampler": ("cmaes",),
    "QMCSampler": ("scipy",),
}


def known_sampler(sampler: Any) -> Any:
    """Returns the class's name for a name, or the instance, after checking what it needs.

    Args:
        sampler: A name or an instance.

    Returns:
        What `make_sampler` takes.

    Raises:
        ImportError: Optuna, or a package that the sampler needs, is not installed.
        ValueError: There is no such sampler.

    Example:

    ```python
    known_sampler("TPE")   # "TPESampler"
    ```
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError("OptunaOracle needs Optuna 5: pip install 'kerasnas[optuna]'.") from error
    known: Any
    if isinstance(sampler, str):
        known = _SAMPLERS.get(sampler.lower().replace("-", "").replace("_", ""))
        classes = [str(known)]
    else:
        known = sampler if isinstance(sampler, optuna.samplers.BaseSampler) else None
        classes = [base.__name__ for base in type(sampler).__mro__]
    if known is None:
        raise ValueError(
            f"sampler must be one of {', '.join(sorted(_SAMPLERS))}, or an instance of "
            f"optuna.samplers.BaseSampler. Received: sampler={sampler!r}"
        )
    for name in classes:
        for package in _NEEDS.get(name, ()):
            if importlib.util.find_spec(package) is None:
                raise ImportError(
                    f"{name} of Optuna needs the package '{package}': pip install {package}. "
                    f"Received: sampler={sampler!r}"
                )
    return known


def make_sampler(known: Any, seed: int) -> Any:
    """Returns a sampler with Optuna's defaults; an instance is returned as it is.

    Args:
        known: The result of `known_sampler`.
        seed: Integer seed.
    """
    import optuna

    if not isinstance(known, str):
        return known
    # Without scrambling, its proposals would not depend on the seed.
    kwargs = {"seed": seed % 2**32, "scramble": True} if known == "QMCSampler" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return getattr(optuna.samplers, known)(**kwargs)


def reseed(sampler: Any, seeds: np.random.RandomState) -> None:
    """Seeds every generator of a sampler and of its parts."""
    from optuna.samplers._lazy_random_state import LazyRandomState

    for part in parts_of(sampler):
        if isinstance(part, LazyRandomState):
            part.rng.seed(seeds.randint(2**32, dtype=np.uint32))
        elif isinstance(part, np.random.RandomState):
            part.seed(seeds.randint(2**32, dtype=np.uint32))
        elif isinstance(part, np.random.Generator):
            kind = type(part.bit_generator)
            part.bit_generator.state = kind(int(seeds.randint(2**32, dtype=np.uint32))).state


def parts_of(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yields a sampler and its parts: samplers within it, and generators."""
    from optuna.samplers import BaseSampler
    from optuna.samplers._lazy_random_state import LazyRandomState

    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield thing
    if isinstance(thing, LazyRandomState):
        return
    if isinstance(thing, BaseSampler) or type(thing).__module__.startswith("optuna."):
        for part in list(getattr(thing, "__dict__", {}).values()):
            yield from parts_of(part, seen)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences Optuna within the block; it would log every value that it draws independently."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)

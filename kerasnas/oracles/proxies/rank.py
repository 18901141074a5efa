"""The best of many random settings, by a proxy and without training."""

import dataclasses
import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np

from kerasnas.hardware.profile import Profile
from kerasnas.oracles import genome
from kerasnas.oracles.engine.proposal_filter import key_of
from kerasnas.oracles.genome import Values
from kerasnas.oracles.proxies.score import COSTS, Proxy, check_data, score
from kerasnas.runtime.arguments import check_integer
from kerasnas.runtime.session import clear_session, seeded

_DRAWS = 20  # The most settings that are drawn for each candidate.
_COLLECT = 50  # Models between two collections of garbage: a model is full of cycles.


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A setting and what a proxy says of it.

    Args:
        values: The setting.
        score: Its score; larger is better.
    """

    values: Values
    score: float


def rank(
    build: Callable[[keras_tuner.HyperParameters], keras.Model],
    space: keras_tuner.HyperParameters,
    proxy: Proxy = "synflow",
    *,
    candidates: int = 1000,
    keep: int = 10,
    data: tuple[Any, Any] | None = None,
    gate: Callable[[Values], Mapping[str, Any]] | None = None,
    key: Callable[[Values], str] | None = None,
    profile: Callable[[Values], Profile | None] | None = None,
    seed: int = 0,
    max_time: float | None = None,
) -> list[Ranked]:
    """Scores random settings of a space, untrained, and gives the best.

    Each model is built, scored and dropped, with Keras's session cleared before it. Its initial
    weights follow from the seed and its values. A setting that does not build is left out.

    Args:
        build: Builds a model from hyperparameters; compiled for "grad_norm".
        space: The whole search space.
        proxy: Name of a proxy, or a function (model, x, y) -> float; see `score`.
        candidates: How many settings to score; a smaller space is scored as a whole.
        keep: How many to return.
        data: One minibatch (x, y), for the proxies that read it.
        gate: Callable from values to the broken limits, {} for none, as in `Oracle.attach`.
        key: Callable from values to a string that is the same for the same architecture; the first
            of equals is scored.
        profile: Callable from values to their cost, or None where it is not known. "params" and
            "macs" are read from it, without building.
        seed: Integer; draws and weights follow from it.
        max_time: Seconds after which no further setting is scored.

    Returns:
        At most `keep` settings, the best first; of equals, the first drawn. Fewer, or none, where
        the space or the limits allow no more.

    Raises:
        ValueError: An unknown proxy, counts that do not fit, missing data, or not one setting that
            builds or has a finite score.

    Source: Abdelfattah et al. 2021, "Zero-cost proxies for lightweight NAS", arXiv:2101.08134,
    section 5 ("warmup").

    Example:

    >>> import keras_tuner, kerasnas as kn
    >>> from kerasnas.oracles import proxies
    >>> net = kn.LayerwiseHyperModel((8, 8, 1), 3, stages=[(4, 8)], blocks=(1, 2))
    >>> space = keras_tuner.HyperParameters()
    >>> net.declare(space)
    >>> best = proxies.rank(net.build, space, "macs", candidates=8, keep=2)
    >>> best[0].score >= best[1].score
    True
    """
    check_counts(candidates, keep)
    x, y = (None, None) if data is None else data
    check_data(proxy, x, y)
    deadline = math.inf if max_time is None else time.monotonic() + max_time
    ranked, failure, count = [], None, 0
    admitted = _admitted(space, candidates, gate, key, np.random.default_rng(seed))
    for values in itertools.islice(admitted, candidates):
        if time.monotonic() >= deadline:
            break
        count += 1
        cost = profile(values) if profile is not None and proxy in COSTS else None
        if cost is not None:
            found = float(getattr(cost, str(proxy)))
        else:
            try:
                model = _build(build, space, values, seed)
            except Exception as error:
                failure = error
                continue
            found = score(proxy, model, x, y)
            del model
            if count % _COLLECT == 0:
                gc.collect()
        ranked.append(Ranked(values, found))
    if failure is not None and not ranked:
        raise ValueError(
            f"None of {count} settings could be built. The last failed with "
            f"{type(failure).__name__}: {failure}"
        ) from failure
    finite = [one for one in ranked if one.score > -math.inf]
    if ranked and not finite:
        raise ValueError(
            f"The proxy {proxy!r} tells none of {len(ranked)} settings from another: each has the "
            'score -inf. With "naswot", pass fewer samples and no two that are equal; with others, '
            f"choose another proxy. Received: proxy={proxy!r}"
        )
    return sorted(finite, key=lambda one: -one.score)[:keep]


def check_counts(candidates: Any, keep: Any) -> None:
    """Refuses numbers of settings unless candidates >= keep >= 1, both integers."""
    check_integer("candidates", candidates, least=1)
    check_integer("keep", keep, least=1, most=int(candidates), hint=", the candidates")


def _admitted(
    space: keras_tuner.HyperParameters,
    candidates: int,
    gate: Callable[[Values], Mapping[str, Any]] | None,
    key: Callable[[Values], str] | None,
    rng: np.random.Generator,
) -> Iterator[Values]:
    """Yields different settings that keep the limits."""
    seen: set[str] = set()
    for values in _drawn(space, candidates, rng):
        name = key_of(values)
        if name in seen:
            continue
        seen.add(name)
        # The gate comes first: both may have to build the setting, but only the gate refuses it.
        if gate is not None and gate(values):
            continue
        if key is not None:
            architecture = f"architecture {key(values)}"
            if architecture in seen:
                continue
            seen.add(architecture)
        yield values


def _drawn(
    space: keras_tuner.HyperParameters, candidates: int, rng: np.random.Generator
) -> Iterator[Values]:
    """Yields a small space as a whole, in random order; else random settings, with repeats."""
    draws = _DRAWS * candidates
    if genome.size(space, limit=draws) is None:
        yield from (genome.sample(space, rng) for _ in range(draws))
        return
    settings = list(genome.enumerate_settings(space))
    yield from (settings[i] for i in rng.permutation(len(settings)))


def _build(
    build: Callable[[keras_tuner.HyperParameters], keras.Model],
    space: keras_tuner.HyperParameters,
    values: Values,
    seed: int,
) -> keras.Model:
    hp = space.copy()
    hp.values = dict(values)
    # Keras keeps names and states of all models since its session was cleared last.
    clear_session()
    with seeded(seed, key_of(values)):
        return build(hp)

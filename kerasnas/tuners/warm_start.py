"""Finds what a search trains first: the best of many settings by a zero-cost proxy."""

import dataclasses
import gc
from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np

from kerasnas.hypermodels.hyperparameters import FixedHyperParameters
from kerasnas.oracles import Oracle
from kerasnas.oracles.genome import Values
from kerasnas.oracles.proxies.rank import check_counts, rank
from kerasnas.oracles.proxies.score import Proxy, check_proxy, needs
from kerasnas.runtime.arguments import check_integer
from kerasnas.runtime.session import clear_session, kept_random_state
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.gate import Gate


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """Says how a search chooses what it trains first.

    Args:
        proxy: Name of a proxy: "synflow", "naswot", "grad_norm", "macs" or "params"; or a function
            (model, x, y) -> float of your own, larger for better models.
        candidates: How many random settings are scored, untrained.
        keep: How many of them are trained first.
        batch_size: Samples of the minibatch, for "naswot" and "grad_norm".
        seed: Integer; draws and initial weights follow from it. None takes the tuner's.

    Raises:
        ValueError: An unknown proxy, or numbers that do not fit.
        TypeError: A number that is not an integer.

    Example:

    >>> WarmStart("naswot", candidates=200, keep=5).batch_size
    32
    """

    proxy: Proxy = "synflow"
    candidates: int = 1000
    keep: int = 10
    batch_size: int = 32
    seed: int | None = None

    @property
    def name(self) -> str:
        """The name of the proxy."""
        proxy = self.proxy
        return proxy if isinstance(proxy, str) else getattr(proxy, "__name__", "a function")

    def __post_init__(self) -> None:
        check_proxy(self.proxy)
        check_counts(self.candidates, self.keep)
        check_integer("batch_size", self.batch_size, least=1)
        check_integer("seed", self.seed, least=0, optional=True)

    @classmethod
    def of(cls, value: Any) -> "WarmStart":
        """Reads a tuner's argument `warm_start`: these settings, or a proxy alone.

        Raises:
            TypeError: It is neither.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str) or (callable(value) and not isinstance(value, type)):
            return cls(value)
        raise TypeError(
            'Argument `warm_start` must be the name of a proxy, such as "synflow", a '
            "function (model, x, y) -> float, a kerasnas.WarmStart, or a list of settings. "
            f"Received: warm_start={value!r} of type {type(value).__name__}"
        )


@dataclasses.dataclass(frozen=True)
class FirstTrials:
    """Queues what a search trains before the proposals of its oracle.

    Args:
        wanted: Settings, or how to find them.
        hypermodel: What is searched.
        build: Builds and compiles a model as a trial does.
        oracle: What the tuner asks.
        gate: Judge of the proposals; None where there is no hypermodel.
        seed: Of the draws and weights, where `wanted` has none.
    """

    wanted: WarmStart | list[Values]
    hypermodel: keras_tuner.HyperModel | None
    build: Callable[[keras_tuner.HyperParameters], keras.Model]
    oracle: Oracle | ForeignOracle
    gate: Gate | None
    seed: int

    def enqueue(
        self,
        fit: Mapping[str, Any],
        say: Callable[[str], None],
        max_time: float | None,
    ) -> None:
        """Ranks untrained networks, if that is wanted, and queues the settings.

        Args:
            fit: The arguments of `keras.Model.fit` by name.
            say: Is told, in a line, what happens.
            max_time: Seconds after which no further setting is scored.
        """
        wanted, gate = self.wanted, self.gate
        settings = [] if isinstance(wanted, WarmStart) else wanted
        if isinstance(wanted, WarmStart) and gate is not None:
            say(
                f"Ranking {wanted.candidates} untrained networks by {wanted.name}, of which "
                f"the best {wanted.keep} are trained first"
            )
            space = self.oracle.get_space()
            settings = first_settings(
                wanted, self.hypermodel, self.build, space, gate, fit, self.seed, max_time
            )
        for values in settings:
            self.oracle.enqueue(values)


def first_settings(
    settings: WarmStart,
    hypermodel: keras_tuner.HyperModel,
    build: Callable[[keras_tuner.HyperParameters], keras.Model],
    space: keras_tuner.HyperParameters,
    gate: Gate,
    fit: Mapping[str, Any],
    seed: int = 0,
    max_time: float | None = None,
) -> list[Values]:
    """Chooses the settings to put before an oracle's own proposals.

    Args:
        settings: The proxy and its numbers.
        hypermodel: What is searched.
        build: Builds and compiles a model, as a trial would.
        space: The whole search space.
        gate: Judge of the proposals; what breaks its budget is not scored.
        fit: Arguments of `keras.Model.fit` by name, for the proxies that read a minibatch.
        seed: Of the draws and weights, where the settings have none.
        max_time: Seconds after which no further setting is scored.

    Returns:
        At most `settings.keep` settings, the best first.

    Raises:
        ValueError: Data that the proxy needs and that cannot be had, or nothing that it can score.

    Source: Abdelfattah et al. 2021, "Zero-cost proxies for lightweight NAS", arXiv:2101.08134,
    section 5 ("warmup").
    """
    # A function of the user's own is given the data if there is any.
    reads = needs(settings.proxy) or (callable(settings.proxy) and fit.get("x") is not None)
    data = _minibatch(settings, fit) if reads else None

    def architecture(values: Values) -> str:
        return hypermodel.sketch(FixedHyperParameters(values)).fingerprint()

    with kept_random_state():  # A gate that builds models draws from it.
        ranked = rank(
            build,
            space,
            settings.proxy,
            candidates=settings.candidates,
            keep=settings.keep,
            data=data,
            gate=gate.violations,
            # It names a network without the learning rate, which no proxy sees.
            key=architecture if gate.sketches else None,
            profile=gate.profile,
            seed=seed if settings.seed is None else settings.seed,
            max_time=max_time,
        )
    clear_session()
    gc.collect()
    return [one.values for one in ranked]


def _minibatch(settings: WarmStart, fit: Mapping[str, Any]) -> tuple[Any, Any]:
    """A few samples of what `fit` is given, none of which are taken away from it."""
    x, y = fit.get("x"), fit.get("y")
    if x is None:
        raise _no_data(settings, "no argument x")
    if not all(hasattr(leaf, "shape") for leaf in keras.tree.flatten(x)):
        if isinstance(x, keras.utils.PyDataset):
            batch = x[0]
        elif not hasattr(x, "__iter__") or iter(x) is x:
            raise _no_data(settings, f"x of type {type(x).__name__}, which can be read only once")
        else:
            batch = next(iter(x), None)
            if batch is None:
                raise _no_data(settings, f"x of type {type(x).__name__}, which is empty")
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return _rows(x, settings.batch_size), _rows(y, settings.batch_size)


def _rows(data: Any, count: int) -> Any:
    """Evenly spaced rows: the first ones may be all of one class."""

    def some(array: Any) -> Any:
        step = max(1, len(array) // count)
        return np.asarray(array[::step][:count])

    return None if data is None else keras.tree.map_structure(some, data)


def _no_data(settings: WarmStart, received: str) -> ValueError:
    return ValueError(
        f"warm_start={settings.name!r} reads a minibatch of the data: pass arrays, a "
        "keras.utils.PyDataset or a tf.data.Dataset to `search`, or choose "
        f'warm_start="synflow", which needs none. Received: {received}'
    )

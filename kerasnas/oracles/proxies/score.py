"""The proxies by name, and the score that one of them gives a model."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras

from kerasnas.hardware.estimation import profile
from kerasnas.oracles.proxies.grad_norm import grad_norm
from kerasnas.oracles.proxies.naswot import naswot
from kerasnas.oracles.proxies.synflow import synflow


class _Proxy(NamedTuple):
    score: Callable[[keras.Model, Any, Any], float]
    needs: tuple[str, ...] = ()


_PROXIES = {
    "params": _Proxy(lambda model, x, y: profile(model).params),
    "macs": _Proxy(lambda model, x, y: profile(model).macs),
    "naswot": _Proxy(lambda model, x, y: naswot(model, x), ("x",)),
    "synflow": _Proxy(lambda model, x, y: synflow(model)),
    "grad_norm": _Proxy(grad_norm, ("x", "y")),
}
PROXIES = tuple(_PROXIES)
# Proxies that are read from a profile, without building a model.
COSTS = ("params", "macs")


# A proxy by name, or a function from a model and a minibatch's x and y to its score.
Proxy: TypeAlias = str | Callable[[keras.Model, Any, Any], float]


def check_proxy(proxy: Any) -> None:
    """Refuses a proxy that is neither a known name nor a function."""
    if isinstance(proxy, type) or not (callable(proxy) or proxy in PROXIES):
        raise ValueError(
            f"Argument `proxy` must be one of {', '.join(PROXIES)}, or a function (model, x, y) -> "
            f"float, larger for better models. Received: proxy={proxy!r}"
        )


def needs(proxy: Proxy) -> tuple[str, ...]:
    """Returns the parts of a minibatch that a proxy needs: (), ("x",) or ("x", "y")."""
    check_proxy(proxy)
    # A user's own function gets whatever is given.
    return _PROXIES[proxy].needs if isinstance(proxy, str) else ()


def check_data(proxy: Proxy, x: Any, y: Any) -> None:
    """Refuses data that lack a part that the proxy needs."""
    missing = [name for name, given in (("x", x), ("y", y)) if given is None]
    missing = [name for name in missing if name in needs(proxy)]
    if missing:
        raise ValueError(
            f"The proxy {proxy!r} reads a minibatch of {' and '.join(needs(proxy))}: pass it, or "
            f'choose "synflow", which needs no data. Received: {missing[0]}=None'
        )


def score(proxy: Proxy, model: keras.Model, x: Any = None, y: Any = None) -> float:
    """Rates an untrained model without training it.

    The model, its weights and its compilation stay as they are.

    Args:
        proxy: "params" or "macs": their number. "naswot": log-determinant of the kernel of the
            activation codes. "synflow": log of the synaptic flow. "grad_norm": sum of the norms of
            the gradients. Or a function (model, x, y) -> float of your own, where x and y are the
            minibatch, None without.
        model: Built Sequential or Functional Keras model; compiled for "grad_norm".
        x: Minibatch of inputs, of shape (batch, ...), or a list or dict of them; for "naswot" and
            "grad_norm".
        y: Its targets, as `fit` takes them; for "grad_norm".

    Returns:
        The score, larger for models that are expected to be better; -inf where it is not finite.
        The same for the same model and data.

    Raises:
        ValueError: An unknown proxy, missing data, or a model that the proxy cannot read.

    Source: Abdelfattah et al. 2021, "Zero-cost proxies for lightweight NAS", arXiv:2101.08134; each
    proxy's own function names its paper.

    Example:

    >>> import keras
    >>> from kerasnas.oracles import proxies
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    >>> proxies.score("params", model)
    16.0
    """
    check_data(proxy, x, y)
    if not isinstance(model, keras.Model):
        raise TypeError(
            "Argument `model` must be a Keras 3 model. "
            f"Received: {type(model).__module__}.{type(model).__name__}"
        )
    function = _PROXIES[proxy].score if isinstance(proxy, str) else proxy
    value = float(function(model, x, y))
    return value if math.isfinite(value) else -math.inf

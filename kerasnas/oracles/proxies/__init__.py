"""Zero-cost proxies: what an untrained network says about how well it will train."""

from kerasnas.oracles.proxies.grad_norm import grad_norm
from kerasnas.oracles.proxies.naswot import naswot
from kerasnas.oracles.proxies.rank import Ranked, rank
from kerasnas.oracles.proxies.score import PROXIES, score
from kerasnas.oracles.proxies.synflow import synflow

__all__ = ["PROXIES", "Ranked", "grad_norm", "naswot", "rank", "score", "synflow"]

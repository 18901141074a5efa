"""What to try next: one strategy a file, and the oracle that searches with it in any tuner."""

from kerasnas.oracles import genome, named, proxies
from kerasnas.oracles.engine.fidelity import Fidelity
from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.oracle import Oracle
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.engine.strategy import Strategy
from kerasnas.oracles.making import make

# The strategies and fidelities of the registry, and an oracle named after each.
from kerasnas.oracles.named import *  # noqa: F403

__all__ = [
    "Fidelity",
    "History",
    "Oracle",
    "Proposal",
    "Strategy",
    "genome",
    "make",
    "proxies",
]
__all__ += named.__all__

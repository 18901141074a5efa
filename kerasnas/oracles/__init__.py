"""What to try next: one strategy a file, and the oracle that searches with it in any tuner."""

from kerasnas.oracles import genome, named, proxies
from kerasnas.oracles.engine import Fidelity, History, Plan, Proposal, SearchCall, Strategy, Verdict
from kerasnas.oracles.engine.oracle import Oracle
from kerasnas.oracles.fidelity import CheckedFidelity
from kerasnas.oracles.making import make

# The strategies and fidelities of the registry, and an oracle named after each.
from kerasnas.oracles.named import *  # noqa: F403

__all__ = [
    "CheckedFidelity",
    "Fidelity",
    "History",
    "Oracle",
    "Plan",
    "Proposal",
    "SearchCall",
    "Strategy",
    "Verdict",
    "genome",
    "make",
    "proxies",
]
__all__ += named.__all__

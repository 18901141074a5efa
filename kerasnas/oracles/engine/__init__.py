"""What carries any strategy: the oracle, the history, the ledger, the filter of proposals.

The classes here are what strategies and fidelities are written against.
"""

from kerasnas.oracles.engine.fidelity import Fidelity, Plan, Propose, SearchCall, Verdict
from kerasnas.oracles.engine.history import History
from kerasnas.oracles.engine.proposal import Proposal
from kerasnas.oracles.engine.strategy import Strategy

__all__ = [
    "Fidelity",
    "History",
    "Plan",
    "Proposal",
    "Propose",
    "SearchCall",
    "Strategy",
    "Verdict",
]

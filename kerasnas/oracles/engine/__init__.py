"""What carries any strategy: the oracle, the history it shows, its ledger, and what it lets pass."""

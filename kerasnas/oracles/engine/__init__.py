"""What carries any strategy: the oracle, the history, the ledger, the filter of proposals."""

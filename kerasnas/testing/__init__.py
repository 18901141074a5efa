"""Tests that any strategy must pass, ours and anybody's."""

from kerasnas.testing.conformance import OracleConformance

__all__ = ["OracleConformance"]

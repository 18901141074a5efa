"""Drawings of what a network costs, as files that any browser shows."""

from kerasnas.report.memory import memory

__all__ = ["memory"]

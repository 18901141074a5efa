"""What every strategy must do, as tests that anybody's can inherit: a theme a file."""

from kerasnas.testing.conformance.suite import OracleConformance

__all__ = ["OracleConformance"]

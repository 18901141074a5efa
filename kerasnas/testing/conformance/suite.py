"""The whole conformance suite of a strategy, or of an oracle."""

from kerasnas.testing.conformance.budgeting import Budgeting
from kerasnas.testing.conformance.failing import Failing
from kerasnas.testing.conformance.plain_tuner import PlainTuner
from kerasnas.testing.conformance.proposing import Proposing
from kerasnas.testing.conformance.resuming import Resuming
from kerasnas.testing.conformance.seeding import Seeding
from kerasnas.testing.conformance.sharing import Sharing


class OracleConformance(Seeding, Resuming, Proposing, Budgeting, Failing, Sharing, PlainTuner):
    """Tests of a strategy; inherit them in a test file of your own.

    The file is imported by path in another process, so it must not use relative imports.

    Attributes:
        strategy: The strategy under test, or its class. Where an oracle needs more arguments,
            override `make_oracle` instead.
        searches: Whether the strategy must beat random search.
        has_parents: Whether trials are made from earlier ones.
        needs_kerasnas: What the error says under another tuner, for what needs `kerasnas.Tuner`.

    Example:

    >>> import kerasnas as kn
    >>> from kerasnas.testing import OracleConformance
    >>> class TestMine(OracleConformance):
    ...     strategy = kn.oracles.Evolution(crossover=0.5)
    """

import inspect
import os

import pytest

from kerasnas.oracles import Strategy


@pytest.fixture
def fails(tmp_path, capsys):
    """Runs one test of the suite on an oracle that breaks its promise, and checks that it fails."""

    def check(broken, test):
        # In a file of its own, as a third party's would be.
        source = inspect.getsource(inspect.getmodule(broken)).partition("@pytest.mark")[0]
        path = tmp_path / f"{broken.__name__}_{test}.py"
        name = broken.__name__
        made = f"Oracle({name}, **kwargs)" if issubclass(broken, Strategy) else f"{name}(**kwargs)"
        path.write_text(f"""{source}
from kerasnas.oracles import Oracle
from kerasnas.testing import OracleConformance


class TestBroken(OracleConformance):
    def make_oracle(self, **kwargs):
        return {made}
""")
        arguments = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
        code = pytest.main([*arguments, f"{path}::TestBroken::{test}"])
        printed = capsys.readouterr().out
        assert code == pytest.ExitCode.TESTS_FAILED, printed
        assert "1 failed" in printed

    return check

import logging
import os

import pytest

from kerasnas.runtime.silence import silence


def test_both_descriptors_are_silent_inside_only(capfd):
    print("before")
    with silence():
        os.write(1, b"one")
        os.write(2, b"two")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_terminal_comes_back_after_an_exception(capfd):
    level = logging.getLogger("tensorflow").level
    with pytest.raises(KeyError), silence():
        raise KeyError
    os.write(1, b"back")
    assert capfd.readouterr().out == "back"
    assert logging.getLogger("tensorflow").level == level

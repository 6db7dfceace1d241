"""Modules that run as commands: bad input is one line and the error's own exit code."""

from __future__ import annotations

import pytest

from sim.errors import HwloopError, InfeasibleError, InputError, InvariantError
from sim.one_line import one_line_errors


@pytest.mark.parametrize(("kind", "code"), [(InputError, 2), (InfeasibleError, 3), (InvariantError, 1)])
def test_one_line_and_the_exit_code(kind: type[HwloopError], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as found, one_line_errors():
        raise kind("no file x; nearest: y")
    assert found.value.code == code
    assert capsys.readouterr().err == "error: no file x; nearest: y\n"


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), one_line_errors():
        _ = 1 / 0

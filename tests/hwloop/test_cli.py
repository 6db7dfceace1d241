"""The command as a whole: help without imports, one line for every mistake, exit codes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hwloop import cli
from sim.errors import InfeasibleError, InputError, InvariantError
from sim.version import __version__

HEAVY = ("numpy", "scipy", "numba", "simpy", "pydantic", "rich", "matplotlib", "requests", "torch")


def run(*arguments: str) -> Any:
    """Exit code, output and errors of the command in this process."""
    return CliRunner().invoke(cli.main, arguments)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_help_lists_the_commands() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "simulate  " in result.output
    assert "matrices  " in result.output
    assert run().output == result.output


def test_help_imports_nothing_heavy() -> None:
    run_help = "try: main(['--help'])\nexcept SystemExit: pass"
    code = f"import sys; from hwloop.cli import main\n{run_help}\nprint([m for m in {HEAVY} if m in sys.modules])"
    assert python("-c", code).stdout.splitlines()[-1] == "[]"


def test_help_is_quick() -> None:
    begin = time.perf_counter()
    assert python("-m", "hwloop.cli", "--help").returncode == 0
    assert time.perf_counter() - begin < 2  # 0.05 s on an idle machine


def test_version() -> None:
    assert __version__ in run("--version").output


def test_each_command_has_its_own_help() -> None:
    for name in cli.main.list_commands(click.Context(cli.main)):  # type: ignore[attr-defined]
        result = run(name, "--help")
        assert result.exit_code == 0, name
        assert result.output.startswith("Usage: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulat"], "no command 'simulat'; nearest: simulate"),
        (["--colour"], "No such option"),
        (["simulate"], "Missing argument 'A'"),
        (["simulate", "x", "--colour"], "No such option"),
        (["simulate", "x", "y", "z"], "unexpected extra argument"),
        (["simulate", "x", "--seed", "many"], "--seed"),
        (["simulate", "x", "--seed", "-1"], "--seed"),
        (["simulate", "x", "--set"], "--set"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no such\n  thing"), 2, "error: no such thing"),
        (InvariantError("1 is not 2"), 1, "error: 1 is not 2"),
        (InfeasibleError("nearest 3"), 3, "error: nearest 3"),
        (MemoryError(), 2, "error: not enough memory for this; a smaller matrix or '--no-verify' takes less"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written, run the same command again"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_errors_become_a_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda group, ctx, name: fail)
    result = run("fail")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == line + "\n"


def test_real_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda group, ctx, name: fail)
    assert isinstance(run("fail").exception, ZeroDivisionError)


def test_a_reader_that_leaves_is_no_traceback() -> None:
    command = f"{sys.executable} -m hwloop.cli matrices list --json - | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr


def test_importing_the_packages_is_light() -> None:
    code = f"import sys, hwloop, sim.sparch, benchmarks.suitesparse; print([m for m in {HEAVY} if m in sys.modules])"
    assert python("-c", code).stdout == "[]\n"

"""The command `hwloop`: finds the subcommand, runs it, and turns what went wrong into one line and an exit code.

Subcommands are named here with their help and imported when they are called, so that ``hwloop --help`` imports none.
Exit codes: 0 done; 1 a fault of hwloop itself (an audit or a verification failed); 2 bad input; 3 constraint
infeasible; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NoReturn

import click

from sim.errors import HwloopError, nearest
from sim.version import __version__

INTERRUPTED = 130
_BAD_INPUT = 2

COMMANDS = {
    "simulate": ("hwloop.simulate_command:simulate", "Simulate one sparse product on an accelerator."),
    "explain": ("hwloop.explain_command:explain", "Say in words where the time of a result went, or define a figure."),
    "compare": ("hwloop.compare_command:compare", "Split the difference between two results by cause."),
    "bench": ("hwloop.bench_command:bench", "Both accelerators and real libraries on many matrices, side by side."),
    "ablate": ("hwloop.ablate_command:ablate", "Take SpArch apart: what each of its four parts gains."),
    "sweep": ("hwloop.sweep_command:sweep", "Simulate many machines on many matrices, in parallel."),
    "report": ("hwloop.report_command:report", "One page with figures of the records in a folder."),
    "demo": ("hwloop.demo_command:demo", "Simulate two generated inputs and verify the products."),
    "count": ("hwloop.count_command:count", "Exact MACs, parameters and bytes of a network."),
    "devices": ("hwloop.devices_command:devices", "List the device profiles and how well each is known."),
    "predict": ("hwloop.predict_command:predict", "Latency and energy of networks on a device, with intervals."),
    "calibrate": ("hwloop.calibrate_command:calibrate", "Make a device profile from a table of measurements."),
    "profile": ("hwloop.profile_command:profile", "Make a device profile of this machine by measuring it."),
    "validate": ("hwloop.validate_command:validate", "Score the device model on networks that it has not seen."),
    "train": ("hwloop.train_command:train", "Train a supernet; killed runs go on with --resume."),
    "search": ("hwloop.search_command:search", "The best networks of a space under a device's latency and energy."),
    "compress": ("hwloop.compress_command:compress", "Prune and quantise a trained text model; exact sizes."),
    "translate": ("hwloop.translate_command:translate", "Translate sentences with a trained model."),
    "matrices": ("hwloop.matrices_command:matrices", "List, describe or fetch the benchmark matrices."),
}
"""Name of a subcommand: where it is, what it does."""


class LazyGroup(click.Group):
    """Commands by name, imported when called; errors as one line on standard error."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands that are installed, in the order of the table."""
        return [name for name, (place, _) in COMMANDS.items() if find_spec(place.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. Raises a usage error that offers the nearest one."""
        if cmd_name not in self.list_commands(ctx):
            raise click.UsageError(f"no command {cmd_name!r}{nearest(cmd_name, self.list_commands(ctx))}")
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table: nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; an interrupt becomes one line here, before click prints its own."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            how_on = str(error) or "interrupted; nothing was written, run the same command again"
            _fail(how_on, INTERRUPTED, label="")

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit. Everything that a user can cause ends in one line."""
        try:
            extra |= {"windows_expand_args": windows_expand_args}
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.Abort:
            _fail("interrupted", INTERRUPTED, label="")
        except click.ClickException as error:
            _fail(error.format_message(), _BAD_INPUT)
        except HwloopError as error:
            _fail(str(error), error.exit_code)
        except MemoryError:
            _fail("not enough memory for this; a smaller matrix or '--no-verify' takes less", _BAD_INPUT)
        except BrokenPipeError:  # the reader of standard output left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int, label: str = "error: ") -> NoReturn:
    """One line on standard error, then out."""
    click.echo(label + " ".join(message.split()), err=True)
    sys.exit(code)


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwloop")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Hardware simulators and device models, and the searches that ask them.

    Try: hwloop simulate poisson3d:n=20
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


if __name__ == "__main__":
    main()

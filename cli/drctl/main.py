"""The command line as a whole. Every trouble that is expected becomes one sentence and an exit code, no traceback."""

import io
import os
import sys
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from drctl import aftercare_commands, execution_commands, history_commands, plan_commands, steering_commands
from drctl.options import JSON_WANTED
from drctl.outcome import MEANINGS, CliError, ExitCode
from drctl.reporting import complain, report

# Where the root remembers what was typed after `drctl`.
_TYPED = "drctl.typed"

# The line with nothing but a backspace keeps the lines of the table from being joined into a paragraph.
_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"{code.value:>5}  {meaning}" for code, meaning in MEANINGS.items())


class Commands(TyperGroup):
    """The root: turns the troubles that are expected into one sentence each, never a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_TYPED] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return self._invoke(ctx)
        except CliError as error:
            report(error, as_json=ctx.meta.get(JSON_WANTED, False))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            complain("Stopped.")
            ctx.exit(ExitCode.INTERRUPTED)
        except BrokenPipeError:  # which Typer would end with the code of faults
            ctx.exit(ExitCode.NOT_READ)

    def _invoke(self, ctx: Any) -> Any:
        """As Typer does it, but that a mistake in the command line is told as any other trouble is."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            raise _as_cli_error(error, ctx.meta[_TYPED], self.commands) from error


def _as_cli_error(error: TyperException, typed: list[str], commands: Iterable[str]) -> Exception:
    """A mistake in the command line in our own words; whatever else Typer raises, such as help, as it is."""
    from drctl.usage import usage_error

    # Help that is shown for want of arguments is raised as a mistake, too; its message is the whole page.
    is_help = "\n" in str(getattr(error, "message", ""))
    return (
        error if is_help or getattr(error, "exit_code", None) != ExitCode.USAGE else usage_error(error, typed, commands)
    )


app = typer.Typer(
    cls=Commands,
    name="drctl",
    help="Plan, start, watch and steer AWS Elastic Disaster Recovery drills and recoveries.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(execution_commands.app)
app.add_typer(steering_commands.app)
app.add_typer(aftercare_commands.app)
app.add_typer(history_commands.app, name="history")
app.add_typer(plan_commands.app, name="plan")


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A name in another script must not break the output of a terminal or a log that can't show it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    finally:
        _finish_output()


def _finish_output() -> None:
    """Here, not as Python ends: whoever reads may have had enough, and Python would tell that with a traceback."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left to be written goes nowhere, or Python would try once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.NOT_READ)

"""What is wrong with a command line, as one sentence and the command that was probably meant."""

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from drctl.names import nearest
from drctl.outcome import CliError, ExitCode


def usage_error(error: Any, typed: Sequence[str], commands: Iterable[str]) -> CliError:
    """`error` is Typer's own, `typed` what follows `drctl`, `commands` the names of those there are."""
    message = error.format_message()
    near, wrong = None, getattr(error, "option_name", None)
    if wrong is not None:
        message, near = f"No such option: {wrong}", next(iter(error.possibilities or ()), None)
    elif typed and typed[0] not in commands:
        wrong, near = typed[0], nearest(typed[0], commands)
        message = f"No such command: {wrong}"
    if near is None or wrong not in typed:
        sentence = message if message.endswith((".", "?")) else f"{message}."
        return CliError(sentence, ExitCode.USAGE, f"{_command_of(error)} -h")
    meant = shlex.join(["drctl", *(near if word == wrong else word for word in typed)])
    return CliError(f"{message}; did you mean {near}?", ExitCode.USAGE, meant)


def _command_of(error: Any) -> str:
    """The command whose line it is, such as `drctl plan put`."""
    return " ".join(["drctl", *error.ctx.command_path.split()[1:]]) if error.ctx else "drctl"

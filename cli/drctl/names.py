"""Names that lead nowhere: one sentence, and the command with the name that was probably meant."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drctl.outcome import CliError, ExitCode

if TYPE_CHECKING:
    from drctl.api import Api


@contextmanager
def naming_plan(api: "Api", plan_id: str, command: Callable[[str], str]) -> Iterator[None]:
    """`command` gives what was typed with another plan's id."""
    try:
        yield
    except CliError as error:
        if error.exit_code is not ExitCode.NOT_FOUND:
            raise
        raise _no_such_plan(api, plan_id, command) from error


@contextmanager
def naming_execution(execution_id: str) -> Iterator[None]:
    try:
        yield
    except CliError as error:
        if error.exit_code is not ExitCode.NOT_FOUND:
            raise
        raise CliError(f"There is no execution {execution_id}.", ExitCode.NOT_FOUND, "drctl list") from error


@contextmanager
def naming_wave(api: "Api", execution_id: str, wave: str, command: Callable[[str], str]) -> Iterator[None]:
    """Of an execution that may itself not exist. `command` gives what was typed with another wave's name."""
    try:
        yield
    except CliError as error:
        if error.exit_code is not ExitCode.NOT_FOUND:
            raise
        with naming_execution(execution_id):
            names = [each["WaveName"] for each in api.execution(execution_id)["Waves"]]
        raise _unknown(
            f"{execution_id} has no wave {wave}", nearest(wave, names), command, f"drctl status {execution_id}"
        ) from error


def nearest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), n=1)), None)


def _no_such_plan(api: "Api", plan_id: str, command: Callable[[str], str]) -> CliError:
    try:
        near = nearest(plan_id, (plan["PlanId"] for plan in api.plans()))
    except CliError:
        # Who may start a plan is perhaps not allowed to list them.
        near = None
    return _unknown(f"There is no plan {plan_id}", near, command, "drctl plan list")


def _unknown(sentence: str, near: str | None, command: Callable[[str], str], otherwise: str) -> CliError:
    if near is None:
        return CliError(f"{sentence}.", ExitCode.NOT_FOUND, otherwise)
    return CliError(f"{sentence}; did you mean {near}?", ExitCode.NOT_FOUND, command(near))

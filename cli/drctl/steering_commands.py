"""`drctl approve | resume | reject | pause | cancel | skip-wave`: what an operator decides about an execution."""

import shlex
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from drctl.names import naming_execution, naming_wave
from drctl.options import ApiUrl, AsJson, ExecutionId, Why, connect
from drctl.outcome import CliError, ExitCode, PassingFailure
from drctl.reporting import hint, print_json

if TYPE_CHECKING:
    from drctl.api import Api

app = typer.Typer(rich_markup_mode=None)


@app.command()
def approve(execution: ExecutionId, reason: Why = None, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Let the waves that wait for approval be launched."""
    _decide(connect(api_url), execution, "approve", {"Reason": reason}, as_json)


@app.command()
def resume(execution: ExecutionId, reason: Why = None, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Let a paused execution go on, or one that waits since a wave failed."""
    _decide(connect(api_url), execution, "resume", {"Reason": reason}, as_json)


@app.command()
def reject(
    execution: ExecutionId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the execution's history.")],
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Answer the open question with no: nothing more is launched."""
    _decide(connect(api_url), execution, "reject", {"Reason": reason}, as_json)


@app.command()
def pause(execution: ExecutionId, reason: Why = None, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Launch nothing more until it is resumed. What runs in DRS is watched on."""
    _decide(connect(api_url), execution, "pause", {"Reason": reason}, as_json)


@app.command()
def cancel(execution: ExecutionId, reason: Why = None, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Launch nothing more. What runs in DRS, which can't cancel a job, is followed to its end."""
    _decide(connect(api_url), execution, "cancel", {"Reason": reason}, as_json)


@app.command("skip-wave")
def skip_wave(
    execution: ExecutionId,
    wave: Annotated[str, typer.Argument(metavar="WAVE", help="The name of a wave that has not begun.")],
    reason: Why = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Never launch a wave. What depends on it goes on."""
    api = connect(api_url)
    naming = naming_wave(api, execution, wave, lambda name: shlex.join(["drctl", "skip-wave", execution, name]))
    _decide(api, execution, "skip-wave", {"WaveName": wave, "Reason": reason}, as_json, naming)


def _decide(
    api: "Api",
    execution_id: str,
    decision: str,
    request: dict[str, str | None],
    as_json: bool,
    naming: AbstractContextManager[None] | None = None,
) -> None:
    """`naming`: what is made of an answer that something does not exist; the execution, when nothing is said."""
    given = {name: value.strip() for name, value in request.items() if value is not None}
    with naming or naming_execution(execution_id):
        execution_type = api.execution_type(execution_id)
        try:
            answer = api.change(execution_type, execution_id, decision, given)
        except PassingFailure as error:
            message = f"{error.message} It may have been decided all the same."
            raise CliError(message, error.exit_code, f"drctl history {execution_id}") from error
        except CliError as error:
            if error.exit_code is ExitCode.CONFLICT:
                error.advice = f"drctl status {execution_id}"
            raise
    if as_json:
        print_json(answer)
        return
    print(answer["message"])
    hint(f"drctl watch {execution_id}")

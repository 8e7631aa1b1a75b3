"""`drctl retry | cleanup`: what is done once an execution has ended."""

import shlex
import uuid
from typing import Annotated, Any

import typer

from drctl.names import naming_execution
from drctl.options import ApiUrl, AsJson, ClientToken, ExecutionId, Why, connect
from drctl.outcome import CliError, ExitCode, PassingFailure
from drctl.reporting import hint, print_json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def retry(
    execution: ExecutionId,
    reason: Why = None,
    replace_live: Annotated[
        str | None,
        typer.Option(metavar="PLAN", help="As with start: type the plan's id to let living instances be removed."),
    ] = None,
    skip_approvals: Annotated[
        bool, typer.Option("--skip-approvals", help="As with start: wait for no approvals; wants a --reason, too.")
    ] = False,
    client_token: ClientToken = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Start a new execution of only the servers that failed or were skipped, with the plan as it was."""
    request: dict[str, Any] = {"ClientToken": client_token or str(uuid.uuid4())}
    if reason is not None:
        request["Reason"] = reason.strip()
    if replace_live is not None:
        request["ReplaceLive"] = replace_live
    if skip_approvals:
        request["SkipApprovals"] = True
    api = connect(api_url)
    with naming_execution(execution):
        execution_type = api.execution_type(execution)
        try:
            started = api.change(execution_type, execution, "retry", request)
        except PassingFailure as error:
            message = f"{error.message} It may have been started all the same; the same token starts it only once."
            raise CliError(message, error.exit_code, _command(execution, request)) from error
        except CliError as error:
            if error.exit_code is ExitCode.CONFLICT:
                error.advice = f"drctl status {execution}"
            raise
    if as_json:
        print_json(started)
        return
    print(f"{execution} is retried: {started['executionId']}")
    hint(f"drctl watch {started['executionId']}")


@app.command()
def cleanup(execution: ExecutionId, reason: Why = None, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Terminate what an ended drill launched, and nothing else. Status shows what has become of each instance."""
    api = connect(api_url)
    request = {"Reason": reason.strip()} if reason is not None else {}
    with naming_execution(execution):
        try:
            answer = api.clean_up(execution, request)
        except CliError as error:
            error.advice = f"drctl status {execution}"
            raise
    if as_json:
        print_json(answer)
        return
    print(answer["message"])
    hint(f"drctl status {execution}")


def _command(execution_id: str, request: dict[str, Any]) -> str:
    """What is typed to make this request again."""
    parts = ["drctl", "retry", execution_id, "--client-token", request["ClientToken"]]
    parts += ["--reason", request["Reason"]] if "Reason" in request else []
    parts += ["--replace-live", request["ReplaceLive"]] if "ReplaceLive" in request else []
    return shlex.join([*parts, *(["--skip-approvals"] if "SkipApprovals" in request else [])])

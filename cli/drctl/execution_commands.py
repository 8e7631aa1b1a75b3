"""`drctl start | watch | status | report | list`: executions of plans."""

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from drctl.names import naming_execution, naming_plan
from drctl.options import (
    ApiUrl,
    AsJson,
    ClientToken,
    Drill,
    ExecutionId,
    PlanId,
    Recovery,
    checked_plan_id,
    chosen_type,
    connect,
)
from drctl.outcome import CliError, ExitCode, exit_code_of
from drctl.reporting import complain, hint, print_json
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType

if TYPE_CHECKING:
    from drctl.api import Api
    from drctl.wording import Document

app = typer.Typer(rich_markup_mode=None)


@app.command()
def start(
    plan: PlanId,
    drill: Drill = False,
    recovery: Recovery = False,
    reason: Annotated[str | None, typer.Option(help="Why it is started; it stands in the record.")] = None,
    replace_live: Annotated[
        str | None,
        typer.Option(
            metavar="PLAN",
            help="Type the plan's id again to let a recovery remove instances of an earlier recovery, with their data.",
        ),
    ] = None,
    skip_approvals: Annotated[
        bool,
        typer.Option("--skip-approvals", help="Let a recovery wait for no approvals; wants a --reason, too."),
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Walk the whole plan and launch nothing.")] = False,
    watch_it: Annotated[bool, typer.Option("--watch", help="Watch it to its end; the exit code tells it.")] = False,
    client_token: ClientToken = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Start a drill or a recovery of a stored plan."""
    plan = checked_plan_id(plan)
    execution_type = chosen_type(drill, recovery, f"drctl start {plan} --drill")
    request: dict[str, Any] = {"PlanId": plan, "ExecutionType": execution_type.value}
    if reason is not None:
        request["Reason"] = reason.strip()
    if replace_live is not None:
        _check_replacement(plan, execution_type, replace_live)
        request["ReplaceLive"] = replace_live
    if skip_approvals:
        _check_skipped_approvals(plan, execution_type, reason)
        request["SkipApprovals"] = True
    api = connect(api_url)
    if dry:
        _dry_run(api, request, as_json)
    started = _start(api, request, client_token)
    execution_id = started["executionId"]
    if watch_it:
        if not as_json:
            print(f"{execution_type} of {plan} is started: {execution_id}")
        _watch(api, execution_id, as_json, known_to_exist=True)
    elif as_json:
        print_json(started)
    else:
        print(f"{execution_type} of {plan} is started: {execution_id}")
        hint(f"drctl watch {execution_id}")


@app.command()
def watch(execution: ExecutionId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Watch an execution to its end: live on a terminal, else a line per change. The exit code tells the outcome."""
    _watch(connect(api_url), execution, as_json, known_to_exist=False)


@app.command()
def status(execution: ExecutionId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Show an execution as it is now, with every server."""
    with naming_execution(execution):
        document = connect(api_url).execution(execution)
    if as_json:
        print_json(document)
    else:
        from drctl.views import print_execution

        print_execution(document, sys.stdout)
    raise typer.Exit(exit_code_of(document["Status"]))


@app.command()
def report(
    execution: ExecutionId,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to write the page; report-ID.html when not given.")
    ] = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the evidence of an execution into a file: one HTML page to look at, to print and to keep."""
    if as_json and html is not None:
        raise CliError("Give one of --json and --html.", ExitCode.USAGE, f"drctl report {execution}")
    api = connect(api_url)
    with naming_execution(execution):
        if as_json:
            print_json(api.report(execution))
            return
        page = api.report_page(execution)
    path = Path(html if html is not None else f"report-{execution}.html")
    try:
        path.write_bytes(page)
    except OSError as error:
        message = f"The page can't be written to {path}: {error.strerror}."
        raise CliError(message, ExitCode.USAGE, f"drctl report {execution} --html FILE") from error
    print(f"The report is in {path}")


@app.command("list")
def list_executions(
    status: Annotated[
        ExecutionStatus | None, typer.Option(help="Only executions of this status.", case_sensitive=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """List executions, the newest first."""
    from itertools import islice

    api = connect(api_url)
    found = [
        execution
        for wanted in ([status] if status else ExecutionStatus)
        for execution in islice(api.executions(wanted.value), limit)
    ]
    executions = sorted(found, key=lambda execution: int(execution["StartTime"]), reverse=True)[:limit]
    if as_json:
        print_json({"executions": executions})
        return
    from drctl.views import print_table
    from drctl.wording import elapsed, moment

    now = time.time()
    rows = [
        [
            execution["ExecutionId"],
            execution["PlanId"],
            execution["ExecutionType"],
            execution["Status"],
            moment(execution["StartTime"]),
            elapsed(execution, now),
        ]
        for execution in executions
    ]
    print_table(["Execution", "Plan", "Type", "Status", "Started", "Ran for"], rows, sys.stdout)
    if not executions:
        complain(f"There is no execution{f' that is {status.value}' if status else ' yet'}.")


def _check_replacement(plan: str, execution_type: ExecutionType, typed: str) -> None:
    """Instances that people may be working on are removed by no slip of the hand."""
    if execution_type is ExecutionType.DRILL:
        raise CliError(
            "--replace-live is for a recovery; a drill never removes what a recovery launched.",
            ExitCode.USAGE,
            f"drctl plan preflight {plan} --drill",
        )
    if typed != plan:
        raise CliError(
            f"--replace-live wants the id of the plan that is started, {plan}, not {typed}.",
            ExitCode.USAGE,
            f"drctl start {plan} --recovery --replace-live {plan}",
        )


def _check_skipped_approvals(plan: str, execution_type: ExecutionType, reason: str | None) -> None:
    """Nobody is passed over by accident, or without saying why."""
    if execution_type is ExecutionType.DRILL:
        raise CliError(
            "--skip-approvals is for a recovery; a drill waits for its approvals.",
            ExitCode.USAGE,
            f"drctl start {plan} --drill",
        )
    if not (reason or "").strip():
        raise CliError(
            "--skip-approvals wants a --reason: say why nobody is to be asked.",
            ExitCode.USAGE,
            f"drctl start {plan} --recovery --skip-approvals --reason WHY",
        )


def _dry_run(api: "Api", request: dict[str, Any], as_json: bool) -> NoReturn:
    from drctl.preflight_views import print_dry_run

    with _naming_plan(api, request, "--dry-run"):
        document = api.start({**request, "DryRun": True})
    if as_json:
        print_json(document)
    else:
        print_dry_run(document, sys.stdout)
    raise typer.Exit(ExitCode.OK if document["Ready"] else ExitCode.CONFLICT)


def _start(api: "Api", request: dict[str, Any], client_token: str | None) -> dict[str, Any]:
    """Always with a token, so that a request whose answer got lost can be sent again without launching twice."""
    import uuid

    from drctl.outcome import PassingFailure

    token = str(uuid.uuid4()) if client_token is None else client_token
    again = _command(request, "--client-token", token)
    try:
        with _naming_plan(api, request):
            return api.start({**request, "ClientToken": token})
    except PassingFailure as error:
        message = f"{error.message} It may have been started all the same; the same token starts it only once."
        raise CliError(message, error.exit_code, again) from error
    except KeyboardInterrupt:
        complain("Stopped; it may have been started. The same token starts it only once.")
        hint(again)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except CliError as error:
        if error.exit_code is ExitCode.CONFLICT:
            error.advice = _after_conflict(error, request)
        raise


def _after_conflict(error: CliError, request: dict[str, Any]) -> str:
    if any("check" in detail for detail in error.details):
        return f"drctl plan preflight {request['PlanId']} --{request['ExecutionType'].lower()}"
    return "drctl list"


def _naming_plan(api: "Api", request: dict[str, Any], *more: str) -> AbstractContextManager[None]:
    # To let another plan replace instances is something that its id has to be typed for.
    typed = {name: value for name, value in request.items() if name != "ReplaceLive"}
    return naming_plan(api, request["PlanId"], lambda plan: _command({**typed, "PlanId": plan}, *more))


def _command(request: dict[str, Any], *more: str) -> str:
    """What is typed to make this request."""
    import shlex

    plan = request["PlanId"]
    parts = ["drctl", "start", plan, f"--{request['ExecutionType'].lower()}"]
    parts += ["--reason", request["Reason"]] if "Reason" in request else []
    parts += ["--replace-live", plan] if "ReplaceLive" in request else []
    parts += ["--skip-approvals"] if "SkipApprovals" in request else []
    return shlex.join([*parts, *more])


def _watch(api: "Api", execution_id: str, as_json: bool, *, known_to_exist: bool) -> None:
    from drctl.views import is_terminal, print_execution, watching_view
    from drctl.watching import follow

    # With --json standard output is the document's alone; who looks on still sees the progress.
    stream = sys.stderr if as_json else sys.stdout
    document: Document | None = None
    try:
        with naming_execution(execution_id), watching_view(stream) as view:
            for sight in follow(api, execution_id, known_to_exist=known_to_exist):
                document = sight.document
                view.show(sight)
    except KeyboardInterrupt:
        complain("Stopped watching; the execution goes on.")
        hint(f"drctl watch {execution_id}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except CliError as error:
        if document is not None or known_to_exist:
            error.message = f"{error.message} The execution goes on; watch it again with drctl watch {execution_id}"
        raise
    final = cast("Document", document)  # what follow() ends with
    if as_json:
        print_json(final)
    elif is_terminal(stream):
        print_execution(final, stream)
    else:
        from drctl.wording import outcome

        print(f"execution {execution_id} {outcome(final, time.time())}")
    raise typer.Exit(exit_code_of(final["Status"]))

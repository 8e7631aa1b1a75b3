"""Arguments and options that several commands share."""

from typing import TYPE_CHECKING, Annotated

import typer

from drctl.outcome import CliError, ExitCode
from drs_orchestrator.domain.statuses import ExecutionType

if TYPE_CHECKING:
    from drctl.api import Api

JSON_WANTED = "drctl.json"
"""Where a command's context remembers --json, for whoever reports its failure."""

PLAN_SUFFIXES = (".yaml", ".yml", ".json")


def _remember_json(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[JSON_WANTED] = value
    return value


ApiUrl = Annotated[
    str | None, typer.Option("--api-url", envvar="API_URL", help="The API's address: the stack's output ApiUrl.")
]
AsJson = Annotated[
    bool,
    typer.Option("--json", callback=_remember_json, is_eager=True, help="Print one JSON document and nothing else."),
]
PlanFile = Annotated[str, typer.Argument(metavar="FILE", help="A plan in YAML or JSON; - reads standard input.")]
PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="The id of a stored plan.")]
Drill = Annotated[bool, typer.Option("--drill", help="Launch drill instances, to test the plan.")]
Recovery = Annotated[bool, typer.Option("--recovery", help="A real recovery: fail over to the instances.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it stands in the execution's history.")]
ClientToken = Annotated[
    str | None,
    typer.Option(
        "--client-token", help="The same token for the same request starts only once. Made up when not given."
    ),
]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="The id of an execution.")]


def connect(api_url: str | None) -> "Api":
    """The API at `api_url`. Raises CliError without an address, credentials or a Region."""
    from drctl.api import Api

    return Api.connect(api_url)


def chosen_type(drill: bool, recovery: bool, example: str) -> ExecutionType:
    """Refuses neither and both: what is launched is never guessed. `example`: the command to show then."""
    if drill == recovery:
        kinds = "both; they exclude each other" if drill else "neither"
        raise CliError(f"Give exactly one of --drill and --recovery (got {kinds}).", ExitCode.USAGE, example)
    return ExecutionType.RECOVERY if recovery else ExecutionType.DRILL


def checked_plan_id(text: str) -> str:
    """Refuses a plan file where a plan's id is wanted, the likeliest mix-up."""
    if text.endswith(PLAN_SUFFIXES) or "/" in text:
        raise CliError(
            f"{text} is a file; here the id of a stored plan is wanted.", ExitCode.USAGE, f"drctl plan put {text}"
        )
    return text

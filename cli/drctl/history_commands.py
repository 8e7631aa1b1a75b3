"""`drctl history ID` and `drctl history verify ID`: what happened to an execution, and whether that was changed."""

import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from drctl.names import naming_execution
from drctl.options import ApiUrl, AsJson, ExecutionId, connect
from drctl.outcome import CliError, ExitCode
from drctl.reporting import print_json
from drs_orchestrator.domain.history import Head, find_break

if TYPE_CHECKING:
    from drctl.api import Api

_DEFAULT = "show"


class _ShowByDefault(TyperGroup):
    """`drctl history ID` is `drctl history show ID`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ShowByDefault,
    help="Everything that happened to an execution, by whom, in order; without a command: show.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(_DEFAULT)
def history_show(execution: ExecutionId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Print all of an execution's history."""
    api = connect(api_url)
    with naming_execution(execution):
        entries = list(api.history(execution))
    if as_json:
        print_json({"history": entries})
        return
    from drctl.history_wording import told
    from drctl.views import print_table
    from drctl.wording import moment

    rows = [
        [str(entry["Number"]), moment(entry["Time"]), entry["By"], told(entry), entry.get("Reason", "")]
        for entry in entries
    ]
    print_table(["No.", "Time", "By", "What happened", "Reason"], rows, sys.stdout)


@app.command("verify")
def history_verify(execution: ExecutionId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Recompute every entry's hash. Exit code 9 when an entry was changed, removed or inserted."""
    with naming_execution(execution):
        entries, head = _history_and_head(connect(api_url), execution)
    if broken := find_break(execution, entries, head):
        raise CliError(f"The history of {execution} is not what was written: {broken}.", ExitCode.BROKEN_HISTORY)
    if as_json:
        print_json({"ExecutionId": execution, "Whole": True, "HistoryCount": head.count, "HistoryHash": head.hash})
    else:
        print(f"The history of {execution} is whole: {_entries(head.count)}, the last with the hash {head.hash}.")


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _history_and_head(api: "Api", execution_id: str) -> tuple[list[dict[str, Any]], Head]:
    """A history and the head that belongs to it: read again as long as the execution adds to it meanwhile."""
    head = _head(api, execution_id)
    while True:
        entries = list(api.history(execution_id))
        before, head = head, _head(api, execution_id)
        if head == before:
            return entries, head


def _head(api: "Api", execution_id: str) -> Head:
    document = api.execution(execution_id)
    return Head(document["HistoryCount"], document["HistoryHash"])

"""Drills and recoveries have routes of their own: IAM sees no more of a request than its method and path."""

from drs_orchestrator.domain.statuses import ExecutionType

STARTS = {ExecutionType.DRILL: "/executions", ExecutionType.RECOVERY: "/recoveries"}
"""The path whose POST starts an execution of the type, and below which everything that changes one is."""


def type_of_path(path: str) -> ExecutionType:
    """Whose path of those the API has it is."""
    return ExecutionType.RECOVERY if path.split("/")[1] == "recoveries" else ExecutionType.DRILL

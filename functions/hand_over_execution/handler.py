"""State Hand Over: go on in a fresh state machine execution."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.hand_over_execution import hand_over_execution


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    with invocation(app().metrics, execution_id=event["executionId"]):
        return hand_over_execution(app(), event["executionId"], event["generation"])

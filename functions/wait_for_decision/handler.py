"""State Wait For A Decision: note who waits for the operator's answer."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.ask_operator import wait_for_decision


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    with invocation(app().metrics, execution_id=event["executionId"]):
        return wait_for_decision(app(), event["executionId"], event["generation"], event["taskToken"])

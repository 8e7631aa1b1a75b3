"""State Prepare Execution: lay out the records."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.prepare_execution import prepare_execution


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    with invocation(app().metrics, execution_id=event["executionId"]):
        return prepare_execution(app(), event["executionId"], event["generation"])

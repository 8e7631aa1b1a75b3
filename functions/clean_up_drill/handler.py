"""State Clean Up Drill: terminate what a drill launched, and follow it to its end."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.clean_up_drill import clean_up_drill


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    with invocation(app().metrics, execution_id=event["executionId"]):
        return clean_up_drill(app(), event["executionId"], event["generation"])

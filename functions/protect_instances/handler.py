"""State Protect Instances: switch EC2 termination protection on for what a recovery launched."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.protect_instances import protect_instances


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    with invocation(app().metrics, execution_id=event["executionId"]):
        return protect_instances(app(), event["executionId"], event["generation"])

"""State Launch Ready Waves: StartRecovery for every wave whose turn it is."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.launch_waves import launch_waves


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    with invocation(app().metrics, execution_id=event["executionId"]):
        return launch_waves(app(), event["executionId"], event["generation"])

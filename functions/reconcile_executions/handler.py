"""The reconciler: on a schedule for all unfinished executions, on a driver's end for its own one."""

from typing import Any

from drs_orchestrator.adapters.drivers import execution_id_of
from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    """`event` is EventBridge's: a "Step Functions Execution Status Change" names the driver that ended."""
    driver = event.get("detail", {}).get("name")
    with invocation(app().metrics):
        return reconcile_executions(app(), execution_id_of(driver) if driver else None)

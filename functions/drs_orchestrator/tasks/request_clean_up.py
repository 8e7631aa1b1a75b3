"""Have a drill's instances terminated: at once, whatever its plan says about cleaning up."""

from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.clean_up import CleanUp, CleanUpStatus, once_more
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.errors import Conflict, NotFound, ServiceBusy
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.operators import read_operator


def request_clean_up(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """`{"Reason"?}` → `{"executionId", "status", "message"}`. Raises NotFound, InvalidRequest, Conflict (not a drill,
    not ended, under way or done already), ServiceBusy."""
    operator = read_operator(request, by)
    execution = app.executions.get(execution_id)
    if execution is None:
        raise NotFound(f"There is no execution {execution_id}. GET /executions?status=COMPLETED lists ended ones.")
    current = app.clean_ups.get(execution_id)
    _refuse(app, execution, current)
    now = app.clock()
    if current and current.status is CleanUpStatus.INSTANCES_LEFT:
        for key, instances in app.clean_ups.instances(execution_id).items():
            app.clean_ups.save_instances(execution_id, key, once_more(instances))
    clean_up = CleanUp(due_time=now, requested_time=now, requested_by=operator.by, reason=operator.reason)
    event = Event(Kind.CLEAN_UP_REQUESTED, now, operator.by, operator.reason)
    successor = app.clean_ups.request(execution, clean_up, event)
    if successor is None:
        raise ServiceBusy(f"{execution_id} is changing just now; try again.")
    try:
        app.drivers.start(successor)
    except (ClientError, BotoCoreError):
        # It is recorded, so it will be done: the reconciler starts what nobody drives.
        logger.exception("the driver could not be started yet", **about(execution))
    return {
        "executionId": execution_id,
        "status": clean_up.status.value,
        "message": "The drill's instances are being terminated; only those that DRS says this drill launched.",
    }


def _refuse(app: App, execution: Execution, current: CleanUp | None) -> None:
    """Raises Conflict when there is nothing to clean up, or not now."""
    execution_id = execution.execution_id
    if execution.execution_type is not ExecutionType.DRILL:
        raise Conflict(f"{execution_id} is a RECOVERY: what it launched may be production and is never cleaned up.")
    if not execution.status.is_final:
        raise Conflict(f"{execution_id} is {execution.status}: clean up once it has ended. drctl watch {execution_id}")
    if current is None or current.status is CleanUpStatus.INSTANCES_LEFT:
        return
    if current.status is CleanUpStatus.CLEANED_UP:
        raise Conflict(f"{execution_id} is cleaned up already: {current.terminated} instances were terminated.")
    if current.due_time <= app.clock():
        raise Conflict(f"{execution_id} is being cleaned up already. drctl status {execution_id}")

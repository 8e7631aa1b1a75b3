"""Start an ended execution's plan once more, for the servers of it that are not up."""

from collections.abc import Mapping

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.plan import Plan
from drs_orchestrator.domain.retry import retry_plan
from drs_orchestrator.domain.statuses import ServerStatus
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound
from drs_orchestrator.tasks.operators import unknown_fields
from drs_orchestrator.tasks.start_request import StartRequest, read_start_request

_FIELDS = ("Reason", "ClientToken", "ReplaceLive", "SkipApprovals")


def read_retry_request(app: App, execution_id: str, body: object) -> StartRequest:
    """`{"Reason"?, "ClientToken"?, "ReplaceLive"?, "SkipApprovals"?}`: a start of the same plan as the same type,
    without the servers that are up. Raises NotFound, InvalidRequest, Conflict (it has not ended)."""
    execution = app.executions.get(execution_id)
    if execution is None:
        raise NotFound(f"There is no execution {execution_id}. GET /executions?status=PARTIAL lists some that ended.")
    if not execution.status.is_final:
        raise Conflict(f"{execution_id} is {execution.status}: retry it once it has ended. drctl watch {execution_id}")
    body = {} if body is None else body
    if not isinstance(body, Mapping):
        raise InvalidRequest(f"The body must be a JSON object with {' and '.join(_FIELDS)}, or empty.")
    if wrong := unknown_fields(body, _FIELDS):
        raise InvalidRequest("The request has faults; each is listed in details.", wrong)
    start = {"PlanId": execution.plan_id, "ExecutionType": execution.execution_type.value, **body}
    return read_start_request(start, retry_of=execution_id)


def plan_to_retry(app: App, execution_id: str) -> Plan:
    """What is left to do of the plan the execution was started with. Raises Conflict when nothing is."""
    launched = {
        server_id
        for job in app.executions.jobs(execution_id)
        for server_id, server in job.servers.items()
        if server.status is ServerStatus.LAUNCHED
    }
    plan = retry_plan(app.executions.plan(execution_id), launched)
    if plan is None:
        raise Conflict(f"Every server of {execution_id} is up: there is nothing to retry.")
    return plan

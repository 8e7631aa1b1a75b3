"""Refuse what is asked for on the other type's route, so that one route gives no power over what the other is for.

A start says its type in the body; of an execution the record says it, whatever the caller believes.
"""

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.errors import Conflict, InvalidRequest
from drs_orchestrator.tasks.operators import fault
from drs_orchestrator.tasks.start_request import StartRequest


def keep_start_to_route(request: StartRequest, route: ExecutionType) -> None:
    """Raises InvalidRequest when the route does not start executions of the request's type."""
    wanted = request.execution_type
    if wanted is not route:
        message = f"A {wanted} is started with POST {STARTS[wanted]}; POST {STARTS[route]} starts a {route} only."
        raise InvalidRequest(message, [fault("/ExecutionType", message)])


def keep_to_route(app: App, execution_id: str, action: str, route: ExecutionType) -> None:
    """Raises Conflict when the execution is of another type than the route. An unknown one is left to the task."""
    execution = app.executions.get(execution_id)
    if execution and execution.execution_type is not route:
        kind = execution.execution_type
        raise Conflict(f"{execution_id} is a {kind}: use POST {STARTS[kind]}/{execution_id}/{action}.")

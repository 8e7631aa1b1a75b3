"""Store, read, list and delete recovery plans. An execution has its own copy: nothing here changes one that runs."""

from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.plan import plan_from_document
from drs_orchestrator.errors import InvalidRequest, NotFound
from drs_orchestrator.plan_document import validate_plan


def put_plan(app: App, plan_id: str, document: object) -> tuple[dict[str, Any], bool]:
    """The stored document and whether it is new. A body without PlanId gets the path's. Raises InvalidRequest."""
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a plan: a JSON object with Name and Waves.")
    document = {"PlanId": plan_id} | document
    details = [{"pointer": fault.pointer, "message": fault.message} for fault in validate_plan(document)]
    if document["PlanId"] != plan_id:
        details.append({"pointer": "/PlanId", "message": f"PlanId must equal the id in the path, {plan_id}."})
    if details:
        raise InvalidRequest("The plan has faults; each is listed in details.", details)
    is_new = app.plans.put(plan_from_document(document), app.clock())
    return get_plan(app, plan_id), is_new


def get_plan(app: App, plan_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    document = app.plans.get(plan_id)
    if document is None:
        raise NotFound(f"There is no plan {plan_id}. GET /plans lists those there are.")
    return document


def delete_plan(app: App, plan_id: str) -> None:
    """Raises NotFound."""
    if not app.plans.delete(plan_id):
        raise NotFound(f"There is no plan {plan_id}. GET /plans lists those there are.")

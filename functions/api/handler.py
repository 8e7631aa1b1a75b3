"""The API: parse the request, call one task, serialise its answer. Errors are `{"error","message","details"[]}`."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.bootstrap import App, app
from drs_orchestrator.domain.routes import type_of_path
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.errors import InvalidRequest, NotFound, OrchestratorError, PayloadTooLarge, ServiceBusy
from drs_orchestrator.observability import invocation, logger
from drs_orchestrator.tasks.dry_run import dry_run
from drs_orchestrator.tasks.keep_to_route import keep_start_to_route, keep_to_route
from drs_orchestrator.tasks.manage_plans import delete_plan, get_plan, put_plan
from drs_orchestrator.tasks.preflight import preflight_plan
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.retry_execution import read_retry_request
from drs_orchestrator.tasks.short_answer import short_answer
from drs_orchestrator.tasks.show_executions import show_execution
from drs_orchestrator.tasks.show_history import show_history
from drs_orchestrator.tasks.show_report import show_report
from drs_orchestrator.tasks.start_execution import start_execution
from drs_orchestrator.tasks.start_request import read_start_request
from drs_orchestrator.tasks.steer_execution import approve, cancel, pause, reject, resume, skip_wave

_MAX_BODY_BYTES = 1_000_000
_DEFAULT_LIMIT = 50
_MAX_LIMIT = 100
# What DynamoDB can look for: whole characters, and no more of them than the 1,024 bytes of a sort key may be.
_KEY = re.compile(r"[^\ud800-\udfff]{1,256}")
_MAX_NUMBER = 10**12
"""Beyond every time and every count."""

router = APIGatewayRestResolver()


@router.put("/plans/<plan_id>")
def _put_plan(plan_id: str) -> Response[str]:
    document, is_new = put_plan(app(), unquote(plan_id), _body())
    return _answer(201 if is_new else 200, document)


@router.get("/plans/<plan_id>")
def _get_plan(plan_id: str) -> Response[str]:
    return _answer(200, get_plan(app(), _id(plan_id)))


@router.delete("/plans/<plan_id>")
def _delete_plan(plan_id: str) -> Response[str]:
    delete_plan(app(), _id(plan_id))
    return _answer(204, None)


@router.post("/plans/<plan_id>/preflight")
def _preflight_plan(plan_id: str) -> Response[str]:
    query = router.current_event.query_string_parameters or {}
    return _answer(200, short_answer(preflight_plan(app(), _id(plan_id), query.get("type", ""))))


@router.get("/plans")
def _list_plans() -> Response[str]:
    limit, start = _paging({"PlanId": str})
    plans, last = app().plans.page(limit, start)
    return _answer(200, _page("plans", plans, last))


@router.post("/executions")
@router.post("/recoveries")
def _start_execution() -> Response[str]:
    request = read_start_request(_body())
    keep_start_to_route(request, _route())
    if request.dry_run:
        return _answer(200, short_answer(dry_run(app(), request)))
    return _answer(202, start_execution(app(), request, _caller()))


@router.get("/executions/<execution_id>")
def _show_execution(execution_id: str) -> Response[str]:
    return _answer(200, show_execution(app(), _id(execution_id)))


@router.get("/executions/<execution_id>/history")
def _show_history(execution_id: str) -> Response[str]:
    limit, start = _paging({"Number": int})
    entries, last = show_history(app(), _id(execution_id), limit, start["Number"] if start else 0)
    return _answer(200, _page("history", entries, {"Number": last} if last else None))


@router.get("/executions/<execution_id>/report")
def _show_report(execution_id: str) -> Response[str]:
    wanted = (router.current_event.query_string_parameters or {}).get("format", "json")
    if wanted not in ("json", "html"):
        raise _bad_parameter("format", "format must be json or html.")
    report = show_report(app(), _id(execution_id))
    if wanted == "json":
        return _answer(200, report)
    # Imported when somebody wants the page: each start of the API would pay for it.
    from drs_orchestrator.report_page.page import report_page

    return Response(200, "text/html; charset=utf-8", report_page(report))


@router.post("/executions/<execution_id>/approve")
@router.post("/recoveries/<execution_id>/approve")
def _approve(execution_id: str) -> Response[str]:
    return _decided("approve", approve, _id(execution_id))


@router.post("/executions/<execution_id>/resume")
@router.post("/recoveries/<execution_id>/resume")
def _resume(execution_id: str) -> Response[str]:
    return _decided("resume", resume, _id(execution_id))


@router.post("/executions/<execution_id>/reject")
@router.post("/recoveries/<execution_id>/reject")
def _reject(execution_id: str) -> Response[str]:
    return _decided("reject", reject, _id(execution_id))


@router.post("/executions/<execution_id>/pause")
@router.post("/recoveries/<execution_id>/pause")
def _pause(execution_id: str) -> Response[str]:
    return _decided("pause", pause, _id(execution_id))


@router.post("/executions/<execution_id>/cancel")
@router.post("/recoveries/<execution_id>/cancel")
def _cancel(execution_id: str) -> Response[str]:
    return _decided("cancel", cancel, _id(execution_id))


@router.post("/executions/<execution_id>/skip-wave")
@router.post("/recoveries/<execution_id>/skip-wave")
def _skip_wave(execution_id: str) -> Response[str]:
    return _decided("skip-wave", skip_wave, _id(execution_id))


@router.post("/executions/<execution_id>/retry")
@router.post("/recoveries/<execution_id>/retry")
def _retry(execution_id: str) -> Response[str]:
    keep_to_route(app(), _id(execution_id), "retry", _route())
    request = read_retry_request(app(), _id(execution_id), _optional_body())
    return _answer(202, start_execution(app(), request, _caller()))


# There is none for recoveries, which are never cleaned up.
@router.post("/executions/<execution_id>/cleanup")
def _clean_up(execution_id: str) -> Response[str]:
    return _answer(202, request_clean_up(app(), _id(execution_id), _optional_body(), _caller()))


@router.get("/executions")
def _list_executions() -> Response[str]:
    text = (router.current_event.query_string_parameters or {}).get("status", "")
    if text not in ExecutionStatus.__members__:
        known = ", ".join(ExecutionStatus.__members__)
        raise InvalidRequest(
            "The query parameter status is required.",
            [{"pointer": "/status", "message": f"status must be one of {known}."}],
        )
    limit, start = _paging({"ExecutionId": str, "Record": str, "Status": str, "StartTime": int})
    if start and start["Status"] != text:
        raise _bad_parameter("nextToken", "nextToken must be one that this API returned for this status.")
    executions, last = app().executions.page_by_status(ExecutionStatus(text), limit, start)
    return _answer(200, _page("executions", executions, last))


@router.not_found
def _no_route(_: NotFoundError) -> Response[str]:
    event = router.current_event
    return _answer(404, _error(NotFound(f"There is no {event.http_method} {event.path} in this API.")))


# Registered, so that Powertools does not log a caller's mistake as an error with its traceback.
@router.exception_handler(OrchestratorError)  # type: ignore[untyped-decorator]
def _expected(error: OrchestratorError) -> Response[str]:
    return _answer(error.status, _error(error))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with invocation(app().metrics):
        return _answered(event, context)


def _answered(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        return router.resolve(event, context)
    except (ClientError, BotoCoreError):
        logger.exception("an AWS call failed")
        return _proxy(_answer(503, _error(ServiceBusy("An AWS service could not be reached; try again."))))
    except Exception:  # noqa: BLE001 - the API always answers in its own error format
        logger.exception("the request failed")
        return _proxy(_answer(500, _error(OrchestratorError("The request failed; the function's log says why."))))


def _decided(
    action: str, decide: Callable[[App, str, object, str], dict[str, str]], execution_id: str
) -> Response[str]:
    keep_to_route(app(), execution_id, action, _route())
    return _answer(202, decide(app(), execution_id, _optional_body(), _caller()))


def _route() -> ExecutionType:
    """The type of execution whose route was called."""
    return type_of_path(router.current_event.path)


def _caller() -> str:
    """Who signed the request, as API Gateway tells it."""
    return router.current_event.request_context.identity.user_arn or "unknown"


def _id(text: str) -> str:
    """The id in a path. Raises NotFound for one that nothing can have."""
    found = unquote(text)
    if not _KEY.fullmatch(found):
        raise NotFound("Nothing has the id in this path: an id has at most 256 whole characters.")
    return found


def _optional_body() -> object:
    """The parsed JSON body, or None when there is none."""
    return _body() if router.current_event.body else None


def _body() -> object:
    """The parsed JSON body. Raises PayloadTooLarge, InvalidRequest."""
    event = router.current_event
    raw = (event.body or "").encode(errors="surrogatepass")
    if event.is_base64_encoded:
        try:
            raw = base64.b64decode(raw)
        except binascii.Error as error:
            raise InvalidRequest("The body is not valid base64.") from error
    if len(raw) > _MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The body has {len(raw)} bytes; at most {_MAX_BODY_BYTES} are accepted.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from error


def _paging(key: dict[str, type]) -> tuple[int, dict[str, Any] | None]:
    """`limit` and `nextToken` of the query, whose fields are those of `key`. Raises InvalidRequest."""
    query = router.current_event.query_string_parameters or {}
    text = query.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_LIMIT)) and 1 <= int(text) <= _MAX_LIMIT):
        raise _bad_parameter("limit", f"limit must be a whole number from 1 to {_MAX_LIMIT}.")
    token = query.get("nextToken")
    if not token:
        return int(text), None
    try:
        start = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError) as error:
        raise _bad_parameter("nextToken", "nextToken must be one that this API returned.") from error
    if (
        not isinstance(start, dict)
        or {name: type(value) for name, value in start.items()} != key
        or not all(map(_may_be_stored, start.values()))
    ):
        raise _bad_parameter("nextToken", "nextToken must be one that this API returned for this list.")
    return int(text), start


def _may_be_stored(value: str | int) -> bool:
    return bool(_KEY.fullmatch(value)) if isinstance(value, str) else 0 <= value <= _MAX_NUMBER


def _bad_parameter(name: str, message: str) -> InvalidRequest:
    return InvalidRequest("A query parameter is not valid.", [{"pointer": f"/{name}", "message": message}])


def _page(name: str, entries: list[dict[str, Any]], last: dict[str, Any] | None) -> dict[str, Any]:
    page: dict[str, Any] = {name: entries}
    if last:
        page["nextToken"] = base64.urlsafe_b64encode(json.dumps(last).encode()).decode()
    return page


def _error(error: OrchestratorError) -> dict[str, Any]:
    return {"error": error.code, "message": error.message, "details": error.details}


def _answer(status: int, body: object) -> Response[str]:
    text = "" if body is None else json.dumps(body, ensure_ascii=False)
    # Half of a surrogate pair, which JSON can spell and Lambda can't send, goes back as it came: escaped.
    return Response(status, "application/json", text.encode(errors="backslashreplace").decode())


def _proxy(response: Response[str]) -> dict[str, Any]:
    headers = {"Content-Type": response.content_type}
    return {"statusCode": response.status_code, "headers": headers, "body": response.body, "isBase64Encoded": False}

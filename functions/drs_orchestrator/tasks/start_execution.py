"""Start an execution: snapshot the plan, lock its servers, record it, start its first driver.

A start that dies on its way leaves nothing that hinders its repeat: with a ClientToken the repeat takes the token over
before anything else, and with it the locks. Of two starts with the same token only the later one can be recorded.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.adapters.drs import DrsUnavailable
from drs_orchestrator.adapters.execution_store import ClientToken
from drs_orchestrator.adapters.server_locks import LockedServer
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.plan import Plan, Server, Wave, find_faults, plan_from_document, plan_to_document
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound, ServiceBusy
from drs_orchestrator.observability import logger

_PLAN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
_FIELDS = ("PlanId", "ExecutionType", "ClientToken")
_TOKEN_LIFETIME_SECONDS = 7 * 24 * 3600


def start_execution(app: App, request: object) -> dict[str, str]:
    """`{"PlanId", "ExecutionType": DRILL|RECOVERY, "ClientToken"?}` → `{"executionId", "status": "PENDING"}`.

    The same ClientToken with the same request gives the same execution. Raises InvalidRequest with every fault,
    NotFound (plan), Conflict (token used otherwise; servers that another execution holds; tags that select nothing),
    ServiceBusy (DRS can't be asked).
    """
    plan_id, execution_type, token = _read(request)
    digest = hashlib.sha256(json.dumps([plan_id, execution_type]).encode()).hexdigest()
    if token and (replayed := _replay(app, token, digest)):
        return replayed
    document = app.plans.get(plan_id)
    if document is None:
        raise NotFound(f"There is no plan {plan_id}. GET /plans lists those there are.")
    plan = _resolve_tags(app, plan_from_document(document))
    now = app.clock()
    execution = Execution(
        execution_id=_new_id(now),
        plan_id=plan.plan_id,
        plan_name=plan.name,
        execution_type=ExecutionType(execution_type),
        status=ExecutionStatus.PENDING,
        start_time=now,
        generation=1,
        driver_started=now,
        launch_actions_timeout=minutes * 60 if (minutes := plan.launch_actions_timeout_minutes) else None,
    )
    client_token = ClientToken(token, digest, now + _TOKEN_LIFETIME_SECONDS) if token else None
    if client_token and not app.executions.claim(execution.execution_id, client_token):
        return _first_answer(app, client_token)
    servers = _servers(app, plan)
    held = app.locks.acquire(execution.execution_id, servers, now, client_token.record if client_token else None)
    if held:
        if token and (replayed := _replay(app, token, digest)):
            return replayed
        raise Conflict(
            f"{len(held)} of the plan's servers belong to execution {held[0].owner}, which has not ended.",
            [_fault(f"/{each.server.source_server_id}", f"held by execution {each.owner}") for each in held],
        )
    event = Event(
        Kind.EXECUTION_STARTED,
        now,
        execution.started_by,
        execution.reason,
        {
            "ExecutionType": execution.execution_type.value,
            "PlanId": plan.plan_id,
            "ReplaceLive": execution.replace_live,
            "SkipApprovals": execution.skip_approvals,
            "RetryOf": execution.retry_of,
        },
    )
    if not app.executions.create(execution, plan, client_token, event):
        app.locks.release(execution.execution_id, servers)
        return _first_answer(app, client_token)
    logger.info("execution started", execution_id=execution.execution_id, plan_id=plan_id, type=execution_type)
    _start_driver(app, execution)
    return {"executionId": execution.execution_id, "status": execution.status.value}


def _read(request: object) -> tuple[str, str, str | None]:
    if not isinstance(request, Mapping):
        raise InvalidRequest("The body must be a JSON object with PlanId and ExecutionType.")
    unknown = f"Unknown field; known are {', '.join(_FIELDS)}."
    details = [_fault(f"/{name}", unknown) for name in request if name not in _FIELDS]
    plan_id, execution_type, token = (request.get(name) for name in _FIELDS)
    if not isinstance(plan_id, str) or not _PLAN_ID.fullmatch(plan_id):
        details.append(_fault("/PlanId", "PlanId is required: the id of a stored plan."))
    if not isinstance(execution_type, str) or execution_type not in ExecutionType.__members__:
        details.append(_fault("/ExecutionType", "ExecutionType is required: DRILL or RECOVERY."))
    if "ClientToken" in request and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        details.append(_fault("/ClientToken", "ClientToken must be 1 to 64 printable ASCII characters without spaces."))
    if details:
        raise InvalidRequest("The request has faults; each is listed in details.", details)
    return str(plan_id), str(execution_type), token


def _fault(pointer: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "message": message}


def _replay(app: App, token: str, digest: str) -> dict[str, str] | None:
    """The first answer to the token, again; the driver is made sure of, in case the first caller died before it."""
    used = app.executions.used_token(token)
    if used is None:
        return None
    execution_id, first_digest = used
    if first_digest != digest:
        raise Conflict(f"This ClientToken was used for another request, which started {execution_id}.")
    execution = app.executions.get(execution_id)
    if execution and execution.status is ExecutionStatus.PENDING:
        _start_driver(app, execution)
    return {"executionId": execution_id, "status": ExecutionStatus.PENDING.value}


def _first_answer(app: App, token: ClientToken | None) -> dict[str, str]:
    """What another request with the same token was answered, which came while this one was carried out."""
    if token and (replayed := _replay(app, token.token, token.request_digest)):
        return replayed
    raise Conflict("Another request with this ClientToken is being carried out; send the request again.")


def _start_driver(app: App, execution: Execution) -> None:
    try:
        app.drivers.start(execution)
    except (ClientError, BotoCoreError):
        # The execution is recorded, so it will run: the reconciler starts what nobody drives.
        logger.exception("the driver could not be started yet", execution_id=execution.execution_id)


def _servers(app: App, plan: Plan) -> list[LockedServer]:
    return [
        LockedServer(wave.account_id or app.account_id, wave.region, server.source_server_id)
        for wave in plan.waves
        for server in wave.servers
    ]


def _new_id(now: int) -> str:
    """Sortable by time, readable over the telephone, short enough for a state machine execution's name."""
    return f"exec-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def _resolve_tags(app: App, plan: Plan) -> Plan:
    """The plan with the servers its tags select now; from here on the execution knows only these."""
    if not any(wave.server_tags for wave in plan.waves):
        return plan
    resolved = replace(plan, waves=tuple(_resolve(app, index, wave) for index, wave in enumerate(plan.waves)))
    faults = find_faults(plan_to_document(resolved))
    if faults:
        details = [_fault(fault.pointer, fault.message) for fault in faults]
        raise Conflict("The servers that the plan's tags select now don't make a valid plan.", details)
    return resolved


def _resolve(app: App, index: int, wave: Wave) -> Wave:
    if not wave.server_tags:
        return wave
    wanted = wave.server_tags.items()
    try:
        found = [
            server["id"]
            for server in app.drs.at(wave.account_id, wave.region).source_servers()
            if wanted <= server["tags"].items()
        ]
    except DrsUnavailable as error:
        raise ServiceBusy(f"DRS in {wave.region} could not be asked for wave {wave.name}'s servers: {error}") from error
    if not found:
        message = f"ServerTags of wave {wave.name} select no source server in {wave.region}; correct tags or Region."
        raise Conflict(message, [_fault(f"/Waves/{index}/ServerTags", message)])
    return replace(wave, server_tags=None, servers=tuple(Server(server_id) for server_id in sorted(found)))

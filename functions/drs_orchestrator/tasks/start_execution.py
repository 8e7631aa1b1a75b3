"""Start an execution: snapshot the plan, lock its servers, record it, start its first driver.

A start that dies on its way leaves nothing that hinders its repeat: with a ClientToken the repeat takes the token over
before anything else, and with it the locks. Of two starts with the same token only the later one can be recorded.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.adapters.execution_store import ClientToken
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.plan import Plan, plan_from_document
from drs_orchestrator.domain.preflight import Finding, lock_remedy, with_skips
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus
from drs_orchestrator.errors import Conflict
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.manage_plans import get_plan
from drs_orchestrator.tasks.preflight import examine, locked_servers
from drs_orchestrator.tasks.resolve_tags import resolve_tags
from drs_orchestrator.tasks.retry_execution import plan_to_retry
from drs_orchestrator.tasks.second_approver import needs_second_approver, plan_to_approve
from drs_orchestrator.tasks.start_request import StartRequest

_TOKEN_LIFETIME_SECONDS = 7 * 24 * 3600
_MAX_SKIPPED_IN_HISTORY = 500


def start_execution(app: App, request: StartRequest, caller: str = "unknown") -> dict[str, str]:
    """`{"executionId", "status": "PENDING"}`; `caller` is the ARN of who asked.

    The same ClientToken with the same request gives the same execution. Raises NotFound (plan), Conflict (token used
    otherwise; an ERROR of pre-flight on a CRITICAL server; servers that another execution holds; tags that select
    nothing; SkipApprovals where a second approver is asked for), ServiceBusy (DRS can't be asked which servers the tags
    select). OPTIONAL servers with an ERROR of pre-flight are recorded as SKIPPED.
    """
    token, digest = request.client_token, request.digest
    if token and (replayed := _replay(app, token, digest)):
        return replayed
    plan = _checked(app, request)
    now = app.clock()
    execution = Execution(
        execution_id=_new_id(now),
        plan_id=plan.plan_id,
        plan_name=plan.name,
        execution_type=request.execution_type,
        status=ExecutionStatus.PENDING,
        start_time=now,
        generation=1,
        driver_started=now,
        launch_actions_timeout=minutes * 60 if (minutes := plan.launch_actions_timeout_minutes) else None,
        started_by=caller,
        reason=request.reason,
        replace_live=request.replace_live,
        skip_approvals=request.skip_approvals,
        second_approver=needs_second_approver(app, request.execution_type),
        retry_of=request.retry_of,
    )
    client_token = ClientToken(token, digest, now + _TOKEN_LIFETIME_SECONDS) if token else None
    if client_token and not app.executions.claim(execution.execution_id, client_token):
        return _first_answer(app, client_token)
    servers = locked_servers(app, plan)
    held = app.locks.acquire(execution.execution_id, servers, now, client_token.record if client_token else None)
    if held:
        if token and (replayed := _replay(app, token, digest)):
            return replayed
        raise Conflict(
            f"{len(held)} of the plan's servers belong to execution {held[0].owner}, which has not ended.",
            [
                _fault(f"/{each.server.source_server_id}", f"held by execution {each.owner}")
                | {"remedy": lock_remedy(each.owner)}
                for each in held
            ],
        )
    event = Event(
        Kind.EXECUTION_STARTED,
        now,
        execution.started_by,
        execution.reason,
        {
            "ExecutionType": execution.execution_type.value,
            "PlanId": plan.plan_id,
            "Waves": len(plan.waves),
            "Servers": sum(len(wave.servers) for wave in plan.waves),
            "ReplaceLive": execution.replace_live,
            "SkipApprovals": execution.skip_approvals,
            "RetryOf": execution.retry_of,
            "SkippedServers": _skipped_servers(plan),
        },
    )
    if not app.executions.create(execution, plan, client_token, event):
        app.locks.release(execution.execution_id, servers)
        return _first_answer(app, client_token)
    logger.info(
        "execution started",
        **about(execution),
        type=request.execution_type.value,
        started_by=caller,
        replace_live=request.replace_live,
        skip_approvals=request.skip_approvals,
    )
    app.metrics.execution_started(execution)
    _start_driver(app, execution)
    return {"executionId": execution.execution_id, "status": execution.status.value}


def _checked(app: App, request: StartRequest) -> Plan:
    """The plan as it is to be recorded, or the refusal."""
    if request.retry_of:
        plan = plan_to_retry(app, request.retry_of)
    else:
        plan = resolve_tags(app, plan_from_document(get_plan(app, request.plan_id)))
    plan = plan_to_approve(app, plan, request)
    examination = examine(
        app, plan, request.execution_type, replace_live=request.replace_live, retry_of=request.retry_of
    )
    if examination.verdict.refusing:
        raise _refused(examination.verdict.refusing)
    return with_skips(plan, examination.verdict.skips)


def _skipped_servers(plan: Plan) -> list[dict[str, str]] | None:
    """For the history, whose entries have to fit a record; the execution's copy of the plan names every one."""
    skipped = [
        {"SourceServerId": server.source_server_id, "Reason": server.skip_reason}
        for wave in plan.waves
        for server in wave.servers
        if server.skip_reason is not None
    ]
    return skipped[:_MAX_SKIPPED_IN_HISTORY] or None


def _refused(findings: Sequence[Finding]) -> Conflict:
    more = f" There are {len(findings) - 1} more such findings, listed in details." if len(findings) > 1 else ""
    return Conflict(
        f"Pre-flight refuses the start: {findings[0].message}{more}",
        [
            _fault(f"/{finding.source_server_id or finding.wave_name or ''}", finding.message)
            | {"severity": finding.severity.value, "check": finding.check, "remedy": finding.remedy}
            for finding in findings
        ],
    )


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
        logger.exception("the driver could not be started yet", **about(execution))


def _new_id(now: int) -> str:
    """Sortable by time, readable over the telephone, short enough for a state machine execution's name."""
    return f"exec-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"

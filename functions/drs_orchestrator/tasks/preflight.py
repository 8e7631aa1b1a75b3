"""Pre-flight: look at DRS, the locks and the plan's earlier executions, and say what stands in the way of a start.

Nothing is locked, recorded or launched by looking.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.adapters.drs_survey import survey
from drs_orchestrator.adapters.server_locks import LockedServer
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.capacity import MAX_JOBS, MAX_SERVERS_IN_JOBS
from drs_orchestrator.domain.facts import PlaceFacts, ServerFacts
from drs_orchestrator.domain.plan import Plan, Server, Wave, plan_from_document
from drs_orchestrator.domain.preflight import (
    Finding,
    Holder,
    PastRun,
    Situation,
    Verdict,
    expectation,
    judge,
    verdict,
)
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.errors import InvalidRequest
from drs_orchestrator.tasks.manage_plans import get_plan
from drs_orchestrator.tasks.resolve_tags import resolve_tags

# The API has 29 seconds for an answer; a question that is under way when these are over may take ten more.
_SURVEY_SECONDS = 10.0
# Jobs end within hours; whatever occupies DRS now was started within this time.
_JOBS_IN_USE_SECONDS = 2 * 24 * 3600

_PAST_RUNS = 5
_PAST_PAGES = 3
_PAST_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at, and what is to be said of it."""

    situation: Situation
    findings: Sequence[Finding]
    verdict: Verdict


def preflight_plan(app: App, plan_id: str, execution_type: str) -> dict[str, Any]:
    """The pre-flight answer for a stored plan. Raises NotFound, InvalidRequest (type), and what `resolve_tags` does."""
    if execution_type not in ExecutionType.__members__:
        message = "type is required: DRILL or RECOVERY."
        raise InvalidRequest("A query parameter is not valid.", [{"pointer": "/type", "message": message}])
    plan = resolve_tags(app, plan_from_document(get_plan(app, plan_id)))
    wanted = ExecutionType(execution_type)
    return preflight_document(examine(app, plan, wanted, past=past_runs(app, plan_id, wanted)))


def examine(
    app: App,
    plan: Plan,
    execution_type: ExecutionType,
    *,
    replace_live: bool = False,
    retry_of: str | None = None,
    past: Sequence[PastRun] = (),
) -> Examination:
    """Examine a plan whose tags are resolved."""
    now = app.clock()
    wanted: dict[tuple[str | None, str], list[Server]] = defaultdict(list)
    for wave in plan.waves:
        wanted[wave.account_id, wave.region] += wave.servers
    places = survey(app.drs, wanted, now - _JOBS_IN_USE_SECONDS, _SURVEY_SECONDS, app.timer)
    held = app.locks.held(locked_servers(app, plan), now)
    situation = Situation(
        plan=plan,
        execution_type=execution_type,
        replace_live=replace_live,
        places=places,
        holders={each.server.source_server_id: Holder(each.owner, each.is_recorded) for each in held},
        past=past,
        role=app.target_role,
        now=now,
        retry_of=retry_of,
    )
    findings = judge(situation)
    return Examination(situation, findings, verdict(plan, findings))


def locked_servers(app: App, plan: Plan) -> list[LockedServer]:
    """The servers of a plan whose tags are resolved, where they live; not those it skips."""
    return [
        LockedServer(wave.account_id or app.account_id, wave.region, server.source_server_id)
        for wave in plan.waves
        for server in wave.servers
        if server.skip_reason is None
    ]


def past_runs(app: App, plan_id: str, execution_type: ExecutionType) -> list[PastRun]:
    """The plan's last completed executions of this type, as far as a few pages of the index tell of them; not retries,
    which launch only a part of it. A wait for an operator counts as it does for the recovery time."""
    found: list[dict[str, Any]] = []
    start: dict[str, Any] | None = None
    for _ in range(_PAST_PAGES):
        page, start = app.executions.page_by_status(ExecutionStatus.COMPLETED, _PAST_PAGE_SIZE, start)
        mine = [
            each
            for each in page
            if each["PlanId"] == plan_id and each["ExecutionType"] == execution_type and "EndTime" in each
        ]
        headers = app.executions.get_together(each["ExecutionId"] for each in mine)
        whole = {execution_id for execution_id, header in headers.items() if header.retry_of is None}
        found += [each for each in mine if each["ExecutionId"] in whole]
        if len(found) >= _PAST_RUNS or start is None:
            break
    return [
        PastRun(
            seconds=each["EndTime"] - each["StartTime"],
            wave_seconds={
                wave.name: wave.end_time - wave.start_time
                for wave in app.executions.waves(each["ExecutionId"])
                if wave.start_time is not None and wave.end_time is not None
            },
        )
        for each in found[:_PAST_RUNS]
    ]


def preflight_document(examination: Examination) -> dict[str, Any]:
    """The answer as the API gives it; fields that are not known are absent."""
    situation = examination.situation
    expected = expectation(situation.execution_type, situation.past)
    return {
        "PlanId": situation.plan.plan_id,
        "ExecutionType": situation.execution_type.value,
        "Ready": not examination.verdict.refusing,
        "Findings": [finding_document(finding) for finding in examination.findings],
        "Servers": [
            _server(wave, server, situation.facts_of(wave).servers[server.source_server_id])
            for wave in situation.plan.waves
            for server in wave.servers
        ],
        "Quotas": [_quota(facts) for facts in situation.places.values()],
        "ExpectedSeconds": expected.seconds,
        "ExpectedFrom": expected.source,
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    return _without_none(
        {
            "Severity": finding.severity.value,
            "Check": finding.check,
            "WaveName": finding.wave_name,
            "SourceServerId": finding.source_server_id,
            "Name": finding.name,
            "Message": finding.message,
            "Remedy": finding.remedy,
        }
    )


def _server(wave: Wave, server: Server, facts: ServerFacts) -> dict[str, Any]:
    source, points, configuration = facts.source, facts.points, facts.configuration
    living = [
        _without_none({"InstanceId": instance.instance_id, "IsDrill": instance.is_drill, "JobId": instance.job_id})
        for instance in facts.living
    ]
    return _without_none(
        {
            "SourceServerId": server.source_server_id,
            "Name": source.name if source else None,
            "WaveName": wave.name,
            "ReplicationState": source.replication_state if source else None,
            "LagSeconds": source.lag_seconds if source else None,
            "NewestRecoveryPoint": int(points.newest.time) if points and points.newest else None,
            "RightSizing": configuration.right_sizing if configuration else None,
            "LaunchDisposition": configuration.disposition if configuration else None,
            "PostLaunchEnabled": configuration.post_launch_enabled if configuration else None,
            "LiveInstances": living or None,
        }
    )


def _quota(facts: PlaceFacts) -> dict[str, Any]:
    return _without_none(
        {
            "AccountId": facts.account_id,
            "Region": facts.region,
            "Jobs": MAX_JOBS,
            "Servers": MAX_SERVERS_IN_JOBS,
            "JobsInUse": len(facts.jobs) if facts.jobs is not None else None,
            "ServersInJobs": sum(len(job.servers) for job in facts.jobs) if facts.jobs is not None else None,
        }
    )


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}

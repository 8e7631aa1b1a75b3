"""A start that starts nothing: the whole plan walked as an execution would, with everything pre-flight finds."""

from collections import defaultdict
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.layout import lay_out
from drs_orchestrator.domain.plan import Plan, Wave, launch_order, plan_from_document
from drs_orchestrator.domain.preflight import timeline, with_skips
from drs_orchestrator.domain.records import Job
from drs_orchestrator.tasks.manage_plans import get_plan
from drs_orchestrator.tasks.preflight import examine, past_runs, preflight_document
from drs_orchestrator.tasks.resolve_tags import resolve_tags
from drs_orchestrator.tasks.second_approver import plan_to_approve
from drs_orchestrator.tasks.start_request import StartRequest


def dry_run(app: App, request: StartRequest) -> dict[str, Any]:
    """The pre-flight answer and how the execution would go: `PlanName`, `LaunchOrder` (lists of waves that may run side
    by side), `Waves` with their jobs, skipped servers and expected times in seconds after the start.

    Raises NotFound (plan), Conflict (tags that select no valid plan; SkipApprovals where a second approver is asked
    for), ServiceBusy (DRS can't be asked for them).
    """
    plan = plan_to_approve(app, resolve_tags(app, plan_from_document(get_plan(app, request.plan_id))), request)
    past = past_runs(app, plan.plan_id, request.execution_type)
    examination = examine(app, plan, request.execution_type, replace_live=request.replace_live, past=past)
    recorded = with_skips(plan, examination.verdict.skips)
    jobs: dict[str, list[Job]] = defaultdict(list)
    for job in lay_out(recorded)[1]:
        jobs[job.wave_name].append(job)
    spans = timeline(plan, request.execution_type, past)
    return preflight_document(examination) | {
        "DryRun": True,
        "PlanName": plan.name,
        "LaunchOrder": launch_order(plan),
        "Waves": [
            _wave(app, recorded, wave, jobs[wave.name], spans[wave.name], request.skip_approvals)
            for wave in recorded.waves
        ],
    }


def _wave(
    app: App, plan: Plan, wave: Wave, jobs: list[Job], span: tuple[int, int], skip_approvals: bool
) -> dict[str, Any]:
    waits_for_approval = wave.approval_before and not skip_approvals
    document: dict[str, Any] = {
        "WaveName": wave.name,
        "DependsOn": list(wave.depends_on),
        "Region": wave.region,
        "AccountId": wave.account_id or app.account_id,
        "OnFailure": wave.on_failure.value,
        "ApprovalBefore": waits_for_approval,
        "Jobs": [{"Servers": list(job.to_launch)} for job in jobs if job.to_launch],
        "Skipped": [
            {"SourceServerId": server.source_server_id, "Reason": server.skip_reason}
            for server in wave.servers
            if server.skip_reason is not None
        ],
        "ExpectedStartSeconds": span[0],
        "ExpectedEndSeconds": span[1],
    }
    if wave.minimum_launched is not None:
        document["MinimumLaunched"] = wave.minimum_launched
    if waits_for_approval and plan.approval_timeout_minutes is not None:
        document["ApprovalTimeoutMinutes"] = plan.approval_timeout_minutes
        document["OnApprovalTimeout"] = plan.on_approval_timeout.value
    return document

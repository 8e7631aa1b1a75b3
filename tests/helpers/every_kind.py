"""Executions in which everything happens that a history tells of."""

from typing import Any

import boto3

from drs_orchestrator.tasks.hand_over_execution import hand_over_execution
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.steer_execution import approve, cancel, pause, reject, resume, skip_wave
from tests.helpers.orchestrator import CALLER, REGION, Orchestrator, plan, server_id, wave

_FAILING, _MISSING, _WEB, _OTHER = (server_id(number) for number in range(1, 5))
_WAVES = (
    wave("database", _FAILING, {"SourceServerId": _MISSING, "Impact": "OPTIONAL"}, OnFailure="PAUSE"),
    wave("web", _WEB, ApprovalBefore=True),
    wave("report", _OTHER),
)


def histories_of_every_kind(orchestrator: Orchestrator) -> list[list[dict[str, Any]]]:
    """The histories of executions that between them were approved, resumed, rejected, not answered, asked about nothing
    any more, paused, cancelled, driven by three drivers, stuck and cleaned up, and had servers and waves skipped,
    instances replaced or guarded."""
    orchestrator.add_servers(_WEB, _OTHER)
    orchestrator.add_servers(_FAILING)
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[_FAILING])
    ids = [_supervised(orchestrator), _unanswered(orchestrator), _rejected(orchestrator), _cancelled(orchestrator)]
    ids += [_stuck(orchestrator), _cleaned_up(orchestrator), _guarded(orchestrator), _replacing(orchestrator)]
    ids.append(_moot(orchestrator))
    return [list(orchestrator.app.executions.history(execution_id)) for execution_id in ids]


def _supervised(orchestrator: Orchestrator) -> str:
    app = orchestrator.app
    execution_id = orchestrator.begin(plan(*_WAVES, plan_id="supervised"))
    skip_wave(app, execution_id, {"WaveName": "report", "Reason": "not needed"}, CALLER)
    pause(app, execution_id, None, CALLER)
    resume(app, execution_id, None, CALLER)
    orchestrator.until_asked(execution_id)
    resume(app, execution_id, {"Reason": "the standby database will do"}, CALLER)
    orchestrator.until_asked(execution_id)
    approve(app, execution_id, {"Reason": "looks good"}, CALLER)
    hand_over_execution(app, execution_id, 1)
    arn = orchestrator.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    orchestrator.stepfunctions.stop_execution(executionArn=f"{arn}:{execution_id}-g2")
    reconcile_executions(app, execution_id)
    orchestrator.drive(execution_id, generation=3)
    return execution_id


def _unanswered(orchestrator: Orchestrator) -> str:
    limited = plan(wave("web", _WEB, ApprovalBefore=True), plan_id="unanswered") | {"ApprovalTimeoutMinutes": 1}
    execution_id = orchestrator.begin(limited)
    orchestrator.let_pass(60)
    orchestrator.drive(execution_id)
    return execution_id


def _rejected(orchestrator: Orchestrator) -> str:
    execution_id = orchestrator.begin(plan(wave("web", _WEB, ApprovalBefore=True), plan_id="rejected"))
    reject(orchestrator.app, execution_id, {"Reason": "too risky"}, CALLER)
    orchestrator.drive(execution_id)
    return execution_id


def _moot(orchestrator: Orchestrator) -> str:
    """A wave that fails ends the plan while another one waits for approval."""
    waves = [wave("report", _OTHER, ApprovalBefore=True), wave("database", _FAILING, DependsOn=[])]
    execution_id = orchestrator.begin(plan(*waves, plan_id="moot"))
    orchestrator.drive(execution_id)
    return execution_id


def _cancelled(orchestrator: Orchestrator) -> str:
    execution_id = orchestrator.begin(plan(wave("web", _WEB), plan_id="cancelled"))
    cancel(orchestrator.app, execution_id, None, CALLER)
    orchestrator.drive(execution_id)
    return execution_id


def _stuck(orchestrator: Orchestrator) -> str:
    """DRS does not begin with its job for a long time."""
    orchestrator.simulator.hold(True)
    execution_id = orchestrator.begin(plan(wave("web", _WEB), plan_id="stuck"))
    orchestrator.let_pass(orchestrator.app.settings.stuck_after_seconds)
    orchestrator.check(execution_id, after=60)
    reconcile_executions(orchestrator.app, execution_id)
    orchestrator.simulator.push_jobs("COMPLETED")
    orchestrator.simulator.hold(False)
    orchestrator.drive(execution_id)
    return execution_id


def _cleaned_up(orchestrator: Orchestrator) -> str:
    """Once in vain, since DRS refuses, and once more."""
    execution_id = orchestrator.start(plan(wave("web", _WEB), plan_id="cleaned-up"))
    orchestrator.drive(execution_id)
    fault = orchestrator.simulator.add_fault(
        "error", operation="TerminateRecoveryInstances", code="AccessDeniedException"
    )
    for generation in (2, 3):
        request_clean_up(orchestrator.app, execution_id, {"Reason": "done with it"}, CALLER)
        orchestrator.clean_up(execution_id, generation)
        if generation == 2:
            orchestrator.simulator.remove_faults(fault)
    return execution_id


def _guarded(orchestrator: Orchestrator) -> str:
    """Between its start and its launch somebody recovers its server by hand."""
    execution_id = orchestrator.start(plan(wave("web", _WEB), plan_id="guarded"), "RECOVERY")
    orchestrator.prepare(execution_id)
    drs: Any = boto3.client("drs", endpoint_url=orchestrator.simulator.url, region_name=REGION)
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": _WEB}])
    orchestrator.let_pass(3600)
    orchestrator.drive(execution_id)
    return execution_id


def _replacing(orchestrator: Orchestrator) -> str:
    fields = {"ReplaceLive": "replacing", "SkipApprovals": True, "Reason": "nobody can be reached"}
    document = plan(wave("web", _WEB, ApprovalBefore=True), plan_id="replacing")
    execution_id = orchestrator.start(document, "RECOVERY", **fields)
    orchestrator.drive(execution_id)
    return execution_id

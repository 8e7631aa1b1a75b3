"""Launch every wave whose dependencies have ended: record the intent, look for an earlier job, call, record.

Safe to repeat at any point: an intent without a job is looked up in DRS before StartRecovery is called again, and
not before the earlier call can no longer take effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from drs_orchestrator.adapters.drs import Drs, DrsUnavailable, StartResult
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.launching import CLOCK_SKEW_SECONDS, find_own_job, job_tags, may_call_again
from drs_orchestrator.domain.progress import refuse
from drs_orchestrator.domain.records import Execution, Job, JobKey, Wave
from drs_orchestrator.domain.statuses import ExecutionType, WaveStatus
from drs_orchestrator.domain.waves import next_waves
from drs_orchestrator.observability import logger
from drs_orchestrator.tasks.close_waves import close_waves
from drs_orchestrator.tasks.fence import Outcome, driven_execution

# One invocation begins no further StartRecovery call after this many seconds; the state machine calls it again.
_BUDGET_SECONDS = 120

# Complete, because a path of the state machine's ResultSelector that selects nothing is an error on AWS.
_SUPERSEDED: dict[str, Any] = {
    "outcome": Outcome.SUPERSEDED,
    "jobsLaunched": 0,
    "jobsActive": 0,
    "jobsWaiting": 0,
    "wavesOpen": 0,
    "handOver": False,
}


class _Launch(StrEnum):
    LAUNCHED = "LAUNCHED"
    WAITING = "WAITING"
    REFUSED = "REFUSED"


def launch_waves(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": LAUNCHED|SUPERSEDED, "jobsLaunched", "jobsActive", "jobsWaiting", "wavesOpen", "handOver"}`.

    jobsLaunched: by this call; jobsActive: known to DRS and unfinished; jobsWaiting: not launched yet, for a reason
    that stands in the job's and the wave's StatusReason.
    """
    execution = driven_execution(app, execution_id, generation)
    if execution is None:
        return dict(_SUPERSEDED)
    waves = app.executions.waves(execution_id)
    deadline = app.clock() + _BUDGET_SECONDS
    tried: dict[JobKey, _Launch] = {}
    while True:
        waves = close_waves(app, execution, waves)
        ready = {wave.name: _begin(app, execution, wave) for wave in next_waves(waves).ready}
        waves = [ready.get(wave.name, wave) for wave in waves]
        results = _launch_all(app, execution, waves, tried, deadline)
        tried |= results
        # A refused job may end its wave at once and free or skip others; everything else waits for DRS.
        if _Launch.REFUSED not in results.values():
            break
    current = app.executions.heartbeat(execution, now=app.clock(), polled=False, phase=None)
    if current is None:
        return dict(_SUPERSEDED)
    jobs = [
        job
        for wave in waves
        if wave.status is WaveStatus.LAUNCHING
        for job in app.executions.jobs(execution_id, wave.index)
        if not job.finished
    ]
    return {
        "outcome": Outcome.LAUNCHED,
        "jobsLaunched": list(tried.values()).count(_Launch.LAUNCHED),
        "jobsActive": sum(job.job_id is not None for job in jobs),
        "jobsWaiting": sum(job.job_id is None for job in jobs),
        "wavesOpen": sum(not wave.status.is_final for wave in waves),
        "handOver": current.driver_rounds >= app.settings.max_polls_per_driver,
    }


def _begin(app: App, execution: Execution, wave: Wave) -> Wave:
    begun = replace(wave, status=WaveStatus.LAUNCHING, start_time=app.clock())
    app.executions.save_wave(execution, begun)
    logger.info(
        "wave changed",
        execution_id=execution.execution_id,
        plan_id=execution.plan_id,
        wave=wave.name,
        status=begun.status.value,
    )
    return begun


def _launch_all(
    app: App, execution: Execution, waves: Sequence[Wave], tried: Mapping[JobKey, _Launch], deadline: int
) -> dict[JobKey, _Launch]:
    """Try every job of the launching waves that has no DRS job and has not been tried in this invocation."""
    results: dict[JobKey, _Launch] = {}
    for wave in waves:
        if wave.status is not WaveStatus.LAUNCHING:
            continue
        for job in app.executions.jobs(execution.execution_id, wave.index):
            if job.finished or job.job_id or job.key in tried:
                continue
            if app.clock() > deadline:
                return results
            results[job.key] = _launch(app, execution, job)
    return results


def _launch(app: App, execution: Execution, job: Job) -> _Launch:
    drs = app.drs.at(job.account_id, job.region)
    if job.intent_time is not None:
        try:
            found = _find(drs, execution, job)
        except DrsUnavailable as error:
            return _wait(app, execution, job, f"an earlier launch can't be looked up: {error}")
        if found:
            return _record(app, execution, job, found)
        if not may_call_again(job, app.settings.launch_settle_seconds, app.clock()):
            return _wait(app, execution, job, "an earlier StartRecovery call may still take effect")
    intended = app.executions.record_intent(execution, job, app.clock())
    if intended is None:
        # Another driver holds the job or the execution; the next round reads what it did.
        return _Launch.WAITING
    outcome = drs.start_recovery(
        {server_id: server.snapshot_id for server_id, server in job.servers.items()},
        is_drill=execution.execution_type is ExecutionType.DRILL,
        tags=job_tags(execution.execution_id, job),
    )
    logger.info(
        "StartRecovery",
        execution_id=execution.execution_id,
        plan_id=execution.plan_id,
        wave=job.wave_name,
        job_id=outcome.job.job_id if outcome.job else None,
        result=outcome.result.value,
        reason=outcome.reason,
    )
    if outcome.job:
        return _record(app, execution, intended, outcome.job)
    if outcome.result is StartResult.UNKNOWN:
        return _wait(app, execution, intended, f"the outcome of StartRecovery is unknown: {outcome.reason}")
    not_carried_out = replace(intended, called_time=None)
    if outcome.result is StartResult.REFUSED:
        app.executions.apply(execution, refuse(not_carried_out, outcome.reason), app.clock())
        return _Launch.REFUSED
    return _wait(app, execution, not_carried_out, f"DRS can't start the launch yet: {outcome.reason}")


def _find(drs: Drs, execution: Execution, job: Job) -> DrsJob | None:
    since = (job.intent_time or 0) - CLOCK_SKEW_SECONDS
    return find_own_job(execution.execution_id, execution.execution_type, job, drs.jobs_since(since))


def _wait(app: App, execution: Execution, job: Job, reason: str) -> _Launch:
    waiting = replace(job, status_reason=reason)
    current = app.executions.job(execution, job.key)
    if current != waiting:
        app.executions.save_job(execution, waiting)
    return _Launch.WAITING


def _record(app: App, execution: Execution, job: Job, drs_job: DrsJob) -> _Launch:
    """The job exists, so this has to be written whoever drives now; a lost race is read again and repeated."""
    while job.job_id is None:
        launched = replace(
            job,
            job_id=drs_job.job_id,
            drs_status=drs_job.status,
            launch_time=int(drs_job.created),
            polls_at_launch=execution.poll_count,
            status_reason=None,
        )
        job = app.executions.save_job(execution, launched) or app.executions.job(execution, job.key)
    return _Launch.LAUNCHED

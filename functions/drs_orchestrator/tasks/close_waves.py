"""Close the waves whose jobs are finished, and skip those that a failed wave leaves behind."""

from collections.abc import Sequence
from dataclasses import replace

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.records import Execution, Job, JobUpdate, ServerChange, Wave
from drs_orchestrator.domain.statuses import ServerStatus, WaveStatus
from drs_orchestrator.domain.waves import ended_wave, next_waves
from drs_orchestrator.observability import logger


def close_waves(app: App, execution: Execution, waves: Sequence[Wave]) -> list[Wave]:
    """The waves as they stand afterwards."""
    closed = [_close(app, execution, wave) if wave.status is WaveStatus.LAUNCHING else wave for wave in waves]
    skipped = {wave.name: wave for wave in next_waves(closed).skipped}
    return [_skip(app, execution, wave, skipped[wave.name]) if wave.name in skipped else wave for wave in closed]


def _close(app: App, execution: Execution, wave: Wave) -> Wave:
    jobs = app.executions.jobs(execution.execution_id, wave.index)
    if not all(job.finished for job in jobs):
        return wave
    ended = ended_wave(wave, [server for job in jobs for server in job.servers.values()], app.clock())
    app.executions.save_wave(execution, ended)
    _log(execution, ended)
    return ended


def _skip(app: App, execution: Execution, wave: Wave, skipped: Wave) -> Wave:
    """The wave skipped, or, when DRS has been asked to launch some of it already, launching.

    Each job is claimed by its version before its servers are written: who is about to launch it finds it gone.
    """
    jobs = app.executions.jobs(execution.execution_id, wave.index)
    if any(job.is_begun for job in jobs):
        # Whoever launched it died before noting that the wave has begun.
        begun = replace(wave, status=WaveStatus.LAUNCHING, start_time=app.clock())
        app.executions.save_wave(execution, begun)
        _log(execution, begun)
        return begun
    for job in jobs:
        claimed = job if job.finished else app.executions.save_job(execution, _skipped(job))
        if claimed is None:
            return wave
        changes = tuple(
            ServerChange(server_id, job.key, ServerStatus.SKIPPED, error=skipped.status_reason)
            for server_id in claimed.servers
        )
        app.executions.apply(execution, JobUpdate(claimed, changes, True), app.clock())
    app.executions.save_wave(execution, replace(skipped, end_time=app.clock()))
    _log(execution, skipped)
    return skipped


def _skipped(job: Job) -> Job:
    servers = {
        server_id: replace(server, status=ServerStatus.SKIPPED, detailed=True)
        for server_id, server in job.servers.items()
    }
    return replace(job, servers=servers, finished=True)


def _log(execution: Execution, wave: Wave) -> None:
    logger.info(
        "wave changed",
        execution_id=execution.execution_id,
        plan_id=execution.plan_id,
        wave=wave.name,
        status=wave.status.value,
        reason=wave.status_reason,
    )

"""Close the waves whose jobs are finished, and skip those that a failed wave leaves behind."""

from collections.abc import Sequence
from dataclasses import replace

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.records import Execution, JobUpdate, ServerChange, Wave
from drs_orchestrator.domain.statuses import ServerStatus, WaveStatus
from drs_orchestrator.domain.waves import ended_wave, next_waves
from drs_orchestrator.observability import logger


def close_waves(app: App, execution: Execution, waves: Sequence[Wave]) -> list[Wave]:
    """The waves as they stand afterwards."""
    closed = [_close(app, execution, wave) if wave.status is WaveStatus.LAUNCHING else wave for wave in waves]
    skipped = {wave.name: wave for wave in next_waves(closed).skipped}
    for wave in skipped.values():
        _skip(app, execution, wave)
    return [skipped.get(wave.name, wave) for wave in closed]


def _close(app: App, execution: Execution, wave: Wave) -> Wave:
    jobs = app.executions.jobs(execution.execution_id, wave.index)
    if not all(job.finished for job in jobs):
        return wave
    ended = ended_wave(wave, [server for job in jobs for server in job.servers.values()], app.clock())
    app.executions.save_wave(execution, ended)
    _log(execution, ended)
    return ended


def _skip(app: App, execution: Execution, wave: Wave) -> None:
    for job in app.executions.jobs(execution.execution_id, wave.index):
        if job.finished:
            continue
        servers = {
            server_id: replace(server, status=ServerStatus.SKIPPED, detailed=True)
            for server_id, server in job.servers.items()
        }
        changes = tuple(
            ServerChange(server_id, job.key, ServerStatus.SKIPPED, error=wave.status_reason) for server_id in servers
        )
        update = JobUpdate(replace(job, servers=servers, finished=True), changes, True)
        app.executions.apply(execution, update, app.clock())
    app.executions.save_wave(execution, replace(wave, end_time=app.clock()))
    _log(execution, wave)


def _log(execution: Execution, wave: Wave) -> None:
    logger.info(
        "wave changed",
        execution_id=execution.execution_id,
        plan_id=execution.plan_id,
        wave=wave.name,
        status=wave.status.value,
        reason=wave.status_reason,
    )

"""Close the waves whose jobs are finished, and wind down those that are not to be launched, or not any further."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.records import Execution, Job, JobUpdate, ServerChange, Wave
from drs_orchestrator.domain.statuses import ServerStatus, WaveStatus
from drs_orchestrator.domain.waves import ended_wave, next_waves, stop_reason


def close_waves(app: App, execution: Execution, waves: Sequence[Wave], seen: Iterable[Job] = ()) -> list[Wave]:
    """The waves as they stand afterwards; a wave with an unfinished job among those just `seen` is not looked into."""
    busy = {job.key.wave for job in seen if not job.finished}
    begun = (WaveStatus.QUEUED, WaveStatus.LAUNCHING)
    closed = [
        _close(app, execution, wave) if wave.status in begun and wave.index not in busy else wave for wave in waves
    ]
    reasons = {wave.name: wave.status_reason or "" for wave in next_waves(closed, execution).skipped}
    if execution.stop:
        # An operator's word also holds back what is left to launch of a wave that has begun.
        stopped = stop_reason(closed, execution) or ""
        reasons |= {wave.name: stopped for wave in closed if wave.status is WaveStatus.LAUNCHING}
    return [_wind_down(app, execution, wave, reasons[wave.name]) if wave.name in reasons else wave for wave in closed]


def _close(app: App, execution: Execution, wave: Wave) -> Wave:
    jobs = app.executions.jobs(execution.execution_id, wave.index)
    return _ended(app, execution, wave, jobs) if all(job.finished for job in jobs) else wave


def _wind_down(app: App, execution: Execution, wave: Wave, reason: str) -> Wave:
    """Skip every job of the wave that DRS was certainly not asked to launch; the wave ends when none is left.

    Each job is claimed by its version before its servers are written: who is about to launch it finds it gone. A job
    of which it isn't known whether DRS launches it is looked up by the next round of launches.
    """
    jobs = []
    for job in app.executions.jobs(execution.execution_id, wave.index):
        if job.finished or job.is_begun:
            jobs.append(job)
            continue
        claimed = app.executions.save_job(execution, replace(job, status_reason=reason))
        skipped = app.executions.apply(execution, _skip(claimed, reason), app.clock()) if claimed else None
        if skipped is None:
            return wave
        jobs.append(skipped)
    if all(job.finished for job in jobs):
        return _ended(app, execution, wave, jobs, reason)
    return _begun(app, execution, wave) if any(job.job_id for job in jobs) else wave


def _ended(app: App, execution: Execution, wave: Wave, jobs: Sequence[Job], reason: str | None = None) -> Wave:
    """The wave ended by what became of its servers; `reason` is why it was not launched, should that be its fate."""
    # Its end comes behind its servers' in the history, too.
    if not app.executions.tell(execution, jobs):
        return wave
    if any(job.is_begun for job in jobs):
        wave = _begun(app, execution, wave)
    ended = ended_wave(wave, [server for job in jobs for server in job.servers.values()], app.clock())
    if ended.status is WaveStatus.SKIPPED and reason:
        ended = replace(ended, status_reason=reason)
    return save_wave(app, execution, ended)


def _begun(app: App, execution: Execution, wave: Wave) -> Wave:
    """Whoever launched some of it may have died before noting that the wave has begun."""
    if wave.status is WaveStatus.LAUNCHING:
        return wave
    return save_wave(app, execution, replace(wave, status=WaveStatus.LAUNCHING, start_time=app.clock()))


def save_wave(app: App, execution: Execution, wave: Wave) -> Wave:
    """The wave with its new status written; as its record stands where somebody else was faster."""
    if not app.executions.save_wave(execution, wave, app.clock()):
        return app.executions.wave(execution, wave.index)
    app.metrics.wave_ended(execution, wave)
    return wave


def _skip(job: Job, reason: str) -> JobUpdate:
    """The job finished, each server of it SKIPPED."""
    servers = {
        server_id: replace(server, status=ServerStatus.SKIPPED, detailed=True)
        for server_id, server in job.servers.items()
    }
    changes = tuple(
        ServerChange(server_id, job.key, ServerStatus.SKIPPED, error=server.skip_reason or reason)
        for server_id, server in job.servers.items()
        # One with a reason of its own was skipped before: whoever did may have died before its record was written.
        if server.status is not ServerStatus.SKIPPED or server.skip_reason
    )
    return JobUpdate(replace(job, servers=servers, finished=True), changes, True)

"""One StartRecovery call and never a second: record the intent, look for an earlier job, call, record the job.

Safe to repeat at any point: an intent without a job is looked up in DRS before StartRecovery is called again, and
not before the earlier call can no longer take effect.

A launch removes the earlier recovery instances of its servers. Immediately before it DRS is asked for them: a server
that lives on an instance of an earlier recovery is not launched, unless the execution may replace it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from drs_orchestrator.adapters.drs import Drs, DrsUnavailable, StartOutcome, StartResult
from drs_orchestrator.adapters.launch_queue import Place
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.capacity import quota_reason, whose_job
from drs_orchestrator.domain.guard import guarded, live_instance_remedy, living_recoveries
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.launching import (
    CLOCK_SKEW_SECONDS,
    find_own_job,
    find_unlisted_job,
    job_tags,
    may_call_again,
    may_still_call,
)
from drs_orchestrator.domain.progress import refuse
from drs_orchestrator.domain.records import Execution, Job, ServerChange
from drs_orchestrator.domain.source import LastLaunch, RecoveryInstance
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus
from drs_orchestrator.observability import about, logger


class Launch(StrEnum):
    """What became of one job: known to DRS, held back for a reason in its record, refused for good, certainly not
    launched by an earlier call and not to be launched (now, or because all its servers are skipped), or left alone
    because somebody else has written its record meanwhile."""

    LAUNCHED = "LAUNCHED"
    WAITING = "WAITING"
    REFUSED = "REFUSED"
    NOT_LAUNCHED = "NOT_LAUNCHED"
    SUPERSEDED = "SUPERSEDED"


def place_of(app: App, job: Job) -> Place:
    """Where the job counts against DRS's quotas."""
    return Place(job.account_id or app.account_id, job.region)


@dataclass(frozen=True, slots=True)
class Attempt:
    """`retry_after`: the seconds DRS asked to be left alone for, if it did. `no_room`: what DRS's quotas leave no room
    for, if DRS said so. `queued`: the job waits for those quotas."""

    launch: Launch
    retry_after: int | None = None
    no_room: str | None = None
    queued: bool = False


def launch_job(
    app: App, execution: Execution, job: Job, queued_for: str | None = None, forbidden: str | None = None
) -> Attempt:
    """Launch the job, or say in its record why not yet. `queued_for`: why it is not its turn at DRS's quotas.

    `forbidden` says why nothing may be launched now: then it is only learned what an earlier call came to.
    """
    drs = app.drs.at(job.account_id, job.region, execution.execution_id)
    if job.refusal is not None:
        return _refuse(app, execution, job)
    if job.intent_time is not None and (attempt := _earlier_launch(app, drs, execution, job)):
        return attempt
    if forbidden:
        # Its earlier call, if there was one, can no longer take effect.
        app.executions.save_job(execution, replace(job, called_time=None, status_reason=forbidden))
        return Attempt(Launch.NOT_LAUNCHED)
    if queued_for:
        return _hold(app, execution, job, queued_for, queued=True)
    try:
        living = living_recoveries(drs.recovery_instances(job.to_launch)) if job.to_launch else ()
    except DrsUnavailable as error:
        app.metrics.drs_unavailable(throttled=error.throttled)
        reason = f"waiting: DRS can't be asked which of the servers live on recovery instances: {error}"
        return _hold(app, execution, job, reason, retry_after=error.retry_after)
    cleared = _clear(app, execution, job, living)
    if cleared is None:
        return Attempt(Launch.SUPERSEDED)
    if not cleared.to_launch:
        return _finish_unlaunched(app, execution, cleared)
    intended = app.executions.record_intent(execution, cleared, app.clock())
    if intended is None:
        return Attempt(Launch.SUPERSEDED)
    outcome = drs.start_recovery(
        {server_id: intended.servers[server_id].snapshot_id for server_id in intended.to_launch},
        is_drill=execution.execution_type is ExecutionType.DRILL,
        tags=job_tags(execution.execution_id, job),
        in_time=lambda: may_still_call(intended, app.settings.launch_settle_seconds, app.clock()),
    )
    logger.info(
        "StartRecovery",
        **about(execution, job.wave_name, outcome.job.job_id if outcome.job else None),
        result=outcome.result.value,
        reason=outcome.reason,
    )
    return _conclude(app, drs, execution, intended, outcome)


def _clear(app: App, execution: Execution, job: Job, living: Sequence[RecoveryInstance]) -> Job | None:
    """The job as it may be launched; None when somebody else has written its record meanwhile. What its launch
    removes, and what is spared, stands in the history before it happens."""
    if execution.may_replace_live:
        ids = tuple(sorted(instance.instance_id for instance in living))
        if not ids or ids == job.replaces:
            return job
        replaced = [
            {"SourceServerId": instance.source_server_id, "InstanceId": instance.instance_id} for instance in living
        ]
        data = {"WaveName": job.wave_name, "Instances": replaced}
        event = Event(Kind.LIVE_INSTANCES_REPLACED, app.clock(), execution.started_by, execution.reason, data)
        return app.executions.save_job(execution, replace(job, replaces=ids), event)
    return _guard(app, execution, job, living)


def _guard(app: App, execution: Execution, job: Job, living: Sequence[RecoveryInstance]) -> Job | None:
    """The job without the servers that live on these instances.

    The job's record comes first, so that no later attempt launches a server whose own record says SKIPPED; that one is
    written before the intent, and again by whoever comes after a crash.
    """
    if living:
        spared = guarded(job, living)
        servers = [
            {"SourceServerId": server_id, "Error": spared.servers[server_id].skip_reason}
            for server_id in job.to_launch
            if server_id not in spared.to_launch
        ]
        event = Event(Kind.SERVERS_GUARDED, app.clock(), data={"WaveName": job.wave_name, "Servers": servers})
        saved = app.executions.save_job(execution, spared, event)
        if saved is None:
            return None
        job = saved
        logger.warning(
            "servers guarded",
            **about(execution, job.wave_name),
            instances=[instance.instance_id for instance in living],
        )
    changes = tuple(
        ServerChange(
            server_id,
            job.key,
            ServerStatus.SKIPPED,
            error=server.skip_reason,
            next_step=live_instance_remedy(execution.execution_type, execution.plan_id, execution.execution_id),
        )
        for server_id, server in job.servers.items()
        if server.skip_reason is not None
    )
    app.executions.change_servers(execution, job, changes, app.clock())
    return job


def _finish_unlaunched(app: App, execution: Execution, job: Job) -> Attempt:
    finished = replace(job, finished=True, queued=False, status_reason=None)
    saved = app.executions.save_job(execution, finished)
    return Attempt(Launch.NOT_LAUNCHED if saved else Launch.SUPERSEDED)


def _earlier_launch(app: App, drs: Drs, execution: Execution, job: Job) -> Attempt | None:
    """What an earlier intent came to; None when it has launched nothing and no longer will."""
    since = (job.intent_time or 0) - CLOCK_SKEW_SECONDS
    settled = may_call_again(job, app.settings.launch_settle_seconds, app.clock())
    try:
        seen = drs.jobs_since(since)
        found = _find_own(execution, job, seen)
        unlisted = _unlisted_launches(drs, job, seen, since) if settled and not found else {}
    except DrsUnavailable as error:
        app.metrics.drs_unavailable(throttled=error.throttled)
        reason = f"waiting: an earlier launch can't be looked up: {error}"
        return _hold(app, execution, job, reason, retry_after=error.retry_after)
    if found:
        return _record(app, execution, job, found.job_id, found.created, found.status)
    if not settled:
        return _hold(app, execution, job, "waiting: an earlier StartRecovery call may still take effect")
    if own := find_unlisted_job(execution.execution_type, job, unlisted):
        # As which every job begins; a check follows what became of it.
        return _record(app, execution, job, own.job_id, own.called, "PENDING")
    for server_id, launch in unlisted.items():
        reason = f"waiting: DRS says that it launched {server_id} in job {launch.job_id}, but does not list it yet"
        return _hold(app, execution, job, reason)
    return None


def _unlisted_launches(drs: Drs, job: Job, seen: Sequence[DrsJob], since: float) -> dict[str, LastLaunch]:
    """The launches of our servers since then that DRS knows of and does not list among its jobs: one may be ours."""
    if job.called_time is None:
        return {}
    listed = {each.job_id for each in seen}
    launches = drs.last_launches(job.servers, since)
    return {server_id: launch for server_id, launch in launches.items() if launch.job_id not in listed}


def _conclude(app: App, drs: Drs, execution: Execution, job: Job, outcome: StartOutcome) -> Attempt:
    if outcome.job:
        return _record(app, execution, job, outcome.job.job_id, outcome.job.created, outcome.job.status)
    if outcome.result is StartResult.UNKNOWN:
        return _hold(app, execution, job, f"waiting: the outcome of StartRecovery is unknown: {outcome.reason}")
    job = replace(job, called_time=None)
    if outcome.result is StartResult.REFUSED:
        # Noted first: should this task die among the servers' records, the launch is not tried again.
        refused = app.executions.save_job(execution, replace(job, refusal=outcome.reason))
        return _refuse(app, execution, refused) if refused else Attempt(Launch.SUPERSEDED)
    if outcome.result is StartResult.BUSY:
        app.metrics.drs_unavailable(throttled=outcome.throttled)
        reason = f"waiting: DRS can't be asked to launch: {outcome.reason}"
        return _hold(app, execution, job, reason, retry_after=outcome.retry_after)
    try:
        in_use = drs.jobs_in_use(app.clock())
    except DrsUnavailable:
        in_use = []
    if outcome.result is StartResult.QUOTA:
        reason = quota_reason(in_use, outcome.reason)
        return replace(_hold(app, execution, job, reason, queued=True), no_room=reason)
    # A conflict may be with the job of our own earlier call, whose answer was lost.
    # With its tags: this call was certainly not carried out, so no job without them is ours.
    if found := _find_own(execution, job, in_use):
        return _record(app, execution, job, found.job_id, found.created, found.status)
    return _hold(app, execution, job, whose_job(in_use, job, outcome.reason))


def _refuse(app: App, execution: Execution, job: Job) -> Attempt:
    update = refuse(job, job.refusal or "")
    if app.executions.apply(execution, update, app.clock()):
        app.metrics.servers_changed(execution, update.changes)
    return Attempt(Launch.REFUSED)


def _find_own(execution: Execution, job: Job, seen: Sequence[DrsJob]) -> DrsJob | None:
    return find_own_job(execution.execution_id, execution.execution_type, job, seen)


def _hold(
    app: App, execution: Execution, job: Job, reason: str, *, queued: bool = False, retry_after: int | None = None
) -> Attempt:
    since = job.queued_since
    if queued and since is None:
        since = app.clock()
    held = replace(job, status_reason=reason, queued=queued, queued_since=since)
    if app.executions.job(execution, job.key) != held:
        app.executions.save_job(execution, held)
    return Attempt(Launch.WAITING, retry_after, queued=queued)


def _record(app: App, execution: Execution, job: Job, job_id: str, created: float, drs_status: str) -> Attempt:
    """The job exists, so this has to be written whoever drives now; a lost race is read again and repeated."""
    while job.job_id is None:
        launched = replace(
            job,
            job_id=job_id,
            drs_status=drs_status,
            launch_time=int(created),
            status_reason=None,
            queued=False,
        )
        data = {"WaveName": job.wave_name, "Chunk": job.key.chunk, "RecoveryJobId": job_id}
        event = Event(Kind.LAUNCH_STARTED, app.clock(), data={**data, "Servers": len(job.to_launch)})
        if saved := app.executions.save_job(execution, launched, event):
            waited = None if job.queued_since is None else app.clock() - job.queued_since
            app.metrics.job_launched(execution, waited)
        job = saved or app.executions.job(execution, job.key)
    return Attempt(Launch.LAUNCHED)

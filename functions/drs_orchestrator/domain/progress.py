"""From what DRS says about a job to what the record says about its servers. Pure: no clock, no I/O.

The rules, and why they are not simpler:
- a job has no failed status, COMPLETED only means finished: every server is judged by its own launchStatus;
- launchStatus stays PENDING through snapshot and conversion: the job's STARTED makes the server STARTED;
- a completed job may leave a server PENDING: after a short grace that server has failed;
- neither instance ids nor failure texts are sure to be in the job: both are looked up in the log;
- a job that DRS does not list is neither success nor failure: it is gone when DRS denies it for a while, asked for
  its log, too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from drs_orchestrator.domain.advice import next_step
from drs_orchestrator.domain.job import DrsJob, JobObservation, LaunchActionRun, LogEvent, ParticipatingServer
from drs_orchestrator.domain.records import Job, JobUpdate, ServerChange, ServerProgress
from drs_orchestrator.domain.source import RecoveryInstance
from drs_orchestrator.domain.statuses import ExecutionType, LaunchActionsStatus, ServerStatus, may_follow
from drs_orchestrator.domain.vocabulary import with_unknown_words

_PHASES = {
    "SNAPSHOT_START": "SNAPSHOT",
    "CONVERSION_START": "CONVERSION",
    "LAUNCH_START": "LAUNCH",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `server_timeout`: after it a server gets TimeoutDetected, nothing more. `completion_grace`: how long
    a finished job or a missing one may still change its mind. `launch_actions`: how long a launch action may run."""

    server_timeout: int = 1800
    completion_grace: int = 60
    launch_actions: int = 3600


def is_settled(server: ServerProgress, execution_type: ExecutionType) -> bool:
    """Whether nothing more can be learned about the server: its status is final and its details are known."""
    if server.status is ServerStatus.LAUNCHED and execution_type is ExecutionType.RECOVERY:
        return server.detailed and server.launch_actions is not None and server.launch_actions.is_final
    return server.detailed and server.status in (ServerStatus.LAUNCHED, ServerStatus.FAILED, ServerStatus.SKIPPED)


def to_keep(job: Job, execution_type: ExecutionType) -> Job:
    """The job as it is kept for the next look: without what its servers' own records say for good by then, so that a
    look costs the same however many servers have ended."""

    def kept(server: ServerProgress) -> ServerProgress:
        if is_settled(server, execution_type):
            server = replace(server, phase=None, launched_time=None, expects_actions=None, actions_began=None)
        return replace(server, instance_id=None)

    return replace(job, servers={server_id: kept(server) for server_id, server in job.servers.items()})


def asks_for_instances(
    job: Job, drs_job: DrsJob | None, log: Sequence[LogEvent] | None, execution_type: ExecutionType
) -> bool:
    """Whether DescribeRecoveryInstances has to be asked: a server is found launched (once, for its recovery point), a
    launched server's instance is named by nobody, or DRS no longer returns the job."""
    if drs_job is None:
        return True
    named = {event.source_server_id for event in log or () if event.target_instance_id}
    for server in drs_job.servers:
        known = job.servers.get(server.source_server_id)
        if known is None or server.launch_status != "LAUNCHED" or is_settled(known, execution_type):
            continue
        is_named = bool(server.recovery_instance_id or known.named or server.source_server_id in named)
        if known.launched_time is None or not is_named:
            return True
    return False


def unknown_launch_actions(
    job: Job, drs_job: DrsJob | None, execution_type: ExecutionType, limits: Limits, now: int
) -> list[str]:
    """The launched servers of a RECOVERY job that show no launch action run although the job is over or their time for
    it is, and of which DRS has not said whether they will: runs begin once the instance's SSM agent is discovered,
    which may be after the job's end, or never."""
    if drs_job is None or execution_type is not ExecutionType.RECOVERY:
        return []
    return [
        server.source_server_id
        for server in drs_job.servers
        if server.launch_status == "LAUNCHED"
        and not server.runs
        and (known := job.servers.get(server.source_server_id))
        and known.expects_actions is None
        and not is_settled(known, execution_type)
        and (drs_job.is_completed or _actions_are_overdue(known, limits, now))
    ]


def observe(job: Job, seen: JobObservation, execution_type: ExecutionType, limits: Limits, now: int) -> JobUpdate:
    """The job's next record after one look at DRS, and what changes in its servers' records."""
    if seen.job is None:
        return _observe_missing(job, seen, execution_type, limits, now)
    ended = _end_time(job, seen.job, now)
    judge = _Judge(job, seen.job, ended, seen, execution_type, limits, now)
    servers, changes = {}, []
    for server_id, server in job.servers.items():
        servers[server_id], change = judge.server(server_id, server)
        if change:
            changes.append(change)
    updated = replace(
        job,
        servers=servers,
        drs_status=seen.job.status,
        end_time=ended,
        missing_since=None,
        status_reason=_unanswered(servers.values(), seen),
        finished=all(is_settled(server, execution_type) for server in servers.values()),
        unknown_words=with_unknown_words(job.unknown_words, seen.job, seen.log, now),
    )
    return JobUpdate(updated, tuple(changes), updated != job)


def _unanswered(servers: Iterable[ServerProgress], seen: JobObservation) -> str | None:
    """What the job waits for although its servers are launched: DRS, asked for their instances, gave no answer."""
    if seen.instances is None and any(
        server.status is ServerStatus.LAUNCHED and not server.detailed for server in servers
    ):
        return "waiting: DRS can't be asked which recovery instances it has launched"
    return None


def refuse(job: Job, reason: str) -> JobUpdate:
    """The job after DRS definitely refused to start it: every server of it has failed, in DRS's words."""
    error = f"DRS refused to start the launch: {reason}"
    failed = {
        server_id: replace(job.servers[server_id], status=ServerStatus.FAILED, detailed=True)
        for server_id in job.to_launch
    }
    changes = tuple(
        ServerChange(server_id, job.key, ServerStatus.FAILED, error=error, next_step=next_step(error))
        for server_id in failed
    )
    return JobUpdate(replace(job, servers={**job.servers, **failed}, finished=True, status_reason=error), changes, True)


def _observe_missing(
    job: Job, seen: JobObservation, execution_type: ExecutionType, limits: Limits, now: int
) -> JobUpdate:
    since = (job.missing_since if job.missing_since is not None else now) if seen.denied else None
    instances = seen.instances
    if since is None or instances is None or now - since < limits.completion_grace:
        reason = f"DRS did not return job {job.job_id}; it is looked up again"
        updated = replace(job, missing_since=since, status_reason=reason)
        return JobUpdate(updated, (), updated != job)
    error = f"DRS no longer knows this job ({job.job_id})"
    servers, changes = dict(job.servers), []
    for server_id, server in job.servers.items():
        if is_settled(server, execution_type):
            continue
        found = instances.get(server_id)
        instance = found if found and found.is_living else None
        if instance:
            # The launch happened; only what its launch actions did can no longer be learned.
            actions = LaunchActionsStatus.TIMED_OUT if execution_type is ExecutionType.RECOVERY else None
            servers[server_id] = replace(
                server,
                status=ServerStatus.LAUNCHED,
                named=True,
                instance_id=instance.instance_id,
                launch_actions=actions,
                detailed=True,
            )
            text = f"{error}; its instance exists" + ("; its launch actions are unknown" if actions else "")
        else:
            actions = None
            text = f"{error}; its instance {found.instance_id} is {found.state}" if found else error
            servers[server_id] = replace(server, status=ServerStatus.FAILED, detailed=True)
        status = servers[server_id].status
        changes.append(
            ServerChange(
                server_id,
                job.key,
                status if may_follow(server.status, status) else None,
                instance_id=instance.instance_id if instance else None,
                launched_time=now if instance and server.launched_time is None else None,
                recovery_point_time=_point_time(instance),
                launch_actions=actions,
                error=text,
                next_step=next_step(error),
            )
        )
    return JobUpdate(replace(job, servers=servers, status_reason=error, finished=True), tuple(changes), True)


@dataclass(frozen=True, slots=True)
class _Judge:
    """One look at one job, asked about each of its servers."""

    job: Job
    drs: DrsJob
    ended: int | None
    seen: JobObservation
    execution_type: ExecutionType
    limits: Limits
    now: int

    def server(self, server_id: str, old: ServerProgress) -> tuple[ServerProgress, ServerChange | None]:
        if is_settled(old, self.execution_type):
            return old, None
        seen = next((server for server in self.drs.servers if server.source_server_id == server_id), None)
        seen = seen or ParticipatingServer(server_id, "PENDING")
        events = [event for event in self.seen.log or () if event.source_server_id == server_id]
        new, error = self._status(old, seen)
        if new.status is ServerStatus.LAUNCHED:
            new = self._launched(new, seen, events)
            if seen.runs and new.actions_began is None:
                new = replace(new, actions_began=int(seen.agent_found or self.now))
            new, error = self._launch_actions(server_id, new, seen.runs)
            error = "; ".join(filter(None, (error, _left_behind(events)))) or None
        elif new.status is ServerStatus.FAILED:
            new, error = self._failed(new, events, error)
        phase = next((_PHASES[event.event] for event in reversed(events) if event.event in _PHASES), new.phase)
        if new.launch_actions is LaunchActionsStatus.IN_PROGRESS:
            phase = "LAUNCH_ACTIONS"
        late = old.status not in (ServerStatus.LAUNCHED, ServerStatus.FAILED) and self._overdue()
        new = replace(new, phase=phase, timeout_detected=old.timeout_detected or late)
        phases = _phase_times(new, events) if is_settled(new, self.execution_type) else ()
        return new, self._change(server_id, old, new, error, phases)

    def _status(self, old: ServerProgress, seen: ParticipatingServer) -> tuple[ServerProgress, str | None]:
        status, error = self._reported_status(seen.launch_status), None
        ended_for_good = self.drs.is_completed and self._grace_is_over()
        if ended_for_good and status not in (ServerStatus.LAUNCHED, ServerStatus.FAILED):
            status, error = ServerStatus.FAILED, "DRS finished the job without launching it"
        if seen.launch_status == "TERMINATED":
            error = "DRS terminated the instance"
        return (replace(old, status=status) if status and may_follow(old.status, status) else old), error

    def _reported_status(self, launch_status: str) -> ServerStatus | None:
        """None for a word we don't know: the server stays where it is and DRS is asked again."""
        if launch_status == "PENDING":
            return ServerStatus.PENDING if self.drs.status == "PENDING" else ServerStatus.STARTED
        return {
            "IN_PROGRESS": ServerStatus.IN_PROGRESS,
            "LAUNCHED": ServerStatus.LAUNCHED,
            "FAILED": ServerStatus.FAILED,
            "TERMINATED": ServerStatus.FAILED,
        }.get(launch_status)

    def _launched(
        self, server: ServerProgress, seen: ParticipatingServer, events: Sequence[LogEvent]
    ) -> ServerProgress:
        if server.named:
            return server
        logged = next((event for event in reversed(events) if event.target_instance_id), None)
        told = self._instance_of(seen.source_server_id)
        instance = (
            seen.recovery_instance_id
            or (logged.target_instance_id if logged else None)
            or (told.instance_id if told else None)
        )
        return replace(
            server,
            named=instance is not None,
            instance_id=instance,
            launched_time=server.launched_time or (int(logged.time) if logged else self.now),
            detailed=instance is not None or self._instance_is_unknown(),
        )

    def _launch_actions(
        self, server_id: str, server: ServerProgress, runs: Sequence[LaunchActionRun]
    ) -> tuple[ServerProgress, str | None]:
        running = [run for run in runs if run.status not in ("SUCCEEDED", "FAILED")]
        failed = [run for run in runs if run.status == "FAILED"]
        timed_out = _actions_are_overdue(server, self.limits, self.now)
        if self.execution_type is ExecutionType.DRILL:
            # A drill is complete with the launch; what its actions came to is noted only if it is known by then.
            done = _actions_outcome(failed) if runs and not running else None
            return replace(server, launch_actions=done), None
        if running and not timed_out:
            return replace(server, launch_actions=LaunchActionsStatus.IN_PROGRESS), None
        if not self.drs.is_completed and not timed_out:
            # More runs may still appear while the job goes on.
            return replace(server, launch_actions=LaunchActionsStatus.IN_PROGRESS if runs else None), None
        if not runs:
            return self._actions_to_come(server, server_id, timed_out=timed_out)
        if running:
            outcome, culprits = LaunchActionsStatus.TIMED_OUT, running + failed
        else:
            outcome, culprits = _actions_outcome(failed), failed
        error = "; ".join(_describe(run) for run in culprits) or None
        status = ServerStatus.FAILED if any(not run.optional for run in culprits) else server.status
        return replace(server, status=status, launch_actions=outcome), error

    def _actions_to_come(
        self, server: ServerProgress, server_id: str, *, timed_out: bool
    ) -> tuple[ServerProgress, str | None]:
        """The job, or the time for launch actions, is over and no run is shown. The launch configuration says whether
        runs are to come; where DRS won't tell, none having begun by then has to do."""
        told = self.seen.expects_actions
        expected = server.expects_actions if server.expects_actions is not None else told.get(server_id)
        server = replace(server, expects_actions=expected)
        untold = expected is None and server_id in told
        if expected is False or (untold and (timed_out or self._grace_is_over())):
            return replace(server, launch_actions=LaunchActionsStatus.NOT_CONFIGURED), None
        if expected and timed_out:
            error = "launch actions are switched on for this server, but none began in time"
            return replace(server, status=ServerStatus.FAILED, launch_actions=LaunchActionsStatus.TIMED_OUT), error
        return replace(server, launch_actions=LaunchActionsStatus.IN_PROGRESS if expected else None), None

    def _failed(
        self, server: ServerProgress, events: Sequence[LogEvent], error: str | None
    ) -> tuple[ServerProgress, str | None]:
        if server.detailed:
            return server, None
        logged = _failure_text(events)
        if logged is None and self.drs.is_completed:
            logged = _failure_text([event for event in self.seen.log or () if event.source_server_id is None])
        if logged is not None:
            return replace(server, detailed=True), logged
        if self.seen.log is not None and self.drs.is_completed:
            # The log has been read to its end and gives no reason: say what DRS did say.
            return replace(server, detailed=True), error or "DRS reported the launch as FAILED and gave no reason"
        return server, error

    def _change(
        self,
        server_id: str,
        old: ServerProgress,
        new: ServerProgress,
        error: str | None,
        phases: tuple[tuple[str, int], ...],
    ) -> ServerChange | None:
        status = new.status if new.status is not old.status else None
        change = ServerChange(
            server_id,
            self.job.key,
            status,
            job_id=self.job.job_id,
            instance_id=new.instance_id,
            launch_time=self.job.launch_time,
            launched_time=new.launched_time,
            recovery_point_time=_point_time(self._instance_of(server_id)) if new.launched_time else None,
            launch_actions=new.launch_actions,
            error=error,
            next_step=next_step(error) if error else None,
            timeout_detected=new.timeout_detected,
            phases=phases,
        )
        # The phase lives in the job's record only, so that it costs no write per server.
        return change if replace(new, phase=None) != replace(old, phase=None) else None

    def _instance_of(self, server_id: str) -> RecoveryInstance | None:
        return (self.seen.instances or {}).get(server_id)

    def _overdue(self) -> bool:
        return self.job.launch_time is not None and self.now - self.job.launch_time > self.limits.server_timeout

    def _instance_is_unknown(self) -> bool:
        """Whether the search for an instance id is over: DRS was asked and names none. A DRS that can't be asked is
        waited for, because an instance nobody knows of would not be protected."""
        return self.drs.is_completed and self.seen.instances is not None and self._grace_is_over()

    def _grace_is_over(self) -> bool:
        return self.ended is not None and self.now - self.ended >= self.limits.completion_grace


def _point_time(instance: RecoveryInstance | None) -> int | None:
    return int(instance.point_in_time) if instance and instance.point_in_time is not None else None


def _end_time(job: Job, drs_job: DrsJob, now: int) -> int | None:
    """DRS's own end of the job; when a completed job has none, the time we first saw it completed."""
    if drs_job.ended is not None:
        return int(drs_job.ended)
    return (job.end_time or now) if drs_job.is_completed else None


def _phase_times(server: ServerProgress, events: Sequence[LogEvent]) -> tuple[tuple[str, int], ...]:
    """When each phase first began, in order. The log has no event for launch actions: theirs is `actions_began`.
    A log that could not be read leaves its phases out; a launch that had failed before a phase never began it."""
    began: dict[str, int] = {}
    for event in events:
        if event.event in _PHASES:
            began.setdefault(_PHASES[event.event], int(event.time))
    if server.actions_began is not None:
        began["LAUNCH_ACTIONS"] = server.actions_began
    return tuple(sorted(began.items(), key=lambda phase: phase[1]))


def _failure_text(events: Sequence[LogEvent]) -> str | None:
    """DRS's own words for the last failure among the events; without words, the event's name."""
    for event in reversed(events):
        if event.raw_error:
            return event.raw_error
    return next((event.event for event in reversed(events) if "FAIL" in event.event or "SKIP" in event.event), None)


def _left_behind(events: Sequence[LogEvent]) -> str | None:
    """Why an earlier instance of the server was not removed by the launch, as EC2's termination protection has it."""
    failed = next((event for event in events if event.event == "CLEANUP_FAIL"), None)
    return f"an earlier instance lives on: {failed.raw_error or 'DRS gave no reason'}" if failed else None


def _actions_are_overdue(server: ServerProgress, limits: Limits, now: int) -> bool:
    return server.launched_time is not None and now - server.launched_time >= limits.launch_actions


def _actions_outcome(failed: Sequence[LaunchActionRun]) -> LaunchActionsStatus:
    return LaunchActionsStatus.FAILED if failed else LaunchActionsStatus.COMPLETED


def _describe(run: LaunchActionRun) -> str:
    kind = "optional launch action" if run.optional else "launch action"
    if run.status == "FAILED":
        return f"{kind} {run.name} failed: {run.failure_reason or 'DRS gave no reason'}"
    return f"{kind} {run.name} did not finish in time (still {run.status})"

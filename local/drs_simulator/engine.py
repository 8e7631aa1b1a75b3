"""What happens in a world: jobs begin, their steps take effect when their time has come, jobs end.

Nothing runs in the background. Every look at a world first lets everything happen that is due (``settle``), so a
thousand jobs cost nothing while nobody looks, and the same calls at the same times give the same world.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drs_simulator.clock import Clock
from drs_simulator.ec2 import Ec2, InMemory
from drs_simulator.switches import Switches
from drs_simulator.timeline import (
    ACTION_BEGIN,
    ACTION_END,
    ACTIONS_BEGIN,
    COMPLETE,
    JOB_STATUS,
    LEFT,
    STAGES,
    STATUS,
    ServerLaunch,
    Step,
    Twist,
    launch_steps,
    stage,
    terminate_steps,
    with_cleanup,
    with_end,
)
from drs_simulator.worlds import (
    ActionRun,
    Job,
    LastLaunch,
    LogItem,
    Participant,
    RecoveryInstance,
    SourceServer,
    World,
)

LaunchListener = Callable[[World, Job, str, bool], None]
"""Told of every launch result: world, job, source server id, success."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A step taking effect at `at` (epoch seconds)."""

    world: World
    job: Job
    step: Step
    at: float

    @property
    def participant(self) -> Participant:
        """The server of the step within its job."""
        return self.job.participants[self.step.server or ""]

    @property
    def server(self) -> SourceServer | None:
        """The source server of the step, if it still exists."""
        return self.world.servers.get(self.step.server or "")


class Engine:
    """Applies steps to worlds. `on_launch_result` hears of every server that launched or failed to."""

    def __init__(
        self,
        clock: Clock,
        switches: Callable[[], Switches],
        on_launch_result: LaunchListener | None = None,
        ec2: Ec2 | None = None,
    ) -> None:
        self._clock = clock
        self._ec2: Ec2 = ec2 or InMemory()
        # Asked anew each time, so that a switch thrown while a job runs still matters.
        self._switches = switches
        self._on_launch_result = on_launch_result or (lambda *_: None)
        self._effects: dict[str, Callable[[Moment], None]] = {
            "JOB_START": self._job_started,
            "CLEANUP_START": self._cleanup_began,
            "CLEANUP_END": self._cleanup_ended,
            "CONVERSION_END": self._converted,
            "CONVERSION_FAIL": self._failed,
            "SNAPSHOT_FAIL": self._snapshot_failed,
            "USING_PREVIOUS_SNAPSHOT": self._fell_back,
            "LAUNCH_START": self._launch_began,
            "LAUNCH_END": self._launched,
            "LAUNCH_FAILED": self._failed,
            STATUS: self._status_changed,
            JOB_STATUS: self._job_status_changed,
            ACTIONS_BEGIN: self._actions_began,
            ACTION_BEGIN: self._action_began,
            ACTION_END: self._action_ended,
            COMPLETE: self._completed,
            LEFT: lambda _: None,
        }

    def start_launch(
        self,
        world: World,
        launches: Sequence[ServerLaunch],
        *,
        is_drill: bool,
        tags: dict[str, str],
        points_in_time: dict[str, float],
        twists: dict[str, Sequence[Twist]],
        held: bool,
    ) -> Job:
        """Create a LAUNCH job; the caller has checked quotas and conflicts."""
        spread_seed = world.spread_seed()
        job = self._new_job(world, "LAUNCH", "START_DRILL" if is_drill else "START_RECOVERY", tags, held)
        for launch in launches:
            participant = Participant(launch.server, [(job.created, "PENDING")])
            participant.point_in_time = points_in_time.get(launch.server)
            job.participants[launch.server] = participant
            server = world.servers[launch.server]
            server.last_launch = LastLaunch(job.id, job.created, is_drill)
            server.last_launch_result = "PENDING"
        switches = self._switches()
        grace = switches.completionGraceSeconds
        job.completion = max(launch.profile.completion for launch in launches) if grace is None else grace
        job.waits_for_actions = switches.completedWaitsForLaunchActions
        steps = launch_steps(launches, spread_seed, switches.ssmDiscoverySeconds, twists)
        for launch in launches:
            steps = with_cleanup(steps, launch.server, switches.cleanupPlace)
        job.steps = with_end(steps, job.participants, job.completion, waits_for_actions=job.waits_for_actions)
        return self._begin(world, job)

    def start_terminate(self, world: World, instances: Sequence[RecoveryInstance], held: bool) -> Job:
        """Create a TERMINATE job for the instances; the caller has checked quotas and conflicts."""
        job = self._new_job(world, "TERMINATE", "TERMINATE_RECOVERY_INSTANCES", {}, held)
        job.doomed = [instance.id for instance in instances]
        for instance in instances:
            job.participants[instance.server_id] = Participant(
                instance.server_id, [(job.created, "PENDING")], instance_id=instance.id
            )
        job.completion = 2.5
        job.steps = with_end(terminate_steps(list(job.participants)), job.participants, job.completion)
        return self._begin(world, job)

    def settle(self, world: World) -> None:
        """Let everything happen in the world that is due by now, in order of time across its jobs."""
        timeline = self._clock.timeline()
        while world.agenda and world.agenda[0][0] <= timeline:
            due, job_id = heapq.heappop(world.agenda)
            job = world.jobs.get(job_id)
            if job and job.next_due == due:
                self._apply_next(world, job, self._clock.now_at(due))
                world.schedule(job)

    def push(self, world: World, job: Job, target: str) -> None:
        """Let the job's steps up to the stage `target` (see STAGES) happen now; the rest keeps its distances.

        A job that is held back stays so until it is COMPLETED: launch actions then take their course.
        """
        limit = STAGES.index(target)
        remaining = job.steps[job.done :]
        completion = next((step.at for step in remaining if step.kind == COMPLETE), None)

        def is_meant(step: Step) -> bool:
            inside_job = limit >= STAGES.index("COMPLETED") and completion is not None and step.at <= completion
            return stage(step) <= limit or inside_job

        meant = [step for step in remaining if is_meant(step)]
        later = [step for step in remaining if not is_meant(step)]
        if not meant:
            return
        reached = min([step.at for step in later] + [meant[-1].at])
        timeline = self._clock.timeline()
        job.origin = timeline - reached
        # What was pushed past slower servers happened now, too: nothing that is still to come may lie before it.
        hurried = [replace(step, at=min(step.at, reached)) for step in meant]
        job.steps = [*job.steps[: job.done], *hurried, *later]
        for _ in meant:
            self._apply_next(world, job, self._clock.now())
        world.schedule(job)

    def release(self, world: World, job: Job) -> None:
        """Let a job that was held back go on from where it stands."""
        if job.held:
            job.held = False
            reached = job.steps[job.done - 1].at if job.done else 0.0
            job.origin = self._clock.timeline() - reached
            world.schedule(job)

    def rewrite(self, world: World, job: Job, server_id: str, twist: Twist) -> None:
        """Change what is still to happen to one server of a running job."""
        if not job.is_running:
            return
        reached = (job.steps[job.done - 1].at if job.done else 0.0) if job.held else self._clock.timeline() - job.origin
        past, remaining = job.steps[: job.done], job.steps[job.done :]
        own = twist([step for step in remaining if step.server == server_id])
        others = [step for step in remaining if step.server != server_id]
        future = [replace(step, at=max(step.at, reached)) for step in [*others, *own]]
        job.steps = with_end(
            [*past, *future], job.participants, job.completion, waits_for_actions=job.waits_for_actions
        )
        world.schedule(job)

    def _new_job(self, world: World, kind: str, initiated_by: str, tags: dict[str, str], held: bool) -> Job:
        now = self._clock.now()
        return Job(
            id=world.new_id("drsjob-"),
            type=kind,
            initiated_by=initiated_by,
            created=now,
            origin=self._clock.timeline(),
            participants={},
            status=[(now, "PENDING")],
            tags=dict(tags),
            held=held,
        )

    def _begin(self, world: World, job: Job) -> Job:
        world.jobs[job.id] = job
        for server_id in job.participants:
            world.busy[server_id] = job.id
        world.schedule(job)
        return job

    def _apply_next(self, world: World, job: Job, at: float) -> None:
        moment = Moment(world, job, job.steps[job.done], at)
        job.done += 1
        self._effects.get(moment.step.kind, self._log)(moment)

    def _log(self, moment: Moment, **data: Any) -> None:
        self._log_as(moment.step.kind, moment, **data)

    def _log_as(self, event: str, moment: Moment, **data: Any) -> None:
        step = moment.step
        event_data = {"sourceServerID": step.server} if step.server else {}
        if step.data.get("rawError"):
            event_data["rawError"] = step.data["rawError"]
        moment.job.log.append(LogItem(moment.at, event, {**event_data, **data}))

    def _job_started(self, moment: Moment) -> None:
        moment.job.status.append((moment.at, "STARTED"))
        self._log(moment)

    def _cleanup_began(self, moment: Moment) -> None:
        if _doomed(moment):
            self._log(moment)

    def _cleanup_ended(self, moment: Moment) -> None:
        """Remove the instances, unless EC2's termination protection is on: that is all that ever saves one."""
        doomed = _doomed(moment)
        protected = [instance for instance in doomed if self._ec2.is_protected(moment.world, instance)]
        for instance in doomed:
            if instance not in protected:
                self._ec2.terminate(moment.world, instance)
                moment.world.remove_instance(instance)
        if protected:
            error = f"The instance '{protected[0].id}' may not be terminated: its termination protection is on."
            self._log_as("CLEANUP_FAIL", moment, rawError=error)
        elif doomed:
            self._log(moment)
        if moment.job.type == "TERMINATE":
            moment.participant.status.append((moment.at, "FAILED" if protected else "TERMINATED"))

    def _converted(self, moment: Moment) -> None:
        conversion_server_id = moment.world.new_id("i-")
        self._log(moment, conversionServerID=conversion_server_id)

    def _launch_began(self, moment: Moment) -> None:
        moment.participant.status.append((moment.at, "IN_PROGRESS"))
        self._log(moment)

    def _status_changed(self, moment: Moment) -> None:
        moment.participant.status.append((moment.at, moment.step.data["status"]))

    def _job_status_changed(self, moment: Moment) -> None:
        if moment.job.is_running:
            moment.job.status.append((moment.at, moment.step.data["status"]))

    def _launched(self, moment: Moment) -> None:
        participant, server = moment.participant, moment.server
        participant.launched_at = moment.at
        participant.status.append((moment.at, "LAUNCHED"))
        instance = RecoveryInstance(
            id=self._ec2.run(moment.world, participant.server_id, server),
            server_id=participant.server_id,
            job_id=moment.job.id,
            is_drill=moment.job.is_drill,
            launched=moment.at,
            point_in_time=participant.point_in_time or moment.job.created,
            state="STOPPED" if server and server.launch_disposition == "STOPPED" else "RUNNING",
            protected=False,
        )
        if server and server.termination_protection:
            self._ec2.protect(moment.world, instance, True)
        participant.instance_id = instance.id
        moment.world.add_instance(instance)
        if server:
            server.last_launch_result = "SUCCEEDED"
        if self._switches().launchEndInLog:
            self._log(moment, targetInstanceID=instance.id)
        self._on_launch_result(moment.world, moment.job, participant.server_id, True)

    def _snapshot_failed(self, moment: Moment) -> None:
        if moment.step.data.get("final"):
            self._failed(moment)
        else:
            self._log(moment)

    def _fell_back(self, moment: Moment) -> None:
        """The launch goes on from the newest point in time there is."""
        points = moment.server.snapshots if moment.server else ()
        taken = [point.taken for point in points if point.taken is not None]
        moment.participant.point_in_time = max(taken, default=None)
        self._log(moment)

    def _failed(self, moment: Moment) -> None:
        moment.participant.status.append((moment.at, "FAILED"))
        if moment.server:
            moment.server.last_launch_result = "FAILED"
        self._log(moment)
        self._on_launch_result(moment.world, moment.job, moment.participant.server_id, False)

    def _actions_began(self, moment: Moment) -> None:
        moment.participant.agent_found_at = moment.at
        if self._switches().launchActionRuns == "together":
            for action in moment.step.data["actions"]:
                _add_run(moment, action)

    def _action_began(self, moment: Moment) -> None:
        if moment.step.data["index"] >= len(moment.participant.runs):
            _add_run(moment, moment.step.data["action"])

    def _action_ended(self, moment: Moment) -> None:
        data, server = moment.step.data, moment.server
        run = moment.participant.runs[data["index"]]
        run.status.append((moment.at, data["status"]))
        run.failure_reason = data.get("failureReason")
        # The instance runs regardless; a failed action that is not optional only spoils the launch's result.
        if server and data["status"] == "FAILED" and not run.action.get("optional", True):
            server.last_launch_result = "FAILED"

    def _completed(self, moment: Moment) -> None:
        world, job = moment.world, moment.job
        job.status.append((moment.at, "COMPLETED"))
        job.ended = moment.at
        job.held = False
        for server_id in job.participants:
            if world.busy.get(server_id) == job.id:
                del world.busy[server_id]
        if job.type == "TERMINATE" and self._switches().participatingServersEmptyAfterTerminate:
            job.participants = {}


def _doomed(moment: Moment) -> list[RecoveryInstance]:
    """The instances a cleanup is about: those a TERMINATE job was given, or all that earlier jobs launched."""
    theirs = moment.world.instances_of(moment.participant.server_id)
    if moment.job.type == "TERMINATE":
        return [instance for instance in theirs if instance.id in moment.job.doomed]
    return [instance for instance in theirs if instance.job_id != moment.job.id]


def _add_run(moment: Moment, action: dict[str, Any]) -> None:
    run = ActionRun(moment.world.new_uuid(), action, moment.at, [(moment.at, "IN_PROGRESS")])
    moment.participant.runs.append(run)

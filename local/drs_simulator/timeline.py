"""A job's life as a list of steps, made before it begins and changed only by rewriting what has not happened yet.

A step is an event of the job log, or one of the silent kinds below. Pure functions: nothing here knows the clock.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from drs_simulator.profiles import SNAPSHOT_FAILED, Failure, Profile, ScriptStep

# Silent kinds: they change statuses but are no events of the log.
COMPLETE = "COMPLETE"  # the job's status becomes COMPLETED
LEFT = "LEFT"  # the job goes on without this server, whose status stays as it is
ACTIONS_BEGIN = "ACTIONS_BEGIN"  # the SSM agent was found: launch actions begin
ACTION_BEGIN = "ACTION_BEGIN"
ACTION_END = "ACTION_END"
STATUS = "STATUS"  # the server's launchStatus becomes data["status"], whatever the model thinks of it
JOB_STATUS = "JOB_STATUS"  # so does the job's own status, until it is COMPLETED

ENDS = frozenset({"LAUNCH_END", "LAUNCH_FAILED", "CONVERSION_FAIL", LEFT})
# How far a job can be pushed, see the control API.
STAGES = ("STARTED", "IN_PROGRESS", "LAUNCHED", "COMPLETED", "ACTIONS_COMPLETED")
PHASE_BEGINS = {"snapshot": "SNAPSHOT_START", "conversion": "CONVERSION_START", "launch": "LAUNCH_START"}
PHASE_ENDS = {"snapshot": "SNAPSHOT_END", "conversion": "CONVERSION_END", "launch": "LAUNCH_END"}
PHASE_FAILS = {"snapshot": "SNAPSHOT_FAIL", "conversion": "CONVERSION_FAIL", "launch": "LAUNCH_FAILED"}

# DRS waits about ten minutes for a fresh snapshot before it falls back to the last consistent one.
SNAPSHOT_PATIENCE = 600.0
# JOB_END is logged about 30 ms after the job's endDateTime.
JOB_END_LAG = 0.026

# Terminating recovery instances: nobody published a timeline; two minutes are a guess.
TERMINATE_PENDING = 0.36
TERMINATE_SECONDS = 110.0


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens `at` seconds after the job's creation, to one server or (None) to the job."""

    at: float
    kind: str
    server: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaunchAction:
    """A post-launch action and how it will go: `status` SUCCEEDED, FAILED or NEVER (it never ends), after `seconds`."""

    action: dict[str, Any]
    seconds: float = 60.0
    status: str = "SUCCEEDED"
    failure_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServerLaunch:
    """What decides the timeline of one server within a job."""

    server: str
    profile: Profile
    takes_snapshot: bool = True
    fast: bool = False
    actions: tuple[LaunchAction, ...] = ()


# A change of one server's steps: a fault, a failing action. Gets and returns the steps that have not happened yet.
Twist = Callable[[Sequence[Step]], list[Step]]


def launch_steps(
    launches: Sequence[ServerLaunch], seed: str, discovery_seconds: float, twists: dict[str, Sequence[Twist]]
) -> list[Step]:
    """The steps of every server of a launch job, without the job's own end (see ``with_end``)."""
    pending = max(launch.profile.pending for launch in launches)
    steps = [Step(pending, "JOB_START")]
    for position, (launch, rank) in enumerate(zip(launches, _ranks(len(launches), seed), strict=True)):
        own = _scripted(launch, position) if launch.profile.script else _phased(launch, rank, pending)
        own += _action_steps(launch, own, discovery_seconds)
        is_last = position == len(launches) - 1
        if launch.profile.failure and (launch.profile.fails == "all" or is_last):
            own = fail(launch.profile.failure)(own)
        for twist in twists.get(launch.server, ()):
            own = twist(own)
        steps += own
    return steps


def with_end(
    steps: Iterable[Step], servers: Iterable[str], completion: float, *, waits_for_actions: bool = False
) -> list[Step]:
    """The steps in order, with the job's own end `completion` seconds after that of its last server.

    A server that never comes to its end, or an action that never ends and is waited for, keeps the job from ending.
    """
    ordered = sorted((step for step in steps if step.kind not in (COMPLETE, "JOB_END")), key=lambda step: step.at)
    ends = [step for step in ordered if is_end(step)]
    if not set(servers) <= {step.server for step in ends}:
        return ordered
    if waits_for_actions:
        if any(step.kind == ACTION_BEGIN and step.data["never"] for step in ordered):
            return ordered
        ends += [step for step in ordered if step.kind == ACTION_END]
    ended = max(step.at for step in ends) + completion
    ordered += [Step(ended, COMPLETE), Step(ended + JOB_END_LAG, "JOB_END")]
    return sorted(ordered, key=lambda step: step.at)


def is_end(step: Step) -> bool:
    """Whether the job is done with the step's server after it (launch actions aside)."""
    return step.kind in ENDS or bool(step.data.get("final"))


def stage(step: Step) -> int:
    """The stage of a job the step belongs to: an index into STAGES."""
    if step.kind == "JOB_START":
        return STAGES.index("STARTED")
    if is_end(step):
        return STAGES.index("LAUNCHED")
    if step.kind in (COMPLETE, "JOB_END"):
        return STAGES.index("COMPLETED")
    if step.kind in (ACTIONS_BEGIN, ACTION_BEGIN, ACTION_END):
        return STAGES.index("ACTIONS_COMPLETED")
    return STAGES.index("IN_PROGRESS")


def terminate_steps(servers: Sequence[str]) -> list[Step]:
    """The steps of a job that terminates recovery instances, without its end."""
    steps = [Step(TERMINATE_PENDING, "JOB_START")]
    for position, server in enumerate(servers):
        began = TERMINATE_PENDING + 0.4 + position * 0.01
        steps += [
            Step(began, "CLEANUP_START", server),
            Step(began + TERMINATE_SECONDS, "CLEANUP_END", server, {"final": True}),
        ]
    return steps


def with_cleanup(steps: Sequence[Step], server: str, place: str) -> list[Step]:
    """Put the removal of the server's earlier recovery instances where the switch `cleanupPlace` says; a recorded log
    has its own place for it."""
    own = [step for step in steps if step.server == server]
    if _find(own, "CLEANUP_START"):
        return list(steps)
    anchors = {
        "before-snapshot": (own[0].at if own else 0.0, -0.2),
        "before-launch": (_time_of(own, "LAUNCH_START"), -0.2),
        "after-launch": (_time_of(own, "LAUNCH_END"), 0.2),
    }
    anchor, offset = anchors[place]
    if anchor is None:
        return list(steps)  # the launch fails before the place comes: the earlier instances stay
    began = anchor + offset
    ended = began + 0.15
    return [*steps, Step(began, "CLEANUP_START", server), Step(ended, "CLEANUP_END", server)]


def fail(failure: Failure) -> Twist:
    """The server's launch fails in a phase; if that phase is past or skipped, in the next one that is still to come."""

    def twist(steps: Sequence[Step]) -> list[Step]:
        phases = list(PHASE_ENDS)
        for phase in phases[phases.index(failure.phase) :]:
            if end := _find(steps, PHASE_ENDS[phase]):
                begin = _find(steps, PHASE_BEGINS[phase])
                at = begin.at + 0.5 if failure.at_once and begin else end.at + failure.delay
                failed = Step(at, PHASE_FAILS[phase], end.server, {"rawError": failure.text, "final": True})
                return [*_before(steps, end), failed]
        return list(steps)

    return twist


def stuck(phase: str) -> Twist:
    """The server never leaves `phase`, so its job never ends."""
    return lambda steps: _until(steps, PHASE_ENDS[phase])


def left_behind(status: str) -> Twist:
    """The job ends while this server's launchStatus is still `status` (PENDING or IN_PROGRESS)."""
    last_event = {"PENDING": "LAUNCH_START", "IN_PROGRESS": "LAUNCH_END"}[status]

    def twist(steps: Sequence[Step]) -> list[Step]:
        end = _find(steps, "LAUNCH_END")
        return [*_until(steps, last_event), Step(end.at, LEFT, end.server)] if end else list(steps)

    return twist


def snapshot_fallback(steps: Sequence[Step]) -> list[Step]:
    """No fresh snapshot comes about: after some patience the last consistent one is used instead."""
    end = _find(steps, "SNAPSHOT_END")
    if not end:
        return list(steps)
    failed = Step(end.at + SNAPSHOT_PATIENCE, "SNAPSHOT_FAIL", end.server, {"rawError": SNAPSHOT_FAILED})
    using_previous = Step(failed.at + 0.2, "USING_PREVIOUS_SNAPSHOT", end.server)
    later = [replace(step, at=step.at + SNAPSHOT_PATIENCE + 0.2) for step in _after(steps, end)]
    return [*_before(steps, end), failed, using_previous, *later]


def extra_event(event: str) -> Twist:
    """The log has one more event, right after the server's launch began. Meant for names the model does not list."""

    def twist(steps: Sequence[Step]) -> list[Step]:
        began = _find(steps, "LAUNCH_START")
        return [*steps, Step(began.at + 0.1, event, began.server)] if began else list(steps)

    return twist


def odd_status(status: str) -> Twist:
    """The server's launchStatus is `status` between the beginning and the end of its launch."""

    def twist(steps: Sequence[Step]) -> list[Step]:
        began = _find(steps, "LAUNCH_START")
        return [*steps, Step(began.at + 0.1, STATUS, began.server, {"status": status})] if began else list(steps)

    return twist


def odd_job_status(status: str) -> Twist:
    """The job's status is `status` from the beginning of the server's launch until the job is COMPLETED."""

    def twist(steps: Sequence[Step]) -> list[Step]:
        began = _find(steps, "LAUNCH_START")
        return [*steps, Step(began.at + 0.1, JOB_STATUS, began.server, {"status": status})] if began else list(steps)

    return twist


def spoil_action(name: str | None, status: str, failure_reason: str | None) -> Twist:
    """The launch action called `name` (None: every one) ends with `status`, or never ends."""

    def twist(steps: Sequence[Step]) -> list[Step]:
        spoilt = []
        for step in steps:
            if step.kind == ACTION_END and name in (None, step.data["name"]):
                if status == "NEVER":
                    continue
                spoilt.append(replace(step, data={**step.data, "status": status, "failureReason": failure_reason}))
            elif step.kind == ACTION_BEGIN and name in (None, step.data["name"]):
                spoilt.append(replace(step, data={**step.data, "never": status == "NEVER"}))
            else:
                spoilt.append(step)
        return spoilt

    return twist


def _phased(launch: ServerLaunch, rank: float, pending: float) -> list[Step]:
    profile, server = launch.profile, launch.server
    at = pending + profile.snapshot_start.at(rank)
    steps: list[Step] = []
    if launch.takes_snapshot:
        steps.append(Step(at, "SNAPSHOT_START", server))
        at += profile.snapshot.at(rank)
        steps.append(Step(at, "SNAPSHOT_END", server))
    if profile.conversion and not launch.fast:
        at += profile.conversion_start.at(rank)
        steps.append(Step(at, "CONVERSION_START", server))
        at += profile.conversion.at(rank)
        steps.append(Step(at, "CONVERSION_END", server))
    at += profile.launch_start.at(rank)
    steps.append(Step(at, "LAUNCH_START", server))
    steps.append(Step(at + profile.launch.at(rank), "LAUNCH_END", server))
    return steps


def _scripted(launch: ServerLaunch, position: int) -> list[Step]:
    own = [step for step in launch.profile.script if step.server == position]
    return [Step(step.at, step.event, launch.server, _error_of(step, is_last=step is own[-1])) for step in own]


def _error_of(step: ScriptStep, *, is_last: bool) -> dict[str, Any]:
    """A recorded error is the end of the server's launch if nothing of that server came after it."""
    return {"rawError": step.raw_error, "final": is_last} if step.raw_error else {}


def _action_steps(launch: ServerLaunch, steps: Sequence[Step], discovery_seconds: float) -> list[Step]:
    launched = _find(steps, "LAUNCH_END")
    if not launched or not launch.actions:
        return []
    at = launched.at + discovery_seconds
    result = [Step(at, ACTIONS_BEGIN, launch.server, {"actions": [action.action for action in launch.actions]})]
    for index, action in enumerate(launch.actions):
        about = {"index": index, "name": action.action.get("name")}
        never = action.status == "NEVER"
        result.append(Step(at, ACTION_BEGIN, launch.server, {**about, "action": action.action, "never": never}))
        at += action.seconds
        if action.status != "NEVER":
            outcome = {"status": action.status, "failureReason": action.failure_reason}
            result.append(Step(at, ACTION_END, launch.server, {**about, **outcome}))
    return result


def _ranks(count: int, seed: str) -> list[float]:
    """Who is fast and who is slow: one server of a job is always the slowest, so the job's total is the profile's."""
    if count == 1:
        return [1.0]
    ranks = [position / (count - 1) for position in range(count)]
    Random(seed).shuffle(ranks)  # noqa: S311 - a simulated spread, not a secret
    return ranks


def _find(steps: Sequence[Step], kind: str) -> Step | None:
    return next((step for step in steps if step.kind == kind), None)


def _time_of(steps: Sequence[Step], kind: str) -> float | None:
    found = _find(steps, kind)
    return found.at if found else None


def _before(steps: Sequence[Step], limit: Step) -> list[Step]:
    return [step for step in steps if step.at <= limit.at and step is not limit]


def _after(steps: Sequence[Step], limit: Step) -> list[Step]:
    return [step for step in steps if step.at > limit.at]


def _until(steps: Sequence[Step], kind: str) -> list[Step]:
    limit = _find(steps, kind)
    return _before(steps, limit) if limit else list(steps)

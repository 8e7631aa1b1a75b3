"""Launch every wave whose dependencies have ended, as far as DRS has room; what it has not, waits in a queue.

Safe to repeat: waves and jobs say in their records how far they are, and `launch_job` never launches twice.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from drs_orchestrator.adapters.launch_queue import Place
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.backoff import spread
from drs_orchestrator.domain.records import Execution, Job, JobKey, Wave
from drs_orchestrator.domain.statuses import WaveStatus
from drs_orchestrator.domain.steering import QuestionKind
from drs_orchestrator.domain.waves import NextWaves, next_waves, stop_reason
from drs_orchestrator.tasks.ask_operator import ask_operator, settle_question
from drs_orchestrator.tasks.close_waves import close_waves, save_wave
from drs_orchestrator.tasks.fence import Outcome, driven_execution
from drs_orchestrator.tasks.launch_job import Attempt, Launch, launch_job, place_of
from drs_orchestrator.tasks.launch_turn import Turn, keep_places
from drs_orchestrator.tasks.publish_events import publish_events

# One invocation begins no further StartRecovery call after this many seconds; the state machine calls it again.
_BUDGET_SECONDS = 120

# Complete, because a path of the state machine's ResultSelector that selects nothing is an error on AWS.
_SUPERSEDED: dict[str, Any] = {
    "outcome": Outcome.SUPERSEDED,
    "jobsLaunched": 0,
    "jobsActive": 0,
    "jobsWaiting": 0,
    "wavesOpen": 0,
    "awaitsDecision": False,
    "stopping": False,
    "retryAfterSeconds": 0,
    "handOver": False,
}


def launch_waves(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": LAUNCHED|SUPERSEDED, "jobsLaunched", "jobsActive", "jobsWaiting", "wavesOpen", "awaitsDecision",
    "stopping", "retryAfterSeconds", "handOver"}`.

    jobsLaunched: by this call; jobsActive: known to DRS and unfinished; jobsWaiting: not launched yet, for a reason
    that stands in the job's and the wave's StatusReason; retryAfterSeconds: when to try those again; awaitsDecision:
    nothing can go on before an operator answers the open question; stopping: an operator lets nothing more be
    launched.
    """
    execution = driven_execution(app, execution_id, generation)
    if execution is None:
        return dict(_SUPERSEDED)
    waves = app.executions.waves(execution_id)
    execution = settle_question(app, execution, waves)
    deadline = app.clock() + _BUDGET_SECONDS
    tried: dict[JobKey, Attempt] = {}
    # Where a ticket may be: an earlier call may have died between a launch and giving its ticket back.
    places: set[Place] = set()
    while True:
        waves = close_waves(app, execution, waves)
        due = _to_launch(waves, execution)
        jobs = {wave.name: app.executions.jobs(execution_id, wave.index) for wave in waves if wave.name in due}
        # Who has a wave skipped claims its jobs. Read after them, the waves tell of every skip that the jobs' versions
        # already know of; a later one is met by the intent.
        waves = app.executions.waves(execution_id)
        begun = {name: forbidden for name, forbidden in _to_launch(waves, execution).items() if name in jobs}
        places |= {place_of(app, job) for each in jobs.values() for job in each}
        results: dict[JobKey, Attempt] = {}
        for forbidden in dict.fromkeys(begun.values()):
            mine = [job for name in begun if begun[name] == forbidden for job in jobs[name]]
            results |= _launch_all(app, execution, mine, tried, deadline, forbidden)
        launches = {attempt.launch for attempt in results.values()}
        if Launch.SUPERSEDED in launches and driven_execution(app, execution_id, generation) is None:
            return dict(_SUPERSEDED)
        tried |= results
        waves = [_begin(app, execution, wave, begun[wave.name]) if wave.name in begun else wave for wave in waves]
        # A job that is refused, or certainly not launched, may end its wave at once and free or skip others; everything
        # else waits for DRS.
        if launches.isdisjoint((Launch.REFUSED, Launch.NOT_LAUNCHED)):
            break
    open_jobs = [
        job
        for wave in waves
        if wave.name in begun and not wave.status.is_final
        for job in app.executions.jobs(execution_id, wave.index)
        if not job.finished and (job.is_begun or wave.status is not WaveStatus.PENDING)
    ]
    active = sum(job.job_id is not None for job in open_jobs)
    following = next_waves(waves, execution)
    held_waves = {wave.name for wave in following.held}
    held = [
        job
        for job in open_jobs
        if (execution.pause or job.wave_name in held_waves) and job.job_id is None and job.called_time is None
    ]
    waiting = len(open_jobs) - active - len(held)
    keep_places(app, execution, [job for job in open_jobs if job not in held], places)
    if execution.pause and held:
        # A pause holds the rest of those that have begun, too.
        held_waves |= {job.wave_name for job in held}
        following = NextWaves(held=tuple(wave for wave in waves if wave.name in held_waves), held_by=QuestionKind.PAUSE)
    execution = ask_operator(app, execution, waves, following)
    asked = max((attempt.retry_after or 0 for attempt in tried.values()), default=0)
    # Asking DRS for a launch and being put off is asking DRS, too.
    polled = waiting > active
    launched = sum(attempt.launch is Launch.LAUNCHED for attempt in tried.values())
    current = app.executions.heartbeat(
        execution,
        now=app.clock(),
        polled=polled,
        troubles=execution.troubles,
        reason=execution.status_reason,
    )
    if current is None:
        return dict(_SUPERSEDED)
    publish_events(app, current)
    return {
        "outcome": Outcome.LAUNCHED,
        "jobsLaunched": launched,
        "jobsActive": active,
        # A pause's end, too, is seen only by turning to what it holds back once more.
        "jobsWaiting": waiting + len(held),
        "wavesOpen": sum(not wave.status.is_final for wave in waves),
        "awaitsDecision": current.question is not None and active == 0 and waiting == 0,
        "stopping": current.stop is not None,
        "retryAfterSeconds": spread(app.settings.intervals.progress, asked, app.draw()),
        "handOver": current.driver_rounds >= app.settings.max_polls_per_driver,
    }


def _to_launch(waves: Sequence[Wave], execution: Execution) -> dict[str, str | None]:
    """The names of the waves whose jobs are to be launched now, each with what forbids it, if anything does: such jobs
    are only looked up, in case an earlier call launched them."""
    stopped = stop_reason(waves, execution)
    paused = f"waiting: paused by {execution.pause.by}" if execution.pause else None
    following = next_waves(waves, execution)
    ready = {wave.name for wave in following.ready}
    undecided = {wave.name: "waiting: an operator has to decide first" for wave in following.held}
    names: dict[str, str | None] = {}
    for wave in waves:
        if wave.status is WaveStatus.LAUNCHING:
            # One wave's failure doesn't stop another half-way; an operator does.
            names[wave.name] = paused or (stopped if execution.stop else None)
        elif wave.status is WaveStatus.QUEUED or wave.name in ready:
            names[wave.name] = stopped or paused or wave.skip_reason or undecided.get(wave.name)
        elif wave.status is WaveStatus.PENDING and (stopped or wave.name in undecided):
            # Who was about to launch it may have died after the call.
            names[wave.name] = stopped or paused or undecided[wave.name]
    return names


def _launch_all(
    app: App,
    execution: Execution,
    jobs: Sequence[Job],
    tried: Mapping[JobKey, Attempt],
    deadline: int,
    forbidden: str | None,
) -> dict[JobKey, Attempt]:
    """Try every job that has no DRS job yet and has not been tried in this invocation."""
    untried = [job for job in jobs if job.job_id is None and job.key not in tried]
    # All of whose servers are skipped.
    results = {job.key: Attempt(Launch.NOT_LAUNCHED) for job in untried if job.finished and not job.is_begun}
    waiting = [job for job in untried if not job.finished]
    if forbidden:
        waiting = [job for job in waiting if job.is_begun]
    by_place: dict[Place, list[Job]] = defaultdict(list)
    for job in waiting:
        by_place[place_of(app, job)].append(job)
    for place, there in by_place.items():
        turn = Turn(app, execution, place)
        for job in there:
            if app.clock() > deadline:
                return results
            queued_for = None if forbidden else turn.reason_to_wait(job)
            results[job.key] = launch_job(app, execution, job, queued_for, forbidden)
            turn.note(job, results[job.key])
    return results


def _begin(app: App, execution: Execution, wave: Wave, forbidden: str | None) -> Wave:
    """LAUNCHING once a job of the wave may exist in DRS, QUEUED before that.

    A wave of which nothing may be launched has not begun before a job of it is known to exist: what forbids its launch
    is not forgotten while DRS is asked what became of an earlier call.
    """
    jobs = app.executions.jobs(execution.execution_id, wave.index)
    is_begun = any(job.job_id is not None if forbidden else job.is_begun for job in jobs)
    status = WaveStatus.LAUNCHING if is_begun else wave.status if forbidden else WaveStatus.QUEUED
    if wave.status is status or wave.status is WaveStatus.LAUNCHING:
        return wave
    return save_wave(app, execution, replace(wave, status=status, start_time=app.clock() if is_begun else None))

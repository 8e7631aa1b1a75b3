"""One poll: ask DRS about all active jobs, record what moved, say in a few scalars what is left to do."""

from collections.abc import Sequence
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.backoff import retry_after
from drs_orchestrator.domain.forecast import seconds_left
from drs_orchestrator.domain.polling import phase_after_poll
from drs_orchestrator.domain.records import Execution, ServerProgress, Wave
from drs_orchestrator.domain.statuses import LaunchActionsStatus, ServerStatus
from drs_orchestrator.domain.waves import next_waves
from drs_orchestrator.tasks.ask_operator import settle_question
from drs_orchestrator.tasks.close_waves import close_waves
from drs_orchestrator.tasks.fence import Outcome, is_driven
from drs_orchestrator.tasks.observe_jobs import observe_jobs
from drs_orchestrator.tasks.publish_events import publish_events

# Complete, because a path of the state machine's ResultSelector that selects nothing is an error on AWS.
_SUPERSEDED: dict[str, Any] = {
    "outcome": Outcome.SUPERSEDED,
    "phase": "",
    "wavesOpen": 0,
    "wavesReady": 0,
    "stopping": False,
    "serversLaunching": 0,
    "serversInLaunchActions": 0,
    "handOver": False,
    "trouble": "",
    "retryAfterSeconds": 0,
}


def check_drs(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": CHECKED|SUPERSEDED, "phase": PENDING|STARTED|IN_PROGRESS, "wavesOpen", "wavesReady", "stopping",
    "serversLaunching", "serversInLaunchActions", "handOver", "trouble", "retryAfterSeconds"}`.

    wavesReady: waves that may be launched now, or about which an operator is to be asked now. stopping: an operator
    lets nothing more be launched. `trouble` says what kept DRS from being asked, else it is empty and
    retryAfterSeconds is 0: the execution stays POLLING however long that lasts, with it as StatusReason.
    """
    began = app.timer()
    read = app.executions.begin_round(execution_id)
    if not is_driven(read.execution, generation):
        return dict(_SUPERSEDED)
    execution = read.execution
    observation = observe_jobs(app, execution, read.jobs)
    waves = close_waves(app, execution, read.waves, observation.jobs)
    execution = settle_question(app, execution, waves)
    servers = [server for job in observation.jobs if not job.finished for server in job.servers.values()]
    intervals = app.settings.intervals
    left = seconds_left(
        observation.jobs, observation.seen, execution.execution_type, app.clock(), unknown=intervals.progress
    )
    phase = phase_after_poll(left, intervals)
    trouble = observation.trouble
    troubles = execution.troubles + 1 if trouble else 0
    current = app.executions.heartbeat(
        execution,
        now=app.clock(),
        polled=True,
        troubles=troubles,
        reason=f"waiting: {trouble}" if trouble else None,
        phase=phase.value,
        observed=observation.jobs,
    )
    if current is None:
        return dict(_SUPERSEDED)
    publish_events(app, current)
    app.metrics.polled(execution, phase.value, app.timer() - began)
    return {
        "outcome": Outcome.CHECKED,
        "phase": phase.value,
        "wavesOpen": sum(not wave.status.is_final for wave in waves),
        "wavesReady": _waves_ready(waves, current, jobs_active=len(current.active_jobs)),
        "stopping": current.stop is not None,
        "serversLaunching": sum(_is_launching(server) for server in servers),
        "serversInLaunchActions": sum(server.launch_actions is LaunchActionsStatus.IN_PROGRESS for server in servers),
        "handOver": current.driver_rounds >= app.settings.max_polls_per_driver,
        "trouble": str(trouble) if trouble else "",
        "retryAfterSeconds": retry_after(troubles, trouble.retry_after, app.draw()) if trouble else 0,
    }


def _waves_ready(waves: Sequence[Wave], execution: Execution, *, jobs_active: int) -> int:
    """A wave that is held for a question already asked has to be turned to only when nothing else is left to do."""
    following = next_waves(waves, execution)
    if following.held and (execution.question is None or jobs_active == 0):
        return len(following.ready) + len(following.held)
    return len(following.ready)


def _is_launching(server: ServerProgress) -> bool:
    return server.status in (ServerStatus.PENDING, ServerStatus.STARTED, ServerStatus.IN_PROGRESS)

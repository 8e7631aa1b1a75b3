"""One poll: ask DRS about all active jobs, record what moved, say in a few scalars what is left to do."""

from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.backoff import retry_after
from drs_orchestrator.domain.polling import phase_after_poll
from drs_orchestrator.domain.records import ServerProgress
from drs_orchestrator.domain.statuses import LaunchActionsStatus, ServerStatus
from drs_orchestrator.domain.waves import next_waves
from drs_orchestrator.tasks.close_waves import close_waves
from drs_orchestrator.tasks.fence import Outcome, driven_execution
from drs_orchestrator.tasks.observe_jobs import observe_jobs

# Complete, because a path of the state machine's ResultSelector that selects nothing is an error on AWS.
_SUPERSEDED: dict[str, Any] = {
    "outcome": Outcome.SUPERSEDED,
    "phase": "",
    "wavesOpen": 0,
    "wavesReady": 0,
    "serversLaunching": 0,
    "serversInLaunchActions": 0,
    "handOver": False,
    "trouble": "",
    "retryAfterSeconds": 0,
}


def check_drs(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": CHECKED|SUPERSEDED, "phase": PENDING|STARTED|IN_PROGRESS, "wavesOpen", "wavesReady",
    "serversLaunching", "serversInLaunchActions", "handOver", "trouble", "retryAfterSeconds"}`.

    wavesReady: may be launched now. `trouble` says what kept DRS from being asked, else it is empty and
    retryAfterSeconds is 0: the execution stays POLLING however long that lasts.
    """
    execution = driven_execution(app, execution_id, generation)
    if execution is None:
        return dict(_SUPERSEDED)
    observation = observe_jobs(app, execution)
    waves = close_waves(app, execution, app.executions.waves(execution_id))
    servers = [server for job in observation.jobs if not job.finished for server in job.servers.values()]
    phase = phase_after_poll([server.status for server in servers], observation.moved)
    trouble = observation.trouble
    troubles = execution.troubles + 1 if trouble else 0
    current = app.executions.heartbeat(
        execution,
        now=app.clock(),
        polled=True,
        troubles=troubles,
        phase=phase.value,
        finished=[job.key for job in observation.jobs if job.finished],
    )
    if current is None:
        return dict(_SUPERSEDED)
    return {
        "outcome": Outcome.CHECKED,
        "phase": phase.value,
        "wavesOpen": sum(not wave.status.is_final for wave in waves),
        "wavesReady": len(next_waves(waves).ready),
        "serversLaunching": sum(_is_launching(server) for server in servers),
        "serversInLaunchActions": sum(server.launch_actions is LaunchActionsStatus.IN_PROGRESS for server in servers),
        "handOver": current.driver_rounds >= app.settings.max_polls_per_driver,
        "trouble": str(trouble) if trouble else "",
        "retryAfterSeconds": retry_after(troubles, trouble.retry_after, app.draw()) if trouble else 0,
    }


def _is_launching(server: ServerProgress) -> bool:
    return server.status in (ServerStatus.PENDING, ServerStatus.STARTED, ServerStatus.IN_PROGRESS)

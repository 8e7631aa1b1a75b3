"""Write the execution's final status from its waves. Safe to repeat: a final status is read, never rewritten."""

from typing import Any

from drs_orchestrator.adapters.server_locks import LockedServer
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.statuses import WaveStatus
from drs_orchestrator.domain.waves import execution_outcome
from drs_orchestrator.observability import logger
from drs_orchestrator.tasks.fence import Outcome


def finish_execution(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": FINISHED|SUPERSEDED, "status": COMPLETED|PARTIAL|FAILED|CANCELLED or ""}`.

    Raises ValueError on open waves.
    """
    execution = app.executions.get(execution_id)
    if execution is None:
        raise LookupError(f"there is no execution {execution_id}")
    if execution.status.is_final:
        _release(app, execution_id)
        return {"outcome": Outcome.FINISHED, "status": execution.status.value}
    if execution.generation != generation:
        return {"outcome": Outcome.SUPERSEDED, "status": ""}
    waves = app.executions.waves(execution_id)
    status = execution_outcome(waves, execution)
    troubled = [wave for wave in waves if wave.status is not WaveStatus.COMPLETED]
    told = [f"wave {wave.name}: {wave.status_reason or wave.status}" for wave in troubled[:10]]
    reason = "; ".join([execution.stop.sentence] if execution.stop else told) or None
    if not app.executions.finish(execution, status, reason, app.clock()):
        return {"outcome": Outcome.SUPERSEDED, "status": ""}
    _release(app, execution_id)
    logger.info(
        "execution finished", execution_id=execution_id, plan_id=execution.plan_id, status=status.value, reason=reason
    )
    return {"outcome": Outcome.FINISHED, "status": status.value}


def _release(app: App, execution_id: str) -> None:
    """Give the servers free. Should this be lost, the locks are void all the same: their owner has ended."""
    servers = [
        LockedServer(job.account_id or app.account_id, job.region, server_id)
        for job in app.executions.jobs(execution_id)
        for server_id in job.servers
    ]
    app.locks.release(execution_id, servers)

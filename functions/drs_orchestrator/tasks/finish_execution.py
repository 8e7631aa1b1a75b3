"""Write the execution's final status from its waves, and announce it: what is lost of that, the reconciler finds in the
outbox. With the status its servers are free. Safe to repeat: a final status is read, never rewritten."""

from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.clean_up import CleanUp
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType, WaveStatus
from drs_orchestrator.domain.waves import execution_outcome
from drs_orchestrator.tasks.fence import Outcome, driven_execution
from drs_orchestrator.tasks.publish_events import publish_events


def finish_execution(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": FINISHED|SUPERSEDED, "status": COMPLETED|PARTIAL|FAILED|CANCELLED or "", "cleanUp",
    "cleanUpDelaySeconds"}`: whether this driver has to clean up after a drill, and in how many seconds.

    Raises ValueError on open waves.
    """
    execution = app.executions.get(execution_id)
    if execution is None:
        raise LookupError(f"there is no execution {execution_id}")
    if execution.status.is_final:
        publish_events(app, execution)
        clean_up = app.clean_ups.get(execution_id) if execution.generation == generation else None
        return _result(app, execution.status, clean_up)
    if execution.generation != generation:
        return _result(app)
    if finished := _finish(app, execution):
        return finished
    # Refused: another driver has taken over, or it was stopped since it was read, which happens to it once.
    stopped = driven_execution(app, execution_id, generation)
    return (_finish(app, stopped) if stopped and stopped.stop else None) or _result(app)


def _finish(app: App, execution: Execution) -> dict[str, Any] | None:
    """The result, once the end of what was read is written; None when it is not that execution any more."""
    waves = app.executions.waves(execution.execution_id)
    status = execution_outcome(waves, execution)
    troubled = [wave for wave in waves if wave.status is not WaveStatus.COMPLETED]
    told = [f"wave {wave.name}: {wave.status_reason or wave.status}" for wave in troubled[:10]]
    reason = "; ".join([execution.stop.sentence] if execution.stop else told) or None
    clean_up = _clean_up(app, execution)
    also = [app.clean_ups.put(execution, clean_up)] if clean_up else []
    if not app.executions.finish(execution, status, reason, app.clock(), *also):
        return None
    app.metrics.execution_finished(execution, status, app.clock())
    publish_events(app, app.executions.get(execution.execution_id) or execution)
    return _result(app, status, clean_up)


def _clean_up(app: App, execution: Execution) -> CleanUp | None:
    """What the plan says is to be done about a drill's instances; recorded with the end, so that it can't be lost."""
    minutes = app.executions.plan(execution.execution_id).cleanup_minutes
    if minutes is None or execution.execution_type is not ExecutionType.DRILL:
        return None
    now = app.clock()
    return CleanUp(due_time=now + minutes * 60, requested_time=now)


def _result(app: App, status: ExecutionStatus | None = None, clean_up: CleanUp | None = None) -> dict[str, Any]:
    is_open = clean_up is not None and clean_up.is_open
    return {
        "outcome": Outcome.FINISHED if status else Outcome.SUPERSEDED,
        "status": status.value if status else "",
        "cleanUp": is_open,
        "cleanUpDelaySeconds": max(0, clean_up.due_time - app.clock()) if clean_up and is_open else 0,
    }

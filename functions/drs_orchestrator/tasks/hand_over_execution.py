"""Go on in a fresh state machine execution before this one's history is full. Nothing is launched again."""

from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.tasks.fence import Outcome


def hand_over_execution(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": HANDED_OVER|SUPERSEDED}`. A repeat finds the next generation and only makes sure it is driven."""
    execution = app.executions.get(execution_id)
    if execution is None:
        raise LookupError(f"there is no execution {execution_id}")
    heir = _heir(app, execution, generation)
    if heir is None or heir.status.is_final:
        return {"outcome": Outcome.SUPERSEDED}
    app.drivers.start(heir)
    return {"outcome": Outcome.HANDED_OVER}


def _heir(app: App, execution: Execution, generation: int) -> Execution | None:
    if execution.generation == generation:
        return app.executions.take_over(execution, Event(Kind.HANDED_OVER, app.clock()))
    return execution if execution.generation == generation + 1 else None

"""Lay out the execution's records from its plan and make it POLLING. Safe to repeat: existing records stay."""

from collections import defaultdict
from typing import Any

from drs_orchestrator.adapters.drs import DrsUnavailable
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.layout import lay_out
from drs_orchestrator.domain.plan import Plan
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.fence import Outcome, driven_execution
from drs_orchestrator.tasks.publish_events import publish_events

# Nobody is asked for names after so many seconds: a DRS that hangs takes a minute in each account and Region.
_NAMES_SECONDS = 60


def prepare_execution(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": READY|ENDED|SUPERSEDED, "intervals": {"pending", "transition", "progress"}}`, in seconds.

    ENDED: a driver that was started for what is left to do after the execution's end.
    """
    execution = app.executions.get(execution_id)
    if execution is None:
        raise LookupError(f"there is no execution {execution_id}")
    if execution.generation != generation:
        return _result(app, Outcome.SUPERSEDED)
    if execution.status.is_final:
        return _result(app, Outcome.ENDED)
    if not execution.prepared:
        plan = app.executions.plan(execution_id)
        waves, jobs = lay_out(plan)
        app.executions.lay_out(execution_id, waves, jobs, _names(app, execution, plan))
        if app.executions.begin_polling(execution) is None and driven_execution(app, execution_id, generation) is None:
            return _result(app, Outcome.SUPERSEDED)
    publish_events(app, execution)
    return _result(app, Outcome.READY)


def _result(app: App, outcome: Outcome) -> dict[str, Any]:
    intervals = app.settings.intervals
    return {
        "outcome": outcome,
        "intervals": {
            "pending": intervals.pending,
            "transition": intervals.transition,
            "progress": intervals.progress,
        },
    }


def _names(app: App, execution: Execution, plan: Plan) -> dict[str, str]:
    """The servers' names, for people. Without them the execution is as good, so a silent DRS stops nothing."""
    places: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for wave in plan.waves:
        places[wave.account_id, wave.region] += [server.source_server_id for server in wave.servers]
    names: dict[str, str] = {}
    deadline = app.timer() + _NAMES_SECONDS
    for (account_id, region), server_ids in places.items():
        if app.timer() > deadline:
            break
        try:
            names |= app.drs.at(account_id, region, execution.execution_id).names(server_ids)
        except DrsUnavailable as error:
            app.metrics.drs_unavailable(throttled=error.throttled)
            logger.warning("names unavailable", **about(execution), region=region, reason=str(error))
    return names

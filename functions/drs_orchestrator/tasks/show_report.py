"""An execution's evidence report, made anew from its record every time it is asked for."""

from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.report import make_report
from drs_orchestrator.tasks.show_executions import show_execution


def show_report(app: App, execution_id: str) -> dict[str, Any]:
    """The report as `domain.report.make_report` makes it. Raises NotFound."""
    # In this order: entries that come in between are behind the document's count, and are left out.
    document = show_execution(app, execution_id)
    history = list(app.executions.history(execution_id))
    return make_report(document, app.executions.plan(execution_id), history, app.clock())

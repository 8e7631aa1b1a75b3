"""An execution's history, page by page."""

from itertools import islice
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.errors import NotFound


def show_history(app: App, execution_id: str, limit: int, after: int) -> tuple[list[dict[str, Any]], int | None]:
    """At most `limit` entries that come after the number `after`, and the last one's number if there may be more.

    Raises NotFound.
    """
    execution = app.executions.get(execution_id)
    if execution is None:
        raise NotFound(f"There is no execution {execution_id}. GET /executions?status=POLLING lists running ones.")
    # DynamoDB refuses to look for records from one to an earlier one.
    if after >= execution.head.count:
        return [], None
    entries = list(islice(app.executions.history(execution_id, after, execution.head.count), limit + 1))
    return entries[:limit], entries[limit - 1]["Number"] if len(entries) > limit else None

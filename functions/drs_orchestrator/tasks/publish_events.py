"""Announce what is new in an execution's history.

The history is the outbox: an entry is written in one transaction with what it tells, and published until the header
says that it was. An event may come twice, never not at all; its id is the same both times.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.notices import MAX_FAILED_SERVERS, Facts, Notice, notice, notice_type
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.observability import about, logger


def publish_events(app: App, execution: Execution) -> bool:
    """Publish what came after the last published entry, up to the last one that `execution`, as it was read, counts.

    False when the bus did not take everything; that is logged, and whoever comes next publishes the rest.
    """
    if execution.head.count <= execution.published:
        return True
    # Nothing after what the header counts, though there may be more: a header that counts the end has ended itself, so
    # whoever publishes the end closes the outbox.
    new = app.executions.history(execution.execution_id, execution.published, execution.head.count)
    notices = _notices(app, execution, new)
    delivery = app.bus.put(notices)
    done = execution.head.count if delivery.trouble is None else notices[delivery.taken].number - 1
    if delivery.trouble is not None:
        logger.warning("events not published yet", **about(execution), reason=delivery.trouble)
    if done > execution.published:
        app.executions.mark_published(execution, done)
    return delivery.trouble is None


def _notices(app: App, execution: Execution, entries: Iterable[Mapping[str, Any]]) -> list[Notice]:
    """One that can't be told is logged and left out: a broken record must neither hold up the others nor a recovery."""
    notices = []
    facts: Facts | None = None
    for entry in entries:
        try:
            if notice_type(entry) is None:
                continue
            facts = facts or _facts(app, execution)
            told = notice(entry, facts)
        except (LookupError, TypeError, ValueError):
            logger.exception("history entry can't be announced", **about(execution), number=entry.get("Number"))
        else:
            notices += [told] if told else []
    return notices


def _facts(app: App, execution: Execution) -> Facts:
    waves = app.executions.waves(execution.execution_id)
    failed = [
        server
        for wave in waves
        if wave.failed_count
        for server in app.executions.failed_servers(execution.execution_id, wave, MAX_FAILED_SERVERS)
    ]
    return Facts(execution, waves, failed)

"""Tells people what was announced: one event of the bus in, one mail to the topic out."""

from typing import Any

from drs_orchestrator.bootstrap import app
from drs_orchestrator.observability import invocation
from drs_orchestrator.tasks.send_notification import send_notification


def handler(event: dict[str, Any], _context: Any) -> None:
    """`event` is EventBridge's."""
    with invocation(app().metrics):
        send_notification(app(), event["detail-type"], event["detail"])

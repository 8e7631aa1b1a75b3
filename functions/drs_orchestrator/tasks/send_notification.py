"""Tell people of an event, by mail."""

from collections.abc import Mapping
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.mail import mail
from drs_orchestrator.observability import logger


def send_notification(app: App, detail_type: str, detail: Mapping[str, Any]) -> None:
    """Raises ValueError for an event that is none of this version's; EventBridge keeps it in the dead-letter queue."""
    app.topic.send(mail(detail_type, detail))
    logger.info("notification sent", type=detail_type, event_id=detail["id"], execution_id=detail["executionId"])

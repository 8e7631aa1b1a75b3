"""The SNS topic that people are told through."""

from typing import Any

import boto3
from botocore.config import Config

from drs_orchestrator.domain.mail import Mail

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 5})


class Topic:
    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._client: Any = boto3.client("sns", config=_CONFIG)

    def send(self, mail: Mail) -> None:
        self._client.publish(TopicArn=self._arn, Subject=mail.subject, Message=mail.body)

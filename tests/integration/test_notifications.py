"""From a change of an execution to the mail about it: bus, rule, function and topic of the deployed stack."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers import create_test_plan_with_servers, start_test_execution, wait_for_status
from tests.helpers.stack import call_api, client, patience

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]

Mail = dict[str, Any]


class Inbox:
    """A queue that is subscribed to the topic while the block lasts."""

    def __init__(self) -> None:
        self._sqs, self._sns, self._topic = client("sqs"), client("sns"), os.environ["NOTIFICATION_TOPIC_ARN"]
        self._mails: list[Mail] = []

    def __enter__(self) -> "Inbox":
        self._queue = self._sqs.create_queue(QueueName=f"inbox-{time.time_ns()}")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        arn = attributes["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self._topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        answer = self._sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
        self._subscription = answer["SubscriptionArn"]
        return self

    def __exit__(self, *_: object) -> None:
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._queue)

    def wait_for(self, execution_id: str, words: str, timeout: float = 30) -> Mail:
        """The mail about this execution whose subject ends with `words`. Raises TimeoutError."""
        deadline = time.monotonic() + patience(timeout)
        while True:
            for mail in self._mails:
                if execution_id in mail["Message"] and mail["Subject"].endswith(words):
                    return mail
            if time.monotonic() > deadline:
                raise TimeoutError(f"no mail {words!r} among {[mail['Subject'] for mail in self._mails]}")
            self._receive()

    def _receive(self) -> None:
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", ()):
            self._mails.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def inbox(deployed_stack: None) -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


def test_people_are_told_of_the_start_each_wave_the_approval_that_is_needed_and_the_end(inbox: Inbox) -> None:
    plan = create_test_plan_with_servers([["s-1"], ["s-2"]], approvals=[2])
    execution_id = start_test_execution(plan)
    inbox.wait_for(execution_id, ": started")
    inbox.wait_for(execution_id, "wave Wave-1 is up")
    asked = inbox.wait_for(execution_id, "APPROVAL NEEDED (Wave-2)")
    wait_for_status(execution_id, "PAUSED")

    assert f"drctl approve {execution_id}" in asked["Message"]
    assert call_api("POST", f"/executions/{execution_id}/approve").status_code == 202
    wait_for_status(execution_id, "COMPLETED")
    inbox.wait_for(execution_id, "wave Wave-2 is up")
    inbox.wait_for(execution_id, ": COMPLETED")

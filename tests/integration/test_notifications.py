"""From a change of an execution to the event and the mail about it: bus, rule, function and topic, as deployed."""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    mock_drs_jobs,
    mock_drs_progression,
    start_test_execution,
    wait_for,
    wait_for_status,
)
from tests.helpers.queues import open_queue
from tests.helpers.stack import call_api, client, driver_arn, patience

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]

Message = dict[str, Any]


class Queue:
    """A queue of what the bus or the topic tells."""

    def __init__(self) -> None:
        self._sqs = client("sqs")
        self.name = f"subscriber-{secrets.token_hex(4)}"
        self._url, self.arn = open_queue(self._sqs, self.name)
        self._messages: list[Message] = []

    def wait_for(self, what: str, is_it: Callable[[Message], bool], timeout: float = 30) -> Message:
        """The first message of which `is_it` holds; `what` says in a few words which. Raises TimeoutError."""
        deadline = time.monotonic() + patience(timeout)
        while True:
            for message in self._messages:
                if is_it(message):
                    return message
            if time.monotonic() > deadline:
                raise TimeoutError(f"no message is {what}: {self._messages}")
            self._receive()

    def delete(self) -> None:
        self._sqs.delete_queue(QueueUrl=self._url)

    def _receive(self) -> None:
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", ()):
            self._messages.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def mails(deployed_stack: None) -> Iterator[Queue]:
    """What the topic sends."""
    queue, sns = Queue(), client("sns")
    topic = os.environ["NOTIFICATION_TOPIC_ARN"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, ReturnSubscriptionArn=True)
    yield queue
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    queue.delete()


@pytest.fixture
def events(deployed_stack: None) -> Iterator[Queue]:
    """What is put on the bus, through a rule as any subscriber makes one."""
    queue, rules = Queue(), client("events")
    rule = {"EventBusName": os.environ["EVENT_BUS_NAME"]}
    rules.put_rule(Name=queue.name, EventPattern=json.dumps({"source": ["drs-orchestrator"]}), **rule)
    rules.put_targets(Rule=queue.name, Targets=[{"Id": "queue", "Arn": queue.arn}], **rule)
    yield queue
    rules.remove_targets(Rule=queue.name, Ids=["queue"], **rule)
    rules.delete_rule(Name=queue.name, **rule)
    queue.delete()


@dataclass(frozen=True)
class Told:
    """What is told of one execution."""

    execution_id: str
    events: Queue
    mails: Queue

    def event(self, kind: str, **fields: str) -> Message:
        """The detail of the event of this kind with these fields, once it is there."""

        def is_it(event: Message) -> bool:
            detail = event["detail"]
            is_ours = event["detail-type"] == kind and detail["executionId"] == self.execution_id
            return is_ours and fields.items() <= detail.items()

        detail: Message = self.events.wait_for(f"{kind} {fields}", is_it)["detail"]
        return detail

    def mail(self, end_of_subject: str) -> str:
        """The text of the mail, once it is there."""

        def is_it(mail: Message) -> bool:
            return self.execution_id in mail["Message"] and mail["Subject"].endswith(end_of_subject)

        return str(self.mails.wait_for(end_of_subject, is_it)["Message"])


def test_programs_and_people_are_told_of_the_start_each_wave_the_approval_that_is_needed_the_end_and_the_clean_up(
    events: Queue, mails: Queue
) -> None:
    execution_id = start_test_execution(create_test_plan_with_servers([["s-1"], ["s-2"]], approvals=[2]))
    told = Told(execution_id, events, mails)

    assert told.event("Execution Started")["id"] == f"{execution_id}/1"
    told.mail(": started")
    told.event("Wave Up", waveName="Wave-1")
    told.mail("wave Wave-1 is up")
    asked = told.event("Approval Needed")
    assert asked["nextCommand"] == f"drctl approve {execution_id}"
    assert asked["nextCommand"] in told.mail("APPROVAL NEEDED (Wave-2)")
    wait_for_status(execution_id, "PAUSED")
    assert call_api("POST", f"/executions/{execution_id}/approve").status_code == 202
    wait_for_status(execution_id, "COMPLETED")
    told.event("Wave Up", waveName="Wave-2")
    told.mail("wave Wave-2 is up")
    told.event("Execution Finished", status="COMPLETED")
    told.mail(": COMPLETED")
    assert call_api("POST", f"/executions/{execution_id}/cleanup").status_code == 202
    told.event("Clean-Up Finished", status="CLEANED_UP")
    told.mail(": cleaned up")


@pytest.mark.usefixtures("simulated_drs")
def test_a_driver_that_was_replaced_and_a_wave_that_failed_are_told_and_that_the_glass_was_broken(
    events: Queue, mails: Queue
) -> None:
    plan = create_test_plan_with_servers(["s-1"], approvals=[1])
    mock_drs_jobs([{"server": "s-1", "status": "FAILED", "error": "no capacity"}])
    with mock_drs_progression():
        execution_id = start_test_execution(plan, "RECOVERY", SkipApprovals=True, Reason="nobody can be reached")
        told = Told(execution_id, events, mails)
        wait_for(execution_id, lambda document: document["PollCount"] > 0, "polled")
        client("stepfunctions").stop_execution(executionArn=driver_arn(execution_id))
        assert told.event("Execution Stuck", cause="DRIVER_REPLACED")["skipApprovals"] is True
        told.mail(": was stuck, is driven again")
        advance_drs_phase("COMPLETED")

    assert told.event("Wave Failed", waveName="Wave-1")["failedServers"][0]["error"] == "no capacity"
    assert "no capacity" in told.mail("wave Wave-1 failed")
    told.event("Execution Finished", status="FAILED")
    assert "Break-glass: this execution waits for no approval." in told.mail(": FAILED")

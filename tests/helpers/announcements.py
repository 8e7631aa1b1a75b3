"""What is announced on the event bus of the orchestrator in this process, as a subscriber gets it."""

import json
from typing import Any

import boto3

from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.steer_execution import approve
from tests.helpers.orchestrator import CALLER, EVENT_BUS, Orchestrator, plan, server_id, wave

Event = dict[str, Any]

STUCK_SECONDS = 2_100


class Subscriber:
    """A queue behind a rule on the bus, from now on."""

    def __init__(self, bus: str = EVENT_BUS) -> None:
        self._sqs = boto3.client("sqs")
        self._queue = self._sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        rules = boto3.client("events")
        pattern = json.dumps({"source": ["drs-orchestrator"]})
        rules.put_rule(Name="subscriber", EventBusName=bus, EventPattern=pattern)
        targets = [{"Id": "queue", "Arn": attributes["QueueArn"]}]
        rules.put_targets(Rule="subscriber", EventBusName=bus, Targets=targets)
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        """Every event so far, in the order of their arrival."""
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._events.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._events

    def told(self) -> list[str]:
        """The detail-types of every event so far."""
        return [event["detail-type"] for event in self.events()]

    def last(self) -> Event:
        """The detail of the last event."""
        detail: Event = self.events()[-1]["detail"]
        return detail


def hold_until_stuck(orchestrator: Orchestrator, execution_id: str, generation: int = 1) -> None:
    """Poll, while nothing moves, for as long as the template lets an execution stand still; then reconcile."""
    for _ in range(STUCK_SECONDS // 300):
        orchestrator.check(execution_id, generation, after=300)
    orchestrator.check(execution_id, generation, after=60)
    reconcile_executions(orchestrator.app)


def everything_announced(orchestrator: Orchestrator) -> dict[str, Event]:
    """One event of each kind, by its detail-type, of a drill in which DRS hangs, a server fails, and one instance is
    protected from the clean-up."""
    one, two, three = (server_id(number) for number in (1, 2, 3))
    for server, name in ((one, "db-1"), (two, "web-1"), (three, "web-2")):
        orchestrator.add_servers(server, tags={"Name": name})
    subscriber = Subscriber()
    document = plan(
        wave("database", one),
        wave("web", two, {"SourceServerId": three, "Impact": "OPTIONAL"}, ApprovalBefore=True),
    )
    orchestrator.simulator.hold(True)
    execution_id = orchestrator.start(
        document | {"ApprovalTimeoutMinutes": 240, "OnApprovalTimeout": "REJECT"}, Reason="quarterly drill"
    )
    orchestrator.prepare(execution_id)
    orchestrator.launch(execution_id)
    hold_until_stuck(orchestrator, execution_id)
    orchestrator.simulator.hold(False)
    orchestrator.simulator.push_jobs("COMPLETED")
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[three])
    orchestrator.check(execution_id, after=30)
    orchestrator.launch(execution_id)
    approve(orchestrator.app, execution_id, None, CALLER)
    orchestrator.drive(execution_id)
    orchestrator.simulator.protect(orchestrator.server(execution_id, two)["InstanceId"])
    request_clean_up(orchestrator.app, execution_id, {"Reason": "the drill is over"}, CALLER)
    orchestrator.clean_up(execution_id, 2)
    return {event["detail-type"]: event for event in subscriber.events()}

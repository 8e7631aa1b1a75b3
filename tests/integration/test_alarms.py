"""Every alarm goes off when its metric says so, tells the topic, and is over when the metric is well again."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.helpers import stack
from tests.helpers.queues import open_queue
from tests.helpers.template import template

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]

ALARMS = {name: each["Properties"] for name, each in template()["Resources"].items() if "::Alarm" in each["Type"]}

# What was bad has to leave the span that is looked at: it is dated so that it does after these seconds.
SECONDS_LEFT = 4


@pytest.fixture
def cloudwatch() -> Any:
    if stack.is_on_aws():
        pytest.skip("AWS keeps its own namespaces to itself: nobody can put data into them")
    return stack.client("cloudwatch")


@pytest.fixture
def told(cloudwatch: Any) -> Iterator[Any]:
    """`told()` gives what the topic has told since the last call: (alarm, new state)."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    queue, arn = open_queue(sqs, "alarms-told")
    [topic] = {action for alarm in alarms(cloudwatch).values() for action in alarm["AlarmActions"]}
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]

    def received() -> set[tuple[str, str]]:
        found = set()
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                alarm = json.loads(json.loads(message["Body"])["Message"])
                found.add((alarm["AlarmName"], alarm["NewStateValue"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    yield received
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


def alarms(cloudwatch: Any) -> dict[str, dict[str, Any]]:
    return {alarm["AlarmName"]: alarm for alarm in cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]}


def put(cloudwatch: Any, alarm: dict[str, Any], value: float, seconds_ago: float = 0) -> None:
    datum = {
        "MetricName": alarm["MetricName"],
        "Dimensions": alarm.get("Dimensions", []),
        "Timestamp": datetime.now(UTC) - timedelta(seconds=seconds_ago),
        "Value": value,
    }
    cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[datum])


def states(cloudwatch: Any) -> dict[str, str]:
    return {name: alarm["StateValue"] for name, alarm in alarms(cloudwatch).items()}


def test_every_alarm_of_the_template_goes_off_and_is_over_and_both_are_told(cloudwatch: Any, told: Any) -> None:
    deployed = alarms(cloudwatch)
    assert len(deployed) == len(ALARMS)
    above = {name for name, alarm in deployed.items() if alarm["ComparisonOperator"] == "GreaterThanThreshold"}

    for name, alarm in deployed.items():
        span = alarm["Period"] * alarm["EvaluationPeriods"]
        bad = alarm["Threshold"] + 1 if name in above else alarm["Threshold"] - 1
        put(cloudwatch, alarm, bad, span - SECONDS_LEFT)
        assert states(cloudwatch)[name] == "ALARM", name
    time.sleep(SECONDS_LEFT + 1)
    for name, alarm in deployed.items():
        put(cloudwatch, alarm, alarm["Threshold"])
        assert states(cloudwatch)[name] == "OK", name

    assert told() == {(name, state) for name in deployed for state in ("ALARM", "OK")}

"""Every alarm goes to the one topic, watches what is really emitted, and knows what silence means."""

from typing import Any

import pytest

from drs_orchestrator.adapters.metrics import NAMESPACE, Metric
from tests.helpers.template import template

RESOURCES = template()["Resources"]
ALARMS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}

# The metrics of AWS services that are watched, and their dimensions as each service's documentation lists them; without
# dimensions, AWS/Lambda counts for all functions of the account and Region.
DOCUMENTED = {
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): set(),
    ("AWS/States", "ExecutionsFailed"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsTimedOut"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsAborted"): {"StateMachineArn"},
    ("AWS/DynamoDB", "ReadThrottleEvents"): {"TableName", "GlobalSecondaryIndexName"},
    ("AWS/DynamoDB", "WriteThrottleEvents"): {"TableName", "GlobalSecondaryIndexName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/ApiGateway", "5XXError"): {"ApiName", "Stage"},
}

# What no data means: nothing has happened; or nobody looks any more, which is what these two are for.
SILENCE_IS_BAD = {"ReconcilerSilentAlarm", "NoSuccessfulDrillAlarm"}


def dimensions(alarm: str) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in ALARMS[alarm].get("Dimensions", ())}


@pytest.mark.parametrize("alarm", sorted(ALARMS))
class TestEvery:
    def test_it_tells_the_topic_when_it_begins_and_when_it_is_over(self, alarm: str) -> None:
        assert ALARMS[alarm]["AlarmActions"] == ALARMS[alarm]["OKActions"] == [{"Ref": "AlarmTopic"}]

    def test_its_name_begins_with_the_stacks_and_its_description_is_a_sentence(self, alarm: str) -> None:
        assert ALARMS[alarm]["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")
        assert ALARMS[alarm]["AlarmDescription"].endswith(".")

    def test_it_watches_a_metric_that_is_emitted_with_its_dimensions(self, alarm: str) -> None:
        watched = (ALARMS[alarm]["Namespace"], ALARMS[alarm]["MetricName"])
        ours = {(NAMESPACE, metric.title): set(metric.dimensions) for metric in Metric}

        assert set(dimensions(alarm)) == (ours | DOCUMENTED)[watched]

    def test_it_says_what_no_data_means(self, alarm: str) -> None:
        expected = "breaching" if alarm in SILENCE_IS_BAD else "notBreaching"

        assert ALARMS[alarm]["TreatMissingData"] == expected

    def test_its_span_is_one_cloudwatch_accepts(self, alarm: str) -> None:
        period, evaluated = ALARMS[alarm]["Period"], ALARMS[alarm]["EvaluationPeriods"]

        assert period % 60 == 0
        assert period * evaluated <= (7 * 86400 if period >= 3600 else 86400)


def test_the_pollers_alarm_is_the_specifications() -> None:
    alarm = ALARMS["PollerErrorsAlarm"]

    assert dimensions("PollerErrorsAlarm") == {"FunctionName": {"Ref": "CheckDrsFunction"}}
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 300, 2)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 5)


@pytest.mark.parametrize("alarm", ["StatusIndexReadThrottlingAlarm", "StatusIndexWriteThrottlingAlarm"])
def test_the_indexs_alarms_have_the_specifications_span_and_threshold(alarm: str) -> None:
    properties = ALARMS[alarm]

    assert dimensions(alarm) == {"TableName": {"Ref": "ExecutionTable"}, "GlobalSecondaryIndexName": "StatusIndex"}
    assert (properties["Statistic"], properties["Period"], properties["EvaluationPeriods"]) == ("Sum", 300, 2)
    assert (properties["ComparisonOperator"], properties["Threshold"]) == ("GreaterThanThreshold", 10)


def test_every_queue_of_dead_letters_has_an_alarm() -> None:
    queues = {name for name, each in RESOURCES.items() if each["Type"] == "AWS::SQS::Queue"}
    names = [dimensions(alarm)["QueueName"] for alarm in ALARMS if "QueueName" in dimensions(alarm)]
    watched = {name["Fn::GetAtt"][0] for name in names}

    assert watched == queues


def test_whatever_cannot_reach_the_reconciler_becomes_a_dead_letter() -> None:
    function = RESOURCES["ReconcilerFunction"]["Properties"]
    queue = {"Fn::GetAtt": ["ReconcilerDeadLetters", "Arn"]}

    assert function["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": queue}
    assert [event["Properties"]["DeadLetterConfig"] for event in function["Events"].values()] == [{"Arn": queue}] * 2


def test_the_alarms_are_mailed_only_to_an_address_that_was_given() -> None:
    assert template()["Parameters"]["AlarmEmail"]["Default"] == ""
    assert RESOURCES["AlarmSubscription"]["Condition"] == "HasAlarmEmail"
    assert RESOURCES["AlarmSubscription"]["Properties"]["TopicArn"] == {"Ref": "AlarmTopic"}


class TestLogsAndTraces:
    def test_every_log_group_is_kept_as_long_as_the_parameter_says(self) -> None:
        groups = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::Logs::LogGroup"]

        assert [group["RetentionInDays"] for group in groups] == [{"Ref": "LogRetentionDays"}] * len(groups)
        assert len(groups) == sum(each["Type"] == "AWS::Serverless::Function" for each in RESOURCES.values()) + 1

    def test_the_state_machine_logs_errors_without_what_it_carries(self) -> None:
        logging = RESOURCES["RecoveryStateMachine"]["Properties"]["Logging"]

        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)

    def test_x_ray_traces_the_functions_the_state_machine_and_the_api(self) -> None:
        assert template()["Globals"]["Function"]["Tracing"] == "Active"
        assert RESOURCES["RecoveryStateMachine"]["Properties"]["Tracing"] == {"Enabled": True}
        assert RESOURCES["Api"]["Properties"]["TracingEnabled"] is True

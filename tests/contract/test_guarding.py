"""What the template does for data and for what must not get lost: encryption, retention, dead letters."""

import json
import re
from typing import Any

import pytest

from tests.helpers.resolved import ACCOUNT, REGION, resolved
from tests.helpers.template import PROJECT_ROOT, template

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EVERYTHING = {"NotificationEmail": "a@example.com", "AlarmEmail": "b@example.com"}
PLAIN = resolved(**EVERYTHING)
WITH_KEY = resolved(KmsKeyArn=KEY, **EVERYTHING)

# Where each service is told the key.
KEY_PROPERTIES = {
    "AWS::DynamoDB::Table": "SSESpecification",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
}
# Sources that hand an event to Lambda and don't wait for what becomes of it.
ASYNCHRONOUS_EVENTS = {"CloudWatchEvent", "EventBridgeRule", "S3", "SNS", "Schedule", "ScheduleV2"}
ASYNCHRONOUS_RESOURCES = {"AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::Pipes::Pipe"}


def of_type(resources: dict[str, Any], *types: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] in types}


def encrypted() -> dict[str, str]:
    """What holds data, and the property that names its key."""
    return {name: KEY_PROPERTIES[each["Type"]] for name, each in PLAIN.items() if each["Type"] in KEY_PROPERTIES}


class TestKey:
    @pytest.mark.parametrize("name", encrypted())
    def test_what_holds_data_has_the_key_that_is_given_and_awss_own_otherwise(self, name: str) -> None:
        named = encrypted()[name]
        is_table = named == "SSESpecification"

        assert named not in PLAIN[name].get("Properties", {})
        expected = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY} if is_table else KEY
        assert WITH_KEY[name]["Properties"][named] == expected

    def test_no_role_may_use_any_key_but_those_of_launched_volumes_unless_one_is_given(self) -> None:
        with_keys = {
            (name, statement["Sid"], *statement["Condition"]["StringLike"].items())
            for name, function in of_type(PLAIN, "AWS::Serverless::Function").items()
            for policy in function.get("Policies", ())
            for statement in policy["Statement"]
            if "kms:" in json.dumps(statement)
        }

        via_ec2 = ("kms:ViaService", "ec2.*.amazonaws.com")
        assert with_keys == {
            ("LaunchWavesFunction", sid, via_ec2) for sid in ("UseKeysOfVolumes", "GrantKeysOfVolumes")
        }
        assert of_type(PLAIN, "AWS::IAM::Policy") == {}

    def test_every_function_may_use_the_key_for_what_it_uses_and_through_that_service_only(self) -> None:
        via: dict[str, set[str]] = {}
        for policy in of_type(WITH_KEY, "AWS::IAM::Policy").values():
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Resource"] == KEY
                [service] = statement["Condition"]["StringEquals"].values()
                assert list(statement["Condition"]["StringEquals"]) == ["kms:ViaService"]
                for role in policy["Roles"]:
                    via.setdefault(role.removesuffix("Role"), set()).add(service)

        assert via == {
            name: {f"{service}.{REGION}.amazonaws.com" for service in services_of(function)}
            for name, function in of_type(WITH_KEY, "AWS::Serverless::Function").items()
        }

    @pytest.mark.parametrize("value", ["alias/mine", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/mine", "1234abcd"])
    def test_an_alias_or_a_bare_id_is_refused(self, value: str) -> None:
        parameter = template()["Parameters"]["KmsKeyArn"]

        assert re.fullmatch(parameter["AllowedPattern"], KEY)
        assert not re.fullmatch(parameter["AllowedPattern"], value)

    def test_the_documented_policy_lets_every_service_in_that_uses_the_key_by_itself(self) -> None:
        policy = json.loads((PROJECT_ROOT / "docs" / "key-policy.json").read_text(encoding="utf-8"))
        let_in = {
            service.replace("us-west-2", REGION)
            for statement in policy["Statement"]
            for service in listed(statement["Principal"].get("Service", []))
        }
        senders = {
            service
            for each in of_type(PLAIN, "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy").values()
            for statement in each["PolicyDocument"]["Statement"]
            for service in listed(statement["Principal"].get("Service", []))
        }

        assert let_in == senders | {f"logs.{REGION}.amazonaws.com"}


def services_of(function: dict[str, Any]) -> set[str]:
    """The services that hold encrypted data of the stack and that the function calls, or lets Lambda call for it."""
    actions = {
        action for policy in function["Policies"] for each in policy["Statement"] for action in listed(each["Action"])
    }
    called = {action.split(":")[0] for action in actions}
    queues = {"sqs"} if is_asynchronous(function) else set()
    return called & {"dynamodb", "sns"} | queues


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class TestData:
    @pytest.mark.parametrize("name", of_type(PLAIN, "AWS::DynamoDB::Table"))
    def test_a_table_outlives_its_stack_its_deletion_and_its_mistakes(self, name: str) -> None:
        table = PLAIN[name]

        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert table["Properties"]["DeletionProtectionEnabled"] == "true"
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def is_asynchronous(function: dict[str, Any]) -> bool:
    return any(event["Type"] in ASYNCHRONOUS_EVENTS for event in function.get("Events", {}).values())


ASYNCHRONOUS = {
    name: each for name, each in of_type(PLAIN, "AWS::Serverless::Function").items() if is_asynchronous(each)
}


class TestWhatIsAsynchronous:
    def test_everything_that_is_has_been_found(self) -> None:
        assert set(ASYNCHRONOUS) == {"ReconcilerFunction", "SendNotificationFunction"}
        assert of_type(PLAIN, *ASYNCHRONOUS_RESOURCES) == {}

    @pytest.mark.parametrize("name", ASYNCHRONOUS)
    def test_a_delivery_to_a_function_is_tried_again_and_kept_if_it_fails(self, name: str) -> None:
        for event in ASYNCHRONOUS[name]["Events"].values():
            assert_is_watched_queue(event["Properties"]["DeadLetterConfig"]["Arn"])
            assert event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] > 0

    @pytest.mark.parametrize("name", ASYNCHRONOUS)
    def test_an_event_that_a_function_fails_on_is_tried_again_and_kept(self, name: str) -> None:
        function = ASYNCHRONOUS[name]
        on_failure = function["EventInvokeConfig"].get("DestinationConfig", {}).get("OnFailure", {})

        assert_is_watched_queue(on_failure.get("Destination") or function["DeadLetterQueue"]["TargetArn"])
        assert function["EventInvokeConfig"]["MaximumRetryAttempts"] == 2

    def test_a_mail_that_is_not_delivered_is_kept(self) -> None:
        subscriptions = of_type(PLAIN, "AWS::SNS::Subscription")

        assert set(subscriptions) == {"AlarmSubscription", "NotificationSubscription"}
        for subscription in subscriptions.values():
            assert_is_watched_queue(subscription["RedrivePolicy"]["deadLetterTargetArn"])

    def test_a_queue_takes_from_every_service_that_has_to_put_something_there(self) -> None:
        """Lambda needs no leave here: it sends with the function's role, which SAM lets."""
        taken = {
            (name, service)
            for policy in of_type(PLAIN, "AWS::SQS::QueuePolicy").values()
            for name in policy["Queues"]
            for statement in policy["PolicyDocument"]["Statement"]
            for service in listed(statement["Principal"]["Service"])
        }

        assert taken == {
            ("ReconcilerDeadLetters", "events.amazonaws.com"),
            ("UndeliveredNotifications", "events.amazonaws.com"),
            ("UndeliveredNotifications", "sns.amazonaws.com"),
        }


def assert_is_watched_queue(arn: str) -> None:
    """It is a queue of the stack, and an alarm goes off as soon as anything is in it."""
    alarms = of_type(PLAIN, "AWS::CloudWatch::Alarm").values()
    watched = {
        dimension["Value"]
        for alarm in alarms
        if (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)
        for dimension in alarm["Dimensions"]
    }
    assert arn.rpartition(":")[2] in watched & set(of_type(PLAIN, "AWS::SQS::Queue"))

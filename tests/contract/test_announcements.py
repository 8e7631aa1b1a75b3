"""docs/events/ is the truth about what is announced: each event is as its schema says, each sample as the event is."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from drs_orchestrator.domain.notices import SOURCE, NoticeType
from tests.helpers.announcements import Subscriber, everything_announced
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.template import PROJECT_ROOT, template

FOLDER = PROJECT_ROOT / "docs" / "events"
# What the schemas of all events describe alike.
COMMON = (
    "version",
    "id",
    "executionId",
    "planId",
    "planName",
    "executionType",
    "time",
    "by",
    "reason",
    "skipApprovals",
    "replaceLive",
    "nextCommand",
)


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return document


def file_name(detail_type: str) -> str:
    return detail_type.lower().replace(" ", "-")


SCHEMAS = {kind.value: read(f"{file_name(kind)}.schema.json") for kind in NoticeType}
SAMPLES = {kind.value: read(f"{file_name(kind)}.json") for kind in NoticeType}


def closed(schema: Any) -> Any:
    """The schema that allows no field it does not describe: subscribers have to take new ones, we have to write them
    down."""
    if isinstance(schema, dict):
        schema = {name: closed(each) for name, each in schema.items()}
        is_object = schema.get("type") == "object"
        return {"additionalProperties": False, **schema} if is_object else schema
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


def faults(event: dict[str, Any]) -> list[str]:
    """In what an event is not as its schema says; the envelope is EventBridge's and not ours to describe."""
    schema = closed(SCHEMAS[event["detail-type"]]) | {"additionalProperties": True}
    return [error.message for error in Draft202012Validator(schema).iter_errors(event)]


def shape(value: Any) -> Any:
    """Names and types, without values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def test_the_folder_holds_a_schema_and_a_sample_of_each_event_and_nothing_else() -> None:
    expected = {f"{file_name(kind)}.{suffix}" for kind in NoticeType for suffix in ("json", "schema.json")}

    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_a_schema_is_one_and_says_of_the_common_fields_what_the_others_say(kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    fields, of_first = (SCHEMAS[each]["properties"]["detail"]["properties"] for each in (kind, min(SCHEMAS)))

    assert {name: fields[name] for name in COMMON} == {name: of_first[name] for name in COMMON}
    assert all("description" in field for field in fields.values())


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_sample_is_as_its_schema_says(kind: str) -> None:
    assert SAMPLES[kind]["detail-type"] == kind
    assert faults(SAMPLES[kind]) == []


def test_what_is_announced_is_as_the_schemas_say_and_in_the_shape_of_the_samples(orchestrator: Orchestrator) -> None:
    announced = everything_announced(orchestrator)

    assert set(announced) == set(SAMPLES)
    for kind, event in announced.items():
        assert faults(event) == []
        assert shape(event["detail"]) == shape(SAMPLES[kind]["detail"])


def test_an_execution_of_which_nothing_is_known_but_what_must_be_is_announced_as_documented(
    orchestrator: Orchestrator,
) -> None:
    """No names of servers, no reason, nothing skipped; a wave that is refused and one that is never launched."""
    subscriber = Subscriber()
    orchestrator.add_servers(server_id(1), server_id(2))
    orchestrator.simulator.add_fault("error", code="AccessDeniedException", operation="StartRecovery")
    execution_id = orchestrator.start(plan(wave("a", server_id(1)), wave("b", server_id(2))), "RECOVERY")
    orchestrator.drive(execution_id)

    assert subscriber.told() == ["Execution Started", "Wave Failed", "Execution Finished"]
    assert [faults(event) for event in subscriber.events()] == [[], [], []]


def test_the_rule_lets_every_event_through_and_listens_on_the_bus_that_they_are_put_on() -> None:
    resources = template()["Resources"]
    rule = resources["SendNotificationFunction"]["Properties"]["Events"]["Announced"]["Properties"]

    assert rule["Pattern"] == {"source": [SOURCE]}
    assert rule["EventBusName"] == {"Ref": "EventBus"}
    assert template()["Globals"]["Function"]["Environment"]["Variables"]["EVENT_BUS_NAME"] == {"Ref": "EventBus"}


def test_who_publishes_may_put_events_on_this_bus_and_only_the_sender_may_publish_to_the_topic() -> None:
    allowed: dict[str, set[str]] = {"events:PutEvents": set(), "sns:Publish": set()}
    for name, resource in template()["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for policy in resource["Properties"]["Policies"]:
            for statement in policy["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                for action in allowed.keys() & set(actions):
                    allowed[action].add(name)
                    assert statement["Resource"] in ({"Fn::GetAtt": ["EventBus", "Arn"]}, {"Ref": "NotificationTopic"})

    assert allowed == {
        "events:PutEvents": {
            "PrepareExecutionFunction",
            "LaunchWavesFunction",
            "CheckDrsFunction",
            "FinishExecutionFunction",
            "CleanUpDrillFunction",
            "ReconcilerFunction",
        },
        "sns:Publish": {"SendNotificationFunction"},
    }


def test_what_cannot_be_told_is_kept() -> None:
    properties = template()["Resources"]["SendNotificationFunction"]["Properties"]
    queue = {"Fn::GetAtt": ["UndeliveredNotifications", "Arn"]}

    assert properties["Events"]["Announced"]["Properties"]["DeadLetterConfig"]["Arn"] == queue
    assert properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"] == queue

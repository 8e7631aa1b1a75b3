"""The in-memory DynamoDB answers every call of a history as moto's does."""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.helpers.dynamodb import DynamoDb
from tests.helpers.template import create_table, template
from tests.reliability.crash_points import SCENARIOS, SMALL, Crash, CrashAt, Scenario
from tests.reliability.world import EXECUTION_TABLE, PLAN_TABLE, World, virtual_aws

type Recorded = tuple[str, dict[str, Any], Any]

# Lists, paging and deletes that no scenario's history happens to make.
REQUESTS: list[tuple[str, str, object]] = [
    ("PUT", "/plans/other", {"Name": "Other", "Waves": [{"WaveName": "a", "Region": "us-east-1", "Servers": []}]}),
    ("GET", "/plans", None),
    ("DELETE", "/plans/other", None),
    ("DELETE", "/plans/drill", None),
    ("DELETE", "/plans/drill", None),
]

_KEY = {"ExecutionId": {"S": "exec-1"}, "Record": {"S": "EXECUTION"}}
_HEADER = _KEY | {"Status": {"S": "POLLING"}, "StartTime": {"N": "1"}, "Generation": {"N": "1"}}
# What only tests ask of the orchestrator's tables, to look into them or to spoil what is in them.
BY_TESTS: list[tuple[str, dict[str, Any]]] = [
    ("PutItem", {"Item": _HEADER}),
    ("PutItem", {"Item": {"ExecutionId": {"S": "exec-1"}, "Record": {"S": "WAVE#0000"}, "Status": {"S": "POLLING"}}}),
    ("Scan", {"IndexName": "StatusIndex"}),
    ("GetItem", {"Key": _KEY}),
    ("UpdateItem", {"Key": _KEY, "UpdateExpression": "REMOVE Generation", "ReturnValues": "ALL_NEW"}),
    ("DeleteItem", {"Key": _KEY}),
    ("GetItem", {"Key": _KEY}),
    ("DeleteTable", {}),
    ("DeleteTable", {}),
    ("GetItem", {"Key": _KEY}),
    ("PutItem", {"Item": _HEADER}),
    ("Scan", {}),
]


@pytest.fixture(autouse=True)
def _virtual_aws() -> Iterator[None]:
    """This module goes in and out of it by itself."""
    return iter([None])


def _history(scenario: Scenario, crash: Crash) -> list[Recorded]:
    """Every DynamoDB call of the scenario under this crash, with its answer or error."""
    recorded: list[Recorded] = []
    with virtual_aws():
        interference = CrashAt(crash)
        world = World(interference, **scenario.parameters)
        interference.world = world
        world.recorder = lambda operation, params, answer: recorded.append((operation, copy.deepcopy(params), answer))
        started = scenario.start(world)
        assert world.run(24 * 3600, lambda: bool(started) and scenario.is_over(world, started))
        for method, path, body in REQUESTS:
            world.api(method, path, body)
    return recorded


@contextmanager
def _moto() -> Iterator[Any]:
    """A client of moto's DynamoDB, which has the template's tables."""
    isolation = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    with mock.patch.dict(os.environ, isolation), mock_aws():
        client = boto3.client("dynamodb")
        create_table(client, "ExecutionTable", EXECUTION_TABLE)
        create_table(client, "PlanTable", PLAN_TABLE)
        yield client


def _answer(call: Callable[[str, dict[str, Any]], Any], operation: str, params: dict[str, Any]) -> Any:
    """What the call comes to, without what differs by nature."""
    try:
        answer = call(operation, params)
    except ClientError as error:
        answer = error
    return _comparable(answer)


def _comparable(answer: Any) -> Any:
    if isinstance(answer, ClientError):
        reasons = [reason.get("Code") for reason in answer.response.get("CancellationReasons", ())]
        return answer.response["Error"]["Code"], reasons
    kept = {
        name: value for name, value in answer.items() if name in ("Item", "Items", "Attributes", "LastEvaluatedKey")
    }
    for item in [*kept.get("Items", ()), *(kept[name] for name in ("Item", "Attributes") if name in kept)]:
        for value in item.values():
            if "SS" in value:
                value["SS"] = sorted(value["SS"])
    responses = answer.get("Responses", {})
    return kept | {name: sorted(items, key=str) for name, items in responses.items()}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("crash", [Crash((), driver_dies=False), Crash(((20, "after"), (30, "before")), True)], ids=str)
def test_every_call_of_a_history_gets_the_answer_moto_gives(scenario: Scenario, crash: Crash) -> None:
    recorded = _history(scenario, crash)

    assert {operation for operation, _, _ in recorded} >= {"GetItem", "PutItem", "UpdateItem", "Query"}
    with _moto() as client:
        for number, (operation, params, answer) in enumerate(recorded):
            assert _answer(client._make_api_call, operation, params) == _comparable(answer), (
                f"call {number}: {operation} {params}"
            )


def test_what_tests_ask_of_the_tables_gets_the_answer_moto_gives() -> None:
    fake = DynamoDb()
    fake.create_table(EXECUTION_TABLE, template()["Resources"]["ExecutionTable"]["Properties"])
    with _moto() as client:
        for number, (operation, given) in enumerate(BY_TESTS):
            params = {"TableName": EXECUTION_TABLE, **given}
            told = _answer(fake.call, operation, params)
            assert told == _answer(client._make_api_call, operation, params), f"call {number}: {operation} {params}"


def test_a_drill_makes_every_kind_of_call_there_is() -> None:
    made = {operation for operation, _, _ in _history(SMALL, Crash((), driver_dies=False))}

    assert made >= {"BatchGetItem", "TransactWriteItems", "DeleteItem", "Scan"}

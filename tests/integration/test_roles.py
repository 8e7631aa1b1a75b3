"""On the deployed stack every function works with its own role, and what is taken from the role is refused.

That each permission is needed, and none is missing, is shown for all of them by tests/reliability/test_permissions.py;
here the engine's IAM says the same of each function and of each kind of call of the API.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.helpers import create_test_plan_with_servers, start_test_execution, wait_for_status
from tests.helpers.stack import call_api, client, is_on_aws, named
from tests.helpers.template import PROJECT_ROOT

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]

TASKS = [
    "CheckDrsFunction",
    "CleanUpDrillFunction",
    "FinishExecutionFunction",
    "HandOverExecutionFunction",
    "LaunchWavesFunction",
    "PrepareExecutionFunction",
    "ProtectInstancesFunction",
    "WaitForDecisionFunction",
]


@pytest.fixture(autouse=True)
def _not_on_aws(deployed_stack: None) -> None:
    if is_on_aws():
        pytest.skip("a role is changed here, which takes AWS a while, and its owner by surprise")


@pytest.fixture(scope="module")
def ended(real_drs: bool, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The document of a drill that is over."""
    if real_drs:
        pytest.skip("this drill is for the embedded stack")
    with named(request.getfixturevalue("shared_stack")):
        return wait_for_status(start_test_execution(create_test_plan_with_servers(["s-1"])), "COMPLETED")


def function_name(logical_id: str) -> str:
    resource = client("cloudformation").describe_stack_resource(
        StackName=os.environ["STACK_NAME"], LogicalResourceId=logical_id
    )
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


@contextmanager
def without(function: str, sid: str, action: str | None = None) -> Iterator[None]:
    """For as long as the block lasts the function's role lacks the statement, or one action of it."""
    iam, configuration = (
        client("iam"),
        client("lambda").get_function_configuration(FunctionName=function_name(function)),
    )
    role = configuration["Role"].rpartition("/")[2]
    [(name, document)] = [
        (name, document)
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        for document in [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]]
        if any(statement.get("Sid") == sid for statement in document["Statement"])
    ]
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(reduced(document, sid, action)))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def reduced(document: dict[str, Any], sid: str, action: str | None) -> dict[str, Any]:
    # A policy has at least one statement; everybody may do what this one allows.
    left = [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}]
    for statement in document["Statement"]:
        given = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        kept = [each for each in given if action is not None and each != action]
        if statement.get("Sid") != sid:
            left.append(statement)
        elif kept:
            assert kept != given, f"{sid} does not allow {action}"
            left.append(statement | {"Action": kept})
    return document | {"Statement": left}


def error_of(function: str, event: dict[str, Any]) -> str | None:
    """What the function says went wrong; None when nothing did."""
    answer = client("lambda").invoke(FunctionName=function_name(function), Payload=json.dumps(event))
    said = answer["Payload"].read().decode()
    return said if "FunctionError" in answer else None


@pytest.mark.parametrize("function", TASKS)
def test_a_task_is_nothing_without_the_record(function: str, ended: dict[str, Any]) -> None:
    event = {"executionId": ended["ExecutionId"], "executionType": "DRILL", "generation": 1, "taskToken": "token"}

    assert error_of(function, event) is None
    with without(function, "Record"):
        assert "AccessDenied" in (error_of(function, event) or "")


def test_the_reconciler_is_nothing_without_the_index() -> None:
    assert error_of("ReconcilerFunction", {}) is None
    with without("ReconcilerFunction", "UnfinishedExecutions"):
        assert "AccessDenied" in (error_of("ReconcilerFunction", {}) or "")


def test_nobody_is_told_without_the_topic() -> None:
    event = json.loads((PROJECT_ROOT / "events" / "send_notification.json").read_text(encoding="utf-8"))

    assert error_of("SendNotificationFunction", event) is None
    with without("SendNotificationFunction", "Tell"):
        assert "AuthorizationError" in (error_of("SendNotificationFunction", event) or "")


@pytest.mark.parametrize(
    ("sid", "action", "method", "path"),
    [
        ("Plans", "dynamodb:GetItem", "GET", "/plans/{PlanId}"),
        ("Plans", "dynamodb:PutItem", "PUT", "/plans/{PlanId}"),
        ("Plans", "dynamodb:Scan", "GET", "/plans"),
        ("Plans", "dynamodb:DeleteItem", "DELETE", "/plans/{PlanId}"),
        ("Executions", "dynamodb:Query", "GET", "/executions/{ExecutionId}"),
        ("Executions", "dynamodb:BatchGetItem", "POST", "/plans/{PlanId}/preflight"),
        ("ExecutionsByStatus", "dynamodb:Query", "GET", "/executions?status=COMPLETED"),
    ],
)
def test_a_request_fails_without_the_permission_it_needs(
    sid: str, action: str, method: str, path: str, ended: dict[str, Any]
) -> None:
    plan = create_test_plan_with_servers(["s-1"])
    route, _, query = path.format(**ended | plan).partition("?")
    asked = dict([query.split("=")]) if query else {"type": "DRILL"} if method == "POST" else None
    body = plan if method == "PUT" else None

    with without("ApiFunction", sid, action):
        assert call_api(method, route, body, query=asked).status_code == 503
    assert call_api(method, route, body, query=asked).is_success

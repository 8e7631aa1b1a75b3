"""docs/openapi.yaml is the truth about the API: schemathesis sends the handler what the document allows and forbids.

In process: a WSGI application stands where API Gateway stands and makes proxy events of requests; the tables are in
memory, made from the template. DRS can't be reached, so starting a plan by tags is answered with 503.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote

import boto3
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import unsupported_method
from werkzeug.test import Client

from tests.helpers.orchestrator import EXECUTION_TABLE, PLAN_TABLE, aws, keep_tables_in_memory

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))

STAGE = "/v1"

# Which methods there are is the gateway's work. 503 is a documented answer, because DRS can't be reached here; an
# undocumented 5xx still fails the check of the status code.
EXCLUDED = [unsupported_method, not_a_server_error]


class Template(yaml.SafeLoader):
    """Reads a SAM template, leaving its short forms (!Ref, !Sub) unresolved."""


Template.add_multi_constructor("!", lambda _, suffix, node: f"{suffix} {node.value}")


TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader=Template)  # noqa: S506


class Gateway:
    """API Gateway in front of one proxy function, as a WSGI application: routes by the OpenAPI document."""

    def __init__(self) -> None:
        self._routes = [
            (method.upper(), path, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)))
            for path, item in DOCUMENT["paths"].items()
            for method in item
            if method != "parameters"
        ]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["REQUEST_URI"].partition("?")[0].removeprefix(STAGE)
        method = environ["REQUEST_METHOD"]
        route = next(
            (
                (resource, match)
                for verb, resource, regex in self._routes
                if verb == method and (match := regex.fullmatch(path))
            ),
            None,
        )
        if route is None:
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [b'{"message":"Missing Authentication Token"}']
        resource, match = route
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(environ["QUERY_STRING"], keep_blank_values=True):
            query.setdefault(name, []).append(value)
        headers = {
            key.removeprefix("HTTP_").replace("_", "-").title(): value
            for key, value in environ.items()
            if key.startswith("HTTP_") or key == "CONTENT_TYPE"
        }
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode("utf-8", "replace")
        # Imported when it is called, because a function reads its environment when it starts.
        from api.handler import handler

        answer = handler(
            {
                "resource": resource,
                "path": unquote(path),
                "httpMethod": method,
                "headers": headers or None,
                "multiValueHeaders": {name: [value] for name, value in headers.items()} or None,
                "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
                "multiValueQueryStringParameters": query or None,
                "pathParameters": {name: unquote(value) for name, value in match.groupdict().items()} or None,
                "stageVariables": None,
                "requestContext": {
                    "resourcePath": resource,
                    "httpMethod": method,
                    "stage": "v1",
                    "requestId": "test",
                    "identity": {"userArn": "arn:aws:iam::123456789012:user/operator"},
                },
                "body": body or None,
                "isBase64Encoded": False,
            },
            SimpleNamespace(
                function_name="api", memory_limit_in_mb=512, invoked_function_arn="", aws_request_id="test"
            ),
        )
        answer_headers = {name: values[0] for name, values in (answer.get("multiValueHeaders") or {}).items()}
        start_response(f"{answer['statusCode']} Answer", list((answer_headers | (answer.get("headers") or {})).items()))
        return [answer.get("body", "").encode()]


SCHEMA = schemathesis.openapi.from_path(ROOT / "docs" / "openapi.yaml")
SCHEMA.raw_schema.pop("security")  # who may call is the gateway's work too
SCHEMA.app = GATEWAY = Gateway()


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    """An AWS account with the tables of the template, and the function's environment."""
    numbers = {
        name: "1"
        for name in TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
        if name.endswith(("_SECONDS", "_DRIVER"))
    }
    environment = numbers | {
        "EXECUTION_TABLE_NAME": EXECUTION_TABLE,
        "PLAN_TABLE_NAME": PLAN_TABLE,
        "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:recovery",
        "DRS_ENDPOINT_URL": "http://127.0.0.1:9",
        "TARGET_ROLE_NAME": "drs-orchestrator",
        "TARGET_EXTERNAL_ID": "",
        "EVENT_BUS_NAME": "announcements",
        "NOTIFICATION_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:notifications",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "SECOND_APPROVER_FOR_RECOVERY": "false",
    }
    with pytest.MonkeyPatch.context() as patch, aws():
        for name, value in environment.items():
            patch.setenv(name, value)
        keep_tables_in_memory()
        states: Any = boto3.client("stepfunctions")
        definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
        states.create_state_machine(
            name="recovery", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
        )
        from drs_orchestrator.bootstrap import app

        app.cache_clear()
        yield
        app.cache_clear()


def keep_to_the_words_of_the_document(case: Any) -> None:
    """Mend in a valid request what the document forbids in words, because a JSON Schema can't say it."""
    if not case.meta.generation.mode.is_positive:
        return
    case.query.pop("nextToken", None)  # only a token that the API gave is valid
    if case.operation.label in ("POST /executions", "POST /recoveries"):
        case.body["PlanId"] = "stored"
        if "ReplaceLive" in case.body:
            case.body["ReplaceLive"] = "stored"
        if case.body.get("SkipApprovals"):
            case.body["Reason"] = "nobody can be reached"
    if case.operation.label == "PUT /plans/{PlanId}":
        case.body["PlanId"] = case.path_parameters["PlanId"]
        if "ApprovalTimeoutMinutes" not in case.body:
            case.body.pop("OnApprovalTimeout", None)
        for index, wave in enumerate(case.body["Waves"]):
            wave["WaveName"] = f"{wave['WaveName'][:50].strip()}-{index}"
            wave.pop("DependsOn", None)
            if "MinimumLaunched" in wave:
                wave["MinimumLaunched"] = 1
            for place, server in enumerate(wave.get("Servers", ())):
                server["SourceServerId"] = f"s-{index * 10_000 + place:017x}"


def plan(first_server: int) -> dict[str, Any]:
    """A plan of two waves; plans whose servers differ can run side by side."""
    return {
        "Name": "Web shop",
        "RpoMinutes": 15,
        "RtoMinutes": 240,
        "TerminationProtection": False,
        "Cleanup": 60,
        "ApprovalTimeoutMinutes": 30,
        "OnApprovalTimeout": "CONTINUE",
        "Waves": [
            {
                "WaveName": "database",
                "Region": "us-east-1",
                "ApprovalBefore": True,
                "OnFailure": "PAUSE",
                "MinimumLaunched": "60%",
                "AccountId": "123456789012",
                "Servers": [{"SourceServerId": f"s-{first_server:017x}", "RecoverySnapshotId": f"pit-{0:017x}"}],
            },
            {
                "WaveName": "web",
                "Region": "us-east-1",
                "Servers": [{"SourceServerId": f"s-{first_server + 1:017x}", "Impact": "OPTIONAL"}],
            },
        ],
    }


def api(method: str, path: str, body: object = None, **parameters: Any) -> tuple[int, Any]:
    """Send one request and hold the answer to the document."""
    if body is not None:
        parameters |= {"body": body, "media_type": "application/json"}
    response = SCHEMA[path][method].Case(**parameters).call_and_validate(excluded_checks=EXCLUDED)
    return response.status_code, response.json() if response.content else None


@SCHEMA.parametrize()
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_handler_answers_every_request_as_the_document_says(case: Any) -> None:
    api("PUT", "/plans/{PlanId}", plan(0xA0), path_parameters={"PlanId": "stored"})
    keep_to_the_words_of_the_document(case)
    case.call_and_validate(excluded_checks=EXCLUDED)


def test_a_plan_is_created_replaced_read_listed_and_deleted_as_documented() -> None:
    at = {"path_parameters": {"PlanId": "another"}}

    assert api("PUT", "/plans/{PlanId}", plan(1), **at)[0] == 201
    status, stored = api("PUT", "/plans/{PlanId}", plan(1) | {"PlanId": "another"}, **at)
    assert status == 200
    assert api("GET", "/plans/{PlanId}", **at) == (200, stored)
    assert stored["Waves"][1]["DependsOn"] == ["database"]
    assert "another" in [entry["PlanId"] for entry in api("GET", "/plans", query={"limit": 100})[1]["plans"]]
    assert api("DELETE", "/plans/{PlanId}", **at) == (204, None)
    assert api("GET", "/plans/{PlanId}", **at)[0] == 404
    assert api("DELETE", "/plans/{PlanId}", **at)[0] == 404


def test_an_execution_is_started_once_per_token_shown_and_listed_as_documented() -> None:
    api("PUT", "/plans/{PlanId}", plan(0xB0), path_parameters={"PlanId": "once"})
    request = {"PlanId": "once", "ExecutionType": "DRILL", "ClientToken": "token-of-mine"}

    status, started = api("POST", "/executions", request)
    assert status == 202
    assert api("POST", "/executions", request) == (202, started)
    assert api("POST", "/recoveries", request | {"ExecutionType": "RECOVERY"})[0] == 409
    _, shown = api("GET", "/executions/{ExecutionId}", path_parameters={"ExecutionId": started["executionId"]})
    assert [wave["WaveName"] for wave in shown["Waves"]] == ["database", "web"]
    _, page = api("GET", "/executions", query={"status": "PENDING", "limit": 100})
    assert started["executionId"] in [execution["ExecutionId"] for execution in page["executions"]]


def test_the_pages_of_a_list_join_without_gap_or_repetition() -> None:
    for number in range(5):
        plan_id = f"page-{number}"
        api("PUT", "/plans/{PlanId}", plan(0xC0 + 2 * number), path_parameters={"PlanId": plan_id})
        assert api("POST", "/executions", {"PlanId": plan_id, "ExecutionType": "DRILL"})[0] == 202
    _, whole = api("GET", "/executions", query={"status": "PENDING", "limit": 100})

    paged: list[str] = []
    query: dict[str, Any] = {"status": "PENDING", "limit": 2}
    while True:
        _, page = api("GET", "/executions", query=query)
        paged += [execution["ExecutionId"] for execution in page["executions"]]
        if "nextToken" not in page:
            break
        query = query | {"nextToken": page["nextToken"]}

    assert len(paged) >= 5
    assert sorted(paged) == sorted(execution["ExecutionId"] for execution in whole["executions"])


def test_pre_flight_and_a_dry_run_answer_as_documented_and_start_nothing() -> None:
    api("PUT", "/plans/{PlanId}", plan(0xE0), path_parameters={"PlanId": "dry"})
    at = {"path_parameters": {"PlanId": "dry"}, "query": {"type": "RECOVERY"}}

    status, found = api("POST", "/plans/{PlanId}/preflight", **at)
    assert (status, found["Ready"]) == (200, True)
    assert {finding["Check"] for finding in found["Findings"]} == {"Unchecked"}, "DRS can't be reached here"
    status, walked = api("POST", "/recoveries", {"PlanId": "dry", "ExecutionType": "RECOVERY", "DryRun": True})
    assert (status, walked["LaunchOrder"]) == (200, [["database"], ["web"]])
    _, pending = api("GET", "/executions", query={"status": "PENDING", "limit": 100})
    assert "dry" not in {execution["PlanId"] for execution in pending["executions"]}


def test_every_fault_of_a_plan_is_listed() -> None:
    faulty = {
        "PlanId": "other",
        "Nmae": "x",
        "Waves": [{"WaveName": "a", "DependsOn": ["b"], "Region": "moon", "Servers": []}],
    }

    status, answer = api("PUT", "/plans/{PlanId}", faulty, path_parameters={"PlanId": "shop"})

    assert status == 400
    assert {detail["pointer"] for detail in answer["details"]} == {
        "/Name",
        "/Nmae",
        "/PlanId",
        "/Waves/0/DependsOn/0",
        "/Waves/0/Region",
        "/Waves/0/Servers",
    }


def test_a_body_of_more_than_a_megabyte_is_refused_as_documented() -> None:
    large = plan(1) | {"Description": "x" * 1_000_001}

    assert api("PUT", "/plans/{PlanId}", large, path_parameters={"PlanId": "shop"})[0] == 413


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, '{"a": NaN}', "\x00", '"\\ud800"'])
def test_a_body_that_is_no_request_is_answered_with_400_and_a_sentence(body: str) -> None:
    for method, path in (("PUT", "/plans/shop"), ("POST", "/executions"), ("POST", "/recoveries")):
        answer = Client(GATEWAY).open(STAGE + path, method=method, data=body, content_type="application/json")

        assert answer.status_code == 400
        assert json.loads(answer.text)["message"]


PLAN_SCHEMA = json.loads((ROOT / "functions/drs_orchestrator/schemas/plan.schema.json").read_text(encoding="utf-8"))
BODIES = {
    operation["operationId"]: operation["requestBody"]["content"]["application/json"]["schema"]
    for item in DOCUMENT["paths"].values()
    for method, operation in item.items()
    if method != "parameters" and "requestBody" in operation
}


def unlimited(schema: dict[str, Any], home: dict[str, Any], where: str) -> Iterator[str]:
    """The texts and lists in a schema of the document `home` that may be of any length, by their place."""
    if reference := schema.get("$ref"):
        file, _, pointer = reference.partition("#/")
        home, schema = PLAN_SCHEMA if file else home, PLAN_SCHEMA if file else home
        for step in pointer.split("/"):
            schema = schema[step]
        yield from unlimited(schema, home, where)
        return
    kinds = schema.get("type", [])
    pattern = re.sub(r"\[[^]]*\]", "x", schema.get("pattern", "x*"))
    is_limited = {"maxLength", "enum", "const"} & set(schema) or not re.search(r"[*+]|,\}", pattern)
    if "string" in kinds and not is_limited:
        yield where
    if "array" in kinds and "maxItems" not in schema:
        yield where
    parts = schema.get("properties", {}) | {"[]": schema.get("items"), "{}": schema.get("propertyNames")}
    parts |= {"{}.": more} if isinstance(more := schema.get("additionalProperties"), dict) else {}
    for name, part in parts.items():
        if part:
            yield from unlimited(part, home, f"{where}/{name}")


@pytest.mark.parametrize("operation", BODIES)
def test_no_text_and_no_list_in_a_request_may_be_of_any_length(operation: str) -> None:
    assert list(unlimited(BODIES[operation], DOCUMENT, operation)) == []


def test_what_has_no_limit_is_found() -> None:
    loose = {
        "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"pattern": "^x+$", "type": "string"}}}
    }

    assert list(unlimited(loose, DOCUMENT, "loose")) == ["loose/a", "loose/b", "loose/b/[]"]


def test_the_document_lists_exactly_the_routes_of_the_template() -> None:
    events = TEMPLATE["Resources"]["ApiFunction"]["Properties"]["Events"].values()

    assert {(event["Properties"]["Method"].upper(), event["Properties"]["Path"]) for event in events} == {
        (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
    }

"""The API's function: routes, paging, and errors in one form whatever went wrong."""

import base64
import json
from typing import Any

import pytest

from api.handler import handler
from drs_orchestrator import bootstrap
from tests.helpers.orchestrator import EXECUTION_TABLE, PLAN_TABLE, Orchestrator, plan, server_id, wave

SHOP = plan(wave("web", server_id(1)))


@pytest.fixture(autouse=True)
def api(orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.handler.app", lambda: orchestrator.app)


def call(
    method: str, path: str, body: object = None, *, query: dict[str, str] | None = None, **fields: Any
) -> tuple[int, Any]:
    """The status and the parsed body of a REST API proxy call."""
    event = {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "pathParameters": None,
        "requestContext": {
            "path": path,
            "stage": "v1",
            "httpMethod": method,
            "requestId": "1",
            "identity": {"userArn": "arn:aws:iam::123456789012:user/operator"},
        },
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }
    answer = handler(event | fields, None)
    # As Lambda's runtime sends it.
    json.dumps(answer, ensure_ascii=False).encode()
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None


def token(key: dict[str, Any]) -> str:
    """A nextToken that goes on behind this key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


class TestPlans:
    def test_a_plan_is_created_replaced_read_and_deleted(self) -> None:
        assert call("PUT", "/plans/shop", SHOP)[0] == 201
        status, stored = call("PUT", "/plans/shop", SHOP | {"Name": "Café"})

        assert (status, stored["Name"]) == (200, "Café")
        assert call("GET", "/plans/shop") == (200, stored)
        assert call("DELETE", "/plans/shop") == (204, None)
        assert call("GET", "/plans/shop")[0] == 404
        assert call("DELETE", "/plans/shop")[0] == 404

    def test_a_body_without_plan_id_gets_the_one_of_the_path(self) -> None:
        without = {name: value for name, value in SHOP.items() if name != "PlanId"}

        assert call("PUT", "/plans/market", without)[1]["PlanId"] == "market"

    def test_every_fault_of_a_plan_is_listed_with_its_pointer(self) -> None:
        faulty = {"PlanId": "other", "Waves": [wave("a", "s-1"), wave("a", server_id(1), DependsOn=["b"])]}
        status, error = call("PUT", "/plans/shop", faulty)

        assert (status, error["error"]) == (400, "InvalidRequest")
        assert {detail["pointer"] for detail in error["details"]} == {
            "/Name",
            "/PlanId",
            "/Waves/0/Servers/0/SourceServerId",
            "/Waves/1/DependsOn/0",
            "/Waves/1/WaveName",
        }

    def test_a_plan_that_is_no_object_is_refused(self) -> None:
        assert call("PUT", "/plans/shop", [SHOP])[0] == 400

    def test_pre_flight_and_a_dry_run_count_the_warnings_they_do_not_list(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("drs_orchestrator.tasks.short_answer._LISTED_WARNINGS", 0)
        orchestrator.add_servers(server_id(1))
        # The simulator's newest recovery point is five minutes old.
        call("PUT", "/plans/shop", SHOP | {"RpoMinutes": 4})
        dry = {"PlanId": "shop", "ExecutionType": "DRILL", "DryRun": True}

        for status, answer in (
            call("POST", "/plans/shop/preflight", query={"type": "DRILL"}),
            call("POST", "/executions", dry),
        ):
            assert (status, answer["Findings"], answer["MoreWarnings"]["RecoveryPoint"]) == (200, [], 1)

    def test_plans_are_listed_page_by_page(self) -> None:
        for number in range(3):
            call("PUT", f"/plans/plan-{number}", plan(wave("web", server_id(number)), plan_id=f"plan-{number}"))
        pages = []
        query = {"limit": "2"}
        while True:
            _, page = call("GET", "/plans", query=query)
            pages.append(page["plans"])
            if "nextToken" not in page:
                break
            query = {"limit": "2", "nextToken": page["nextToken"]}

        assert [len(each) for each in pages] in ([2, 1], [2, 1, 0])
        assert {entry["PlanId"] for each in pages for entry in each} == {"plan-0", "plan-1", "plan-2"}
        assert pages[0][0].keys() == {"PlanId", "Name", "WaveCount", "ServerCount", "UpdatedTime"}


class TestExecutions:
    def test_a_plan_is_started_shown_and_listed(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        call("PUT", "/plans/shop", SHOP)
        status, started = call("POST", "/executions", {"PlanId": "shop", "ExecutionType": "DRILL"})

        assert (status, started["status"]) == (202, "PENDING")
        assert call("GET", f"/executions/{started['executionId']}")[1]["PlanId"] == "shop"
        assert listed("PENDING") == [started["executionId"]]

        orchestrator.prepare(started["executionId"])
        assert (listed("PENDING"), listed("POLLING")) == ([], [started["executionId"]])

    def test_executions_are_listed_page_by_page_newest_first(self, orchestrator: Orchestrator) -> None:
        started = []
        orchestrator.add_servers(*(server_id(number) for number in range(5)))
        for number in range(5):
            started.append(orchestrator.start(plan(wave("web", server_id(number)), plan_id=f"plan-{number}")))
            orchestrator.let_pass(1)
        seen: list[str] = []
        query = {"status": "PENDING", "limit": "2"}
        while True:
            _, page = call("GET", "/executions", query=query)
            seen += [each["ExecutionId"] for each in page["executions"]]
            if "nextToken" not in page:
                break
            query["nextToken"] = page["nextToken"]

        assert seen == started[::-1]

    def test_a_report_comes_as_json_or_as_a_page(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        path = f"/executions/{orchestrator.start(SHOP)}/report"

        assert call("GET", path)[1]["PlanId"] == call("GET", path, query={"format": "json"})[1]["PlanId"] == "shop"
        status, error = call("GET", path, query={"format": "pdf"})
        assert (status, error["details"]) == (
            400,
            [{"pointer": "/format", "message": "format must be json or html."}],
        )
        assert call("GET", "/executions/exec-0/report", query={"format": "html"})[0] == 404

    def test_an_unknown_execution_is_not_found(self) -> None:
        status, error = call("GET", "/executions/exec-0")

        assert (status, error["error"]) == (404, "NotFound")
        assert "exec-0" in error["message"]

    @pytest.mark.parametrize("query", [None, {"status": ""}, {"status": "polling"}, {"status": "LAUNCHED"}])
    def test_a_list_needs_a_status_and_says_which_there_are(self, query: dict[str, str] | None) -> None:
        status, error = call("GET", "/executions", query=query)

        assert (status, error["details"][0]["pointer"]) == (400, "/status")
        assert "POLLING" in error["details"][0]["message"]

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "two", "1.5", "²", ""])
    def test_a_limit_that_is_none_is_refused(self, limit: str) -> None:
        status, error = call("GET", "/executions", query={"status": "POLLING", "limit": limit})

        assert (status, error["details"][0]["pointer"]) == (400, "/limit")

    @pytest.mark.parametrize(
        "token",
        [
            "not base64!",
            base64.urlsafe_b64encode(b"no json").decode(),
            base64.urlsafe_b64encode(b"[1]").decode(),
            base64.urlsafe_b64encode(b'{"PlanId": "shop"}').decode(),
            base64.urlsafe_b64encode(b'{"ExecutionId":1,"Record":"x","Status":"POLLING","StartTime":1}').decode(),
            base64.urlsafe_b64encode(
                b'{"ExecutionId":"x","Record":"EXECUTION","Status":"FAILED","StartTime":1}'
            ).decode(),
        ],
    )
    def test_a_next_token_this_list_did_not_give_is_refused(self, token: str) -> None:
        status, error = call("GET", "/executions", query={"status": "POLLING", "nextToken": token})

        assert (status, error["details"][0]["pointer"]) == (400, "/nextToken")

    @pytest.mark.parametrize(
        "field",
        [
            {"StartTime": 10**50},
            {"StartTime": -1},
            {"ExecutionId": ""},
            {"ExecutionId": "x" * 3000},
            {"Record": "\ud800"},
        ],
    )
    def test_a_next_token_that_no_record_can_have_is_refused(
        self, orchestrator: Orchestrator, field: dict[str, Any]
    ) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.begin(SHOP)
        started = orchestrator.show(execution_id)["StartTime"]
        key = {"ExecutionId": execution_id, "Record": "EXECUTION", "Status": "POLLING", "StartTime": started}
        assert call("GET", "/executions", query={"status": "POLLING", "nextToken": token(key)})[0] == 200

        status, error = call("GET", "/executions", query={"status": "POLLING", "nextToken": token(key | field)})

        assert (status, error["details"][0]["pointer"]) == (400, "/nextToken")

    def test_a_history_behind_its_end_is_an_empty_page(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        path = f"/executions/{orchestrator.begin(SHOP)}/history"
        count = len(call("GET", path)[1]["history"])

        assert call("GET", path, query={"nextToken": token({"Number": count})}) == (200, {"history": []})
        assert call("GET", path, query={"nextToken": token({"Number": 10**12})}) == (200, {"history": []})

    @pytest.mark.parametrize("path", ["/plans/", "/executions/"])
    @pytest.mark.parametrize("text", ["x" * 257, "%C3%A9" * 257])
    def test_an_id_that_nothing_can_have_is_not_found(self, path: str, text: str) -> None:
        status, error = call("GET", path + text)

        assert (status, error["error"]) == (404, "NotFound")
        assert "an id has at most" in error["message"]


START_ROUTES = [("DRILL", "/executions"), ("RECOVERY", "/recoveries")]
STEERING = ("approve", "resume", "reject", "pause", "cancel", "skip-wave")


class TestRoutesOfATypeOfTheirOwn:
    @pytest.mark.parametrize(("execution_type", "path"), START_ROUTES)
    def test_each_type_is_started_by_its_route(
        self, orchestrator: Orchestrator, execution_type: str, path: str
    ) -> None:
        orchestrator.add_servers(server_id(1))
        call("PUT", "/plans/shop", SHOP)
        status, started = call("POST", path, {"PlanId": "shop", "ExecutionType": execution_type})

        assert status == 202
        assert orchestrator.show(started["executionId"])["ExecutionType"] == execution_type

    @pytest.mark.parametrize("dry", [{}, {"DryRun": True}])
    @pytest.mark.parametrize(("execution_type", "path"), START_ROUTES)
    def test_the_other_type_is_refused_with_the_right_route_and_nothing_is_started(
        self, orchestrator: Orchestrator, execution_type: str, path: str, dry: dict[str, bool]
    ) -> None:
        orchestrator.add_servers(server_id(1))
        call("PUT", "/plans/shop", SHOP)
        [(wanted, right)] = [each for each in START_ROUTES if each[1] != path]
        status, error = call("POST", path, {"PlanId": "shop", "ExecutionType": wanted, **dry})

        assert (status, error["error"]) == (400, "InvalidRequest")
        assert error["message"] == (
            f"A {wanted} is started with POST {right}; POST {path} starts a {execution_type} only."
        )
        assert error["details"][0]["pointer"] == "/ExecutionType"
        assert orchestrator.drivers() == []

    @pytest.mark.parametrize("action", STEERING)
    @pytest.mark.parametrize(("execution_type", "path"), START_ROUTES)
    def test_what_is_of_the_other_type_can_not_be_steered_and_the_right_route_is_named(
        self, orchestrator: Orchestrator, action: str, execution_type: str, path: str
    ) -> None:
        orchestrator.add_servers(server_id(1), server_id(2))
        asking = plan(wave("web", server_id(1), ApprovalBefore=True), wave("last", server_id(2)))
        execution_id = orchestrator.begin(asking, execution_type)
        before = orchestrator.show(execution_id)
        [wrong] = [each for _, each in START_ROUTES if each != path]
        body = {"Reason": "a test"} | ({"WaveName": "web"} if action == "skip-wave" else {})
        status, error = call("POST", f"{wrong}/{execution_id}/{action}", body)

        assert (status, error["error"]) == (409, "Conflict")
        assert error["message"] == f"{execution_id} is a {execution_type}: use POST {path}/{execution_id}/{action}."
        assert orchestrator.show(execution_id) == before

    @pytest.mark.parametrize(("execution_type", "path"), START_ROUTES)
    def test_what_has_ended_is_retried_by_the_route_of_its_type_only(
        self, orchestrator: Orchestrator, execution_type: str, path: str
    ) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(SHOP, execution_type)
        assert call("POST", f"{path}/{execution_id}/cancel")[0] == 202
        assert orchestrator.drive(execution_id)["Status"] == "CANCELLED"
        drivers = orchestrator.drivers()
        [wrong] = [each for _, each in START_ROUTES if each != path]
        status, error = call("POST", f"{wrong}/{execution_id}/retry")

        assert status == 409
        assert error["message"] == f"{execution_id} is a {execution_type}: use POST {path}/{execution_id}/retry."
        assert orchestrator.drivers() == drivers
        assert call("POST", f"{path}/{execution_id}/retry")[0] == 202

    def test_a_recovery_has_no_route_that_cleans_it_up(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(SHOP, "RECOVERY")
        orchestrator.drive(execution_id)

        assert call("POST", f"/recoveries/{execution_id}/cleanup")[0] == 404
        status, error = call("POST", f"/executions/{execution_id}/cleanup")
        assert status == 409
        assert "what it launched may be production and is never cleaned up" in error["message"]

    @pytest.mark.parametrize("path", ["/executions", "/recoveries"])
    @pytest.mark.parametrize("action", [*STEERING, "retry"])
    def test_what_does_not_exist_is_not_found_by_either_route(self, path: str, action: str) -> None:
        body = {"Reason": "a test"} | ({"WaveName": "web"} if action == "skip-wave" else {})

        assert call("POST", f"{path}/exec-0/{action}", body)[0] == 404


class TestErrors:
    @pytest.mark.parametrize("body", [None, "", "{", "'PlanId'", "[" * 200_000])
    def test_a_body_that_is_no_json_is_refused(self, body: str | None) -> None:
        status, error = call("POST", "/executions", body)

        assert (status, error["error"], error["details"]) == (400, "InvalidRequest", [])

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/executions", '{"PlanId": "shop", "ExecutionType": "DRILL", "\\ud800": 1}'),
            ("POST", "/executions/exec-1/pause", '{"\\ud800": 1}'),
            ("PUT", "/plans/shop", '{"\ud800": 1'),
            ("GET", "/\ud800", None),
            ("GET", "/plans/\ud800", None),
        ],
    )
    def test_half_of_a_surrogate_pair_is_answered_and_the_answer_can_be_sent(
        self, orchestrator: Orchestrator, method: str, path: str, body: str | None
    ) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.begin(SHOP)

        assert call(method, path.replace("exec-1", execution_id), body)[0] in (400, 404)

    def test_half_of_a_surrogate_pair_goes_back_as_it_came(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        status, error = call("POST", f"/executions/{orchestrator.begin(SHOP)}/skip-wave", {"WaveName": "\ud800"})

        assert status == 404
        assert "has no wave \ud800" in error["message"]

    def test_a_body_in_base64_is_read(self) -> None:
        encoded = base64.b64encode(json.dumps(SHOP).encode()).decode()

        assert call("PUT", "/plans/shop", encoded, isBase64Encoded=True)[0] == 201
        assert call("PUT", "/plans/shop", "abcde", isBase64Encoded=True)[0] == 400

    def test_a_body_over_a_megabyte_is_too_large_and_says_how_large(self) -> None:
        status, error = call("PUT", "/plans/shop", "x" * 1_000_001)

        assert (status, error["error"]) == (413, "PayloadTooLarge")
        assert "1000001 bytes" in error["message"]

    def test_the_limit_counts_bytes_not_characters(self) -> None:
        assert call("PUT", "/plans/shop", "ü" * 500_001)[0] == 413

    @pytest.mark.parametrize("path", ["/executions", "/executions/{}/pause", "/executions/{}/retry"])
    def test_of_a_megabyte_of_unknown_fields_the_first_are_listed_and_the_others_counted(
        self, orchestrator: Orchestrator, path: str
    ) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.begin(SHOP)
        if path.endswith("retry"):
            orchestrator.drive(execution_id)
        status, error = call("POST", path.format(execution_id), {f"{number:x}": 1 for number in range(80_000)})

        assert status == 400
        unknown = [detail for detail in error["details"] if "nknown field" in detail["message"]]
        assert [detail["pointer"] for detail in unknown] == [*(f"/{number:x}" for number in range(100)), ""]
        assert unknown[-1]["message"].startswith("79900 more unknown fields")

    def test_a_conflict_is_told_as_one(self) -> None:
        call("PUT", "/plans/shop", SHOP)
        body = {"PlanId": "shop", "ExecutionType": "DRILL", "ClientToken": "once"}
        call("POST", "/executions", body)

        status, error = call("POST", "/recoveries", body | {"ExecutionType": "RECOVERY"})
        assert (status, error["error"]) == (409, "Conflict")

    @pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PATCH", "/plans/shop"), ("DELETE", "/executions/x")])
    def test_a_route_that_does_not_exist_is_answered_in_the_same_form(self, method: str, path: str) -> None:
        status, error = call(method, path)

        assert (status, error["error"]) == (404, "NotFound")
        assert f"{method} {path}" in error["message"]

    def test_an_aws_service_that_fails_is_a_503_without_its_details(self, orchestrator: Orchestrator) -> None:
        orchestrator.dynamodb.delete_table(TableName=PLAN_TABLE)
        status, error = call("GET", "/plans/shop")

        assert (status, error["error"]) == (503, "ServiceBusy")
        assert PLAN_TABLE not in error["message"]

    def test_a_failure_nobody_expected_is_a_500_in_the_same_form(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(orchestrator.app.plans, "get", fail)
        status, error = call("GET", "/plans/shop")

        assert (status, error["error"]) == (500, "InternalError")
        assert "secret" not in json.dumps(error)

    def test_no_body_of_a_request_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        call("POST", "/executions", {"PlanId": "shop", "ExecutionType": "DRILL", "ClientToken": "my-token-1"})

        assert "my-token-1" not in caplog.text


def test_a_function_reads_its_settings_once_from_its_environment(
    orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.app.cache_clear()
    for name, value in orchestrator.environment.items():
        monkeypatch.setenv(name, value)
    app = bootstrap.app()
    monkeypatch.setenv("EXECUTION_TABLE_NAME", "another")

    assert bootstrap.app() is app
    assert app.settings.execution_table == EXECUTION_TABLE
    assert app.clock() > 1_700_000_000
    bootstrap.app.cache_clear()


def listed(status: str) -> list[str]:
    _, page = call("GET", "/executions", query={"status": status})
    return [each["ExecutionId"] for each in page["executions"]]

"""Who may do what: the template's four policies, held against every route that docs/openapi.yaml knows."""

import json
import re
from typing import Any

import pytest
import yaml

from api.handler import handler
from tests.helpers.execute_api import may_call, patterns, policy, spelled_out
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.samples import EVENTS
from tests.helpers.template import PROJECT_ROOT, template

DOCUMENT = yaml.safe_load((PROJECT_ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
ROUTES = [
    (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
]
ROLES = ("Reader", "Operator", "Recoverer", "Approver")

# Every route, and who may call it: R, O, V (recoVerer), A. A new route has to be decided about here.
TABLE = """
GET    /plans                                 R O V A
GET    /plans/{PlanId}                        R O V A
GET    /executions                            R O V A
GET    /executions/{ExecutionId}              R O V A
GET    /executions/{ExecutionId}/history      R O V A
GET    /executions/{ExecutionId}/report       R O V A
PUT    /plans/{PlanId}                        - - V -
DELETE /plans/{PlanId}                        - - V -
POST   /plans/{PlanId}/preflight              - O V -
POST   /executions                            - O V -
POST   /executions/{ExecutionId}/approve      - O V A
POST   /executions/{ExecutionId}/resume       - O V A
POST   /executions/{ExecutionId}/reject       - O V A
POST   /executions/{ExecutionId}/pause        - O V -
POST   /executions/{ExecutionId}/cancel       - O V -
POST   /executions/{ExecutionId}/skip-wave    - O V -
POST   /executions/{ExecutionId}/retry        - O V -
POST   /executions/{ExecutionId}/cleanup      - O V -
POST   /recoveries                            - - V -
POST   /recoveries/{ExecutionId}/approve      - - V A
POST   /recoveries/{ExecutionId}/resume       - - V A
POST   /recoveries/{ExecutionId}/reject       - - V A
POST   /recoveries/{ExecutionId}/pause        - - V -
POST   /recoveries/{ExecutionId}/cancel       - - V -
POST   /recoveries/{ExecutionId}/skip-wave    - - V -
POST   /recoveries/{ExecutionId}/retry        - - V -
"""
DECIDED = {
    (method, path): {role for role, mark in zip(ROLES, marks, strict=True) if mark != "-"}
    for method, path, *marks in (line.split() for line in TABLE.split("\n") if line)
}


def called(path: str) -> str:
    """A path as it is called: with an id in place of each parameter."""
    return re.sub(r"\{\w+\}", "some-id", path)


class TestPolicies:
    def test_every_route_is_decided_about(self) -> None:
        assert sorted(DECIDED) == sorted(ROUTES)

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_a_route_is_open_to_whom_the_table_says_and_to_nobody_else(self, method: str, path: str) -> None:
        allowed = {role for role in ROLES if may_call(policy(role), method, called(path))}

        assert allowed == DECIDED[method, path]

    @pytest.mark.parametrize("role", ROLES)
    def test_nothing_is_granted_that_is_no_route(self, role: str) -> None:
        routes = {f"{method}{path}" for method, path in ROUTES}
        granted = {pattern.partition("/v1/")[2] for pattern in patterns(policy(role))}

        for each in granted:
            shape = re.escape(each).replace(r"\*", r"\{\w+\}")
            assert any(re.fullmatch(shape, route) for route in routes), f"{each} is no route"

    @pytest.mark.parametrize("role", ROLES)
    def test_another_api_and_another_stage_stay_closed(self, role: str) -> None:
        assert all(":abc123/v1/" in pattern for pattern in patterns(policy(role)))

    @pytest.mark.parametrize("role", ROLES)
    def test_a_policy_fits_into_iam_and_is_an_output(self, role: str) -> None:
        document = json.dumps(spelled_out(policy(role), "123456789012", "abcdefghij"))

        # IAM's limit of a managed policy, blanks not counted.
        assert len(re.sub(r"\s", "", document)) < 6144
        assert template()["Outputs"][f"{role}PolicyArn"]["Value"] == {"Ref": f"{role}Policy"}


class TestADrillOperator:
    """By no route that its policy allows is a RECOVERY started, steered, approved, retried or cleaned up."""

    ALLOWED = tuple(route for route in ROUTES if "Operator" in DECIDED[route] and route[0] != "GET")

    @pytest.fixture(autouse=True)
    def api(self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("api.handler.app", lambda: orchestrator.app)

    def try_everything(self, orchestrator: Orchestrator, execution_id: str) -> None:
        drivers, before = orchestrator.drivers(), orchestrator.show(execution_id)
        for _, path in self.ALLOWED:
            if not path.startswith("/plans"):
                answer = post(path.replace("{ExecutionId}", execution_id))
                assert 400 <= answer["statusCode"] < 500, f"{path} answered {answer}"
        assert orchestrator.drivers() == drivers
        assert orchestrator.show(execution_id) == before

    def test_one_that_asks_for_an_approval(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1), server_id(2))
        asking = plan(wave("web", server_id(1), ApprovalBefore=True), wave("last", server_id(2)))
        self.try_everything(orchestrator, orchestrator.begin(asking, "RECOVERY"))

    def test_one_that_runs(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1), server_id(2))
        running = plan(wave("web", server_id(1)), wave("last", server_id(2)))
        self.try_everything(orchestrator, orchestrator.begin(running, "RECOVERY"))

    def test_one_that_has_ended_with_something_left_to_retry(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1), server_id(2))
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[server_id(2)])
        execution_id = orchestrator.start(plan(wave("web", server_id(1), server_id(2))), "RECOVERY")
        assert orchestrator.drive(execution_id)["Status"] == "PARTIAL"
        self.try_everything(orchestrator, execution_id)


def post(path: str) -> Any:
    """What the API's function answers when a RECOVERY is asked for, whatever the path."""
    body: dict[str, Any] = {"Reason": "a test"}
    if path == "/executions":
        body |= {"PlanId": "shop", "ExecutionType": "RECOVERY"}
    elif path.endswith("/skip-wave"):
        body |= {"WaveName": "last"}
    event = EVENTS["api.approve"] | {"path": path, "resource": path, "body": json.dumps(body)}
    return handler(event, None)

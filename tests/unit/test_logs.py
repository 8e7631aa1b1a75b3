"""The log: JSON, each line about an execution names it, each step of a status has one line, and no secret is in any."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.helpers.observed import Line, ObservedOrchestrator
from tests.helpers.orchestrator import EXECUTION_TABLE, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)

CLIENT_TOKEN = "client-token-5f1c9f0a"
CALLBACK_TOKEN = "AQCEAAAAKgAAAAMAAAAAAAAAAe1callback-7d20"
REASON = "the-words-of-an-operator-b81e"
SECRETS = (CLIENT_TOKEN, CALLBACK_TOKEN, REASON)


@pytest.fixture
def observed(no_aws: None, simulator: SimulatorControl) -> ObservedOrchestrator:
    orchestrator = ObservedOrchestrator(simulator)
    orchestrator.add_servers(ONE, TWO, THREE)
    return orchestrator


def log(observed: ObservedOrchestrator) -> list[dict[str, Any]]:
    return [line.document for line in observed.lines if not line.is_metrics]


def steps(observed: ObservedOrchestrator, message: str) -> list[dict[str, Any]]:
    return [line for line in log(observed) if line["message"] == message]


def approved(observed: ObservedOrchestrator) -> str:
    """An execution with an approval: asked for, waited for with a callback token, and given."""
    execution_id = observed.start(
        plan(wave("database", ONE), wave("web", TWO, ApprovalBefore=True)), ClientToken=CLIENT_TOKEN, Reason=REASON
    )
    observed.prepare(execution_id)
    observed.launch(execution_id)
    while not observed.launch(execution_id)["awaitsDecision"]:
        observed.check(execution_id, after=120)
    observed.wait_for_decision(execution_id, CALLBACK_TOKEN)
    assert observed.steer(execution_id, "approve", {"Reason": REASON}) == 202
    observed.drive(execution_id)
    return execution_id


class TestLines:
    def test_an_executions_steps_have_one_line_each(self, observed: ObservedOrchestrator) -> None:
        approved(observed)

        statuses = [line["status"] for line in steps(observed, "execution changed")]
        assert statuses == ["POLLING", "PAUSED", "POLLING", "COMPLETED"]

    def test_a_waves_and_a_servers_steps_are_those_of_the_record(self, observed: ObservedOrchestrator) -> None:
        observed.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        document = observed.drive(observed.start(plan(wave("web", ONE, TWO), wave("last", THREE))), every=30)

        waves = [(line["wave"], line["status"]) for line in steps(observed, "wave changed")]
        assert waves == [("web", "LAUNCHING"), ("web", "PARTIAL"), ("last", "SKIPPED")]
        servers = Counter((line["source_server_id"], line["status"]) for line in steps(observed, "server changed"))
        recorded = Counter(
            (server["SourceServerId"], step["To"])
            for each in document["Waves"]
            for server in each["Servers"]
            for step in server["TransitionHistory"]
        )
        assert servers == recorded

    def test_a_failed_servers_line_has_drs_words(self, observed: ObservedOrchestrator) -> None:
        observed.simulator.add_fault("launch-failure", text="The subnet is full")
        observed.drive(observed.start(plan(wave("web", ONE))))

        [failed] = [line for line in steps(observed, "server changed") if line["status"] == "FAILED"]
        assert "The subnet is full" in failed["error"]

    def test_a_refused_launch_fails_its_servers_in_the_log_too(self, observed: ObservedOrchestrator) -> None:
        observed.simulator.add_fault("error", operation="StartRecovery", code="AccessDeniedException", message="no")
        observed.drive(observed.start(plan(wave("web", ONE))))

        [line] = steps(observed, "server changed")
        assert (line["status"], line["source_server_id"]) == ("FAILED", ONE)

    def test_a_repeated_task_logs_no_step_again(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.check(execution_id, after=120)
        before = len(log(observed))
        observed.check(execution_id)
        observed.prepare(execution_id)

        assert log(observed)[before:] == []

    def test_the_reconcilers_steps_are_logged_too(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.let_pass(3600)
        observed.reconcile()

        reconciled = [line.document for line in observed.lines if line.function == "ReconcilerFunction"]
        assert [line["status"] for line in reconciled if line.get("message") == "server changed"] == ["LAUNCHED"]
        [replaced] = [line for line in reconciled if line.get("message") == "execution has a new driver"]
        assert (replaced["level"], replaced["execution_id"]) == ("WARNING", execution_id)


class TestKeys:
    def test_every_line_about_an_execution_names_it_and_its_plan_and_what_else_there_is(
        self, observed: ObservedOrchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = approved(observed)
        simulator.add_fault("unknown-event", sourceServerIDs=[THREE])
        other = observed.begin(plan(wave("web", THREE), plan_id="other"))
        simulator.add_fault("throttle", operation="DescribeJobLogItems", count=4)
        observed.check(other, after=120)
        simulator.add_fault("throttle", operation="DescribeJobs", count=4)
        observed.check(other, after=120)
        observed.check(other, after=600)
        observed.let_pass(3600)
        observed.reconcile()

        lines = log(observed)
        assert {line["execution_id"] for line in lines} == {execution_id, other}
        assert {line["plan_id"] for line in lines} == {"shop", "other"}
        of_a_job = {"server changed", "details unavailable", "DRS said a word nobody knows"}
        of_a_wave = of_a_job | {"wave changed", "StartRecovery"}
        assert of_a_wave <= {line["message"] for line in lines}
        assert {line["message"] for line in lines if "wave" in line} == of_a_wave
        assert {line["message"] for line in lines if "job_id" in line} == {*of_a_job, "StartRecovery"}

    def test_a_record_that_cannot_be_read_is_named_as_far_as_it_is_known(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.lines.clear()
        observed.dynamodb.update_item(
            TableName=EXECUTION_TABLE,
            Key={"ExecutionId": {"S": execution_id}, "Record": {"S": "EXECUTION"}},
            UpdateExpression="REMOVE Generation",
        )
        observed.reconcile()

        [line] = log(observed)
        assert (line["level"], line["execution_id"]) == ("ERROR", execution_id)
        assert "Traceback" in line["exception"]

    def test_the_ids_of_one_invocation_are_not_on_the_lines_of_the_next(self, observed: ObservedOrchestrator) -> None:
        observed.check(observed.begin(plan(wave("web", ONE))), after=120)
        observed.lines.clear()
        observed.dynamodb.delete_table(TableName="plans")
        answer = observed.call_api("GET", "/plans")

        assert answer["statusCode"] == 503
        [line] = log(observed)
        assert "execution_id" not in line
        assert line["message"] == "an AWS call failed"


class TestSecrets:
    def found(self, lines: list[Line], *secrets: str) -> list[str]:
        return [line.text for line in lines if any(secret in line.text for secret in secrets)]

    def test_no_token_and_no_operators_word_is_logged(self, observed: ObservedOrchestrator) -> None:
        execution_id = approved(observed)
        observed.request("shop", ClientToken=CLIENT_TOKEN, Reason=REASON)

        assert self.found(observed.lines, *SECRETS) == []
        assert REASON in json.dumps(list(observed.app.executions.history(execution_id))), "it stands in the history"

    @pytest.mark.parametrize(
        ("action", "body"),
        [
            ("cancel", {"Reason": REASON}),
            ("reject", {"Reason": REASON}),
            ("pause", {"Reason": REASON}),
            ("skip-wave", {"WaveName": "web", "Reason": REASON}),
        ],
    )
    def test_whatever_an_operator_decides_his_reason_is_not_logged(
        self, observed: ObservedOrchestrator, action: str, body: dict[str, str]
    ) -> None:
        execution_id = observed.start(plan(wave("web", ONE, ApprovalBefore=True), wave("last", TWO, DependsOn=[])))
        observed.prepare(execution_id)
        observed.launch(execution_id)
        assert observed.steer(execution_id, action, body) == 202
        for _ in range(5):
            observed.check(execution_id, after=300)
            observed.launch(execution_id)

        assert len(log(observed)) > 3
        assert self.found(observed.lines, REASON) == []

    @pytest.mark.parametrize("trouble", ["wake", "start"])
    def test_a_driver_that_cannot_be_reached_is_logged_without_its_token(
        self, observed: ObservedOrchestrator, trouble: str
    ) -> None:
        execution_id = observed.start(plan(wave("web", ONE, ApprovalBefore=True)), ClientToken=CLIENT_TOKEN)
        observed.prepare(execution_id)
        observed.launch(execution_id)
        observed.wait_for_decision(execution_id, CALLBACK_TOKEN)
        observed.stepfunctions.delete_state_machine(stateMachineArn=observed.environment["STATE_MACHINE_ARN"])
        observed.lines.clear()
        if trouble == "wake":
            assert observed.steer(execution_id, "approve", {"Reason": REASON}) == 202
        else:
            observed.add_servers(server_id(9))
            observed.start(plan(wave("web", server_id(9)), plan_id="other"), ClientToken=CLIENT_TOKEN[::-1])
            assert [line["level"] for line in log(observed)] == ["INFO", "ERROR"]

        assert self.found(observed.lines, *SECRETS, CLIENT_TOKEN[::-1]) == []

    @pytest.mark.parametrize(
        "body",
        [
            f'{{"PlanId": "{REASON}"',
            f'"{REASON}"',
            json.dumps({"PlanId": REASON, "ExecutionType": "DRILL", "ClientToken": CLIENT_TOKEN}),
            json.dumps({"PlanId": "shop", "ExecutionType": REASON, "ClientToken": CLIENT_TOKEN}),
            json.dumps({"PlanId": "shop", "ExecutionType": "DRILL", REASON: CLIENT_TOKEN}),
            json.dumps({"PlanId": "shop", "ExecutionType": "DRILL", "Reason": f'{REASON}\n{{"level": "ERROR"}}'}),
            json.dumps([[[REASON]]]),
            "[" * 100_000 + REASON,
        ],
    )
    def test_no_hostile_body_reaches_the_log(self, observed: ObservedOrchestrator, body: str) -> None:
        observed.call_api("PUT", "/plans/shop", "/plans/{PlanId}", plan(wave("web", ONE)), PlanId="shop")
        answer = observed.call_api("POST", "/executions", body=body)
        observed.call_api("PUT", "/plans/other", "/plans/{PlanId}", body, PlanId="other")
        observed.steer("exec-1", "cancel", body)

        assert answer["statusCode"] in (202, 400, 404)
        assert self.found(observed.lines, REASON, CLIENT_TOKEN) == []

"""What an operator can do, each once on the deployed stack: through API Gateway, the functions' roles and the state
machine's callback.

Approvals, rejections, a failed wave that is resumed, and the order of states of a clean-up are shown by
tests/statemachine/test_embedded_engine.py, what is told of them by test_notifications.py; every other turn, approvals
that time out among them, by tests/unit on virtual time.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from drctl.main import app
from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    mock_drs_jobs,
    mock_drs_progression,
    source_server_id,
    start_test_execution,
    wait_for,
    wait_for_final_status,
    wait_for_status,
)
from tests.helpers.stack import call_api, client, control

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("stack"),
    # Servers fail and recoveries are launched here.
    pytest.mark.usefixtures("simulated_drs"),
]

Document = dict[str, Any]


def drctl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def changed(plan: Document, waves: Mapping[str, Mapping[str, Any]] | None = None, **fields: Any) -> Document:
    """The plan stored again with more fields, of its own and of waves by name."""
    more = waves or {}
    document = {"Name": plan["Name"], "Waves": [wave | more.get(wave["WaveName"], {}) for wave in plan["Waves"]]}
    answer = call_api("PUT", f"/plans/{plan['PlanId']}", document | fields)
    assert answer.is_success, answer.text
    stored: Document = answer.json()
    return stored


def steer(execution_id: str, decision: str, **request: str) -> Document:
    """What the API answers to a decision about a drill."""
    answer = call_api("POST", f"/executions/{execution_id}/{decision}", request)
    assert answer.status_code == 202, answer.text
    told: Document = answer.json()
    return told


def refused(plan: Document, execution_type: str, **fields: Any) -> list[Document]:
    """What pre-flight says to a start that it refuses."""
    request = {"PlanId": plan["PlanId"], "ExecutionType": execution_type, **fields}
    answer = call_api("POST", STARTS[ExecutionType(execution_type)], request)
    assert answer.status_code == 409, answer.text
    details: list[Document] = answer.json()["details"]
    return details


def history(execution_id: str) -> list[Document]:
    answer = call_api("GET", f"/executions/{execution_id}/history", query={"limit": "100"})
    entries: list[Document] = answer.json()["history"]
    return entries


def kinds(execution_id: str) -> list[str]:
    return [entry["Kind"] for entry in history(execution_id)]


def wave_statuses(document: Document) -> list[str]:
    return [wave["Status"] for wave in document["Waves"]]


def servers(document: Document) -> dict[str, Document]:
    return {server["SourceServerId"]: server for wave in document["Waves"] for server in wave["Servers"]}


def instance_states(*names: str) -> dict[str, str]:
    """EC2's state of each recovery instance that DRS knows of these servers."""
    wanted = {"sourceServerIDs": [source_server_id(name) for name in names]}
    items = client("drs").describe_recovery_instances(filters=wanted)["items"]
    return {item["recoveryInstanceID"]: item["ec2InstanceState"] for item in items}


class TestBeforeTheStart:
    def test_what_preflight_and_a_dry_run_find_refuses_the_start_and_launches_nothing(self) -> None:
        plan = create_test_plan_with_servers([["s-1"], ["s-2"]])
        control().replicate([source_server_id("s-2")], "INITIAL_SYNC")
        request = {"PlanId": plan["PlanId"], "ExecutionType": "DRILL"}

        preflight = call_api("POST", f"/plans/{plan['PlanId']}/preflight", query={"type": "DRILL"}).json()
        dry = call_api("POST", "/executions", request | {"DryRun": True}).json()
        [fault] = refused(plan, "DRILL")

        assert (preflight["Ready"], dry["Ready"]) == (False, False)
        assert preflight["Findings"] == dry["Findings"]
        [finding] = dry["Findings"]
        assert (fault["check"], fault["message"], fault["remedy"]) == (
            finding["Check"],
            finding["Message"],
            finding["Remedy"],
        )
        assert fault["pointer"] == f"/{source_server_id('s-2')}"
        assert dry["LaunchOrder"] == [["Wave-1"], ["Wave-2"]]
        assert not launches_of("s-1", "s-2")

    def test_an_optional_server_that_can_not_be_launched_is_left_out(self) -> None:
        plan = create_test_plan_with_servers(["s-1", "s-2"], optional=["s-2"])
        control().replicate([source_server_id("s-2")], "INITIAL_SYNC")
        execution_id = start_test_execution(plan)
        document = wait_for_final_status(execution_id)
        left_out = servers(document)[source_server_id("s-2")]

        assert left_out["Status"] == "SKIPPED"
        assert "copied for the first time" in left_out["Error"]
        assert servers(document)[source_server_id("s-1")]["Status"] == "LAUNCHED"
        assert launches_of("s-1") == [[source_server_id("s-1")]]

    def test_a_living_recovery_is_replaced_only_by_a_recovery_that_is_told_to(self) -> None:
        # Else EC2 would keep DRS from removing it, see test_termination_protection.py.
        plan = changed(create_test_plan_with_servers(["s-1"]), TerminationProtection=False)
        first = wait_for_status(start_test_execution(plan, "RECOVERY"), "COMPLETED")
        instance = servers(first)[source_server_id("s-1")]["InstanceId"]

        assert [fault["check"] for fault in refused(plan, "DRILL")] == ["LiveInstance"]
        assert [fault["check"] for fault in refused(plan, "RECOVERY")] == ["LiveInstance"]

        second = start_test_execution(plan, "RECOVERY", ReplaceLive=plan["PlanId"], Reason="it was a test")
        wait_for_status(second, "COMPLETED")
        [replaced] = [entry for entry in history(second) if entry["Kind"] == "LiveInstancesReplaced"]
        assert replaced["Data"]["Instances"] == [
            {"SourceServerId": source_server_id("s-1"), "InstanceId": instance},
        ]
        assert replaced["Reason"] == "it was a test"
        assert instance_states("s-1").get(instance) != "RUNNING"

    def test_who_is_recovered_by_hand_after_the_start_is_not_launched_over(self) -> None:
        plan = create_test_plan_with_servers([["s-1"], ["s-2"]], approvals=[2])
        execution_id = start_test_execution(plan)
        wait_for_status(execution_id, "PAUSED")
        client("drs").start_recovery(isDrill=False, sourceServers=[{"sourceServerID": source_server_id("s-2")}])
        control().push_jobs("COMPLETED")
        [instance] = instance_states("s-2")
        steer(execution_id, "approve")
        document = wait_for_final_status(execution_id)
        guarded = servers(document)[source_server_id("s-2")]

        assert guarded["Status"] == "SKIPPED"
        assert f"the launch would have removed {instance}" in guarded["Error"]
        assert instance_states("s-2") == {instance: "RUNNING"}


class TestDecisions:
    def test_a_wave_is_up_with_its_minimum_and_a_failed_one_asks_until_somebody_cancels(self) -> None:
        plan = create_test_plan_with_servers([["s-1", "s-2"], ["s-3"], ["s-4"]])
        changed(plan, {"Wave-1": {"MinimumLaunched": 1}, "Wave-2": {"OnFailure": "PAUSE"}})
        mock_drs_jobs([{"server": "s-1", "status": "FAILED"}, {"server": "s-3", "status": "FAILED"}])
        execution_id = start_test_execution(plan)
        paused = wait_for_status(execution_id, "PAUSED")

        assert wave_statuses(paused) == ["COMPLETED", "FAILED", "PENDING"]
        assert (paused["Question"]["Kind"], paused["Question"]["Waves"]) == ("FAILURE", ["Wave-2"])

        steer(execution_id, "cancel", Reason="the site is back")
        document = wait_for_status(execution_id, "CANCELLED")
        assert wave_statuses(document) == ["COMPLETED", "FAILED", "SKIPPED"]
        assert document["StatusReason"].endswith(": the site is back")
        assert not launches_of("s-4")

    def test_a_pause_holds_the_next_wave_and_a_skipped_one_is_passed_over(self) -> None:
        plan = create_test_plan_with_servers([["s-1"], ["s-2"], ["s-3"]])
        with mock_drs_progression():
            execution_id = start_test_execution(plan)
            wait_for(execution_id, lambda document: wave_statuses(document)[0] == "LAUNCHING", "launching")
            steer(execution_id, "pause", Reason="the network team asked")
            steer(execution_id, "skip-wave", WaveName="Wave-2", Reason="not needed")
            advance_drs_phase("COMPLETED")
            paused = wait_for_status(execution_id, "PAUSED")
            assert (paused["Question"]["Kind"], wave_statuses(paused)) == ("PAUSE", ["COMPLETED", "SKIPPED", "PENDING"])

            steer(execution_id, "resume")
            document = wait_for_final_status(execution_id)

        assert wave_statuses(document) == ["COMPLETED", "SKIPPED", "COMPLETED"]
        assert launches_of("s-1", "s-2", "s-3") == [[source_server_id("s-1")], [source_server_id("s-3")]]

    def test_what_is_in_flight_when_somebody_cancels_is_followed_to_its_end(self) -> None:
        plan = create_test_plan_with_servers([["s-1"], ["s-2"]])
        with mock_drs_progression():
            execution_id = start_test_execution(plan)
            wait_for(execution_id, lambda document: wave_statuses(document)[0] == "LAUNCHING", "launching")
            assert "1 DRS job in flight" in steer(execution_id, "cancel")["message"]
            polls = wait_for(execution_id, lambda document: "Stop" in document, "stopping")["PollCount"]
            document = wait_for(execution_id, lambda document: document["PollCount"] > polls, "polled again")
            assert document["Status"] == "POLLING"

            advance_drs_phase("COMPLETED")
            document = wait_for_status(execution_id, "CANCELLED")

        assert [server["Status"] for server in servers(document).values()] == ["LAUNCHED", "SKIPPED"]

    def test_a_recovery_that_skips_its_approvals_waits_for_nobody_and_says_so(self) -> None:
        plan = create_test_plan_with_servers(["s-1"], approvals=[1])
        execution_id = start_test_execution(plan, "RECOVERY", SkipApprovals=True, Reason="nobody can be reached")
        wait_for_status(execution_id, "COMPLETED")
        [started] = [entry for entry in history(execution_id) if entry["Kind"] == "ExecutionStarted"]

        assert "QuestionAsked" not in kinds(execution_id)
        assert (started["Data"]["SkipApprovals"], started["Reason"]) == (True, "nobody can be reached")
        assert "break-glass: no approval is waited for" in drctl("status", execution_id).stdout


class TestAfterwards:
    def test_a_retry_launches_only_what_is_not_up(self) -> None:
        plan = create_test_plan_with_servers([["s-1", "s-2"], ["s-3"]])
        mock_drs_jobs([{"server": "s-2", "status": "FAILED"}])
        first = wait_for_status(start_test_execution(plan), "PARTIAL")
        control().remove_faults()
        answer = call_api("POST", f"/executions/{first['ExecutionId']}/retry", {"Reason": "the subnet is mended"})
        assert answer.status_code == 202, answer.text
        document = wait_for_status(answer.json()["executionId"], "COMPLETED")

        assert wave_statuses(first) == ["PARTIAL", "SKIPPED"]
        assert document["RetryOf"] == first["ExecutionId"]
        assert set(servers(document)) == {source_server_id("s-2"), source_server_id("s-3")}
        assert launches_of("s-1") == [[source_server_id("s-1"), source_server_id("s-2")]]

    @pytest.mark.parametrize("by_plan", [True, False], ids=["by its plan", "by hand"])
    def test_a_drill_is_cleaned_up(self, by_plan: bool) -> None:
        plan = create_test_plan_with_servers(["s-1", "s-2"])
        changed(plan, Cleanup="IMMEDIATE" if by_plan else "MANUAL")
        execution_id = start_test_execution(plan)
        document = wait_for_status(execution_id, "COMPLETED")
        launched = {server["InstanceId"] for server in servers(document).values()}
        if not by_plan:
            assert set(instance_states("s-1", "s-2").values()) == {"RUNNING"}
            steer(execution_id, "cleanup", Reason="signed off")
        document = wait_for(
            execution_id,
            lambda document: document.get("CleanUp", {}).get("Status") not in (None, "CLEANING_UP"),
            "cleaned up",
        )

        fates = {each["InstanceId"]: each["Status"] for each in document["CleanUp"]["Instances"]}
        assert document["CleanUp"]["Status"] == "CLEANED_UP"
        assert fates == dict.fromkeys(launched, "TERMINATED")
        assert set(instance_states("s-1", "s-2").values()) <= {"TERMINATED"}
        assert ("CleanUpRequested" in kinds(execution_id)) is not by_plan

    def test_the_evidence_is_whole_until_somebody_changes_it(self, tmp_path: Path) -> None:
        plan = create_test_plan_with_servers(["s-1"], approvals=[1])
        execution_id = start_test_execution(plan)
        wait_for_status(execution_id, "PAUSED")
        assert drctl("approve", execution_id, "--reason", "the database is consistent").exit_code == 0
        document = wait_for_status(execution_id, "COMPLETED")
        page = tmp_path / "report.html"

        path = f"/executions/{execution_id}/report"
        report, html = call_api("GET", path).json(), call_api("GET", path, query={"format": "html"})
        verified = drctl("history", "verify", execution_id)

        assert drctl("report", execution_id, "--html", str(page)).exit_code == 0
        assert "the database is consistent" in page.read_text(encoding="utf-8")
        assert html.headers["content-type"].startswith("text/html")
        assert report["Status"] == "COMPLETED"
        assert [(each["Kind"], each["Reason"]) for each in report["Decisions"]] == [
            ("Approved", "the database is consistent")
        ]
        assert (verified.exit_code, document["HistoryHash"] in verified.stdout) == (0, True)

        forge_reason(execution_id, 1, "somebody else's words")
        broken = drctl("history", "verify", execution_id)
        assert (broken.exit_code, "entry 1 was changed" in broken.stderr) == (9, True)


def launches_of(*names: str) -> list[list[str]]:
    """The servers of each StartRecovery call that names one of these, in order."""
    wanted = {source_server_id(name) for name in names}
    calls = (
        [server["sourceServerID"] for server in call["request"]["sourceServers"]]
        for call in control().calls("StartRecovery")
    )
    return [launched for launched in calls if wanted & set(launched)]


def forge_reason(execution_id: str, number: int, reason: str) -> None:
    client("dynamodb").update_item(
        TableName=os.environ["EXECUTION_TABLE_NAME"],
        Key={"ExecutionId": {"S": execution_id}, "Record": {"S": f"HISTORY#{number:06d}"}},
        UpdateExpression="SET #name = :text",
        ExpressionAttributeNames={"#name": "Reason"},
        ExpressionAttributeValues={":text": {"S": reason}},
    )


class TestMistakes:
    def test_each_is_one_sentence_and_the_right_command(self) -> None:
        plan = create_test_plan_with_servers(["s-1"])["PlanId"]
        execution_id = start_test_execution(plan)
        mistyped = f"{plan}x"

        for typed, sentence, command in [
            (
                ["start", mistyped, "--drill"],
                f"There is no plan {mistyped}; did you mean {plan}?",
                f"start {plan} --drill",
            ),
            (["start", plan, "--dril"], "No such option: --dril; did you mean --drill?", f"start {plan} --drill"),
            (["status", "exec-x"], "There is no execution exec-x.", "list"),
            (["approve", execution_id], f"No wave of {execution_id} waits for approval:", f"status {execution_id}"),
        ]:
            result = drctl(*typed)
            assert result.exit_code != 0
            assert result.stderr.startswith(f"drctl: {sentence}"), result.stderr
            assert result.stderr.endswith(f"\n  try: drctl {command}\n"), result.stderr
            assert result.stderr.count("\n") == 2

        wait_for_final_status(execution_id)

    def test_an_api_that_is_not_there_is_said_to_be_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("API_URL", "http://127.0.0.1:1")
        result = drctl("list")

        assert result.exit_code != 0
        assert result.stderr.startswith("drctl: The API can't be reached:")
        assert "\n  try: echo $API_URL" in result.stderr

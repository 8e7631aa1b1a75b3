"""Suites 6 and 7: executions from the API call to their end, on the deployed stack."""

import pytest

from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    get_execution_from_dynamodb,
    mock_drs_progression,
    query_status_index,
    start_test_execution,
    wait_for,
    wait_for_final_status,
    wait_for_status,
)
from tests.helpers.stack import call_api, is_real, start_recovery_calls

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]


def test_drill_execution_complete_workflow() -> None:
    plan = create_test_plan_with_servers(["s-1", "s-2"])
    answer = call_api("POST", "/executions", {"PlanId": plan["PlanId"], "ExecutionType": "DRILL"})
    execution_id = answer.json()["executionId"]

    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert get_execution_from_dynamodb(execution_id)["Status"] in ("PENDING", "POLLING")

    wait_for_status(execution_id, "POLLING")
    assert execution_id in query_status_index("POLLING")

    document = wait_for_status(execution_id, "COMPLETED")
    [wave] = document["Waves"]
    assert document["EndTime"] >= document["StartTime"]
    assert wave["Status"] == "COMPLETED"
    assert len(wave["Servers"]) == 2
    for server in wave["Servers"]:
        assert server["Status"] == "LAUNCHED"
        assert server["InstanceId"].startswith("i-")
        assert [step["To"] for step in server["TransitionHistory"]][-1] == "LAUNCHED"
    assert execution_id not in query_status_index("POLLING")
    assert execution_id in query_status_index("COMPLETED")
    assert call_api("GET", f"/executions/{execution_id}").json() == document


@pytest.mark.usefixtures("simulated_drs")
def test_an_execution_goes_through_the_phases_of_its_job() -> None:
    with mock_drs_progression():
        execution_id = start_test_execution(create_test_plan_with_servers(["s-1"]))
        seen = []
        for stage in ("STARTED", "IN_PROGRESS", "COMPLETED"):
            advance_drs_phase(stage)
            status = "LAUNCHED" if stage == "COMPLETED" else stage
            document = wait_for(
                execution_id, lambda document, status=status: server_of(document)["Status"] == status, status
            )
            seen.append(document["Status"])
        document = wait_for_status(execution_id, "COMPLETED")

    assert seen[:2] == ["POLLING", "POLLING"]
    assert [step["To"] for step in server_of(document)["TransitionHistory"]] == ["STARTED", "IN_PROGRESS", "LAUNCHED"]


@pytest.mark.usefixtures("simulated_drs")
def test_recovery_execution_with_post_launch_actions() -> None:
    actions = [{"name": "audit", "seconds": 3000, "status": "SUCCEEDED"}]
    execution_id = start_test_execution(create_test_plan_with_servers(["s-1"], launchActions=actions), "RECOVERY")

    document = wait_for(
        execution_id,
        lambda document: server_of(document).get("PostLaunchActionsStatus") == "IN_PROGRESS",
        "running launch actions",
    )
    server = server_of(document)
    assert (document["Status"], server["Status"]) == ("POLLING", "LAUNCHED")
    assert "EndTime" not in document

    document = wait_for_status(execution_id, "COMPLETED")
    assert server_of(document)["PostLaunchActionsStatus"] == "COMPLETED"
    assert document["PollCount"] > server["PollAttempts"]


def test_three_waves_are_launched_in_order_and_tracked_to_the_end() -> None:
    plan = create_test_plan_with_servers([["s-1", "s-2"], ["s-3"], ["s-4"]])
    execution_id = start_test_execution(plan)
    document = wait_for_status(execution_id, "COMPLETED", timeout=90)
    first, second, third = document["Waves"]

    assert [wave["Status"] for wave in document["Waves"]] == ["COMPLETED"] * 3
    assert first["EndTime"] <= second["StartTime"] <= second["EndTime"] <= third["StartTime"]

    if is_real():
        return  # AWS keeps no list of calls to compare with
    launched = [
        [server["sourceServerID"] for server in call["request"]["sourceServers"]]
        for call in start_recovery_calls(execution_id)
    ]
    assert launched == [[server["SourceServerId"] for server in wave["Servers"]] for wave in plan["Waves"]]


@pytest.mark.usefixtures("simulated_drs")
def test_waves_without_dependencies_run_at_the_same_time() -> None:
    with mock_drs_progression():
        plan = create_test_plan_with_servers([["s-1"], ["s-2"], ["s-3"]], parallel=True)
        execution_id = start_test_execution(plan)
        wait_for(
            execution_id,
            lambda document: all(wave["Status"] == "LAUNCHING" for wave in document["Waves"]),
            "launching all waves",
        )
        advance_drs_phase("COMPLETED")
        document = wait_for_status(execution_id, "COMPLETED")

    assert len({wave["Jobs"][0]["RecoveryJobId"] for wave in document["Waves"]}) == 3


def test_the_same_client_token_starts_one_execution() -> None:
    plan = create_test_plan_with_servers(["s-1"])
    body = {"PlanId": plan["PlanId"], "ExecutionType": "DRILL", "ClientToken": plan["PlanId"]}
    first, second = call_api("POST", "/executions", body), call_api("POST", "/executions", body)
    other = call_api("POST", "/recoveries", body | {"ExecutionType": "RECOVERY"})

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert (other.status_code, other.json()["error"]) == (409, "Conflict")
    assert wait_for_final_status(first.json()["executionId"])["Status"] == "COMPLETED"


def server_of(document: dict) -> dict:  # type: ignore[type-arg]
    """The only server of a document with one wave."""
    [wave] = document["Waves"]
    return dict(wave["Servers"][0])

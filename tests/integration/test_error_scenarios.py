"""Suite 8: failures of servers, of DRS, of the schedule and of the driver itself, on the deployed stack."""

import time

import pytest

from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    disable_eventbridge_rule,
    enable_eventbridge_rule,
    get_execution_from_dynamodb,
    mock_drs_jobs,
    mock_drs_progression,
    mock_drs_throttling,
    source_server_id,
    start_test_execution,
    wait_for,
    wait_for_final_status,
    wait_for_status,
)
from tests.helpers.stack import client, control, driver_arn, start_recovery_calls

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("stack"),
    # Each of these failures has to be made.
    pytest.mark.usefixtures("simulated_drs"),
]

# One look of the embedded engine at its schedules, and a little more.
SCHEDULE_LOOK_SECONDS = 12


def test_partial_wave_failure() -> None:
    """2.3.1: one of three servers fails to launch."""
    plan = create_test_plan_with_servers(["s-1", "s-2", "s-3"])
    mock_drs_jobs(
        [
            {"server": "s-1", "status": "COMPLETED"},
            {"server": "s-2", "status": "FAILED", "error": "Instance launch failed"},
            {"server": "s-3", "status": "COMPLETED"},
        ]
    )
    with mock_drs_progression():
        execution_id = start_test_execution(plan)
        wait_for_status(execution_id, "POLLING")
        advance_drs_phase("COMPLETED")
        document = wait_for_final_status(execution_id)
    [wave] = document["Waves"]
    failed = [server for server in wave["Servers"] if server["Status"] == "FAILED"]

    assert (document["Status"], wave["Status"]) == ("PARTIAL", "PARTIAL")
    assert [server["Status"] for server in wave["Servers"]].count("LAUNCHED") == 2
    assert [(server["SourceServerId"], server["Error"]) for server in failed] == [
        (source_server_id("s-2"), "Instance launch failed")
    ]


def test_drs_api_error_handling() -> None:
    """2.3.2: DRS throttles every call; the execution goes on asking and completes when DRS answers again."""
    execution_id = start_test_execution(create_test_plan_with_servers(["s-1", "s-2"]))
    # Once it is launched: a throttled DRS would hold the launch back instead, and nothing would be polled.
    wait_for(execution_id, lambda document: "RecoveryJobId" in document["Waves"][0]["Jobs"][0], "launched")
    with mock_drs_throttling(duration=60):
        document = wait_for(
            execution_id,
            lambda document: all(server["PollAttempts"] > 3 for server in document["Waves"][0]["Servers"]),
            "polled more than three times",
        )
        assert document["Status"] == "POLLING"

    assert wait_for_final_status(execution_id)["Status"] == "COMPLETED"


def test_eventbridge_schedule_disruption() -> None:
    """2.3.3: with the schedule off an execution is not stuck; one that lost its driver goes on when it is on again."""
    with mock_drs_progression():
        undisturbed = start_test_execution(create_test_plan_with_servers(["s-1"]))
        orphaned = start_test_execution(create_test_plan_with_servers(["s-1"]))
        for execution_id in (undisturbed, orphaned):
            wait_for_polls(execution_id, 1)
        disable_eventbridge_rule("execution-poller")
        disable_eventbridge_rule("driver-ended")
        try:
            client("stepfunctions").stop_execution(executionArn=driver_arn(orphaned))
            polls = get_execution_from_dynamodb(undisturbed)["PollCount"]
            time.sleep(SCHEDULE_LOOK_SECONDS)
            document = get_execution_from_dynamodb(orphaned)

            assert (document["Status"], document["Generation"]) == ("POLLING", 1)
            assert get_execution_from_dynamodb(undisturbed)["PollCount"] > polls
        finally:
            enable_eventbridge_rule("execution-poller")
            enable_eventbridge_rule("driver-ended")
        advance_drs_phase("COMPLETED")

        assert wait_for_status(undisturbed, "COMPLETED")["Generation"] == 1
        assert wait_for_status(orphaned, "COMPLETED", timeout=100)["Generation"] == 2
    assert len(start_recovery_calls(orphaned)) == 1


def test_a_driver_stopped_in_the_middle_is_replaced_and_nothing_is_launched_twice() -> None:
    plan = create_test_plan_with_servers([["s-1", "s-2"], ["s-3"]])
    with mock_drs_progression():
        execution_id = start_test_execution(plan)
        wait_for_polls(execution_id, 1)
        client("stepfunctions").stop_execution(executionArn=driver_arn(execution_id))
        wait_for(execution_id, lambda document: document["Generation"] == 2, "driven again")
        advance_drs_phase("COMPLETED")
        document = wait_for_final_status(execution_id)

    assert document["Status"] == "COMPLETED"
    assert [call["request"]["tags"]["drs-orchestrator:wave"] for call in start_recovery_calls(execution_id)] == [
        "0",
        "1",
    ]


def test_a_connection_cut_after_startrecovery_took_effect_is_no_second_launch() -> None:
    plan = create_test_plan_with_servers(["s-1"])
    control().add_fault("reset-after", operation="StartRecovery", sourceServerIDs=[source_server_id("s-1")], count=1)
    execution_id = start_test_execution(plan)

    assert wait_for_final_status(execution_id)["Status"] == "COMPLETED"
    assert len(start_recovery_calls(execution_id)) == 1


def wait_for_polls(execution_id: str, polls: int) -> None:
    wait_for(execution_id, lambda document: document["PollCount"] >= polls, "polled")

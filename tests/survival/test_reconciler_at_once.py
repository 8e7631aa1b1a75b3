"""Many reconcilers at once, each a Lambda invocation of its own, while executions run and one has lost its driver."""

import os

import pytest

from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    get_execution_from_dynamodb,
    mock_drs_progression,
    start_test_execution,
    wait_for,
    wait_for_final_status,
)
from tests.helpers.stack import client, driver_arn
from tests.survival.reconciler import nothing_reconciles, reconcile_at_once
from tests.survival.truth import differences

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]


@pytest.mark.parametrize(
    ("reconcilers", "executions"), [(10, 3), pytest.param(20, 12, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_reconcilers_at_once_give_a_lost_execution_one_successor_and_leave_the_others_alone(
    steady_drs: None, reconcilers: int, executions: int
) -> None:
    with mock_drs_progression():
        plans = [create_test_plan_with_servers([["s-1"], ["s-2"]]) for _ in range(executions)]
        lost, *healthy = [start_test_execution(plan) for plan in plans]
        for execution_id in (lost, *healthy):
            wait_for(execution_id, lambda document: document["PollCount"] >= 1, "polled")
        with nothing_reconciles():
            client("stepfunctions").stop_execution(executionArn=driver_arn(lost))
            verdicts = reconcile_at_once(reconcilers, [f"{lost}-g1"])

        assert verdicts["REPLACED"] == 1
        assert verdicts["FAILED"] == 0
        assert get_execution_from_dynamodb(lost)["Generation"] == 2
        assert drivers_of(lost) == {f"{lost}-g1": "ABORTED", f"{lost}-g2": "RUNNING"}
        advance_drs_phase("COMPLETED")
        for execution_id in (lost, *healthy):
            assert wait_for_final_status(execution_id)["Status"] == "COMPLETED"

    assert differences([lost, *healthy]) == []
    assert drivers_of(lost)[f"{lost}-g1"] == "ABORTED"
    for execution_id in (lost, *healthy):
        assert list(drivers_of(execution_id).values()).count("SUCCEEDED") == 1


def drivers_of(execution_id: str) -> dict[str, str]:
    """Every state machine execution that ever drove the execution, by name, and its status."""
    pages = client("stepfunctions").get_paginator("list_executions")
    listed = pages.paginate(stateMachineArn=os.environ["STATE_MACHINE_ARN"])
    return {
        driver["name"]: driver["status"]
        for page in listed
        for driver in page["executions"]
        if driver["name"].startswith(f"{execution_id}-")
    }

"""Ten minutes, by the stack's clock, in which nobody reconciles."""

import time

import pytest

from tests.helpers import (
    create_test_plan_with_servers,
    get_execution_from_dynamodb,
    start_test_execution,
    wait_for,
    wait_for_final_status,
    wait_for_status,
)
from tests.helpers.stack import client, control, driver_arn
from tests.survival.reconciler import WAIT_SCALE, nothing_reconciles
from tests.survival.truth import differences

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("stack")]

TEN_MINUTES = 600
# The engine's schedules run by the wall clock: a minute, and the pause between two looks at them.
NEXT_RECONCILER_SECONDS = 120


def test_executions_with_a_driver_end_meanwhile_and_those_without_go_on_when_the_schedule_is_back(
    steady_drs: None,
) -> None:
    """Of six executions two lose their driver in the first wave, two in the second. The event that tells of a driver's
    end is lost too, so the schedule alone brings them back."""
    control().hold(True)
    plans = [create_test_plan_with_servers([["s-1", "s-2"], ["s-3"]]) for _ in range(6)]
    executions = [start_test_execution(plan) for plan in plans]
    driven, lost_in_1, lost_in_2 = executions[:2], executions[2:4], executions[4:]
    for execution_id in executions:
        wait_for(execution_id, lambda document: document["PollCount"] >= 1, "polled")
    with nothing_reconciles():
        began = time.monotonic()
        for execution_id in lost_in_1:
            stop_driver(execution_id)
        control().push_jobs("COMPLETED")
        for execution_id in driven + lost_in_2:
            wait_for(execution_id, lambda document: document["Waves"][1]["Status"] == "LAUNCHING", "in wave 2")
        for execution_id in lost_in_2:
            stop_driver(execution_id)
        control().hold(False)
        control().push_jobs("COMPLETED")

        for execution_id in driven:
            assert wait_for_status(execution_id, "COMPLETED")["Generation"] == 1
        time.sleep(max(0.0, TEN_MINUTES * WAIT_SCALE - (time.monotonic() - began)))
        for execution_id in lost_in_1 + lost_in_2:
            document = get_execution_from_dynamodb(execution_id)
            assert (document["Status"], document["Generation"]) == ("POLLING", 1)

    for execution_id in lost_in_1 + lost_in_2:
        document = wait_for_final_status(execution_id, timeout=NEXT_RECONCILER_SECONDS)
        assert (document["Status"], document["Generation"]) == ("COMPLETED", 2)
    assert differences(executions) == []


def stop_driver(execution_id: str) -> None:
    client("stepfunctions").stop_execution(executionArn=driver_arn(execution_id))

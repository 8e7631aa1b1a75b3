"""The same paths on the embedded engine, deployed from the template: the same outcomes and the same order of tasks."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from tests.helpers import start_test_execution, wait_for_final_status, wait_for_status
from tests.helpers.simulator import SimulatorControl
from tests.helpers.stack import call_api, client, control, driver_arn
from tests.statemachine.paths import AUDIT, DATABASE, PATHS, WEB, Path, follows_the_graph, states_entered, tasks

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack")]


@pytest.fixture
def simulator(deployed_stack: None) -> Iterator[SimulatorControl]:
    """DRS is left as usual, without the faults of a path and what it launched: nobody drills over a recovery."""
    simulator = control()
    yield simulator
    simulator.remove_faults()
    terminate_instances(simulator)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_path_ends_as_on_the_second_engine(path: Path, simulator: SimulatorControl) -> None:
    path.arrange(simulator)
    plan = {name: value for name, value in path.plan.items() if name != "PlanId"}
    assert call_api("PUT", f"/plans/{path.plan['PlanId']}", plan).is_success
    execution_id = start_test_execution(path.plan["PlanId"], path.execution_type)
    for decision in path.decisions:
        wait_for_status(execution_id, "PAUSED")
        path_of_type = STARTS[ExecutionType(path.execution_type)]
        answer = call_api("POST", f"{path_of_type}/{execution_id}/{decision}", {"Reason": "a test"})
        assert answer.status_code == 202, answer.text
    document = wait_for_final_status(execution_id)
    entered = states_entered(history(execution_id))

    assert document["Status"] == path.status
    assert tasks(entered) == tasks(path.order)
    assert follows_the_graph(entered)


def terminate_instances(simulator: SimulatorControl) -> None:
    """Those of recoveries, too, which are protected."""
    drs = client("drs")
    deadline = time.monotonic() + 60
    unprotected: set[str] = set()
    while living := [
        item["recoveryInstanceID"]
        for page in drs.get_paginator("describe_recovery_instances").paginate(
            filters={"sourceServerIDs": [DATABASE, WEB, AUDIT]}
        )
        for item in page["items"]
        if item["ec2InstanceState"] != "TERMINATED"
    ]:
        # Once only: an instance that is being terminated may be gone by the next look.
        for instance_id in set(living) - unprotected:
            simulator.protect(instance_id, protected=False)
        unprotected |= set(living)
        # A server whose job is not quite over is busy for a moment, and one that is being terminated until it is gone.
        with suppress(drs.exceptions.ConflictException, drs.exceptions.ResourceNotFoundException):
            drs.terminate_recovery_instances(recoveryInstanceIDs=living)
        assert time.monotonic() < deadline, f"{living} live on"
        time.sleep(0.2)


def history(execution_id: str) -> list[dict[str, object]]:
    """The events of the first driver, once it has ended: it does a moment after its execution."""
    states = client("stepfunctions")
    arn = driver_arn(execution_id)
    deadline = time.monotonic() + 30
    while states.describe_execution(executionArn=arn)["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{arn} goes on although its execution has ended"
        time.sleep(0.1)
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]

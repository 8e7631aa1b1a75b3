"""The service's own recovery plans, kept as data."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Servers = Callable[..., list[str]]


@pytest.fixture
def plan(drs: Any) -> str:
    """The ARN of a plan without steps."""
    return str(drs.create_recovery_plan(name="Web shop", description="All of it")["recoveryPlan"]["recoveryPlanArn"])


def names_of(drs: Any, plan: str) -> list[tuple[int, str]]:
    steps = drs.list_recovery_plan_steps(recoveryPlanArn=plan)["recoveryPlanSteps"]
    return [(step["stepOrder"], step["stepName"]) for step in steps]


def wait_step(drs: Any, plan: str, name: str, **more: Any) -> dict[str, Any]:
    configuration = {"waitStepConfiguration": {"waitDurationMinutes": 5}}
    created = drs.create_recovery_plan_step(recoveryPlanArn=plan, stepName=name, configuration=configuration, **more)
    return dict(created["recoveryPlanStep"])


def test_a_plan_is_created_read_changed_listed_and_deleted(drs: Any, plan: str) -> None:
    drs.update_recovery_plan(recoveryPlanArn=plan, name="Shop")

    read = drs.get_recovery_plan(recoveryPlanArn=plan)["recoveryPlan"]
    listed = drs.list_recovery_plans()["recoveryPlans"]
    assert (read["name"], read["description"], read["status"]) == ("Shop", "All of it", "ACTIVE")
    assert [item["recoveryPlanArn"] for item in listed] == [plan]

    drs.delete_recovery_plan(recoveryPlanArn=plan)
    assert drs.list_recovery_plans()["recoveryPlans"] == []


def test_steps_keep_their_order_and_make_room_for_one_put_between(drs: Any, plan: str) -> None:
    wait_step(drs, plan, "first")
    last = wait_step(drs, plan, "last")
    wait_step(drs, plan, "between", stepOrder=2)
    assert names_of(drs, plan) == [(1, "first"), (2, "between"), (3, "last")]

    drs.delete_recovery_plan_step(recoveryPlanStepArn=last["recoveryPlanStepArn"])
    assert names_of(drs, plan) == [(1, "first"), (2, "between")]


def test_a_server_step_keeps_its_servers_and_their_impact(drs: Any, plan: str, servers: Servers) -> None:
    (server,) = servers(1)
    arn = f"arn:aws:drs:us-east-1:000000000000:source-server/{server}"
    configuration = {"serverStepConfiguration": {"servers": [{"serverArn": arn, "impactLevel": "OPTIONAL"}]}}

    step = drs.create_recovery_plan_step(recoveryPlanArn=plan, stepName="db", configuration=configuration)
    read = drs.get_recovery_plan_step(recoveryPlanStepArn=step["recoveryPlanStep"]["recoveryPlanStepArn"])

    assert read["recoveryPlanStep"]["configuration"] == configuration


def test_a_client_token_makes_a_repeated_creation_harmless(drs: Any, plan: str) -> None:
    once = drs.create_recovery_plan(name="Again", clientToken="token-1")["recoveryPlan"]
    twice = drs.create_recovery_plan(name="Again", clientToken="token-1")["recoveryPlan"]
    step = wait_step(drs, plan, "pause", clientToken="token-2")
    same = wait_step(drs, plan, "pause", clientToken="token-2")

    assert once == twice
    assert step == same


def test_a_second_plan_of_the_same_name_is_a_conflict(drs: Any, plan: str) -> None:
    with pytest.raises(ClientError) as refused:
        drs.create_recovery_plan(name="Web shop")

    assert refused.value.response["Error"]["Code"] == "ConflictException"
    assert plan


def test_a_plan_has_at_most_twenty_steps(drs: Any, plan: str) -> None:
    for number in range(20):
        wait_step(drs, plan, f"step {number}")

    with pytest.raises(ClientError) as refused:
        wait_step(drs, plan, "one more")

    assert refused.value.response["Error"]["Code"] == "ServiceQuotaExceededException"


@pytest.mark.parametrize("operation", ["get_recovery_plan", "delete_recovery_plan", "list_recovery_plan_steps"])
def test_a_plan_that_does_not_exist_is_not_found(drs: Any, operation: str) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(drs, operation)(recoveryPlanArn="arn:aws:drs:us-east-1:000000000000:recovery-plan/rp-0")

    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"

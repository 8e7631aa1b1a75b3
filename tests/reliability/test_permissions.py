"""Each function's role is as small as it can be: what a function asks of AWS its role allows, and what a role allows
its function asks for.

The world refuses what a role does not allow and counts it as a fault, in every test of this folder. What is left to
show here is that nothing else is allowed.
"""

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from drs_simulator import limits
from drs_simulator.simulator import Caller
from tests.helpers.template import PROJECT_ROOT
from tests.reliability import roles
from tests.reliability.crash_points import HOURS, SCENARIOS, Crash, run, server, server_id, wave
from tests.reliability.histories import History
from tests.reliability.oracle import clean_up_of
from tests.reliability.roles import Grant, Need
from tests.reliability.world import ACCOUNT, REGION, AwsCall, Interference, World

# Permissions for trouble alone are made use of by the first few dozen histories: this many would be a sign.
MOST_HISTORIES = 200


class OneMoreStart(Interference):
    """Starts the plan `other` once the first lock of somebody else's start is taken."""

    def __init__(self) -> None:
        self.world: World | None = None

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        answer = perform()
        world, is_lock = (
            self.world,
            call.operation == "PutItem" and "LOCK" in call.params["Item"].get("Record", {}).values(),
        )
        if world and is_lock:
            self.world = None
            start(world, "other")
        return answer


class EndedByAnother(Interference):
    """Before a check announces the end of its wave, the execution is ended by somebody who dies before telling it."""

    def __init__(self) -> None:
        self.world: World | None = None

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        world, function = self.world, call.invocation.function if call.invocation else ""
        if world and function == "FinishExecutionFunction" and call.service == "events":
            world.kill(call)
        is_heartbeat = call.operation == "UpdateItem" and "#DriverRounds" in call.params["UpdateExpression"]
        if world and function == "CheckDrsFunction" and is_heartbeat:
            execution_id = call.params["Key"]["ExecutionId"]["S"]
            world.try_invoke("FinishExecutionFunction", {"executionId": execution_id, "generation": 1})
        return perform()


class AnsweredAtOnce(Interference):
    """An operator approves before the driver has noted that it waits."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.execution_id = ""

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        world = self.world
        if world and call.invocation and call.invocation.function == "WaitForDecisionFunction":
            self.world = None
            assert world.api("POST", f"/executions/{self.execution_id}/approve")[0] == 202
        return perform()


def with_plan(*waves: dict[str, Any], interference: Interference | None = None, **fields: Any) -> World:
    """A world with a plan of these waves, named `plan`, whose servers are there."""
    world = World(interference)
    world.simulator.add_servers(
        [{"sourceServerID": one["SourceServerId"]} for each in waves for one in each["Servers"]]
    )
    put(world, "plan", *waves, **fields)
    return world


def put(world: World, plan_id: str, *waves: dict[str, Any], **fields: Any) -> None:
    plan = {"PlanId": plan_id, "Name": plan_id, "Waves": list(waves), **fields}
    assert world.api("PUT", f"/plans/{plan_id}", plan)[0] == 201


def start(world: World, plan_id: str) -> str:
    status, answer = world.api("POST", "/executions", {"PlanId": plan_id, "ExecutionType": "DRILL"})
    assert status == 202, answer
    return str(answer["executionId"])


def everything_is_listed_and_told() -> World:
    world = with_plan(wave("only", server(1)))
    assert world.api("GET", "/plans")[0] == 200
    assert world.api("GET", "/executions", query={"status": "COMPLETED"})[0] == 200
    world.invoke("SendNotificationFunction", json.loads((PROJECT_ROOT / "events/send_notification.json").read_text()))
    return world


def two_starts_at_once() -> World:
    """One has the lock of the first server when the other takes that of the second: the first gives its lock back."""
    interference = OneMoreStart()
    world = with_plan(wave("both", server(1), server(2)), interference=interference)
    put(world, "other", wave("last", server(2)))
    interference.world = world
    assert world.api("POST", "/executions", {"PlanId": "plan", "ExecutionType": "DRILL"})[0] == 409
    return world


def room_for_one_of_three() -> World:
    world = with_plan(wave("only", server(1)))
    with mock.patch.object(limits, "MAX_JOBS", 1):
        for number in (2, 3):
            world.simulator.add_servers([{"sourceServerID": server_id(number)}])
            put(world, f"plan-{number}", wave("only", server(number)))
        started = [start(world, plan_id) for plan_id in ("plan", "plan-2", "plan-3")]
        assert world.run(12 * HOURS, lambda: all("EndTime" in world.show(each) for each in started))
    return world


def cancelled_while_a_wave_is_queued() -> World:
    world = with_plan(wave("first", server(1)), wave("beside", server(2), DependsOn=[]))
    with mock.patch.object(limits, "MAX_JOBS", 1):
        execution_id = start(world, "plan")
        assert world.run(HOURS, lambda: world.show(execution_id)["Waves"][1]["Status"] == "QUEUED")
        assert world.api("POST", f"/executions/{execution_id}/cancel")[0] == 202
        assert world.run(12 * HOURS, lambda: "EndTime" in world.show(execution_id))
    return world


def a_drills_instance_outlives_its_clean_up() -> World:
    """Somebody has protected it from termination."""
    world = with_plan(wave("only", server(1)), Cleanup="IMMEDIATE")
    execution_id = start(world, "plan")
    instances = world.simulator.world(ACCOUNT, REGION).instances

    def is_launched() -> bool:
        world.simulator.settle()
        return bool(instances)

    assert world.run(12 * HOURS, is_launched)
    world.simulator.protect(next(iter(instances)), True)
    assert world.run(12 * HOURS, lambda: clean_up_of(world, execution_id) == "INSTANCES_LEFT")
    return world


def ended_while_a_check_was_under_way() -> World:
    """The check announces the end in the other's place and takes the outbox away."""
    interference = EndedByAnother()
    world = with_plan(wave("only", server(1)), interference=interference)
    execution_id = start(world, "plan")
    assert world.run(HOURS, lambda: world.show(execution_id)["Status"] == "POLLING")
    interference.world = world
    assert world.run(12 * HOURS, lambda: "EndTime" in world.show(execution_id))
    return world


def approved_before_the_driver_waits() -> World:
    """The driver wakes itself."""
    interference = AnsweredAtOnce()
    world = with_plan(wave("only", server(1), ApprovalBefore=True), interference=interference)
    interference.execution_id = execution_id = start(world, "plan")
    interference.world = world
    assert world.run(12 * HOURS, lambda: "EndTime" in world.show(execution_id))
    return world


OWN_SCENARIOS = (
    approved_before_the_driver_waits,
    ended_while_a_check_was_under_way,
    everything_is_listed_and_told,
    two_starts_at_once,
    room_for_one_of_three,
    cancelled_while_a_wave_is_queued,
    a_drills_instance_outlives_its_clean_up,
)


def test_every_permission_of_every_role_is_made_use_of() -> None:
    unused = {grant for granted in roles.grants().values() for grant in granted}
    for live in OWN_SCENARIOS:
        world = live()
        assert world.records.faults == []
        unused -= world.used
    for scenario in SCENARIOS:
        world, faults = run(scenario, Crash((), driver_dies=False))
        assert faults == []
        unused -= world.used
    for seed in range(MOST_HISTORIES):
        if not unused:
            break
        history = History(seed)
        assert history.run() == []
        unused -= history.world.used

    assert sorted(map(str, unused)) == []


def test_a_call_that_a_role_does_not_allow_is_refused_and_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_start_recovery(function: str, need: Need) -> Grant | None:
        return None if need.action == "drs:StartRecovery" else roles.grant_for(function, need)

    monkeypatch.setattr("tests.reliability.world.grant_for", without_start_recovery)
    world = with_plan(wave("only", server(1)))
    execution_id = start(world, "plan")
    world.run(HOURS, lambda: "EndTime" in world.show(execution_id))

    assert set(world.records.faults) == {"LaunchWavesFunction may not drs:StartRecovery on *"}
    assert world.show(execution_id)["Status"] == "FAILED"
    assert world.simulator.world(ACCOUNT, REGION).jobs == {}


class TestConditions:
    @pytest.mark.parametrize(("value", "is_allowed"), [(True, True), (False, False)])
    def test_protection_may_be_switched_on_and_not_off(self, value: bool, is_allowed: bool) -> None:
        params = {"InstanceId": "i-1", "DisableApiTermination": {"Value": value}}
        [need] = roles.needs("ec2", "ModifyInstanceAttribute", params, Caller(ACCOUNT, REGION))

        assert (roles.grant_for("ProtectInstancesFunction", need) is not None) is is_allowed

    @pytest.mark.parametrize("function", ["LaunchWavesFunction", "CleanUpDrillFunction"])
    def test_what_drs_does_for_a_function_the_function_may_not_do_itself(self, function: str) -> None:
        need = Need("ec2:TerminateInstances", "*", (("aws:ViaAWSService", "true"),))

        assert roles.grant_for(function, need)
        assert roles.grant_for(function, Need(need.action, need.resource)) is None

    @pytest.mark.parametrize(
        ("via", "is_for_resource", "account", "is_allowed"),
        [
            ("ec2.eu-west-1.amazonaws.com", "true", ACCOUNT, True),
            ("ec2.eu-west-1.amazonaws.com", "false", ACCOUNT, False),
            ("dynamodb.eu-west-1.amazonaws.com", "true", ACCOUNT, False),
            ("ec2.eu-west-1.amazonaws.com", "true", "111111111111", False),
        ],
    )
    def test_a_key_is_granted_by_ec2_for_an_instance_only_and_in_the_own_account(
        self, via: str, is_for_resource: str, account: str, is_allowed: bool
    ) -> None:
        keys = (("kms:ViaService", via), ("kms:GrantIsForAWSResource", is_for_resource))
        need = Need("kms:CreateGrant", f"arn:aws:kms:eu-west-1:{account}:key/1234abcd", keys)

        assert (roles.grant_for("LaunchWavesFunction", need) is not None) is is_allowed

    def test_a_key_is_used_through_ec2_only(self) -> None:
        key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd"
        need = Need("kms:Decrypt", key, (("kms:ViaService", "ec2.eu-west-1.amazonaws.com"),))

        assert roles.grant_for("LaunchWavesFunction", need)
        assert roles.grant_for("LaunchWavesFunction", Need(need.action, need.resource)) is None

    def test_only_instances_of_the_own_account_are_terminated_with_the_functions_own_role(self) -> None:
        instance = "arn:aws:drs:{}:{}:recovery-instance/i-1"
        own, others = instance.format("eu-west-1", ACCOUNT), instance.format("eu-west-1", "111111111111")

        assert roles.grant_for("CleanUpDrillFunction", Need("drs:TerminateRecoveryInstances", own))
        assert roles.grant_for("CleanUpDrillFunction", Need("drs:TerminateRecoveryInstances", others)) is None

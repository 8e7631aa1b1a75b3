"""DRS hangs: each question to it takes a minute and has no answer. Checks, preparations and the reconciler's runs end
within their functions' time all the same, and nobody else suffers from it."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.reliability.crash_points import BRISK, HOURS, server, server_id, wave
from tests.reliability.world import ACCOUNT, REGION, AwsCall, Interference, World

# Three tries of 20 s each, see `adapters/drs.py`.
HANGS_FOR = 61.0
ELSEWHERE = "eu-west-1"


class Hanging(Interference):
    """Once it is on, these operations are never answered in the home Region."""

    def __init__(self, *operations: str) -> None:
        self.operations = operations
        self.is_on = False
        self.world: World | None = None

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        hangs = self.is_on and call.service == "drs" and call.operation in self.operations
        if self.world is None or not hangs or call.invocation is None or call.caller.region != REGION:
            return perform()
        call.invocation.interrupted += HANGS_FOR
        self.world._move_to(self.world.now + HANGS_FOR)
        raise ReadTimeoutError(endpoint_url="https://drs")


def world_with(trouble: Hanging) -> World:
    trouble.world = World(trouble)
    return trouble.world


def start(world: World, waves: list[dict[str, Any]], plan_id: str = "plan") -> str:
    plan = {"PlanId": plan_id, "Name": plan_id, "Waves": waves}
    assert world.api("PUT", f"/plans/{plan_id}", plan)[0] == 201
    status, answer = world.api("POST", "/executions", {"PlanId": plan_id, "ExecutionType": "DRILL"})
    assert status == 202, answer
    return str(answer["executionId"])


def waves_in_accounts(world: World, count: int) -> list[dict[str, Any]]:
    """A wave each in so many accounts of the home Region, all at once."""
    waves = []
    for number in range(1, count + 1):
        account = str(number) * 12
        world.simulator.add_servers([{"sourceServerID": server_id(number)}], account, REGION)
        waves.append(wave(f"w{number}", server(number), DependsOn=[], AccountId=account))
    return waves


def until_all_launch(world: World, execution_id: str) -> None:
    assert world.run(HOURS, lambda: {each["Status"] for each in world.show(execution_id)["Waves"]} == {"LAUNCHING"})


def drivers(world: World, execution_id: str) -> list[str]:
    return [driver.status for name, driver in world.drivers.items() if name.startswith(execution_id)]


def test_a_check_of_three_accounts_that_hang_says_so_and_keeps_its_driver() -> None:
    trouble = Hanging("DescribeJobs")
    world = world_with(trouble)
    execution_id = start(world, waves_in_accounts(world, 3))
    until_all_launch(world, execution_id)
    polls = world.show(execution_id)["PollCount"]
    trouble.is_on = True
    world.run(1800)
    document = world.show(execution_id)

    assert document["PollCount"] > polls
    assert document["StatusReason"].startswith("waiting: DRS in")
    assert drivers(world, execution_id) == ["RUNNING"]


@pytest.mark.parametrize("jobs", [3, 6])
def test_details_of_many_jobs_that_hang_keep_nobody_from_being_polled(jobs: int) -> None:
    trouble = Hanging("DescribeJobLogItems")
    world = world_with(trouble)
    world.simulator.add_servers([{"sourceServerID": server_id(number)} for number in range(1, jobs + 1)])
    execution_id = start(world, [wave(f"w{number}", server(number), DependsOn=[]) for number in range(1, jobs + 1)])
    until_all_launch(world, execution_id)
    polls = world.show(execution_id)["PollCount"]
    trouble.is_on = True
    world.run(600)
    assert world.show(execution_id)["PollCount"] > polls

    assert world.run(12 * HOURS, lambda: world.show(execution_id)["Status"] == "COMPLETED")
    assert len(drivers(world, execution_id)) == 1


def test_names_that_nobody_can_be_asked_for_stop_no_execution() -> None:
    trouble = Hanging("DescribeSourceServers")
    world = world_with(trouble)
    world.simulator.use_profile(BRISK)
    execution_id = start(world, waves_in_accounts(world, 6))
    trouble.is_on = True
    world.run(3600)

    assert world.show(execution_id)["Status"] == "COMPLETED"


def test_an_execution_whose_drs_hangs_keeps_no_other_from_being_reconciled() -> None:
    """The other one's driver has died, and nobody was told."""
    trouble = Hanging("DescribeJobs")
    world = world_with(trouble)
    hanging = start(world, waves_in_accounts(world, 6), "hanging")
    world.simulator.add_servers([{"sourceServerID": server_id(9)}], ACCOUNT, ELSEWHERE)
    until_all_launch(world, hanging)
    trouble.is_on = True
    world.run(1200)
    other = start(world, [{"WaveName": "w", "Region": ELSEWHERE, "Servers": [server(9)]}], "other")
    world.run(300)
    world.status_events = False
    world.stop_driver(f"{other}-g1")
    world.run(1800)

    assert len(drivers(world, other)) == 2

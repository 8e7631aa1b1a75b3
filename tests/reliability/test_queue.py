"""More executions than DRS has room for: free room is taken at once, by those who have waited longest."""

import pytest

from drs_orchestrator.domain.capacity import MAX_JOBS
from tests.reliability.crash_points import BRISK, server, wave
from tests.reliability.oracle import EXECUTION_TAG, Started, all_ended, faults_of
from tests.reliability.world import ACCOUNT, REGION, World

WAITING = 30
# The longest a waiting execution leaves between two tries: 30 s and a quarter.
LONGEST_WAIT = 38


@pytest.fixture
def world() -> World:
    world = World()
    world.simulator.use_profile(BRISK)
    world.simulator.set_hold(True)
    return world


def start(world: World, number: int, servers: int = 1) -> Started:
    """Start an execution of so many servers of its own."""
    members = [server(1000 * number + each) for each in range(servers)]
    plan = {"PlanId": f"plan-{number}", "Name": f"Number {number}", "Waves": [wave("only", *members)]}
    world.simulator.add_servers([{"sourceServerID": each["SourceServerId"]} for each in members])
    assert world.api("PUT", f"/plans/plan-{number}", plan)[0] == 201
    status, answer = world.api("POST", "/executions", {"PlanId": f"plan-{number}", "ExecutionType": "DRILL"})
    assert status == 202
    world.run(1)
    return Started(answer["executionId"], "DRILL", plan)


def launched(world: World) -> list[str]:
    """The executions DRS has launched, in that order."""
    calls = world.simulator.calls.listed("StartRecovery")
    return [call.request["tags"][EXECUTION_TAG] for call in calls if call.took_effect]


def refused(world: World) -> int:
    return sum(not call.took_effect for call in world.simulator.calls.listed("StartRecovery"))


def end_jobs(world: World, execution_id: str | None = None) -> None:
    """Let DRS finish every running job, or those of one execution, at once."""
    for job in world.simulator.world(ACCOUNT, REGION).running_jobs():
        if execution_id in (None, job.tags[EXECUTION_TAG]):
            world.simulator.push_jobs("COMPLETED", [job.id])


def test_twenty_freed_slots_are_filled_within_one_round_of_waiting_by_the_oldest(world: World) -> None:
    started = [start(world, number) for number in range(MAX_JOBS + WAITING)]
    ids = [each.execution_id for each in started]
    world.run(600)
    assert launched(world) == ids[:MAX_JOBS]

    # The one that has waited longest asks DRS; the others know their place.
    before = refused(world)
    world.run(600)
    assert 600 / LONGEST_WAIT - 1 <= refused(world) - before <= 600 / LONGEST_WAIT * 2

    end_jobs(world)
    world.run(LONGEST_WAIT + 1)

    assert sorted(launched(world)) == sorted(ids[: 2 * MAX_JOBS])

    world.simulator.set_hold(False)
    assert world.run(7200, lambda: all_ended(world, started))
    assert faults_of(world, started) == []


def test_an_execution_too_large_for_what_is_free_is_not_overtaken_by_smaller_ones(world: World) -> None:
    """450 servers in jobs leave room for 50: not for 100, and so not for the one that comes after those."""
    sizes = [100, 100, 100, 100, 50, 100, 1]
    started = [start(world, number, size) for number, size in enumerate(sizes)]
    ids = [each.execution_id for each in started]
    world.run(600)
    assert launched(world) == ids[:5]

    end_jobs(world, ids[4])
    world.run(600)
    assert launched(world) == ids[:6]

    world.simulator.set_hold(False)
    assert world.run(7200, lambda: all_ended(world, started))
    assert faults_of(world, started) == []


def test_a_ticket_that_cannot_be_read_holds_up_nobody(world: World) -> None:
    others = [start(world, number) for number in range(MAX_JOBS)]
    table = world.dynamodb.tables["executions"]
    key = (f"QUEUE#{ACCOUNT}#{REGION}", "000000000001#broken")
    table.store(key, {"ExecutionId": {"S": key[0]}, "Record": {"S": key[1]}, "RenewedTime": {"S": "never"}})
    last = start(world, MAX_JOBS)
    world.simulator.set_hold(False)

    assert world.run(7200, lambda: all_ended(world, [*others, last]))
    assert key not in table.items

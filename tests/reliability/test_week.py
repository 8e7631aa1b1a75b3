"""A job that DRS does not finish for a week is polled for a week, by one driver after the other."""

import pytest

from tests.reliability.crash_points import BRISK, REGION, server_id
from tests.reliability.oracle import Started, all_ended, faults_of
from tests.reliability.soak import SOAK
from tests.reliability.world import World

WEEK = 7 * 24 * 3600


@pytest.mark.parametrize("polls", ["100", "900"] if SOAK else ["900"])
def test_a_week_of_polling_hands_over_and_launches_nothing_again(polls: str) -> None:
    world = World(MaxPollsPerDriver=polls)
    world.simulator.use_profile(BRISK)
    world.simulator.add_servers([{"sourceServerID": server_id(1)}, {"sourceServerID": server_id(2)}])
    world.simulator.set_hold(True)
    waves = [
        {"WaveName": name, "Region": REGION, "Servers": [{"SourceServerId": server_id(number)}]}
        for number, name in enumerate(("first", "second"), 1)
    ]
    plan = {"PlanId": "week", "Name": "Held for a week", "Waves": waves}
    assert world.api("PUT", "/plans/week", plan)[0] == 201
    status, answer = world.api("POST", "/recoveries", {"PlanId": "week", "ExecutionType": "RECOVERY"})
    assert status == 202
    started = [Started(answer["executionId"], "RECOVERY", plan)]

    world.run(WEEK)

    document = world.show(answer["executionId"])
    server = document["Waves"][0]["Servers"][0]
    assert (document["Status"], server["Status"], server["TimeoutDetected"]) == ("POLLING", "PENDING", True)
    assert document["Generation"] > WEEK / 45 / int(polls) >= 6
    assert document["PollCount"] > 10_000
    assert len(world.running_drivers()) == 1

    world.simulator.set_hold(False)

    assert world.run(7200, lambda: all_ended(world, started))
    assert world.show(answer["executionId"])["Status"] == "COMPLETED"
    assert len(world.simulator.calls.listed("StartRecovery")) == len(waves)
    assert faults_of(world, started) == []

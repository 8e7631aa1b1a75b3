"""Work is proportional to what happens, not to who looks: counted, not timed."""

from typing import Any

import pytest

from drs_simulator import Simulator, scenarios
from drs_simulator.engine import Engine
from drs_simulator.simulator import Caller


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of every step that took effect, in order."""
    steps: list[str] = []
    original = Engine._apply_next

    def counting(self: Engine, world: Any, job: Any, at: float) -> None:
        steps.append(job.steps[job.done].kind)
        original(self, world, job, at)

    monkeypatch.setattr(Engine, "_apply_next", counting)
    return steps


def test_three_thousand_launches_watched_two_thousand_times_take_every_step_once(
    simulator: Simulator, applied: list[str]
) -> None:
    scenarios.apply(simulator, scenarios.load("region-failover"))
    jobs = []
    for (account, region), world in list(simulator.worlds.items()):
        ids = list(world.servers)
        caller = Caller(account, region)
        for start in range(0, 500, 100):
            wanted = [{"sourceServerID": server} for server in ids[start : start + 100]]
            jobs.append((caller, simulator.call("StartRecovery", {"sourceServers": wanted}, caller)["job"]["jobID"]))

    for _ in range(66):
        simulator.clock.advance(30)
        for caller, job_id in jobs:
            simulator.call("DescribeJobs", {"filters": {"jobIDs": [job_id]}}, caller)

    assert len(simulator.calls.listed()) == 0  # only the wire records calls
    assert applied.count("LAUNCH_END") == 3000
    assert applied.count("JOB_END") == len(jobs) == 30
    assert len(applied) == sum(len(job.steps) for world in simulator.worlds.values() for job in world.jobs.values())


def test_looking_at_a_world_where_nothing_is_due_does_nothing(simulator: Simulator, applied: list[str]) -> None:
    (server,) = simulator.add_servers([{}])
    simulator.call("StartRecovery", {"sourceServers": [{"sourceServerID": server.id}]})
    simulator.clock.advance(100)
    simulator.settle()
    before = len(applied)

    for _ in range(1000):
        simulator.call("DescribeJobs", {})

    assert len(applied) == before


def test_a_finished_job_leaves_nothing_on_the_agenda(simulator: Simulator) -> None:
    ids = [server.id for server in simulator.add_servers([{} for _ in range(20)])]
    for server_id in ids:
        simulator.call("StartRecovery", {"sourceServers": [{"sourceServerID": server_id}]})
    assert len(simulator.world().agenda) == 20

    simulator.clock.advance(600)

    assert simulator.world().agenda == []

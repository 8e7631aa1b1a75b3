"""A state can be dumped, kept as JSON, loaded elsewhere and continued."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from drs_simulator import Simulator, scenarios, state
from drs_simulator.clock import Clock
from drs_simulator.errors import ControlError
from drs_simulator.in_process import connect
from drs_simulator.simulator import Caller

Launch = Callable[..., str]
Servers = Callable[..., list[str]]


def moved(simulator: Simulator) -> Simulator:
    """Another simulator that has loaded the first one's state, by way of JSON."""
    clock = Clock()
    clock.step(0)
    other = Simulator(seed=99, clock=clock)
    state.load(other, json.loads(json.dumps(state.dump(simulator))))
    return other


def test_a_loaded_state_says_the_same_and_goes_on_the_same_way(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    simulator.use_profile("servers-25")
    ids = servers(25, launchActions=[{"name": "Check"}])
    simulator.add_fault({"fault": "late-failure", "sourceServerIDs": [ids[3]]})
    job_id = launch(ids, tags={"wave": "one"})
    drs.create_recovery_plan(name="kept")
    simulator.clock.advance(900)

    other = moved(simulator)
    there = connect(other)

    for seconds in (0, 600, 3600):
        simulator.clock.advance(seconds)
        other.clock.advance(seconds)
        for answer in (
            lambda client: client.describe_jobs()["items"],
            lambda client: client.describe_job_log_items(jobID=job_id)["items"],
            lambda client: client.describe_source_servers()["items"],
            lambda client: client.describe_recovery_instances()["items"],
            lambda client: client.list_recovery_plans()["recoveryPlans"],
        ):
            assert answer(there) == answer(drs)


def test_a_loaded_state_keeps_faults_switches_profiles_and_hold(simulator: Simulator) -> None:
    simulator.use_profile({"name": "mine", "launch": 5})
    simulator.add_fault({"fault": "throttle", "operation": "DescribeJobs"})
    simulator.set_switches({"launchEndInLog": False})
    simulator.set_hold(True)

    other = moved(simulator)

    assert other.default_profile == "mine"
    assert other.faults.to_document() == simulator.faults.to_document()
    assert other.switches == simulator.switches
    assert other.hold is True


@pytest.mark.parametrize(
    "conditions", [{"count": 3}, {"skip": 3, "count": 1}, {"forSeconds": 90}, {"probability": 0.5}], ids=str
)
def test_a_fault_rule_goes_on_counting_where_it_stood(simulator: Simulator, conditions: dict[str, Any]) -> None:
    simulator.add_fault({"fault": "throttle", **conditions})
    answers(simulator, 2)

    other = moved(simulator)

    assert other.faults.to_document() == simulator.faults.to_document()
    assert answers(other, 20) == answers(simulator, 20)


def test_a_rule_added_after_loading_replaces_none(simulator: Simulator) -> None:
    first, second = (simulator.add_fault({"fault": "empty"}).id for _ in range(2))
    simulator.faults.remove(first)
    other = moved(simulator)

    third = other.add_fault({"fault": "throttle"}).id

    assert set(other.faults.rules) == {second, third}


def answers(simulator: Simulator, count: int) -> list[bool]:
    """Whether each of so many calls, twenty seconds apart, is answered without an error."""
    outcomes = []
    for _ in range(count):
        outcomes.append(simulator.perform("DescribeJobs", {}, Caller()).error is None)
        simulator.clock.advance(20)
    return outcomes


def test_new_ids_after_loading_are_those_that_would_have_come(
    simulator: Simulator, servers: Servers, launch: Launch
) -> None:
    first, second = servers(2)
    launch([first])
    other = moved(simulator)

    wanted = {"sourceServers": [{"sourceServerID": second}]}
    assert other.call("StartRecovery", wanted) == simulator.call("StartRecovery", wanted)


def test_every_scenario_can_be_dumped_and_loaded(simulator: Simulator) -> None:
    for name in scenarios.names():
        scenarios.apply(simulator, scenarios.load(name))
        assert state.dump(moved(simulator)) == state.dump(simulator)


def test_what_is_no_state_is_refused(simulator: Simulator) -> None:
    with pytest.raises(ControlError, match="version"):
        state.load(simulator, {"hello": "world"})

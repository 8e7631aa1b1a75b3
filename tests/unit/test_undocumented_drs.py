"""Whatever DRS turns out to be like where nobody has documented it, the orchestrator is right.

Every switch of the simulator is set both ways; a drill and a recovery with launch actions have to come out the same,
and so has a drill that is cleaned up afterwards and of which DRS has forgotten a server.
"""

from dataclasses import fields
from typing import Any

import pytest

from drs_simulator.switches import Switches
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO, FORGOTTEN = server_id(1), server_id(2), server_id(3)
PLAN = plan(wave("database", ONE, TWO))

ACTIONS = [{"name": "mount", "seconds": 90}, {"name": "audit", "seconds": 90, "optional": True}]

WORLDS: dict[str, list[Any]] = {
    "completedWaitsForLaunchActions": [True, False],
    "recoveryInstanceIdInJob": [True, False],
    "launchEndInLog": [True, False],
    "cleanupPlace": ["before-snapshot", "before-launch", "after-launch"],
    "completionGraceSeconds": [0, 45],
    "participatingServersEmptyAfterTerminate": [True, False],
    "apiShape": ["2022", "2024"],
    "resourceArnTag": [True, False],
    "unknownResourceError": ["ResourceNotFoundException", "ValidationException"],
    "launchActionRuns": ["together", "one-by-one"],
    "ssmDiscoverySeconds": [0, 120],
    "startRecoverySecondsPerServer": [0, 0.1],
    "defaultPageSize": [1, 1000],
    "requestRates": [None, {"*": [0.05, 3]}],
}


def test_every_switch_has_a_world_here() -> None:
    assert {field.name for field in fields(Switches)} == set(WORLDS)


IN_EVERY_WORLD = pytest.mark.parametrize(
    ("switch", "value"), [(switch, value) for switch, values in WORLDS.items() for value in values], ids=str
)


@IN_EVERY_WORLD
def test_a_drill_and_a_recovery_come_out_right(
    orchestrator: Orchestrator, simulator: SimulatorControl, switch: str, value: Any
) -> None:
    # The DRS of 2022 had no launch actions to tell of.
    actions = [] if value == "2022" else ACTIONS
    orchestrator.add_servers(ONE, TWO, launchActions=actions)
    simulator.switch(**{switch: value})

    drill = orchestrator.drive(orchestrator.start(PLAN), polls=400)
    recovery = orchestrator.drive(orchestrator.start(PLAN, "RECOVERY"), polls=400)

    simulator.switch(requestRates=None)
    assert (drill["Status"], recovery["Status"]) == ("COMPLETED", "COMPLETED")
    assert [server["Status"] for server in servers_of(drill)] == ["LAUNCHED", "LAUNCHED"]
    # The recovery has removed the drill's instances; its own are those that DRS attributes to its jobs.
    drs = orchestrator.app.drs.at(None, "us-east-1")
    for server in servers_of(recovery):
        [mine] = drs.instances_of_job(server["RecoveryJobId"], [server["SourceServerId"]]).values()
        assert mine.instance_id == server["InstanceId"]
        assert server["Status"] == "LAUNCHED"
        assert server["PostLaunchActionsStatus"] == ("COMPLETED" if actions else "NOT_CONFIGURED")
    for each in recovery["Waves"]:
        ran = sum(action["seconds"] for action in actions)
        assert all(each["EndTime"] - server["LaunchedTime"] >= ran for server in each["Servers"])
    launched = [call for call in simulator.calls("StartRecovery") if call["tookEffect"]]
    assert len(launched) == 2


@IN_EVERY_WORLD
def test_a_drill_without_a_server_drs_has_forgotten_is_cleaned_up(
    orchestrator: Orchestrator, simulator: SimulatorControl, switch: str, value: Any
) -> None:
    orchestrator.add_servers(ONE, TWO, FORGOTTEN)
    optional = {"SourceServerId": FORGOTTEN, "Impact": "OPTIONAL"}
    execution_id = orchestrator.start(
        plan(wave("database", ONE, TWO), wave("batch", optional)) | {"Cleanup": "IMMEDIATE"}
    )
    simulator.reset()
    simulator.step(orchestrator.now)
    orchestrator.add_servers(ONE, TWO)
    simulator.switch(**{switch: value})

    document = orchestrator.drive(execution_id, polls=400)
    launched = {server["InstanceId"] for server in document["Waves"][0]["Servers"]}
    cleaned_up = orchestrator.clean_up(execution_id)

    simulator.switch(requestRates=None)
    assert document["Status"] == "PARTIAL"
    assert [server["Status"] for server in servers_of(document)] == ["LAUNCHED", "LAUNCHED", "FAILED"]
    [forgotten] = document["Waves"][1]["Servers"]
    assert FORGOTTEN in forgotten["Error"]
    assert "job's log" not in forgotten["NextStep"], "there is no job"
    assert (cleaned_up["outcome"], cleaned_up["instancesLeft"]) == ("CLEANED_UP", 0)
    fates = {each["InstanceId"]: each["Status"] for each in orchestrator.show(execution_id)["CleanUp"]["Instances"]}
    assert fates == dict.fromkeys(launched, "TERMINATED")
    assert orchestrator.app.drs.at(None, "us-east-1").recovery_instances([ONE, TWO]) == []
    asked = [call for call in simulator.calls("TerminateRecoveryInstances") if call["tookEffect"]]
    assert len(asked) == 1


def servers_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [server for each in document["Waves"] for server in each["Servers"]]

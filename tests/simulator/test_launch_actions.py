"""Post-launch actions: when they run, how they end, what they spoil."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator

Launch = Callable[..., str]
Servers = Callable[..., list[str]]

CHECK = {"name": "Check health", "optional": False, "seconds": 90}
MOUNT = {"name": "Mount shares", "optional": True, "seconds": 30}
NEVER = {"name": "Wait for ever", "optional": False, "status": "NEVER"}


@pytest.fixture
def runs_of(job_of: Callable[[str], dict[str, Any]]) -> Callable[[str], list[tuple[str, str]]]:
    """Name and status of each run of a job's first server."""

    def runs(job_id: str) -> list[tuple[str, str]]:
        status = job_of(job_id)["participatingServers"][0]["launchActionsStatus"]
        return [(run["action"]["name"], run["status"]) for run in status["runs"]]

    return runs


@pytest.mark.parametrize("drill", [True, False])
def test_actions_run_one_after_the_other_once_the_agent_is_found_in_drills_too(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    job_of: Callable[[str], dict[str, Any]],
    runs_of: Callable[[str], list[tuple[str, str]]],
    drill: bool,
) -> None:
    job_id = launch(servers(1, launchActions=[MOUNT, CHECK]), drill)
    simulator.push_jobs("COMPLETED")
    assert runs_of(job_id) == []

    simulator.clock.advance(21)
    assert runs_of(job_id) == [("Mount shares", "IN_PROGRESS"), ("Check health", "IN_PROGRESS")]
    status = job_of(job_id)["participatingServers"][0]["launchActionsStatus"]
    assert status["ssmAgentDiscoveryDatetime"]

    simulator.clock.advance(30)
    assert runs_of(job_id) == [("Mount shares", "SUCCEEDED"), ("Check health", "IN_PROGRESS")]

    simulator.clock.advance(90)
    assert runs_of(job_id) == [("Mount shares", "SUCCEEDED"), ("Check health", "SUCCEEDED")]


def test_actions_are_off_unless_somebody_asks_for_them(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, runs_of: Callable[[str], list[tuple[str, str]]]
) -> None:
    (server,) = servers(1)
    job_id = launch([server])
    simulator.push_jobs("COMPLETED")
    simulator.clock.advance(3600)

    assert runs_of(job_id) == []
    assert drs.get_launch_configuration(sourceServerID=server)["postLaunchEnabled"] is False


def test_a_failed_action_says_why_and_the_server_stays_launched(
    simulator: Simulator,
    drs: Any,
    servers: Servers,
    launch: Launch,
    job_of: Callable[[str], dict[str, Any]],
) -> None:
    failing = {**CHECK, "status": "FAILED", "failureReason": "Port 443 is closed"}
    job_id = launch(servers(1, launchActions=[failing]))
    simulator.push_jobs("ACTIONS_COMPLETED")

    (participant,) = job_of(job_id)["participatingServers"]
    (run,) = participant["launchActionsStatus"]["runs"]
    assert participant["launchStatus"] == "LAUNCHED"
    assert (run["status"], run["failureReason"]) == ("FAILED", "Port 443 is closed")
    assert run["action"]["optional"] is False


@pytest.mark.parametrize(("optional", "result"), [(False, "FAILED"), (True, "SUCCEEDED")])
def test_only_an_action_that_is_not_optional_decides_whether_the_launch_counts_as_successful(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, optional: bool, result: str
) -> None:
    launch(servers(1, launchActions=[{**CHECK, "optional": optional, "status": "FAILED"}]))
    simulator.push_jobs("ACTIONS_COMPLETED")

    assert drs.describe_source_servers()["items"][0]["lastLaunchResult"] == result


def test_an_action_can_run_for_ever(
    simulator: Simulator, servers: Servers, launch: Launch, runs_of: Callable[[str], list[tuple[str, str]]]
) -> None:
    job_id = launch(servers(1, launchActions=[NEVER]))
    simulator.clock.advance(30 * 86400)

    assert runs_of(job_id) == [("Wait for ever", "IN_PROGRESS")]


@pytest.mark.parametrize("status", ["FAILED", "NEVER"])
def test_a_fault_spoils_an_action_by_its_name(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    runs_of: Callable[[str], list[tuple[str, str]]],
    status: str,
) -> None:
    simulator.add_fault({"fault": "launch-action", "name": "Check health", "status": status})
    job_id = launch(servers(1, launchActions=[MOUNT, CHECK]))
    simulator.clock.advance(3600)

    seen = "FAILED" if status == "FAILED" else "IN_PROGRESS"
    assert runs_of(job_id) == [("Mount shares", "SUCCEEDED"), ("Check health", seen)]


def test_a_failed_launch_runs_no_actions(
    simulator: Simulator, servers: Servers, launch: Launch, runs_of: Callable[[str], list[tuple[str, str]]]
) -> None:
    simulator.add_fault({"fault": "launch-failure"})
    job_id = launch(servers(1, launchActions=[CHECK]))
    simulator.clock.advance(3600)

    assert runs_of(job_id) == []


def test_actions_go_on_after_a_held_job_was_pushed_to_its_end(
    simulator: Simulator, servers: Servers, launch: Launch, runs_of: Callable[[str], list[tuple[str, str]]]
) -> None:
    simulator.set_hold(True)
    job_id = launch(servers(1, launchActions=[CHECK]))
    simulator.push_jobs("COMPLETED")

    simulator.clock.advance(200)

    assert runs_of(job_id) == [("Check health", "SUCCEEDED")]


def test_an_action_put_through_the_api_is_listed_and_runs(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, runs_of: Callable[[str], list[tuple[str, str]]]
) -> None:
    (server,) = servers(1)
    action = {
        "actionId": "12345678-1234-4234-8234-123456789012",
        "actionCode": "AWS-RunShellScript",
        "name": "Say hello",
        "order": 1001,
        "optional": True,
        "active": True,
        "actionVersion": "$DEFAULT",
        "category": "OTHER",
        "description": "",
    }
    put = drs.put_launch_action(resourceId=server, **action)
    (listed,) = drs.list_launch_actions(resourceId=server)["items"]
    job_id = launch([server])
    simulator.push_jobs("ACTIONS_COMPLETED")

    assert put["type"] == listed["type"] == "SSM_COMMAND"
    assert listed["name"] == "Say hello"
    assert runs_of(job_id) == [("Say hello", "SUCCEEDED")]


def test_an_inactive_action_does_not_run_and_a_deleted_one_is_gone(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, runs_of: Callable[[str], list[tuple[str, str]]]
) -> None:
    (server,) = servers(1, launchActions=[CHECK])
    (action,) = drs.list_launch_actions(resourceId=server)["items"]
    changeable = {key: value for key, value in action.items() if key != "type"}
    drs.put_launch_action(resourceId=server, **{**changeable, "active": False})
    job_id = launch([server])
    simulator.push_jobs("ACTIONS_COMPLETED")
    assert runs_of(job_id) == []

    drs.delete_launch_action(resourceId=server, actionId=action["actionId"])
    assert drs.list_launch_actions(resourceId=server)["items"] == []
    with pytest.raises(ClientError) as refused:
        drs.delete_launch_action(resourceId=server, actionId=action["actionId"])
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"

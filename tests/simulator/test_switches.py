"""Every switch, both ways."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator
from drs_simulator.errors import ControlError
from drs_simulator.simulator import Caller

Launch = Callable[..., str]
Servers = Callable[..., list[str]]
JobOf = Callable[[str], dict[str, Any]]
EventsOf = Callable[..., list[str]]

ACTION = {"name": "Check health", "seconds": 90}


def throw(simulator: Simulator, **values: Any) -> None:
    simulator.set_switches(values)


def test_a_job_waits_for_launch_actions_or_does_not(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf
) -> None:
    throw(simulator, completedWaitsForLaunchActions=True)
    waiting = launch(servers(1, launchActions=[ACTION]))
    throw(simulator, completedWaitsForLaunchActions=False)
    hasty = launch(servers(1, launchActions=[ACTION]))

    simulator.clock.advance(540)
    assert [job_of(job_id)["status"] for job_id in (waiting, hasty)] == ["STARTED", "COMPLETED"]
    simulator.clock.advance(120)
    assert job_of(waiting)["status"] == "COMPLETED"


def test_a_job_that_waits_for_an_action_that_never_ends_never_ends(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf
) -> None:
    throw(simulator, completedWaitsForLaunchActions=True)
    job_id = launch(servers(1, launchActions=[{**ACTION, "status": "NEVER"}]))
    simulator.clock.advance(86400)

    assert job_of(job_id)["status"] == "STARTED"


@pytest.mark.parametrize("present", [True, False])
def test_the_recovery_instance_is_in_the_job_or_is_not(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf, present: bool
) -> None:
    throw(simulator, recoveryInstanceIdInJob=present)
    job_id = launch(servers(1))
    assert "recoveryInstanceID" not in job_of(job_id)["participatingServers"][0]
    simulator.push_jobs("COMPLETED")

    assert ("recoveryInstanceID" in job_of(job_id)["participatingServers"][0]) is present


@pytest.mark.parametrize("present", [True, False])
def test_launch_end_is_in_the_log_or_is_not(
    simulator: Simulator, servers: Servers, launch: Launch, events_of: EventsOf, present: bool
) -> None:
    throw(simulator, launchEndInLog=present)
    job_id = launch(servers(1))
    simulator.push_jobs("COMPLETED")

    assert ("LAUNCH_END" in events_of(job_id)) is present


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        ("before-snapshot", "JOB_START", "SNAPSHOT_START"),
        ("before-launch", "CONVERSION_END", "LAUNCH_START"),
        ("after-launch", "LAUNCH_END", "JOB_END"),
    ],
)
def test_the_cleanup_stands_where_the_switch_says(
    simulator: Simulator,
    drs: Any,
    servers: Servers,
    launch: Launch,
    events_of: EventsOf,
    place: str,
    before: str,
    after: str,
) -> None:
    throw(simulator, cleanupPlace=place)
    ids = servers(1)
    launch(ids)
    simulator.push_jobs("COMPLETED")
    job_id = launch(ids)
    simulator.push_jobs("COMPLETED")

    events = events_of(job_id)
    position = events.index("CLEANUP_START")
    assert events[position - 1 : position + 3] == [before, "CLEANUP_START", "CLEANUP_END", after]
    assert [item["jobID"] for item in drs.describe_recovery_instances()["items"]] == [job_id]


@pytest.mark.parametrize("grace", [0, 45])
def test_the_time_between_the_last_launch_and_the_jobs_end_can_be_set(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    job_of: JobOf,
    log_of: Callable[[str], list[dict[str, Any]]],
    grace: int,
) -> None:
    throw(simulator, completionGraceSeconds=grace)
    job_id = launch(servers(1))
    simulator.clock.advance(700)

    launched = next(item["logDateTime"] for item in log_of(job_id) if item["event"] == "LAUNCH_END")
    ended = job_of(job_id)["endDateTime"]
    passed = datetime.fromisoformat(ended) - datetime.fromisoformat(launched)
    assert passed.total_seconds() == pytest.approx(grace, abs=0.001)


@pytest.mark.parametrize("empty", [True, False])
def test_a_finished_terminate_job_lists_its_servers_or_does_not(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, job_of: JobOf, empty: bool
) -> None:
    throw(simulator, participatingServersEmptyAfterTerminate=empty)
    launch(servers(1))
    simulator.push_jobs("COMPLETED")
    instance = drs.describe_recovery_instances()["items"][0]["recoveryInstanceID"]
    job_id = drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])["job"]["jobID"]
    assert len(job_of(job_id)["participatingServers"]) == 1
    simulator.push_jobs("COMPLETED")

    assert len(job_of(job_id)["participatingServers"]) == (0 if empty else 1)


def test_a_job_has_the_fields_of_its_year(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf
) -> None:
    job_id = launch(servers(1))
    new = job_of(job_id)
    throw(simulator, apiShape="2022")
    old = job_of(job_id)

    assert set(new) - set(old) == {"participatingResources"}
    assert set(new["participatingServers"][0]) - set(old["participatingServers"][0]) == {"launchActionsStatus"}


@pytest.mark.parametrize("present", [True, False])
def test_a_jobs_tags_hold_its_arn_or_do_not(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf, present: bool
) -> None:
    throw(simulator, resourceArnTag=present)
    job = job_of(launch(servers(1), tags={"mine": "yes"}))

    assert job["tags"] == ({"mine": "yes", "resourceArn": job["arn"]} if present else {"mine": "yes"})


@pytest.mark.parametrize("error", ["ResourceNotFoundException", "ValidationException"])
def test_an_unknown_server_or_instance_is_refused_with_the_error_of_choice(
    simulator: Simulator, drs: Any, launch: Launch, error: str
) -> None:
    throw(simulator, unknownResourceError=error)

    with pytest.raises(ClientError) as server:
        launch(["s-" + "0" * 17])
    with pytest.raises(ClientError) as instance:
        drs.terminate_recovery_instances(recoveryInstanceIDs=["i-" + "0" * 17])

    assert server.value.response["Error"]["Code"] == error
    assert instance.value.response["Error"]["Code"] == error


@pytest.mark.parametrize(("listing", "expected"), [("together", 2), ("one-by-one", 1)])
def test_runs_are_listed_together_or_as_they_begin(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf, listing: str, expected: int
) -> None:
    throw(simulator, launchActionRuns=listing)
    job_id = launch(servers(1, launchActions=[ACTION, ACTION]))
    simulator.push_jobs("COMPLETED")
    simulator.clock.advance(21)
    assert len(job_of(job_id)["participatingServers"][0]["launchActionsStatus"]["runs"]) == expected

    simulator.clock.advance(600)
    runs = job_of(job_id)["participatingServers"][0]["launchActionsStatus"]["runs"]
    assert [run["status"] for run in runs] == ["SUCCEEDED", "SUCCEEDED"]


def test_the_time_until_the_agent_is_found_can_be_set(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf
) -> None:
    throw(simulator, ssmDiscoverySeconds=300)
    job_id = launch(servers(1, launchActions=[ACTION]))
    simulator.push_jobs("COMPLETED")

    found = []
    for _ in range(2):
        simulator.clock.advance(290)
        status = job_of(job_id)["participatingServers"][0]["launchActionsStatus"]
        found.append("ssmAgentDiscoveryDatetime" in status)

    assert found == [False, True]


def test_start_recovery_takes_its_time_with_every_server(simulator: Simulator, servers: Servers) -> None:
    throw(simulator, startRecoverySecondsPerServer=0.5)
    params = {"sourceServers": [{"sourceServerID": server} for server in servers(30)]}

    assert simulator.perform("StartRecovery", params, Caller()).delay == 15


@pytest.mark.parametrize(("size", "pages"), [(10, 3), (1000, 1)])
def test_the_size_of_a_page_nobody_asked_for_can_be_set(
    simulator: Simulator, drs: Any, servers: Servers, size: int, pages: int
) -> None:
    throw(simulator, defaultPageSize=size)
    servers(25)

    assert len(list(drs.get_paginator("describe_source_servers").paginate())) == pages


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"gravity": True}, "gravity"),
        ({"launchEndInLog": "yes"}, "launchEndInLog"),
        ({"cleanupPlace": "kitchen"}, "cleanupPlace"),
        ({"completionGraceSeconds": -1}, "completionGraceSeconds"),
        ({"ssmDiscoverySeconds": None}, "ssmDiscoverySeconds"),
        ({"defaultPageSize": 0}, "defaultPageSize"),
        ({"requestRates": {"DescribeJobs": 5}}, "requestRates"),
    ],
)
def test_a_switch_that_does_not_exist_or_fit_is_refused_with_a_sentence(
    simulator: Simulator, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ControlError, match=complaint):
        throw(simulator, **values)

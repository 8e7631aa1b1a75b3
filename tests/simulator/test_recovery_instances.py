"""Recovery instances: who launches them, what removes them, what protects them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator

Launch = Callable[..., str]
Servers = Callable[..., list[str]]


@pytest.fixture
def launched(simulator: Simulator, drs: Any, servers: Servers, launch: Launch) -> Callable[..., tuple[str, str]]:
    """Launches one new server to the end; returns its id and its instance's."""

    def create(drill: bool = True, **traits: Any) -> tuple[str, str]:
        (server,) = servers(1, **traits)
        launch([server], drill)
        simulator.push_jobs("COMPLETED")
        (instance,) = instances_of(drs, server)
        return server, instance["recoveryInstanceID"]

    return create


def instances_of(drs: Any, server: str) -> list[dict[str, Any]]:
    return list(drs.describe_recovery_instances(filters={"sourceServerIDs": [server]})["items"])


@pytest.mark.parametrize("drill", [True, False])
def test_an_instance_says_which_job_launched_it_and_whether_as_a_drill(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, drill: bool
) -> None:
    (server,) = servers(1)
    job_id = launch([server], drill)
    simulator.push_jobs("COMPLETED")

    (instance,) = instances_of(drs, server)
    assert (instance["jobID"], instance["isDrill"]) == (job_id, drill)


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True), (False, False)])
def test_any_new_launch_first_removes_every_earlier_instance_of_the_server(
    simulator: Simulator,
    drs: Any,
    launch: Launch,
    launched: Callable[..., tuple[str, str]],
    events_of: Callable[..., list[str]],
    first: bool,
    second: bool,
) -> None:
    server, earlier = launched(first)
    job_id = launch([server], second)
    simulator.clock.advance(100)
    assert instances_of(drs, server) == []

    simulator.push_jobs("COMPLETED")
    (instance,) = instances_of(drs, server)
    assert instance["recoveryInstanceID"] != earlier
    assert events_of(job_id, server)[:2] == ["CLEANUP_START", "CLEANUP_END"]


def test_termination_protection_saves_an_earlier_instance_and_the_log_says_so(
    simulator: Simulator,
    drs: Any,
    launch: Launch,
    launched: Callable[..., tuple[str, str]],
    log_of: Callable[[str], list[dict[str, Any]]],
) -> None:
    server, earlier = launched(False, terminationProtection=True)
    job_id = launch([server])
    simulator.push_jobs("COMPLETED")

    (failed,) = [item for item in log_of(job_id) if item["event"] == "CLEANUP_FAIL"]
    assert earlier in failed["eventData"]["rawError"]
    assert {item["recoveryInstanceID"] for item in instances_of(drs, server)} > {earlier}


def test_protection_can_be_set_and_lifted_on_an_instance(
    simulator: Simulator, drs: Any, launch: Launch, launched: Callable[..., tuple[str, str]]
) -> None:
    server, instance = launched()
    simulator.protect(instance, True)
    launch([server])
    simulator.push_jobs("COMPLETED")
    assert len(instances_of(drs, server)) == 2

    simulator.protect(instance, False)
    launch([server])
    simulator.push_jobs("COMPLETED")
    assert len(instances_of(drs, server)) == 2 - 1


def test_nothing_ever_terminates_a_drills_instance_on_its_own(
    simulator: Simulator, drs: Any, launched: Callable[..., tuple[str, str]]
) -> None:
    server, instance = launched(True)

    simulator.clock.advance(30 * 86400)

    assert [item["recoveryInstanceID"] for item in instances_of(drs, server)] == [instance]


def test_a_launch_that_fails_before_its_own_launch_has_removed_the_earlier_instance_all_the_same(
    simulator: Simulator, drs: Any, launch: Launch, launched: Callable[..., tuple[str, str]]
) -> None:
    server, _ = launched(True)
    simulator.add_fault({"fault": "conversion-failure"})
    launch([server])
    simulator.push_jobs("COMPLETED")

    assert instances_of(drs, server) == []


def test_a_terminate_job_removes_the_instances_and_its_servers_end_terminated(
    simulator: Simulator,
    drs: Any,
    launched: Callable[..., tuple[str, str]],
    statuses_of: Callable[[str], dict[str, str]],
    events_of: Callable[..., list[str]],
) -> None:
    simulator.set_switches({"participatingServersEmptyAfterTerminate": False})
    server, instance = launched()

    job = drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])["job"]
    assert (job["type"], job["initiatedBy"]) == ("TERMINATE", "TERMINATE_RECOVERY_INSTANCES")
    assert instances_of(drs, server)

    simulator.clock.advance(600)
    assert statuses_of(job["jobID"]) == {server: "TERMINATED"}
    assert instances_of(drs, server) == []
    assert events_of(job["jobID"]) == ["JOB_START", "CLEANUP_START", "CLEANUP_END", "JOB_END"]


def test_a_terminate_job_blocks_a_new_launch_of_its_servers_while_it_runs(
    simulator: Simulator, drs: Any, launch: Launch, launched: Callable[..., tuple[str, str]]
) -> None:
    server, instance = launched()
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])

    with pytest.raises(ClientError) as refused:
        launch([server])
    assert refused.value.response["Error"]["Code"] == "ConflictException"

    simulator.clock.advance(600)
    assert launch([server])


def test_a_launch_blocks_the_termination_of_its_servers_instances(
    drs: Any, launch: Launch, launched: Callable[..., tuple[str, str]]
) -> None:
    server, instance = launched()
    launch([server])

    with pytest.raises(ClientError) as refused:
        drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])

    assert refused.value.response["Error"]["Code"] == "ConflictException"


def test_a_protected_instance_survives_a_terminate_job_too(
    simulator: Simulator,
    drs: Any,
    launched: Callable[..., tuple[str, str]],
    events_of: Callable[..., list[str]],
) -> None:
    server, instance = launched(terminationProtection=True)

    job = drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])["job"]
    simulator.clock.advance(600)

    assert instances_of(drs, server)
    assert "CLEANUP_FAIL" in events_of(job["jobID"])


def test_two_instances_of_one_server_can_be_terminated_by_one_job(
    simulator: Simulator, drs: Any, launch: Launch, launched: Callable[..., tuple[str, str]]
) -> None:
    server, instance = launched(terminationProtection=True)
    launch([server])
    simulator.push_jobs("COMPLETED")
    both = [item["recoveryInstanceID"] for item in instances_of(drs, server)]
    for each in both:
        simulator.protect(each, False)

    drs.terminate_recovery_instances(recoveryInstanceIDs=both)
    simulator.clock.advance(600)

    assert instance in both
    assert instances_of(drs, server) == []


def test_launched_does_not_mean_running_an_instance_can_be_stopped_after_launch(
    drs: Any, launched: Callable[..., tuple[str, str]]
) -> None:
    stopped, _ = launched(launchDisposition="STOPPED")
    running, _ = launched()

    assert [item["ec2InstanceState"] for item in instances_of(drs, stopped)] == ["STOPPED"]
    assert [item["ec2InstanceState"] for item in instances_of(drs, running)] == ["RUNNING"]


def test_instances_can_be_filtered_by_their_own_id_and_come_in_pages(
    drs: Any, launched: Callable[..., tuple[str, str]]
) -> None:
    ids = [launched()[1] for _ in range(3)]

    (one,) = drs.describe_recovery_instances(filters={"recoveryInstanceIDs": [ids[1]]})["items"]
    first = drs.describe_recovery_instances(maxResults=2)
    rest = drs.describe_recovery_instances(nextToken=first["nextToken"])

    assert one["recoveryInstanceID"] == ids[1]
    assert [item["recoveryInstanceID"] for item in [*first["items"], *rest["items"]]] == ids


def test_the_source_server_remembers_its_last_launch(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    (server,) = servers(1)
    before = drs.describe_source_servers()["items"][0]
    job_id = launch([server], drill=False)
    during = drs.describe_source_servers()["items"][0]
    simulator.push_jobs("COMPLETED")
    after = drs.describe_source_servers()["items"][0]

    assert before["lifeCycle"]["lastLaunch"] == {"initiated": {}}
    assert [item["lastLaunchResult"] for item in (before, during, after)] == ["NOT_STARTED", "PENDING", "SUCCEEDED"]
    assert during["lifeCycle"]["lastLaunch"]["initiated"]["jobID"] == job_id
    assert during["lifeCycle"]["lastLaunch"]["initiated"]["type"] == "RECOVERY"
    assert after["lifeCycle"]["lastLaunch"]["status"] == "LAUNCHED"
    assert after["recoveryInstanceId"].startswith("i-")

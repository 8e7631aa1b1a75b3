"""Source servers and what hangs on them: configurations, points in time, replication, tags."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator
from drs_simulator.errors import ControlError

Launch = Callable[..., str]
Servers = Callable[..., list[str]]
NOBODY = "s-" + "0" * 17


def test_servers_come_in_pages_and_every_one_once(drs: Any, servers: Servers) -> None:
    ids = servers(250)

    pages = list(drs.get_paginator("describe_source_servers").paginate())

    assert [len(page["items"]) for page in pages] == [100, 100, 50]
    assert [item["sourceServerID"] for page in pages for item in page["items"]] == ids


def test_servers_can_be_filtered_by_id_and_unknown_ids_are_left_out(drs: Any, servers: Servers) -> None:
    ids = servers(3)

    found = drs.describe_source_servers(filters={"sourceServerIDs": [ids[2], NOBODY]})["items"]

    assert [item["sourceServerID"] for item in found] == [ids[2]]


def test_servers_can_be_filtered_by_staging_account_and_hardware(drs: Any, servers: Servers) -> None:
    (own,) = servers(1)
    (extended,) = servers(1, stagingAccountID="444444444444")

    staged = drs.describe_source_servers(filters={"stagingAccountIDs": ["444444444444"]})["items"]
    hardware = drs.describe_source_servers()["items"][0]["sourceProperties"]["identificationHints"]["awsInstanceID"]
    by_hardware = drs.describe_source_servers(filters={"hardwareId": hardware})["items"]

    assert [(item["sourceServerID"], item["stagingArea"]["status"]) for item in staged] == [(extended, "EXTENDED")]
    assert [item["sourceServerID"] for item in by_hardware] == [own]


def test_a_servers_name_is_its_name_tag_and_its_host_name_stands_in_the_hints(drs: Any, servers: Servers) -> None:
    servers(1, name="shop-db-1", hostname="db1.example.org", tags={"tier": "database"})

    (server,) = drs.describe_source_servers()["items"]

    assert server["tags"] == {"Name": "shop-db-1", "tier": "database"}
    assert server["sourceProperties"]["identificationHints"]["hostname"] == "db1.example.org"


def test_a_healthy_server_replicates_continuously_without_lag(drs: Any, servers: Servers) -> None:
    servers(1)

    replication = drs.describe_source_servers()["items"][0]["dataReplicationInfo"]

    assert (replication["dataReplicationState"], replication["lagDuration"]) == ("CONTINUOUS", "P0D")


def test_points_in_time_are_listed_and_the_one_in_the_making_has_no_timestamp(drs: Any, servers: Servers) -> None:
    (server,) = servers(1, recoverySnapshots=3)

    newest_first = drs.describe_recovery_snapshots(sourceServerID=server, order="DESC")["items"]
    oldest_first = drs.describe_recovery_snapshots(sourceServerID=server, order="ASC")["items"]

    assert newest_first == oldest_first[::-1]
    assert ["timestamp" in item for item in newest_first] == [False, True, True, True]
    assert all(item["snapshotID"].startswith("pit-") for item in newest_first)


def test_the_newest_point_in_time_is_as_old_as_the_replication_lags_behind(
    simulator: Simulator, drs: Any, servers: Servers
) -> None:
    servers(1, replicationState="DISCONNECTED", lag="P1DT2H")
    servers(1)

    newest = [
        max(
            datetime.fromisoformat(point["timestamp"]).timestamp()
            for point in drs.describe_recovery_snapshots(sourceServerID=server["sourceServerID"])["items"]
            if "timestamp" in point
        )
        for server in drs.describe_source_servers()["items"]
    ]

    assert newest[1] - newest[0] == 26 * 3600
    assert 0 <= simulator.now() - newest[1] < 600


@pytest.mark.parametrize("state", ["INITIAL_SYNC", "STOPPED"])
def test_a_server_in_its_initial_sync_or_stopped_has_no_point_in_time_and_its_launch_fails(
    simulator: Simulator,
    drs: Any,
    servers: Servers,
    launch: Launch,
    log_of: Callable[[str], list[dict[str, Any]]],
    statuses_of: Callable[[str], dict[str, str]],
    state: str,
) -> None:
    (server,) = servers(1, replicationState=state)
    job_id = launch([server])
    simulator.clock.advance(600)

    assert drs.describe_recovery_snapshots(sourceServerID=server)["items"] == []
    assert statuses_of(job_id) == {server: "FAILED"}
    assert log_of(job_id)[-2]["eventData"]["rawError"] == "Failed to take snapshot"


def test_stopping_its_replication_deletes_a_servers_points_in_time(
    simulator: Simulator, drs: Any, servers: Servers
) -> None:
    (server,) = servers(1)
    assert drs.describe_recovery_snapshots(sourceServerID=server)["items"]

    simulator.set_replication("000000000000", "us-east-1", [server], "STOPPED")

    assert drs.describe_recovery_snapshots(sourceServerID=server)["items"] == []


@pytest.mark.parametrize("state", ["PAUSED", "STALLED", "DISCONNECTED"])
def test_a_server_that_does_not_replicate_launches_from_its_last_consistent_snapshot(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    events_of: Callable[..., list[str]],
    statuses_of: Callable[[str], dict[str, str]],
    state: str,
) -> None:
    (server,) = servers(1, replicationState=state)
    job_id = launch([server])
    simulator.clock.advance(1200)

    assert "USING_PREVIOUS_SNAPSHOT" in events_of(job_id, server)
    assert statuses_of(job_id) == {server: "LAUNCHED"}


def test_a_launch_from_a_point_in_time_takes_no_snapshot_and_the_instance_has_its_date(
    simulator: Simulator, drs: Any, servers: Servers, events_of: Callable[..., list[str]]
) -> None:
    (server,) = servers(1)
    point = drs.describe_recovery_snapshots(sourceServerID=server, order="ASC")["items"][0]
    wanted = [{"sourceServerID": server, "recoverySnapshotID": point["snapshotID"]}]
    job_id = drs.start_recovery(sourceServers=wanted)["job"]["jobID"]
    simulator.push_jobs("COMPLETED")

    (instance,) = drs.describe_recovery_instances()["items"]
    assert "SNAPSHOT_START" not in events_of(job_id)
    assert instance["pointInTimeSnapshotDateTime"] == point["timestamp"]


def test_a_point_in_time_that_does_not_exist_is_refused(drs: Any, servers: Servers) -> None:
    (server,) = servers(1)

    with pytest.raises(ClientError) as refused:
        drs.start_recovery(sourceServers=[{"sourceServerID": server, "recoverySnapshotID": "pit-" + "0" * 17}])

    assert refused.value.response["resourceType"] == "RECOVERY_SNAPSHOT"


def test_the_launch_configuration_can_be_read_and_changed(drs: Any, servers: Servers) -> None:
    (server,) = servers(1)
    before = drs.get_launch_configuration(sourceServerID=server)
    drs.update_launch_configuration(sourceServerID=server, launchDisposition="STOPPED", recoveryMode="FAST")
    after = drs.get_launch_configuration(sourceServerID=server)

    assert (before["launchDisposition"], before["recoveryMode"]) == ("STARTED", "OPTIMAL")
    assert (after["launchDisposition"], after["recoveryMode"]) == ("STOPPED", "FAST")


def test_the_replication_configuration_can_be_read(drs: Any, servers: Servers) -> None:
    (server,) = servers(1)

    configuration = drs.get_replication_configuration(sourceServerID=server)

    assert configuration["sourceServerID"] == server
    assert [rule["units"] for rule in configuration["pitPolicy"]] == ["MINUTE", "HOUR", "DAY"]


@pytest.mark.parametrize("kind", ["source-server", "job", "recovery-instance"])
def test_tags_can_be_put_on_and_taken_off_every_resource(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, kind: str
) -> None:
    (server,) = servers(1)
    job_id = launch([server])
    simulator.push_jobs("COMPLETED")
    instance = drs.describe_recovery_instances()["items"][0]["recoveryInstanceID"]
    resource_id = {"source-server": server, "job": job_id, "recovery-instance": instance}[kind]
    arn = f"arn:aws:drs:us-east-1:000000000000:{kind}/{resource_id}"
    before = drs.list_tags_for_resource(resourceArn=arn)["tags"]

    drs.tag_resource(resourceArn=arn, tags={"a/b": "c d", "e": ""})
    tagged = drs.list_tags_for_resource(resourceArn=arn)["tags"]
    drs.untag_resource(resourceArn=arn, tagKeys=["a/b", "e"])

    assert tagged == {**before, "a/b": "c d", "e": ""}
    assert drs.list_tags_for_resource(resourceArn=arn)["tags"] == before


def test_tags_of_something_that_does_not_exist_are_not_found(drs: Any) -> None:
    with pytest.raises(ClientError) as refused:
        drs.list_tags_for_resource(resourceArn=f"arn:aws:drs:us-east-1:000000000000:source-server/{NOBODY}")

    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("traits", "complaint"),
    [
        ({"sourceServerID": "db-1"}, "sourceServerID"),
        ({"profile": "solaris-2"}, "solaris-2"),
        ({"colour": "blue"}, "colour"),
        ({"replicationState": "SLEEPING"}, "replicationState"),
        ({"lag": "three hours"}, "lag must be an ISO 8601 duration"),
        ({"launchActions": [{"status": "MAYBE"}]}, "MAYBE"),
        ({"launchActions": [{"length": 3}]}, "length"),
    ],
)
def test_a_server_that_makes_no_sense_is_refused_with_a_sentence(
    simulator: Simulator, traits: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ControlError, match=complaint):
        simulator.add_servers([traits])

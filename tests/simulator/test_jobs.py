"""The life of a launch job: its timeline, its log, what DescribeJobs says meanwhile."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator
from drs_simulator.in_process import connect
from drs_simulator.profiles import BUILT_IN

Launch = Callable[..., str]
Servers = Callable[..., list[str]]
JobOf = Callable[[str], dict[str, Any]]
StatusesOf = Callable[[str], dict[str, str]]


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def duration_of(job: dict[str, Any]) -> float:
    return seconds_between(job["creationDateTime"], job["endDateTime"])


def test_a_job_goes_from_pending_over_started_to_completed(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf
) -> None:
    job_id = launch(servers(2))

    seen = [job_of(job_id)["status"]]
    for seconds in (1, 300, 300):
        simulator.clock.advance(seconds)
        seen.append(job_of(job_id)["status"])

    assert seen == ["PENDING", "STARTED", "STARTED", "COMPLETED"]
    assert "endDateTime" in job_of(job_id)


def test_a_server_stays_pending_through_snapshot_and_conversion(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, events_of: Callable[..., list[str]]
) -> None:
    (server,) = servers(1)
    job_id = launch([server])

    simulator.clock.advance(200)

    assert statuses_of(job_id) == {server: "PENDING"}
    assert events_of(job_id, server) == ["SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START"]


def test_a_server_is_in_progress_while_its_instance_is_launched(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, events_of: Callable[..., list[str]]
) -> None:
    (server,) = servers(1)
    job_id = launch([server])

    simulator.clock.advance(300)

    assert statuses_of(job_id) == {server: "IN_PROGRESS"}
    assert events_of(job_id, server)[-2:] == ["CONVERSION_END", "LAUNCH_START"]


def test_the_log_names_conversion_server_and_target_instance(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    job_id = launch(servers(1))
    simulator.clock.advance(600)

    log = {item["event"]: item["eventData"] for item in log_of(job_id)}
    (instance,) = drs.describe_recovery_instances()["items"]
    assert log["CONVERSION_END"]["conversionServerID"].startswith("i-")
    assert log["LAUNCH_END"]["targetInstanceID"] == instance["recoveryInstanceID"]
    assert log["JOB_START"] == log["JOB_END"] == {}


def test_launch_end_precedes_the_jobs_end_by_two_to_four_seconds(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    job_id = launch(servers(2))
    simulator.clock.advance(600)

    launched = max(item["logDateTime"] for item in log_of(job_id) if item["event"] == "LAUNCH_END")
    assert 2 <= seconds_between(launched, job_of(job_id)["endDateTime"]) <= 4


def test_job_end_is_logged_about_thirty_milliseconds_after_the_jobs_end(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    job_id = launch(servers(2))
    simulator.clock.advance(600)

    last = log_of(job_id)[-1]
    assert last["event"] == "JOB_END"
    assert 0.02 <= seconds_between(job_of(job_id)["endDateTime"], last["logDateTime"]) <= 0.04


@pytest.mark.parametrize(
    ("profile", "count", "low", "high"),
    [
        ("linux-2", 2, 533, 539),
        ("windows-2", 2, 1435, 1437),
        ("windows-late-failure", 2, 1860, 1862),
        ("servers-25", 25, 1725, 1727),
        ("missing-permission", 2, 203, 205),
        ("missing-permission-at-once", 2, 0.9, 1.1),
    ],
)
def test_a_profile_takes_as_long_as_the_real_job_it_was_written_from(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    job_of: JobOf,
    profile: str,
    count: int,
    low: float,
    high: float,
) -> None:
    simulator.use_profile(profile)
    job_id = launch(servers(count))

    simulator.clock.advance(2000)

    assert low <= duration_of(job_of(job_id)) <= high


@pytest.mark.parametrize("profile", ["linux-2", "windows-2", "windows-late-failure", "servers-25"])
def test_the_phases_of_a_profile_stay_within_what_was_observed(profile: str) -> None:
    figures = BUILT_IN[profile]

    assert figures.conversion is not None
    for span, low, high in (
        (figures.snapshot, 0, 1),
        (figures.conversion_start, 50, 190),
        (figures.conversion, 175, 845),
        (figures.launch, 277, 391),
    ):
        assert low <= span.fastest <= span.slowest <= high
    assert 2 <= figures.completion <= 4


def test_servers_of_a_job_do_not_all_launch_at_the_same_moment(
    simulator: Simulator, servers: Servers, launch: Launch, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    simulator.use_profile("servers-25")
    job_id = launch(servers(25))
    simulator.clock.advance(2000)

    launched = [item["logDateTime"] for item in log_of(job_id) if item["event"] == "LAUNCH_END"]
    assert len(set(launched)) == 25


def test_fast_recovery_mode_skips_conversion(
    simulator: Simulator, servers: Servers, launch: Launch, events_of: Callable[..., list[str]]
) -> None:
    simulator.use_profile("fast-mode")
    by_profile = launch(servers(1))
    simulator.use_profile("linux-2")
    by_server = launch(servers(1, recoveryMode="FAST"))
    simulator.clock.advance(600)

    for job_id in (by_profile, by_server):
        assert "CONVERSION_START" not in events_of(job_id)
        assert events_of(job_id)[-2:] == ["LAUNCH_END", "JOB_END"]


def test_a_late_failure_leaves_the_other_server_launched_ten_minutes_earlier(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, job_of: JobOf
) -> None:
    simulator.use_profile("windows-late-failure")
    first, last = servers(2)
    job_id = launch([first, last])

    simulator.clock.advance(1300)
    assert statuses_of(job_id) == {first: "LAUNCHED", last: "IN_PROGRESS"}
    assert job_of(job_id)["status"] == "STARTED"

    simulator.clock.advance(600)
    assert statuses_of(job_id) == {first: "LAUNCHED", last: "FAILED"}
    assert job_of(job_id)["status"] == "COMPLETED"


def test_there_is_no_failed_job_completed_only_means_finished(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, job_of: JobOf
) -> None:
    simulator.use_profile("missing-permission")
    job_id = launch(servers(2))
    simulator.clock.advance(300)

    assert job_of(job_id)["status"] == "COMPLETED"
    assert set(statuses_of(job_id).values()) == {"FAILED"}


def test_the_text_of_a_failure_stands_only_in_the_log(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: JobOf, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    simulator.use_profile("missing-permission")
    job_id = launch(servers(1))
    simulator.clock.advance(300)

    (failed,) = [item for item in log_of(job_id) if item["event"] == "LAUNCH_FAILED"]
    assert "UnauthorizedOperation" in failed["eventData"]["rawError"]
    assert "Unauthorized" not in str(job_of(job_id))


def test_tags_come_back_in_describe_jobs(servers: Servers, launch: Launch, job_of: JobOf) -> None:
    job_id = launch(servers(1), tags={"orchestrator:wave": "database", "run": "7"})

    assert job_of(job_id)["tags"] == {"orchestrator:wave": "database", "run": "7"}


def test_tags_the_service_does_not_take_are_refused(servers: Servers, launch: Launch) -> None:
    with pytest.raises(ClientError, match="Invalid request provided: Tags"):
        launch(servers(1), tags={"aws:mine": "no"})


def test_a_repeated_start_recovery_is_a_second_launch_because_there_is_no_client_token(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    ids = servers(1)
    launch(ids)
    simulator.push_jobs("COMPLETED")
    launch(ids)

    assert len(drs.describe_jobs()["items"]) == 2


def test_jobs_are_listed_newest_first_in_pages(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    started = []
    for _ in range(5):
        started.append(launch(servers(1)))
        simulator.clock.advance(1)

    pages = [
        [job["jobID"] for job in page["items"]]
        for page in drs.get_paginator("describe_jobs").paginate(PaginationConfig={"PageSize": 2})
    ]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [job_id for page in pages for job_id in page] == started[::-1]


def test_a_new_job_does_not_shift_the_pages_of_a_listing_under_way(drs: Any, servers: Servers, launch: Launch) -> None:
    started = [launch(servers(1)) for _ in range(4)]
    first = drs.describe_jobs(maxResults=2)
    launch(servers(1))
    second = drs.describe_jobs(maxResults=2, nextToken=first["nextToken"])

    assert [job["jobID"] for job in [*first["items"], *second["items"]]] == started[::-1]


def test_jobs_can_be_filtered_by_id_and_date(simulator: Simulator, drs: Any, servers: Servers, launch: Launch) -> None:
    early = launch(servers(1))
    simulator.clock.advance(3600)
    late = launch(servers(1))

    by_id = drs.describe_jobs(filters={"jobIDs": [early]})["items"]
    by_date = drs.describe_jobs(filters={"fromDate": "2022-12-07T20:00:00Z"})["items"]
    until = drs.describe_jobs(filters={"toDate": "2022-12-07T20:00:00Z"})["items"]
    assert [job["jobID"] for job in by_id] == [early]
    assert [job["jobID"] for job in by_date] == [late]
    assert [job["jobID"] for job in until] == [early]


def test_a_date_filter_includes_its_very_moment(drs: Any, servers: Servers, launch: Launch) -> None:
    job_id = launch(servers(1))
    moment = "2022-12-07T19:15:38Z"

    for filters in ({"fromDate": moment}, {"toDate": moment}, {"fromDate": moment, "toDate": moment}):
        assert [job["jobID"] for job in drs.describe_jobs(filters=filters)["items"]] == [job_id]


def test_a_date_that_does_not_exist_is_refused(drs: Any, servers: Servers, launch: Launch) -> None:
    launch(servers(1))

    with pytest.raises(ClientError, match="Invalid date"):
        drs.describe_jobs(filters={"fromDate": "2022-02-31T00:00:00Z"})


def test_an_unknown_job_is_an_empty_list_and_no_error(drs: Any) -> None:
    assert drs.describe_jobs(filters={"jobIDs": ["drsjob-" + "0" * 17]})["items"] == []


def test_the_log_of_an_unknown_job_is_not_found(drs: Any) -> None:
    with pytest.raises(ClientError) as refused:
        drs.describe_job_log_items(jobID="drsjob-" + "0" * 17)

    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_the_log_of_a_job_comes_in_pages(drs: Any, simulator: Simulator, servers: Servers, launch: Launch) -> None:
    job_id = launch(servers(2))
    simulator.clock.advance(600)
    whole = drs.describe_job_log_items(jobID=job_id)["items"]

    paginator = drs.get_paginator("describe_job_log_items")
    pages = [page["items"] for page in paginator.paginate(jobID=job_id, PaginationConfig={"PageSize": 5})]

    assert [len(page) for page in pages] == [5, 5, 4]
    assert [item for page in pages for item in page] == whole


def test_a_job_of_another_region_is_unknown_here(simulator: Simulator, servers: Servers, launch: Launch) -> None:
    job_id = launch(servers(1))

    elsewhere = connect(simulator, region="eu-west-1")
    assert elsewhere.describe_jobs(filters={"jobIDs": [job_id]})["items"] == []


def test_a_token_that_is_not_ours_is_refused(drs: Any) -> None:
    with pytest.raises(ClientError, match="Invalid nextToken"):
        drs.describe_jobs(nextToken="made up")


def test_a_running_job_cannot_be_deleted_and_a_finished_one_can(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    job_id = launch(servers(1))

    with pytest.raises(ClientError) as refused:
        drs.delete_job(jobID=job_id)
    simulator.push_jobs("COMPLETED")
    drs.delete_job(jobID=job_id)

    assert refused.value.response["Error"]["Code"] == "ConflictException"
    assert drs.describe_jobs()["items"] == []


def test_the_same_seed_gives_the_same_job_and_another_seed_another(servers: Servers) -> None:
    def run(seed: int) -> list[Any]:
        simulator = Simulator(seed=seed)
        simulator.clock.step(1_000_000)
        ids = [server.id for server in simulator.add_servers([{} for _ in range(5)])]
        job = simulator.call("StartRecovery", {"sourceServers": [{"sourceServerID": server} for server in ids]})["job"]
        simulator.clock.advance(2000)
        return list(simulator.call("DescribeJobLogItems", {"jobID": job["jobID"]})["items"])

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_after_a_reset_the_same_servers_are_fast_and_slow_again(
    simulator: Simulator, launch: Launch, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    def order() -> list[tuple[str, Any]]:
        fleet = simulator.add_servers([{"sourceServerID": f"s-{number:017x}"} for number in range(9)])
        job_id = launch([server.id for server in fleet])
        simulator.clock.advance(2000)
        return [(item["event"], item["eventData"].get("sourceServerID")) for item in log_of(job_id)]

    before = order()
    simulator.reset(seed=13)
    simulator.reset()

    assert order() == before


def test_a_job_from_before_a_reset_is_unknown_after_it(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    forgotten = launch(servers(1))
    simulator.reset()
    launch(servers(1))

    assert drs.describe_jobs(filters={"jobIDs": [forgotten]})["items"] == []


def test_a_job_pushed_past_its_slower_servers_and_then_let_go_keeps_its_log_in_order(
    simulator: Simulator, servers: Servers, launch: Launch, log_of: Callable[[str], list[dict[str, Any]]]
) -> None:
    simulator.use_profile("servers-25")
    simulator.set_hold(True)
    ids = servers(25)
    simulator.add_fault({"fault": "capacity", "sourceServerIDs": ids[:3]})
    job_id = launch(ids)
    simulator.clock.advance(100)
    simulator.push_jobs("IN_PROGRESS")
    simulator.set_hold(False)
    simulator.clock.advance(2000)

    moments = [item["logDateTime"] for item in log_of(job_id)]
    assert moments == sorted(moments)


def test_two_jobs_in_one_world_are_interleaved_by_time(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    simulator.use_profile("windows-2")
    slow = launch(servers(1))
    simulator.use_profile("fast-mode")
    quick = launch(servers(1))
    simulator.clock.advance(3000)

    ends = {job["jobID"]: job["endDateTime"] for job in drs.describe_jobs()["items"]}
    assert ends[quick] < ends[slow]

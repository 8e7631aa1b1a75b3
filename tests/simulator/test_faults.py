"""Trouble by rule: each fault, each condition."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from drs_simulator import Simulator
from drs_simulator.errors import ControlError
from drs_simulator.in_process import connect

Launch = Callable[..., str]
Servers = Callable[..., list[str]]
LogOf = Callable[[str], list[dict[str, Any]]]
StatusesOf = Callable[[str], dict[str, str]]
EventsOf = Callable[..., list[str]]


def raw_error(log: list[dict[str, Any]], event: str) -> str:
    (found,) = [item for item in log if item["event"] == event]
    return str(found["eventData"]["rawError"])


def test_a_connection_cut_before_the_effect_leaves_no_job(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    simulator.add_fault({"fault": "reset-before", "operation": "StartRecovery", "count": 1})

    with pytest.raises(ConnectionClosedError):
        launch(servers(1))

    assert drs.describe_jobs()["items"] == []


def test_a_connection_cut_after_the_effect_leaves_a_job_nobody_was_told_of(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    simulator.add_fault({"fault": "reset-after", "operation": "StartRecovery", "count": 1})

    with pytest.raises(ConnectionClosedError):
        launch(servers(1))

    assert len(drs.describe_jobs()["items"]) == 1
    (call,) = simulator.calls.listed("StartRecovery")
    assert (call.status, call.took_effect) == (None, True)


@pytest.mark.parametrize(
    ("fault", "code"), [("throttle", "ThrottlingException"), ("server-error", "InternalServerException")]
)
@pytest.mark.parametrize("after_effect", [False, True])
def test_an_error_can_come_before_or_after_the_effect(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch, fault: str, code: str, after_effect: bool
) -> None:
    simulator.add_fault({"fault": fault, "operation": "StartRecovery", "count": 1, "afterEffect": after_effect})

    with pytest.raises(ClientError) as failed:
        launch(servers(1))

    assert failed.value.response["Error"]["Code"] == code
    assert len(drs.describe_jobs()["items"]) == int(after_effect)


def test_a_slow_answer_takes_as_long_as_told(simulator: Simulator, drs: Any) -> None:
    from drs_simulator.simulator import Caller

    simulator.add_fault({"fault": "slow", "seconds": 9})

    assert simulator.perform("DescribeJobs", {}, Caller()).delay == 9


def test_a_stale_answer_tells_what_was_true_some_time_ago(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    job_id = launch(servers(1))
    simulator.clock.advance(400)
    simulator.add_fault({"fault": "stale", "operation": "DescribeJobs", "seconds": 390, "count": 1})

    (stale,) = drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]
    (fresh,) = drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]

    assert stale["participatingServers"][0]["launchStatus"] == "PENDING"
    assert fresh["participatingServers"][0]["launchStatus"] == "IN_PROGRESS"


def test_a_stale_answer_does_not_know_a_job_younger_than_it(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    launch(servers(1))
    simulator.clock.advance(10)
    simulator.add_fault({"fault": "stale", "operation": "DescribeJobs", "seconds": 30})

    assert drs.describe_jobs()["items"] == []


def test_a_stale_answer_does_not_know_the_jobs_end(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    launch(servers(1))
    simulator.clock.advance(600)
    simulator.add_fault({"fault": "stale", "operation": "DescribeJobs", "seconds": 300})

    (job,) = drs.describe_jobs()["items"]
    assert job["status"] == "STARTED"
    assert "endDateTime" not in job


def test_a_known_job_can_be_missing_from_an_answer(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    job_id = launch(servers(1))
    simulator.add_fault({"fault": "empty", "operation": "DescribeJobs", "count": 1})

    assert drs.describe_jobs(filters={"jobIDs": [job_id]})["items"] == []
    assert len(drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]) == 1


@pytest.mark.parametrize(
    ("fault", "event", "text"),
    [
        ("launch-failure", "LAUNCH_FAILED", "The EBS encryption key could not be found in this account"),
        ("conversion-failure", "CONVERSION_FAIL", "Conversion server launch failed"),
        ("snapshot-failure", "SNAPSHOT_FAIL", "Failed to take snapshot"),
        ("iam-failure", "LAUNCH_FAILED", "UnauthorizedOperation"),
        ("capacity", "LAUNCH_FAILED", "InsufficientInstanceCapacity"),
        ("late-failure", "LAUNCH_FAILED", "The EBS encryption key could not be found in this account"),
    ],
)
def test_a_launch_fails_with_a_real_text_and_the_other_server_does_not_care(
    simulator: Simulator,
    drs: Any,
    servers: Servers,
    launch: Launch,
    log_of: LogOf,
    statuses_of: StatusesOf,
    fault: str,
    event: str,
    text: str,
) -> None:
    good, bad = servers(2)
    simulator.add_fault({"fault": fault, "sourceServerIDs": [bad]})
    job_id = launch([good, bad])
    simulator.clock.advance(1300)

    assert statuses_of(job_id) == {good: "LAUNCHED", bad: "FAILED"}
    assert text in raw_error(log_of(job_id), event)
    assert [item["sourceServerID"] for item in drs.describe_recovery_instances()["items"]] == [good]


def test_an_iam_failure_strikes_after_the_conversion(
    simulator: Simulator, servers: Servers, launch: Launch, events_of: EventsOf
) -> None:
    simulator.add_fault({"fault": "iam-failure"})
    job_id = launch(servers(1))
    simulator.clock.advance(600)

    assert events_of(job_id)[-4:] == ["CONVERSION_END", "LAUNCH_START", "LAUNCH_FAILED", "JOB_END"]


def test_a_failure_text_can_be_chosen(simulator: Simulator, servers: Servers, launch: Launch, log_of: LogOf) -> None:
    simulator.add_fault({"fault": "launch-failure", "text": "The subnet is full"})
    job_id = launch(servers(1))
    simulator.clock.advance(600)

    assert raw_error(log_of(job_id), "LAUNCH_FAILED") == "The subnet is full"


def test_a_late_failure_keeps_the_job_running_until_it_comes(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: Callable[[str], dict[str, Any]]
) -> None:
    good, bad = servers(2)
    simulator.add_fault({"fault": "late-failure", "sourceServerIDs": [bad], "seconds": 600})
    job_id = launch([good, bad])

    simulator.clock.advance(1100)
    assert job_of(job_id)["status"] == "STARTED"
    simulator.clock.advance(60)
    assert job_of(job_id)["status"] == "COMPLETED"


@pytest.mark.parametrize("phase", ["snapshot", "conversion", "launch"])
def test_a_stuck_server_keeps_its_job_from_ever_ending(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: Callable[[str], dict[str, Any]], phase: str
) -> None:
    good, bad = servers(2)
    simulator.add_fault({"fault": "stuck", "sourceServerIDs": [bad], "phase": phase})
    job_id = launch([good, bad])
    simulator.clock.advance(30 * 86400)

    job = job_of(job_id)
    status = {item["sourceServerID"]: item["launchStatus"] for item in job["participatingServers"]}
    assert job["status"] == "STARTED"
    assert status == {good: "LAUNCHED", bad: "IN_PROGRESS" if phase == "launch" else "PENDING"}


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS"])
def test_a_job_can_complete_and_leave_a_server_behind(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    job_of: Callable[[str], dict[str, Any]],
    statuses_of: StatusesOf,
    status: str,
) -> None:
    good, bad = servers(2)
    simulator.add_fault({"fault": "left-behind", "sourceServerIDs": [bad], "status": status})
    job_id = launch([good, bad])
    simulator.clock.advance(3600)

    assert job_of(job_id)["status"] == "COMPLETED"
    assert statuses_of(job_id) == {good: "LAUNCHED", bad: status}


def test_without_a_fresh_snapshot_the_previous_one_is_used_after_ten_minutes(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, events_of: EventsOf
) -> None:
    (server,) = servers(1)
    simulator.add_fault({"fault": "snapshot-fallback"})
    job_id = launch([server])

    simulator.clock.advance(590)
    assert events_of(job_id, server) == ["SNAPSHOT_START"]

    simulator.clock.advance(20)
    assert events_of(job_id, server) == ["SNAPSHOT_START", "SNAPSHOT_FAIL", "USING_PREVIOUS_SNAPSHOT"]

    simulator.clock.advance(600)
    assert statuses_of(job_id) == {server: "LAUNCHED"}


def test_an_instance_of_the_previous_snapshot_has_that_ones_date(
    simulator: Simulator, drs: Any, servers: Servers, launch: Launch
) -> None:
    (server,) = servers(1)
    simulator.add_fault({"fault": "snapshot-fallback"})
    launch([server])
    simulator.clock.advance(1200)

    newest = max(
        point["timestamp"]
        for point in drs.describe_recovery_snapshots(sourceServerID=server)["items"]
        if "timestamp" in point
    )
    (instance,) = drs.describe_recovery_instances()["items"]
    assert instance["pointInTimeSnapshotDateTime"] == newest


def test_the_log_can_hold_an_event_nobody_has_heard_of(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, events_of: EventsOf
) -> None:
    (server,) = servers(1)
    simulator.add_fault({"fault": "unknown-event", "event": "DISK_WARMUP_START"})
    job_id = launch([server])
    simulator.clock.advance(600)

    assert "DISK_WARMUP_START" in events_of(job_id, server)
    assert statuses_of(job_id) == {server: "LAUNCHED"}


def test_a_server_can_have_a_status_nobody_has_heard_of(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf
) -> None:
    (server,) = servers(1)
    simulator.add_fault({"fault": "unknown-status", "status": "VERIFYING"})
    job_id = launch([server])

    simulator.clock.advance(300)
    assert statuses_of(job_id) == {server: "VERIFYING"}
    simulator.clock.advance(300)
    assert statuses_of(job_id) == {server: "LAUNCHED"}


def test_a_job_can_have_a_status_nobody_has_heard_of(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: Callable[[str], dict[str, Any]]
) -> None:
    (server,) = servers(1)
    simulator.add_fault({"fault": "unknown-job-status", "status": "WRAPPING_UP"})
    job_id = launch([server])

    simulator.clock.advance(300)
    assert job_of(job_id)["status"] == "WRAPPING_UP"
    simulator.clock.advance(300)
    assert job_of(job_id)["status"] == "COMPLETED"


def test_a_launch_action_can_end_in_a_status_nobody_has_heard_of(
    simulator: Simulator, servers: Servers, launch: Launch, job_of: Callable[[str], dict[str, Any]]
) -> None:
    (server,) = servers(1, launchActions=[{"name": "mount"}, {"name": "audit"}])
    simulator.add_fault({"fault": "unknown-action-status", "name": "audit", "status": "WAIVED"})
    job_id = launch([server])
    simulator.clock.advance(900)

    runs = job_of(job_id)["participatingServers"][0]["launchActionsStatus"]["runs"]
    assert {run["action"]["name"]: run["status"] for run in runs} == {"mount": "SUCCEEDED", "audit": "WAIVED"}


def test_a_launch_fault_also_reaches_a_launch_under_way(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, log_of: LogOf
) -> None:
    good, bad = servers(2)
    job_id = launch([good, bad])
    simulator.clock.advance(300)

    simulator.add_fault({"fault": "launch-failure", "sourceServerIDs": [bad], "text": "too late"})
    simulator.clock.advance(300)

    assert statuses_of(job_id) == {good: "LAUNCHED", bad: "FAILED"}
    assert raw_error(log_of(job_id), "LAUNCH_FAILED") == "too late"


def test_a_fault_of_a_phase_that_is_over_strikes_in_the_next(
    simulator: Simulator, servers: Servers, launch: Launch, events_of: EventsOf
) -> None:
    job_id = launch(servers(1))
    simulator.clock.advance(300)

    simulator.add_fault({"fault": "conversion-failure"})
    simulator.clock.advance(300)

    assert events_of(job_id)[-2:] == ["LAUNCH_FAILED", "JOB_END"]


def test_a_launch_fault_does_not_undo_what_has_happened(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf
) -> None:
    (server,) = servers(1)
    job_id = launch([server])
    simulator.push_jobs("LAUNCHED")

    rule = simulator.add_fault({"fault": "launch-failure"})
    simulator.clock.advance(600)

    assert statuses_of(job_id) == {server: "LAUNCHED"}
    assert rule.struck == 0


def test_a_rule_strikes_only_as_often_as_it_may_and_after_those_it_skips(simulator: Simulator, drs: Any) -> None:
    simulator.add_fault({"fault": "throttle", "skip": 1, "count": 2})

    outcomes = []
    for _ in range(5):
        try:
            drs.describe_jobs()
            outcomes.append("ok")
        except ClientError:
            outcomes.append("busy")

    assert outcomes == ["ok", "busy", "busy", "ok", "ok"]


def test_a_rule_holds_for_its_window_of_time(simulator: Simulator, drs: Any) -> None:
    simulator.add_fault({"fault": "throttle", "afterSeconds": 10, "forSeconds": 60})

    drs.describe_jobs()
    simulator.clock.advance(10)
    with pytest.raises(ClientError):
        drs.describe_jobs()
    simulator.clock.advance(60)
    drs.describe_jobs()


def test_a_rule_can_be_meant_for_one_account_and_region(simulator: Simulator) -> None:
    simulator.add_fault({"fault": "throttle", "account": "111111111111", "region": "eu-west-1"})

    connect(simulator, "111111111111", "us-east-1").describe_jobs()
    connect(simulator, "222222222222", "eu-west-1").describe_jobs()
    with pytest.raises(ClientError):
        connect(simulator, "111111111111", "eu-west-1").describe_jobs()


def test_a_rule_can_be_meant_for_operations(simulator: Simulator, drs: Any) -> None:
    simulator.add_fault({"fault": "throttle", "operation": ["DescribeJobs", "DescribeJobLogItems"]})

    drs.describe_source_servers()
    with pytest.raises(ClientError):
        drs.describe_jobs()


@pytest.mark.parametrize("condition", [{"wave": "web"}, {"tags": {"orchestrator:wave": "web"}}])
def test_a_rule_can_be_meant_for_the_wave_a_job_is_tagged_with(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: StatusesOf, condition: dict[str, Any]
) -> None:
    database, web = servers(2)
    simulator.add_fault({"fault": "launch-failure", **condition})
    jobs = {
        database: launch([database], tags={"orchestrator:wave": "database"}),
        web: launch([web], tags={"orchestrator:wave": "web"}),
    }
    simulator.clock.advance(600)

    assert statuses_of(jobs[database]) == {database: "LAUNCHED"}
    assert statuses_of(jobs[web]) == {web: "FAILED"}


def test_a_probability_strikes_sometimes_and_the_same_times_under_the_same_seed() -> None:
    def run(seed: int) -> list[bool]:
        simulator = Simulator(seed=seed)
        simulator.clock.step(1_000_000)
        simulator.add_fault({"fault": "empty", "probability": 0.5})
        return [bool(simulator.faults.verdict(_call()).empty) for _ in range(200)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 60 < sum(run(1)) < 140


def _call() -> Any:
    from drs_simulator.faults import Occasion

    return Occasion("000000000000", "us-east-1", "DescribeJobs", frozenset(), {})


def test_a_lifted_rule_strikes_no_more(simulator: Simulator, drs: Any) -> None:
    rule = simulator.add_fault({"fault": "throttle"})
    with pytest.raises(ClientError):
        drs.describe_jobs()

    simulator.faults.remove(rule.id)

    drs.describe_jobs()
    with pytest.raises(ControlError, match=rule.id):
        simulator.faults.remove(rule.id)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"fault": "earthquake"}, "earthquake"),
        ({}, "unknown fault None"),
        ({"fault": "throttle", "operations": "DescribeJobs"}, "operations"),
        ({"fault": "stuck", "phase": "breakfast"}, "phase"),
        ({"fault": "left-behind", "status": "LAUNCHED"}, "status"),
        ({"fault": "error"}, "needs a code"),
        ({"fault": "throttle", "operation": "DescribJobs"}, "DescribJobs"),
        ({"fault": "throttle", "operation": 5}, "operation"),
        ({"fault": "throttle", "probability": "high"}, "probability"),
        ({"fault": "throttle", "count": -1}, "count"),
        ({"fault": "throttle", "retryAfterSeconds": "soon"}, "retryAfterSeconds"),
        ({"fault": "throttle", "afterEffect": "yes"}, "afterEffect"),
        ({"fault": "launch-failure", "text": None}, "text"),
        ({"fault": "launch-failure", "tags": "wave=web"}, "tags"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(
    simulator: Simulator, rule: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ControlError, match=complaint):
        simulator.add_fault(rule)

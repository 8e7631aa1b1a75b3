"""The time of the recovery point a server was launched from, in its record as DRS tells it of the instance."""

from drs_orchestrator.domain.job import DrsJob, JobObservation, LogEvent, ParticipatingServer
from drs_orchestrator.domain.progress import Limits, observe
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.source import RecoveryInstance
from drs_orchestrator.domain.statuses import ExecutionType
from tests.helpers.orchestrator import REGION, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO = server_id(1), server_id(2)
NOW = 1_800_000_000


def test_a_pinned_point_is_the_one_recorded(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO)
    snapshot, time = orchestrator.oldest_point(ONE)
    pinned = {"SourceServerId": ONE, "RecoverySnapshotId": snapshot}
    document = orchestrator.drive(orchestrator.start(plan(wave("web", pinned, TWO))))
    first, second = document["Waves"][0]["Servers"]

    assert first["RecoveryPointTime"] == time < first["LaunchTime"]
    assert second["RecoveryPointTime"] == second["LaunchTime"], "the simulator's fresh point is as old as its job"


def test_of_a_launch_that_fell_back_to_the_previous_snapshot_it_is_that_ones(
    orchestrator: Orchestrator, simulator: SimulatorControl
) -> None:
    orchestrator.add_servers(ONE, recoverySnapshots=1)
    _, time = orchestrator.oldest_point(ONE)
    orchestrator.let_pass(3600)
    simulator.add_fault("snapshot-fallback")
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE))))
    [server] = document["Waves"][0]["Servers"]

    assert server["Status"] == "LAUNCHED"
    assert server["RecoveryPointTime"] == time < server["LaunchTime"] - 3600


def test_it_costs_one_call_for_the_servers_found_launched_together(
    orchestrator: Orchestrator, simulator: SimulatorControl
) -> None:
    orchestrator.add_servers(ONE, TWO, launchActions=[{"name": "audit", "seconds": 900}])
    execution_id = orchestrator.begin(plan(wave("web", ONE, TWO)), "RECOVERY")
    simulator.clear_calls()
    document = orchestrator.drive(execution_id)

    assert all("RecoveryPointTime" in server for server in document["Waves"][0]["Servers"])
    assert len(simulator.calls("DescribeRecoveryInstances")) == 1


def test_a_launch_is_complete_without_it(orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
    orchestrator.add_servers(ONE)
    execution_id = orchestrator.begin(plan(wave("web", ONE)))
    simulator.add_fault("server-error", operation="DescribeRecoveryInstances")
    document = orchestrator.drive(execution_id)
    [server] = document["Waves"][0]["Servers"]

    assert (document["Status"], server["Status"]) == ("COMPLETED", "LAUNCHED")
    assert server["InstanceId"]
    assert "RecoveryPointTime" not in server


def test_an_instance_of_which_drs_tells_no_point_in_time_has_none() -> None:
    job = Job(JobKey(0, 0), "web", REGION, None, {ONE: ServerProgress()}, job_id="drsjob-1", launch_time=NOW)
    drs_job = DrsJob(
        "drsjob-1", "LAUNCH", "COMPLETED", "START_DRILL", NOW, NOW + 500, (ParticipatingServer(ONE, "LAUNCHED"),)
    )
    log = [LogEvent("LAUNCH_END", NOW + 490, ONE, target_instance_id="i-1")]
    seen = JobObservation(drs_job, log, {ONE: RecoveryInstance("i-1", ONE, "drsjob-1", True, "RUNNING")})
    [change] = observe(job, seen, ExecutionType.DRILL, Limits(), NOW + 510).changes

    assert (change.instance_id, change.recovery_point_time) == ("i-1", None)

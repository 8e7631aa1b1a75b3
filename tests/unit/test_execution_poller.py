"""Suites 4 and 5: what one poll after the other makes of DRS's answers, and the truth after thirty minutes.

Every payload comes from the DRS simulator; time passes in steps, on AWS's own intervals and limits.
"""

from dataclasses import replace
from typing import Any

import pytest

from drs_orchestrator.domain.job import JobObservation
from drs_orchestrator.domain.progress import Limits, observe
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.source import RecoveryInstance
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus
from tests.helpers.orchestrator import REGION, START, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO = server_id(1), server_id(2)
TWO_SERVERS = plan(wave("web", ONE, TWO))
NEVER_ENDS = {"name": "audit", "status": "NEVER"}


@pytest.fixture
def servers(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO)


def steps(server: dict[str, Any]) -> list[str]:
    return [step["To"] for step in server["TransitionHistory"]]


def only_wave(document: dict[str, Any]) -> dict[str, Any]:
    [wave] = document["Waves"]
    return dict(wave)


@pytest.mark.usefixtures("servers")
class TestWavePolling:
    """Suite 4."""

    def test_a_wave_whose_servers_are_all_pending_stays_launching(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.hold(True)
        execution_id = orchestrator.begin(TWO_SERVERS)
        check = orchestrator.check(execution_id, after=45)
        wave = only_wave(orchestrator.show(execution_id))

        assert (wave["Status"], wave["Jobs"][0]["Status"]) == ("LAUNCHING", "PENDING")
        assert {server["Status"] for server in wave["Servers"]} == {"PENDING"}
        assert check["wavesOpen"] == 1

    def test_transitions_update_status_last_polled_time_and_poll_attempts(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.hold(True)
        execution_id = orchestrator.begin(TWO_SERVERS)
        seen = []
        for stage in ("STARTED", "IN_PROGRESS", "LAUNCHED"):
            simulator.push_jobs(stage)
            orchestrator.check(execution_id, after=15)
            server = orchestrator.server(execution_id, ONE)
            seen.append((server["Status"], server["LastPolledTime"], server["PollAttempts"]))

        assert seen == [
            ("STARTED", START + 15, 1),
            ("IN_PROGRESS", START + 30, 2),
            ("LAUNCHED", START + 45, 3),
        ]
        assert server["TransitionHistory"] == [
            {"From": "PENDING", "To": "STARTED", "Time": START + 15},
            {"From": "STARTED", "To": "IN_PROGRESS", "Time": START + 30},
            {"From": "IN_PROGRESS", "To": "LAUNCHED", "Time": START + 45},
        ]

    def test_a_server_that_is_settled_is_not_polled_any_more(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.use_profile("windows-late-failure")
        execution_id = orchestrator.begin(TWO_SERVERS)
        orchestrator.check(execution_id, after=1300)
        orchestrator.check(execution_id, after=30)
        launched, running = (orchestrator.server(execution_id, each) for each in (ONE, TWO))

        assert (launched["Status"], launched["PollAttempts"]) == ("LAUNCHED", 1)
        assert (running["Status"], running["PollAttempts"]) == ("IN_PROGRESS", 2)

    def test_polls_are_wide_until_the_launch_has_lasted_and_close_until_the_wave_ends(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """The default job's log: LAUNCH_START after 250 s, LAUNCH_END after 530."""
        execution_id = orchestrator.begin(TWO_SERVERS)
        asked = [15, 225, 215, 35, 10]

        phases = [orchestrator.check(execution_id, after=seconds)["phase"] for seconds in asked]

        assert phases == ["PENDING", "PENDING", "IN_PROGRESS", "STARTED", "STARTED"]

    def test_a_launch_of_which_the_log_tells_nothing_is_polled_in_the_middle_step(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        simulator.add_fault("throttle", operation="DescribeJobLogItems")

        assert orchestrator.check(execution_id, after=240)["phase"] == "PENDING"
        assert orchestrator.check(execution_id, after=20)["phase"] == "IN_PROGRESS"

    def test_the_phase_inside_a_launch_is_read_from_the_job_log(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """launchStatus stays PENDING through snapshot and conversion; the log knows more."""
        simulator.use_profile("windows-2")
        execution_id = orchestrator.begin(TWO_SERVERS)
        phases = []
        for seconds in (20, 300, 800):
            orchestrator.check(execution_id, after=seconds)
            server = orchestrator.server(execution_id, ONE)
            phases.append((server["Status"], server["Phase"]))

        assert phases == [("STARTED", "SNAPSHOT"), ("STARTED", "CONVERSION"), ("IN_PROGRESS", "LAUNCH")]

    def test_a_drill_is_complete_when_every_server_has_launched(self, orchestrator: Orchestrator) -> None:
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS), every=None)
        wave = only_wave(document)

        assert (document["Status"], wave["Status"]) == ("COMPLETED", "COMPLETED")
        for server in wave["Servers"]:
            assert server["Status"] == "LAUNCHED"
            assert server["InstanceId"].startswith("i-")
            assert START < server["LaunchedTime"] <= wave["EndTime"]
            assert steps(server) == ["STARTED", "IN_PROGRESS", "LAUNCHED"]

    @pytest.mark.parametrize("waits", [True, False])
    def test_a_drill_does_not_wait_for_launch_actions(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, waits: bool
    ) -> None:
        simulator.switch(completedWaitsForLaunchActions=waits)
        orchestrator.add_servers(ONE, TWO, launchActions=[NEVER_ENDS])
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS))

        assert document["Status"] == "COMPLETED"
        assert "PostLaunchActionsStatus" not in only_wave(document)["Servers"][0]

    def test_a_recovery_is_not_complete_while_launch_actions_run(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.add_servers(ONE, TWO, launchActions=[{"name": "audit", "seconds": 600}])
        execution_id = orchestrator.begin(TWO_SERVERS, "RECOVERY")
        simulator.push_jobs("COMPLETED")
        running = orchestrator.check(execution_id, after=30)
        server = orchestrator.server(execution_id, ONE)

        assert (server["Status"], server["PostLaunchActionsStatus"]) == ("LAUNCHED", "IN_PROGRESS")
        assert server["Phase"] == "LAUNCH_ACTIONS"
        assert (running["wavesOpen"], running["serversInLaunchActions"]) == (1, 2)
        assert orchestrator.show(execution_id)["Status"] == "POLLING"

        done = orchestrator.check(execution_id, after=600)
        wave = only_wave(orchestrator.show(execution_id))

        assert done["wavesOpen"] == 0
        assert wave["Status"] == "COMPLETED"
        assert {server["PostLaunchActionsStatus"] for server in wave["Servers"]} == {"COMPLETED"}

    @pytest.mark.parametrize("waits", [True, False])
    def test_a_recovery_waits_for_launch_actions_whether_the_job_does_or_not(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, waits: bool
    ) -> None:
        simulator.switch(completedWaitsForLaunchActions=waits)
        orchestrator.add_servers(ONE, launchActions=[{"name": "audit", "seconds": 600}])
        document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE)), "RECOVERY"))
        server = only_wave(document)["Servers"][0]

        assert (document["Status"], server["PostLaunchActionsStatus"]) == ("COMPLETED", "COMPLETED")
        assert document["EndTime"] - server["LaunchedTime"] >= 600

    def test_a_recovery_without_launch_actions_is_complete_with_the_job(self, orchestrator: Orchestrator) -> None:
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS, "RECOVERY"))

        assert document["Status"] == "COMPLETED"
        assert only_wave(document)["Servers"][0]["PostLaunchActionsStatus"] == "NOT_CONFIGURED"

    def test_a_failed_required_launch_action_fails_the_server_and_says_which(self, orchestrator: Orchestrator) -> None:
        action = {"name": "audit", "status": "FAILED", "failureReason": "disk is full"}
        orchestrator.add_servers(ONE, launchActions=[action])
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS, "RECOVERY"))
        failed, fine = only_wave(document)["Servers"]

        assert document["Status"] == "PARTIAL"
        assert (failed["Status"], failed["PostLaunchActionsStatus"]) == ("FAILED", "FAILED")
        assert failed["Error"] == "launch action audit failed: disk is full"
        assert "Systems Manager" in failed["NextStep"]
        assert failed["InstanceId"].startswith("i-")
        assert steps(failed)[-2:] == ["LAUNCHED", "FAILED"]
        assert fine["Status"] == "LAUNCHED"

    def test_a_failed_optional_launch_action_is_told_and_fails_nothing(self, orchestrator: Orchestrator) -> None:
        action = {"name": "audit", "status": "FAILED", "optional": True, "failureReason": "disk is full"}
        orchestrator.add_servers(ONE, launchActions=[action])
        document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE)), "RECOVERY"))
        [server] = only_wave(document)["Servers"]

        assert document["Status"] == "COMPLETED"
        assert (server["Status"], server["PostLaunchActionsStatus"]) == ("LAUNCHED", "FAILED")
        assert server["Error"] == "optional launch action audit failed: disk is full"

    @pytest.mark.parametrize("waits", [True, False])
    @pytest.mark.parametrize(("optional", "status"), [(False, "FAILED"), (True, "LAUNCHED")])
    def test_a_launch_action_that_never_ends_has_a_time_limit_of_its_own(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, optional: bool, status: str, waits: bool
    ) -> None:
        simulator.switch(completedWaitsForLaunchActions=waits)
        orchestrator.add_servers(ONE, launchActions=[NEVER_ENDS | {"optional": optional}])
        document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE)), "RECOVERY"))
        [server] = only_wave(document)["Servers"]

        assert (server["Status"], server["PostLaunchActionsStatus"]) == (status, "TIMED_OUT")
        assert "launch action audit did not finish in time" in server["Error"]
        assert 3600 <= document["EndTime"] - server["LaunchedTime"] < 3600 + 120

    @pytest.mark.parametrize("waits", [True, False])
    def test_launch_actions_that_never_begin_have_the_same_limit(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, waits: bool
    ) -> None:
        """The instance's SSM agent is never found; a job that waits for launch actions never ends then."""
        simulator.switch(completedWaitsForLaunchActions=waits, ssmDiscoverySeconds=1_000_000)
        orchestrator.add_servers(ONE, launchActions=[{"name": "audit"}])
        document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE)), "RECOVERY"))
        [server] = only_wave(document)["Servers"]

        assert (server["Status"], server["PostLaunchActionsStatus"]) == ("FAILED", "TIMED_OUT")
        assert "none began in time" in server["Error"]
        assert "Systems Manager" in server["NextStep"]
        assert 3600 <= document["EndTime"] - server["LaunchedTime"] < 3600 + 240

    @pytest.mark.parametrize(("actions", "outcome"), [([{"name": "audit"}], "COMPLETED"), ([], "NOT_CONFIGURED")])
    def test_a_server_is_done_within_the_limit_though_its_job_goes_on_with_another(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, actions: list[dict[str, Any]], outcome: str
    ) -> None:
        orchestrator.add_servers(ONE, TWO, launchActions=actions)
        simulator.add_fault("stuck", sourceServerIDs=[TWO])
        execution_id = orchestrator.begin(TWO_SERVERS, "RECOVERY")
        orchestrator.check(execution_id, after=1200)

        assert orchestrator.server(execution_id, ONE).get("PostLaunchActionsStatus") != outcome

        orchestrator.check(execution_id, after=3600)
        server = orchestrator.server(execution_id, ONE)
        assert (server["Status"], server["PostLaunchActionsStatus"]) == ("LAUNCHED", outcome)
        assert "Error" not in server

    def test_launch_actions_are_not_said_to_be_missing_while_drs_cant_be_asked_for_them(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        rule = simulator.add_fault("throttle", operation="GetLaunchConfiguration")
        execution_id = orchestrator.begin(TWO_SERVERS, "RECOVERY")
        orchestrator.check(execution_id, after=600)
        orchestrator.check(execution_id, after=3600)

        assert "PostLaunchActionsStatus" not in orchestrator.server(execution_id, ONE)

        simulator.remove_faults(rule)
        document = orchestrator.drive(execution_id)
        servers = only_wave(document)["Servers"]
        assert {server["PostLaunchActionsStatus"] for server in servers} == {"NOT_CONFIGURED"}
        assert document["Status"] == "COMPLETED"

    def test_a_plan_may_set_its_own_limit_for_launch_actions(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, launchActions=[NEVER_ENDS])
        hasty = plan(wave("web", ONE)) | {"LaunchActionsTimeoutMinutes": 10}
        document = orchestrator.drive(orchestrator.start(hasty, "RECOVERY"))
        [server] = only_wave(document)["Servers"]

        assert server["PostLaunchActionsStatus"] == "TIMED_OUT"
        assert 600 <= document["EndTime"] - server["LaunchedTime"] < 600 + 120

    @pytest.mark.parametrize("in_log", [True, False])
    @pytest.mark.parametrize("in_job", [True, False])
    def test_the_instance_is_found_wherever_drs_names_it(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, in_job: bool, in_log: bool
    ) -> None:
        """A completed job may name no instance, and LAUNCH_END is not an event the SDK promises."""
        simulator.switch(recoveryInstanceIdInJob=in_job, launchEndInLog=in_log)
        execution_id = orchestrator.begin(TWO_SERVERS)
        simulator.clear_calls()
        document = orchestrator.drive(execution_id)
        recorded = {each["SourceServerId"]: each["InstanceId"] for each in only_wave(document)["Servers"]}
        asked = simulator.calls("DescribeRecoveryInstances")

        drs = orchestrator.app.drs.at(None, "us-east-1")
        launched = drs.instances_of_job(document["Waves"][0]["Jobs"][0]["RecoveryJobId"], [ONE, TWO])
        assert recorded == {server: instance.instance_id for server, instance in launched.items()}
        assert len(asked) == 1, "once for both, when they are found launched"

    @pytest.mark.parametrize("execution_type", ["DRILL", "RECOVERY"])
    def test_a_drs_that_can_not_be_asked_for_the_instance_is_waited_for(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, execution_type: str
    ) -> None:
        """However long: without its id a recovery's instance would not be protected, and nothing would say so."""
        simulator.switch(recoveryInstanceIdInJob=False, launchEndInLog=False)
        execution_id = orchestrator.begin(TWO_SERVERS, execution_type)
        rule = simulator.add_fault("server-error", operation="DescribeRecoveryInstances")
        orchestrator.check(execution_id, after=900)
        check = orchestrator.check(execution_id, after=2400)
        wave = only_wave(orchestrator.show(execution_id))

        assert check["wavesOpen"] == 1
        assert {server["Status"] for server in wave["Servers"]} == {"LAUNCHED"}
        assert wave["Jobs"][0]["StatusReason"] == (
            "waiting: DRS can't be asked which recovery instances it has launched"
        )

        simulator.remove_faults(rule)
        wave = only_wave(orchestrator.drive(execution_id))
        assert wave["Status"] == "COMPLETED"
        assert all(server["InstanceId"] for server in wave["Servers"])
        assert "StatusReason" not in wave["Jobs"][0]

    def test_an_instance_of_an_earlier_job_is_never_taken_for_this_one(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """The earlier drill's instance is still there until the new launch has replaced it."""
        simulator.switch(recoveryInstanceIdInJob=False, launchEndInLog=False, cleanupPlace="after-launch")
        first = orchestrator.drive(orchestrator.start(plan(wave("web", ONE))))
        second = orchestrator.drive(orchestrator.start(plan(wave("web", ONE))))

        assert only_wave(first)["Servers"][0]["InstanceId"] != only_wave(second)["Servers"][0]["InstanceId"]

    def test_the_failure_of_one_server_is_told_in_drs_own_words_with_a_next_step(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS))
        fine, failed = only_wave(document)["Servers"]

        assert (document["Status"], only_wave(document)["Status"]) == ("PARTIAL", "PARTIAL")
        assert (fine["Status"], failed["Status"]) == ("LAUNCHED", "FAILED")
        assert failed["Error"] == "The EBS encryption key could not be found in this account"
        assert "encryption key" in failed["NextStep"]
        assert "InstanceId" not in failed

    def test_a_late_failure_and_an_early_launch_are_both_told_when_they_happen(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.use_profile("windows-late-failure")
        execution_id = orchestrator.begin(TWO_SERVERS)
        orchestrator.check(execution_id, after=1300)

        assert orchestrator.server(execution_id, ONE)["Status"] == "LAUNCHED"
        assert orchestrator.server(execution_id, TWO)["Status"] == "IN_PROGRESS"

        document = orchestrator.drive(execution_id)
        launched, failed = only_wave(document)["Servers"]
        assert failed["Status"] == "FAILED"
        assert failed["TransitionHistory"][-1]["Time"] - launched["TransitionHistory"][-1]["Time"] >= 550

    def test_a_server_the_finished_job_left_pending_has_failed_after_the_grace_and_not_before(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.hold(True)
        simulator.add_fault("left-behind", sourceServerIDs=[TWO])
        execution_id = orchestrator.begin(TWO_SERVERS)
        simulator.push_jobs("COMPLETED")
        orchestrator.check(execution_id, after=59)

        assert only_wave(orchestrator.show(execution_id))["Jobs"][0]["Status"] == "COMPLETED"
        assert orchestrator.server(execution_id, TWO)["Status"] == "STARTED"

        check = orchestrator.check(execution_id, after=1)
        server = orchestrator.server(execution_id, TWO)
        assert server["Status"] == "FAILED"
        assert server["Error"] == "DRS finished the job without launching it"
        assert check["wavesOpen"] == 0

    def test_a_job_drs_does_not_return_is_looked_up_again_before_anything_is_concluded(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        orchestrator.check(execution_id, after=15)
        simulator.add_fault("empty", operation="DescribeJobs", count=1)
        orchestrator.check(execution_id, after=15)
        wave = only_wave(orchestrator.show(execution_id))

        assert {server["Status"] for server in wave["Servers"]} == {"STARTED"}
        assert "looked up again" in wave["StatusReason"]

        document = orchestrator.drive(execution_id)
        assert document["Status"] == "COMPLETED"
        assert "StatusReason" not in only_wave(document)

    def test_a_job_whose_log_drs_still_has_is_not_given_up_however_long_it_is_not_listed(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        rule = simulator.add_fault("empty", operation="DescribeJobs")
        for _ in range(20):
            orchestrator.check(execution_id, after=120)

        assert orchestrator.show(execution_id)["Status"] == "POLLING"
        assert "looked up again" in only_wave(orchestrator.show(execution_id))["StatusReason"]

        simulator.remove_faults(rule)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_a_job_that_is_not_listed_is_not_given_up_while_its_log_can_t_be_asked_for(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        rules = [
            simulator.add_fault("empty", operation="DescribeJobs"),
            simulator.add_fault("throttle", operation="DescribeJobLogItems"),
        ]
        for _ in range(20):
            orchestrator.check(execution_id, after=120)

        assert orchestrator.show(execution_id)["Status"] == "POLLING"

        for rule in rules:
            simulator.remove_faults(rule)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_a_job_drs_no_longer_knows_is_reported_as_that(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        simulator.add_fault("empty", operation=["DescribeJobs", "DescribeJobLogItems"])
        document = orchestrator.drive(execution_id)
        [job] = only_wave(document)["Jobs"]

        assert document["Status"] == "FAILED"
        for server in only_wave(document)["Servers"]:
            assert server["Error"] == f"DRS no longer knows this job ({job['RecoveryJobId']})"
            assert "DRS console" in server["NextStep"]

    @pytest.mark.parametrize(
        ("execution_type", "actions", "error"),
        [("DRILL", None, "its instance exists"), ("RECOVERY", "TIMED_OUT", "its launch actions are unknown")],
    )
    def test_a_launch_that_happened_counts_even_if_drs_no_longer_knows_its_job(
        self,
        orchestrator: Orchestrator,
        simulator: SimulatorControl,
        execution_type: str,
        actions: str | None,
        error: str,
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS, execution_type)
        orchestrator.let_pass(600)
        simulator.add_fault("empty", operation=["DescribeJobs", "DescribeJobLogItems"])
        document = orchestrator.drive(execution_id)
        server = only_wave(document)["Servers"][0]

        assert (document["Status"], server["Status"]) == ("COMPLETED", "LAUNCHED")
        assert server["InstanceId"].startswith("i-")
        assert server.get("PostLaunchActionsStatus") == actions
        assert error in server["Error"]

    @pytest.mark.parametrize("state", ["TERMINATED", "SHUTTING-DOWN", "NOT_FOUND"])
    def test_an_instance_that_is_gone_or_going_is_no_proof_of_a_launch_whose_job_drs_no_longer_knows(
        self, state: str
    ) -> None:
        """In DRS's words, for the simulator forgets at once what is terminated."""
        job = Job(JobKey(0, 0), "web", REGION, None, {ONE: ServerProgress(ServerStatus.STARTED)}, job_id="drsjob-1")
        instance = RecoveryInstance("i-1", ONE, "drsjob-1", is_drill=True, state=state)
        seen = JobObservation(None, instances={ONE: instance}, denied=True)
        update = observe(replace(job, missing_since=START), seen, ExecutionType.DRILL, Limits(), START + 60)

        assert update.job.servers[ONE].status is ServerStatus.FAILED
        [change] = update.changes
        assert (change.status, change.launched_time) == (ServerStatus.FAILED, None)
        assert change.error == f"DRS no longer knows this job (drsjob-1); its instance i-1 is {state}"

    def test_an_event_and_a_status_nobody_knows_are_no_reason_to_stop(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("unknown-event", event="POST_LAUNCH_VERIFICATION")
        simulator.add_fault("unknown-status", status="VERIFYING")
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS))

        assert document["Status"] == "COMPLETED"
        assert steps(only_wave(document)["Servers"][0]) == ["STARTED", "LAUNCHED"]

    def test_a_throttled_drs_is_trouble_to_report_and_the_execution_goes_on(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        rule = simulator.add_fault("throttle", operation="DescribeJobs")
        for _ in range(4):
            check = orchestrator.check(execution_id, after=45)

        assert check["outcome"] == "CHECKED"
        assert "ThrottlingException" in check["trouble"]
        assert "us-east-1" in check["trouble"]
        document = orchestrator.show(execution_id)
        assert document["Status"] == "POLLING"
        assert {server["PollAttempts"] for server in only_wave(document)["Servers"]} == {4}

        simulator.remove_faults(rule)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_details_that_cannot_be_read_now_are_read_later(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """A server is not settled before its error text or its instance is known."""
        simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        execution_id = orchestrator.begin(TWO_SERVERS)
        rule = simulator.add_fault("server-error", operation="DescribeJobLogItems")
        orchestrator.check(execution_id, after=600)

        assert orchestrator.server(execution_id, TWO)["Status"] == "FAILED"
        assert "Error" not in orchestrator.server(execution_id, TWO)

        simulator.remove_faults(rule)
        check = orchestrator.check(execution_id, after=15)
        assert check["wavesOpen"] == 0
        assert "encryption key" in orchestrator.server(execution_id, TWO)["Error"]

    def test_all_jobs_of_an_account_and_region_are_asked_for_in_one_call(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        waves = [wave("a", ONE, DependsOn=[]), wave("b", TWO, DependsOn=[])]
        execution_id = orchestrator.begin(plan(*waves))
        simulator.clear_calls()
        orchestrator.check(execution_id, after=15)

        [call] = simulator.calls("DescribeJobs")
        assert len(call["request"]["filters"]["jobIDs"]) == 2


@pytest.mark.usefixtures("servers")
class TestThirtyMinutes:
    """Suite 5: past thirty minutes DRS is asked for the truth, and the clock alone fails nothing."""

    def test_a_server_that_finished_meanwhile_is_recorded_as_finished_with_timeout_detected(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(TWO_SERVERS)
        orchestrator.check(execution_id, after=1801)
        wave = only_wave(orchestrator.show(execution_id))

        assert wave["Status"] == "COMPLETED"
        assert {(server["Status"], server["TimeoutDetected"]) for server in wave["Servers"]} == {("LAUNCHED", True)}

    def test_a_server_that_still_runs_goes_on_running_with_timeout_detected(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("stuck", phase="launch", sourceServerIDs=[TWO])
        execution_id = orchestrator.begin(TWO_SERVERS)
        orchestrator.check(execution_id, after=1800)
        assert not orchestrator.server(execution_id, TWO)["TimeoutDetected"]

        orchestrator.check(execution_id, after=1)
        server = orchestrator.server(execution_id, TWO)
        assert (server["Status"], server["TimeoutDetected"]) == ("IN_PROGRESS", True)
        assert not orchestrator.server(execution_id, ONE)["TimeoutDetected"]

    def test_nothing_is_ever_failed_by_the_clock(self, orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
        simulator.add_fault("stuck", phase="conversion")
        execution_id = orchestrator.begin(TWO_SERVERS)
        for _ in range(5):
            check = orchestrator.check(execution_id, after=24 * 3600)

        document = orchestrator.show(execution_id)
        assert document["Status"] == "POLLING"
        assert {server["Status"] for server in only_wave(document)["Servers"]} == {"STARTED"}
        assert check["wavesOpen"] == 1

    def test_a_server_that_failed_after_the_limit_says_both(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.use_profile("windows-late-failure")
        document = orchestrator.drive(orchestrator.start(TWO_SERVERS))
        launched, failed = only_wave(document)["Servers"]

        assert (failed["Status"], failed["TimeoutDetected"]) == ("FAILED", True)
        assert (launched["Status"], launched["TimeoutDetected"]) == ("LAUNCHED", False)

    def test_a_launch_action_that_runs_long_is_no_launch_that_timed_out(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, launchActions=[{"name": "audit", "seconds": 3000}])
        document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE)), "RECOVERY"))
        [server] = only_wave(document)["Servers"]

        assert document["EndTime"] - server["LaunchTime"] > 1800
        assert (server["Status"], server["TimeoutDetected"]) == ("LAUNCHED", False)

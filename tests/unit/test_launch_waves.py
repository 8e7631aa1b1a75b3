"""Launching: exactly one StartRecovery a job, whatever crashes, is cut off or is refused.

How often StartRecovery took effect is counted where it counts: at DRS.
"""

from itertools import count
from typing import Any
from unittest import mock

import boto3
import pytest

from drs_orchestrator.adapters.drs import Drs
from drs_orchestrator.adapters.execution_store import ExecutionStore
from drs_orchestrator.tasks.steer_execution import cancel, pause, resume
from tests.helpers.orchestrator import CALLER, REGION, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
ONE_SERVER = plan(wave("web", ONE))


class Crash(BaseException):
    """The function is gone from one moment to the next: no handler of ours may see this."""


@pytest.fixture(autouse=True)
def servers(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO, THREE)


def launches(simulator: SimulatorControl) -> list[dict[str, Any]]:
    """The StartRecovery calls that took effect, as requests."""
    return [call["request"] for call in simulator.calls("StartRecovery") if call["tookEffect"]]


def begin(orchestrator: Orchestrator, document: dict[str, Any], execution_type: str = "DRILL") -> str:
    execution_id = orchestrator.start(document, execution_type)
    orchestrator.prepare(execution_id)
    return execution_id


def reason(orchestrator: Orchestrator, execution_id: str, wave: int = 0) -> str:
    return str(orchestrator.show(execution_id)["Waves"][wave]["StatusReason"])


class TestOneLaunch:
    def test_a_launch_names_its_servers_type_and_owner(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = begin(orchestrator, ONE_SERVER)
        result = orchestrator.launch(execution_id)

        assert launches(simulator) == [
            {
                "sourceServers": [{"sourceServerID": ONE}],
                "isDrill": True,
                "tags": {
                    "drs-orchestrator:execution-id": execution_id,
                    "drs-orchestrator:wave": "0",
                    "drs-orchestrator:chunk": "0",
                },
            }
        ]
        assert (result["jobsLaunched"], result["jobsActive"], result["jobsWaiting"]) == (1, 1, 0)
        assert orchestrator.show(execution_id)["Waves"][0]["Status"] == "LAUNCHING"

    def test_a_recovery_is_no_drill_and_a_pinned_snapshot_is_named(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        drs = orchestrator.app.drs.at(None, REGION)._read
        snapshot = drs.describe_recovery_snapshots(sourceServerID=ONE)["items"][0]["snapshotID"]
        pinned = {"SourceServerId": ONE, "RecoverySnapshotId": snapshot}
        orchestrator.launch(begin(orchestrator, plan(wave("web", pinned)), "RECOVERY"))

        [request] = launches(simulator)
        assert request["isDrill"] is False
        assert request["sourceServers"] == [{"sourceServerID": ONE, "recoverySnapshotID": snapshot}]

    def test_repeating_the_task_launches_nothing_again(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = begin(orchestrator, ONE_SERVER)
        for _ in range(3):
            result = orchestrator.launch(execution_id)

        assert len(launches(simulator)) == 1
        assert (result["jobsLaunched"], result["jobsActive"]) == (0, 1)

    def test_more_than_a_hundred_servers_become_several_jobs(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        many = [server_id(n) for n in range(1000, 1201)]
        orchestrator.add_servers(*many)
        execution_id = begin(orchestrator, plan(wave("web", *many)))
        orchestrator.launch(execution_id)
        launched = [[each["sourceServerID"] for each in request["sourceServers"]] for request in launches(simulator)]
        [recorded] = orchestrator.show(execution_id)["Waves"]

        assert [len(servers) for servers in launched] == [100, 100, 1]
        assert [server for servers in launched for server in servers] == many
        assert [job["ServerCount"] for job in recorded["Jobs"]] == [100, 100, 1]
        assert len({job["RecoveryJobId"] for job in recorded["Jobs"]}) == 3

    def test_waves_without_dependencies_begin_together_and_the_others_in_order(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        waves = [wave("a", ONE), wave("b", TWO), wave("c", THREE, DependsOn=[])]
        document = orchestrator.drive(orchestrator.start(plan(*waves)))
        launched = [request["sourceServers"][0]["sourceServerID"] for request in launches(simulator)]
        first, second, _ = document["Waves"]

        assert launched == [ONE, THREE, TWO]
        assert second["StartTime"] >= first["EndTime"]
        assert document["Status"] == "COMPLETED"

    def test_a_wave_is_never_launched_before_its_dependencies_have_ended(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(plan(wave("a", ONE), wave("b", TWO)))
        orchestrator.check(execution_id, after=300)
        orchestrator.launch(execution_id)

        assert len(launches(simulator)) == 1
        assert orchestrator.show(execution_id)["Waves"][1]["Status"] == "PENDING"


class TestLostAnswers:
    def test_a_connection_cut_after_the_launch_took_effect_is_no_reason_for_a_second_one(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("reset-after", operation="StartRecovery", count=1)
        execution_id = begin(orchestrator, ONE_SERVER)

        assert orchestrator.launch(execution_id)["jobsWaiting"] == 1
        assert "outcome of StartRecovery is unknown" in reason(orchestrator, execution_id)

        adopted = orchestrator.launch(execution_id)
        assert (adopted["jobsLaunched"], adopted["jobsWaiting"]) == (1, 0)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert len(simulator.calls("StartRecovery")) == 1

    def test_an_answer_lost_as_a_server_error_is_looked_up_as_well(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("server-error", operation="StartRecovery", count=1, afterEffect=True)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)

        assert orchestrator.launch(execution_id)["jobsActive"] == 1
        assert len(simulator.calls("StartRecovery")) == 1

    def test_a_call_that_left_no_job_is_repeated_only_when_it_can_no_longer_take_effect(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("reset-before", operation="StartRecovery", count=1)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)
        orchestrator.let_pass(119)
        orchestrator.launch(execution_id)

        assert len(simulator.calls("StartRecovery")) == 1
        assert "may still take effect" in reason(orchestrator, execution_id)

        orchestrator.let_pass(1)
        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1
        assert len(launches(simulator)) == 1

    def test_a_launch_that_drs_does_not_list_is_known_from_its_servers(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """The answer is lost, the launch ends in a failure, and DescribeJobs shows nothing of all that."""
        simulator.add_fault("reset-after", operation="StartRecovery", count=1)
        simulator.use_profile("missing-permission-at-once")
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)
        rule = simulator.add_fault("empty", operation="DescribeJobs")
        orchestrator.let_pass(3600)
        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1

        simulator.remove_faults(rule)
        assert orchestrator.drive(execution_id)["Status"] == "FAILED"
        assert len(simulator.calls("StartRecovery")) == 1

    @pytest.mark.parametrize("is_cancelled", [False, True])
    def test_a_launch_whose_job_somebody_deleted_comes_to_an_end(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, is_cancelled: bool
    ) -> None:
        simulator.add_fault("reset-after", operation="StartRecovery", count=1)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)
        orchestrator.let_pass(3600)
        drs = boto3.client("drs", endpoint_url=simulator.url)
        drs.delete_job(jobID=drs.describe_jobs()["items"][0]["jobID"])
        if is_cancelled:
            cancel(orchestrator.app, execution_id, {}, CALLER)

        document = orchestrator.drive(execution_id)
        [server] = document["Waves"][0]["Servers"]
        assert document["Status"] == ("CANCELLED" if is_cancelled else "COMPLETED")
        assert server["Status"] == "LAUNCHED"
        assert server["InstanceId"] == drs.describe_recovery_instances()["items"][0]["ec2InstanceID"]
        assert len(simulator.calls("StartRecovery")) == 1

    def test_nothing_is_launched_over_a_job_that_drs_does_not_list_and_that_may_be_somebody_elses(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("reset-before", operation="StartRecovery", count=1)
        execution_id = begin(orchestrator, plan(wave("web", ONE, TWO)))
        orchestrator.launch(execution_id)
        orchestrator.let_pass(60)
        drs = boto3.client("drs", endpoint_url=simulator.url)
        drs.start_recovery(sourceServers=[{"sourceServerID": TWO}], isDrill=True)
        rule = simulator.add_fault("empty", operation="DescribeJobs")
        orchestrator.let_pass(3600)
        orchestrator.launch(execution_id)

        assert len(launches(simulator)) == 1
        assert f"DRS says that it launched {TWO} in job drsjob-" in reason(orchestrator, execution_id)

        simulator.remove_faults(rule)
        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1

    def test_nothing_is_launched_again_while_the_servers_can_t_be_asked_for_their_last_launch(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("reset-after", operation="StartRecovery", count=1)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)
        rules = [
            simulator.add_fault("empty", operation="DescribeJobs"),
            simulator.add_fault("throttle", operation="DescribeSourceServers"),
        ]
        orchestrator.let_pass(3600)
        orchestrator.launch(execution_id)

        assert len(simulator.calls("StartRecovery")) == 1
        assert "an earlier launch can't be looked up" in reason(orchestrator, execution_id)

        for rule in rules:
            simulator.remove_faults(rule)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert len(simulator.calls("StartRecovery")) == 1

    def test_an_intent_that_took_too_long_to_record_is_not_followed_by_a_call(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """Somebody else may repeat the call from two minutes after the intent on: the call has to be over by then."""
        execution_id = begin(orchestrator, ONE_SERVER)
        record_intent = ExecutionStore.record_intent

        def slow(*arguments: Any) -> Any:
            intended = record_intent(*arguments)
            orchestrator.let_pass(41)
            return intended

        with mock.patch.object(ExecutionStore, "record_intent", slow):
            orchestrator.launch(execution_id)

        assert simulator.calls("StartRecovery") == []
        assert "took too long" in reason(orchestrator, execution_id)
        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1

    def test_nothing_is_launched_while_drs_cannot_be_asked_for_an_earlier_launch(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("reset-before", operation="StartRecovery", count=1)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)
        rule = simulator.add_fault("throttle", operation="DescribeJobs")
        orchestrator.let_pass(3600)
        orchestrator.launch(execution_id)

        assert len(simulator.calls("StartRecovery")) == 1
        assert "can't be looked up" in reason(orchestrator, execution_id)

        simulator.remove_faults(rule)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    @pytest.mark.parametrize("writes", ["the intent", "the launch", "the job"])
    def test_a_crash_at_any_point_leads_to_one_launch(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, writes: str
    ) -> None:
        """Before StartRecovery, between it and the record, and right after the record."""
        execution_id = begin(orchestrator, ONE_SERVER)
        with crash_after(writes), pytest.raises(Crash):
            orchestrator.launch(execution_id)
        orchestrator.let_pass(orchestrator.app.settings.launch_settle_seconds)
        orchestrator.app = orchestrator.another_app()

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert len(launches(simulator)) == 1

    @pytest.mark.parametrize("last", ["the launch", "the job"])
    def test_a_pause_does_not_hide_what_a_driver_launched_before_it_died(
        self, orchestrator: Orchestrator, last: str
    ) -> None:
        execution_id = begin(orchestrator, plan(wave("a", ONE), wave("b", TWO)))
        with crash_after(last), pytest.raises(Crash):
            orchestrator.launch(execution_id)
        pause(orchestrator.app, execution_id, {}, CALLER)
        result = orchestrator.launch(execution_id)

        assert (result["jobsActive"], result["awaitsDecision"]) == (1, False)
        document = orchestrator.until_asked(execution_id)
        assert document["Waves"][0]["Status"] == "COMPLETED"
        assert document["Question"]["Waves"] == ["b"]

    def test_a_pause_before_the_call_leaves_the_wave_to_the_operator(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = begin(orchestrator, ONE_SERVER)
        with crash_after("the intent"), pytest.raises(Crash):
            orchestrator.launch(execution_id)
        pause(orchestrator.app, execution_id, {}, CALLER)

        assert orchestrator.until_asked(execution_id)["Question"]["Waves"] == ["web"]
        assert launches(simulator) == []
        resume(orchestrator.app, execution_id, {}, CALLER)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_two_drivers_at_the_same_moment_launch_once(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """The second comes while the first is between reading the job and recording its intent."""
        execution_id = begin(orchestrator, ONE_SERVER)
        record_intent = ExecutionStore.record_intent

        def overtaken(store: ExecutionStore, *arguments: Any) -> Any:
            with mock.patch.object(ExecutionStore, "record_intent", record_intent):
                orchestrator.launch(execution_id)
            return record_intent(store, *arguments)

        with mock.patch.object(ExecutionStore, "record_intent", overtaken):
            orchestrator.launch(execution_id)

        assert len(simulator.calls("StartRecovery")) == 1
        assert orchestrator.launch(execution_id)["jobsActive"] == 1


class TestNoRoom:
    """Busy, in use, at the quota: nothing was carried out, so the launch waits, says for what, and comes."""

    def test_a_throttled_launch_is_tried_again(self, orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
        simulator.add_fault("throttle", operation="StartRecovery", count=2)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)

        assert "ThrottlingException" in reason(orchestrator, execution_id)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert len(launches(simulator)) == 1

    def test_a_server_in_somebody_elses_job_is_waited_for(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.app.drs.at(None, REGION).start_recovery({ONE: None}, is_drill=True, tags={})
        orchestrator.let_pass(120)
        execution_id = begin(orchestrator, ONE_SERVER)
        orchestrator.launch(execution_id)

        assert ONE in reason(orchestrator, execution_id)
        assert "START_DRILL" in reason(orchestrator, execution_id)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert len(launches(simulator)) == 2

    def test_the_quota_of_twenty_jobs_is_waited_for_and_named(self, orchestrator: Orchestrator) -> None:
        others = [server_id(n) for n in range(100, 120)]
        orchestrator.add_servers(*others)
        drs = orchestrator.app.drs.at(None, REGION)
        for other in others:
            drs.start_recovery({other: None}, is_drill=True, tags={})
        execution_id = begin(orchestrator, ONE_SERVER)
        waiting = orchestrator.launch(execution_id)

        assert (waiting["jobsWaiting"], waiting["jobsActive"]) == (1, 0)
        assert "20 of 20 DRS jobs" in reason(orchestrator, execution_id)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_a_drs_that_cannot_be_reached_is_waited_for(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        unreachable = orchestrator.environment | {"DRS_ENDPOINT_URL": "http://127.0.0.1:9"}
        reachable, orchestrator.environment = orchestrator.environment, unreachable
        orchestrator.app = orchestrator.another_app()
        execution_id = begin(orchestrator, ONE_SERVER)

        assert orchestrator.launch(execution_id)["jobsWaiting"] == 1

        orchestrator.environment = reachable
        orchestrator.app = orchestrator.another_app()
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert len(launches(simulator)) == 1


class TestRefused:
    def test_a_refused_launch_fails_its_servers_in_drs_own_words(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault(
            "error", operation="StartRecovery", code="AccessDeniedException", message="you may not launch"
        )
        document = orchestrator.drive(orchestrator.start(plan(wave("a", ONE), wave("b", TWO))))
        refused, skipped = document["Waves"]
        [server] = refused["Servers"]

        assert document["Status"] == "FAILED"
        assert (server["Status"], refused["Status"], skipped["Status"]) == ("FAILED", "FAILED", "SKIPPED")
        assert server["Error"] == "DRS refused to start the launch: AccessDeniedException: you may not launch"
        assert skipped["Servers"][0]["Status"] == "SKIPPED"
        assert "wave a" in skipped["StatusReason"]
        assert launches(simulator) == []

    def test_a_region_without_drs_says_what_to_do(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.start(ONE_SERVER)
        simulator.add_fault("error", operation="StartRecovery", code="UninitializedAccountException")
        document = orchestrator.drive(execution_id)
        [server] = document["Waves"][0]["Servers"]

        assert document["Status"] == "FAILED"
        assert "UninitializedAccountException" in server["Error"]
        assert "Initialise DRS" in server["NextStep"]

    def test_a_server_drs_does_not_know_any_more_fails_only_its_own_job(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.start(
            plan(wave("a", {"SourceServerId": ONE, "Impact": "OPTIONAL"}), wave("b", TWO))
        )
        simulator.reset()
        simulator.step(orchestrator.now)
        orchestrator.add_servers(TWO)
        document = orchestrator.drive(execution_id)
        first, second = document["Waves"]

        assert (document["Status"], first["Status"], second["Status"]) == ("PARTIAL", "PARTIAL", "COMPLETED")
        assert ONE in first["Servers"][0]["Error"]

    def test_a_failed_critical_server_skips_what_is_not_launched_and_leaves_what_is(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        waves = [wave("a", ONE), wave("b", TWO), wave("c", THREE, DependsOn=[])]
        document = orchestrator.drive(orchestrator.start(plan(*waves)))

        assert [each["Status"] for each in document["Waves"]] == ["FAILED", "SKIPPED", "COMPLETED"]
        assert document["Status"] == "PARTIAL"
        assert "wave a" in document["StatusReason"]

    def test_a_launch_that_was_never_made_is_not_made_once_another_wave_has_failed(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        """Only the intent stands in the record, and nobody knows what came of it."""
        execution_id = beside_a_refused_wave(orchestrator, "the intent")
        document = orchestrator.drive(execution_id)

        assert [each["Status"] for each in document["Waves"]] == ["FAILED", "SKIPPED"]
        assert "wave a" in document["Waves"][1]["StatusReason"]
        assert launches(simulator) == []

    def test_a_launch_that_was_made_is_followed_although_another_wave_has_failed(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = beside_a_refused_wave(orchestrator, "the launch")
        document = orchestrator.drive(execution_id)

        assert [each["Status"] for each in document["Waves"]] == ["FAILED", "COMPLETED"]
        assert len(launches(simulator)) == 1

    def test_a_launch_that_was_never_made_waits_for_the_operator_who_accepts_a_failure(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = beside_a_refused_wave(orchestrator, "the intent", OnFailure="PAUSE")
        document = orchestrator.until_asked(execution_id)

        assert document["Question"]["Waves"] == ["a"]
        assert launches(simulator) == []

        resume(orchestrator.app, execution_id, {"Reason": "go on"}, CALLER)
        assert orchestrator.drive(execution_id)["Waves"][1]["Status"] == "COMPLETED"


def beside_a_refused_wave(orchestrator: Orchestrator, last: str, **fields: str) -> str:
    """An execution of two waves that waited for room at DRS: it refuses `a` for good, then the task dies in the launch
    of `b`."""
    simulator = orchestrator.simulator
    execution_id = begin(orchestrator, plan(wave("a", ONE, **fields), wave("b", TWO, DependsOn=[])))
    full = simulator.add_fault("error", operation="StartRecovery", code="ServiceQuotaExceededException")
    orchestrator.launch(execution_id)
    simulator.remove_faults(full)
    simulator.add_fault("error", operation="StartRecovery", code="AccessDeniedException", count=1)
    with crash_after(last, times_before=1), pytest.raises(Crash):
        orchestrator.launch(execution_id)
    return execution_id


def crash_after(writes: str, times_before: int = 0) -> Any:
    """Let the function die right after it did this for the first time, or after so many times before."""
    owner, name = {
        "the intent": (ExecutionStore, "record_intent"),
        "the launch": (Drs, "start_recovery"),
        "the job": (ExecutionStore, "save_job"),
    }[writes]
    original = getattr(owner, name)
    left = count(times_before, -1)

    def die(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        if next(left) == 0:
            raise Crash
        return result

    return mock.patch.object(owner, name, die)

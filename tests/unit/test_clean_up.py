"""A drill's clean-up: what it terminates, what it never touches, and what it says of the rest."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from drs_orchestrator.adapters.drs import Drs, StartOutcome
from drs_orchestrator.domain.clean_up import (
    LAST_ROUND,
    MAX_ROUNDS,
    DrillInstance,
    Fate,
    left,
    look,
    may_be_terminated,
)
from drs_orchestrator.domain.notices import Facts, notice
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.source import RecoveryInstance
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound
from drs_orchestrator.tasks.clean_up_drill import clean_up_drill
from drs_orchestrator.tasks.finish_execution import finish_execution
from drs_orchestrator.tasks.prepare_execution import prepare_execution
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from tests.helpers.orchestrator import Orchestrator, keep_tables_at_moto, plan, server_id, wave

DATABASE, WEB = server_id(0xD), server_id(0xE)
MANUAL = plan(wave("database", DATABASE), wave("web", WEB), plan_id="manual")
IMMEDIATE = MANUAL | {"PlanId": "immediate", "Cleanup": "IMMEDIATE"}
LATER = MANUAL | {"PlanId": "later", "Cleanup": 90}
OPERATOR = "arn:aws:iam::123456789012:user/jane"


@pytest.fixture
def orchestrator(orchestrator: Orchestrator) -> Orchestrator:
    orchestrator.add_servers(DATABASE, WEB)
    return orchestrator


def drilled(orchestrator: Orchestrator, document: dict[str, Any] = MANUAL) -> str:
    """The id of a drill that has ended."""
    execution_id = orchestrator.start(document)
    assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
    return execution_id


def living(orchestrator: Orchestrator) -> set[str]:
    """The ids of the instances that live in DRS."""
    seen = orchestrator.app.drs.at(None, "us-east-1").recovery_instances([DATABASE, WEB])
    return {instance.instance_id for instance in seen if instance.is_living}


def terminations(orchestrator: Orchestrator) -> list[list[str]]:
    """The instances of each TerminateRecoveryInstances call."""
    calls = orchestrator.simulator.calls("TerminateRecoveryInstances")
    return [call["request"]["recoveryInstanceIDs"] for call in calls]


def clean_up_of(orchestrator: Orchestrator, execution_id: str) -> dict[str, Any]:
    document: dict[str, Any] = orchestrator.show(execution_id)["CleanUp"]
    return document


class TestWhen:
    def test_by_default_a_drill_is_left_as_it_is(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator)

        assert "CleanUp" not in orchestrator.show(execution_id)
        assert finish_execution(orchestrator.app, execution_id, 1)["cleanUp"] is False
        assert len(living(orchestrator)) == 2

    def test_a_plan_may_ask_for_it_at_once(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        finished = finish_execution(orchestrator.app, execution_id, 1)

        assert (finished["cleanUp"], finished["cleanUpDelaySeconds"]) == (True, 0)
        assert orchestrator.clean_up(execution_id) == {"outcome": "CLEANED_UP", "instancesOpen": 0, "instancesLeft": 0}
        assert living(orchestrator) == set()
        assert {each["Status"] for each in clean_up_of(orchestrator, execution_id)["Instances"]} == {"TERMINATED"}

    def test_a_plan_may_ask_for_it_some_minutes_after_the_end(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, LATER)
        orchestrator.let_pass(600)
        finished = finish_execution(orchestrator.app, execution_id, 1)

        assert (finished["cleanUp"], finished["cleanUpDelaySeconds"]) == (True, 80 * 60)

    def test_a_recovery_of_such_a_plan_is_never_cleaned_up(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(IMMEDIATE, "RECOVERY")
        orchestrator.drive(execution_id)

        assert finish_execution(orchestrator.app, execution_id, 1)["cleanUp"] is False
        assert "CleanUp" not in orchestrator.show(execution_id)
        assert orchestrator.app.clean_ups.get(execution_id) is None


class TestByHand:
    def test_a_driver_of_its_own_sees_to_it(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator)
        answer = request_clean_up(orchestrator.app, execution_id, {"Reason": "signed off"}, OPERATOR)

        assert answer["status"] == "CLEANING_UP"
        assert orchestrator.drivers() == [f"{execution_id}-g1", f"{execution_id}-g2"]
        assert prepare_execution(orchestrator.app, execution_id, 2)["outcome"] == "ENDED"
        assert finish_execution(orchestrator.app, execution_id, 2)["cleanUp"] is True
        assert orchestrator.clean_up(execution_id, 2)["outcome"] == "CLEANED_UP"
        document = clean_up_of(orchestrator, execution_id)
        assert (document["Status"], document["RequestedBy"], document["Reason"]) == (
            "CLEANED_UP",
            OPERATOR,
            "signed off",
        )

    def test_it_stands_in_the_history_with_who_and_why(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator)
        request_clean_up(orchestrator.app, execution_id, {"Reason": "signed off"}, OPERATOR)
        orchestrator.clean_up(execution_id, 2)
        requested, finished = list(orchestrator.app.executions.history(execution_id))[-2:]

        assert (requested["Kind"], requested["By"], requested["Reason"]) == (
            "CleanUpRequested",
            OPERATOR,
            "signed off",
        )
        assert (finished["Kind"], finished["By"]) == ("CleanUpFinished", "orchestrator")
        assert finished["Data"] == {"Status": "CLEANED_UP", "Terminated": 2}

    def test_who_does_not_want_to_wait_for_the_plans_time_need_not(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, LATER)
        request_clean_up(orchestrator.app, execution_id, None, OPERATOR)

        assert finish_execution(orchestrator.app, execution_id, 2)["cleanUpDelaySeconds"] == 0
        assert orchestrator.clean_up(execution_id, 1)["outcome"] == "SUPERSEDED", "the driver that waits has lost it"
        assert orchestrator.clean_up(execution_id, 2)["outcome"] == "CLEANED_UP"

    def test_a_recovery_is_refused(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(MANUAL, "RECOVERY")
        orchestrator.drive(execution_id)

        with pytest.raises(Conflict, match="is a RECOVERY: what it launched may be production"):
            request_clean_up(orchestrator.app, execution_id, None, OPERATOR)

    def test_so_is_a_drill_that_runs_and_one_that_is_done(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(MANUAL)
        with pytest.raises(Conflict, match="clean up once it has ended"):
            request_clean_up(orchestrator.app, execution_id, None, OPERATOR)
        orchestrator.drive(execution_id)
        request_clean_up(orchestrator.app, execution_id, None, OPERATOR)
        with pytest.raises(Conflict, match="being cleaned up already"):
            request_clean_up(orchestrator.app, execution_id, None, OPERATOR)
        orchestrator.clean_up(execution_id, 2)
        with pytest.raises(Conflict, match="cleaned up already: 2 instances were terminated"):
            request_clean_up(orchestrator.app, execution_id, None, OPERATOR)

    def test_so_are_an_unknown_execution_and_an_unknown_field(self, orchestrator: Orchestrator) -> None:
        with pytest.raises(NotFound, match="There is no execution exec-x"):
            request_clean_up(orchestrator.app, "exec-x", None, OPERATOR)
        with pytest.raises(InvalidRequest) as raised:
            request_clean_up(orchestrator.app, drilled(orchestrator), {"Force": True}, OPERATOR)
        assert raised.value.details[0]["pointer"] == "/Force"


class TestRounds:
    def test_each_instance_is_asked_to_go_once(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        before = living(orchestrator)
        orchestrator.clean_up(execution_id)

        assert sorted(each for call in terminations(orchestrator) for each in call) == sorted(before)

    def test_a_call_whose_answer_was_lost_is_not_made_again(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.simulator.add_fault("reset-after", operation="TerminateRecoveryInstances", count=1)

        assert orchestrator.clean_up(execution_id)["outcome"] == "CLEANED_UP"
        assert len(terminations(orchestrator)) == 2, "one for each job of the drill"

    @pytest.mark.parametrize("fault", ["throttle", "server-error"])
    def test_a_drs_that_can_not_answer_is_waited_for(self, orchestrator: Orchestrator, fault: str) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.simulator.add_fault(fault, forSeconds=70)

        assert orchestrator.clean_up(execution_id)["outcome"] == "CLEANED_UP"
        assert living(orchestrator) == set()

    def test_a_drs_that_can_not_answer_for_forty_minutes_has_terminated_what_it_was_asked_to(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        clean_up_drill(orchestrator.app, execution_id, 1)
        orchestrator.simulator.add_fault("throttle", forSeconds=2400)

        assert orchestrator.clean_up(execution_id)["instancesLeft"] == 0
        assert {each["Status"] for each in clean_up_of(orchestrator, execution_id)["Instances"]} == {"TERMINATED"}

    @pytest.mark.parametrize("late", [0, 600])
    def test_an_instance_that_drs_does_not_list_for_a_moment_is_not_forgotten(
        self, orchestrator: Orchestrator, late: int
    ) -> None:
        """However long after its time the clean-up has its first look."""
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.let_pass(late)
        orchestrator.simulator.add_fault("empty", operation="DescribeRecoveryInstances", forSeconds=50)

        assert orchestrator.clean_up(execution_id)["outcome"] == "CLEANED_UP"
        orchestrator.let_pass(60)
        assert living(orchestrator) == set()

    @pytest.mark.parametrize("every", [10, 35, 50])
    def test_an_instance_that_is_gone_from_drs_s_list_has_not_outlived_its_termination(
        self, orchestrator: Orchestrator, every: int
    ) -> None:
        """However the rounds fall: it may be missing for less than a minute when DRS's job is over for longer."""
        execution_id = drilled(orchestrator, IMMEDIATE)

        assert orchestrator.clean_up(execution_id, every=every)["instancesLeft"] == 0
        assert {each["Status"] for each in clean_up_of(orchestrator, execution_id)["Instances"]} == {"TERMINATED"}

    def test_what_drs_refuses_to_terminate_is_left_with_its_words_and_the_command(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.simulator.add_fault("error", operation="TerminateRecoveryInstances", code="AccessDeniedException")
        result = orchestrator.clean_up(execution_id)
        document = clean_up_of(orchestrator, execution_id)

        assert (result["outcome"], result["instancesLeft"]) == ("CLEANED_UP", 2)
        assert document["Status"] == "INSTANCES_LEFT"
        for each in document["Instances"]:
            assert each["Status"] == "LEFT"
            assert "AccessDeniedException" in each["Reason"]
            assert each["Command"] == (
                "aws drs terminate-recovery-instances "
                f"--recovery-instance-ids {each['InstanceId']} --region {each['Region']}"
            )

    def test_six_hundred_instances_that_are_left_for_many_words_fit_the_record_of_its_end_which_counts_them_all(
        self, orchestrator: Orchestrator
    ) -> None:
        keep_tables_at_moto()
        orchestrator.app = orchestrator.another_app()
        waves = [wave(f"wave-{n}", DATABASE if n == 0 else server_id(n)) for n in range(6)]
        orchestrator.add_servers(*(server_id(n) for n in range(1, 6)))
        execution_id = drilled(orchestrator, plan(*waves, plan_id="six-jobs") | {"Cleanup": "IMMEDIATE"})
        for number in range(6):
            hundred = [f"i-{number * 100 + n:017x}" for n in range(100)]
            instances = {each: DrillInstance(each, server_id(number)) for each in hundred}
            instances = left(instances, hundred, "You are not authorized to perform this operation. " * 20)
            orchestrator.app.clean_ups.save_instances(execution_id, JobKey(number, 0), instances)

        assert orchestrator.clean_up(execution_id) == {
            "outcome": "CLEANED_UP",
            "instancesOpen": 0,
            "instancesLeft": 600,
        }
        *_, ended = orchestrator.app.executions.history(execution_id)
        assert (ended["Data"]["LeftCount"], len(ended["Data"]["Left"])) == (600, 500)
        execution = orchestrator.app.executions.get(execution_id)
        assert execution is not None
        told = notice(ended, Facts(execution))
        assert told is not None
        assert told.detail["left"] == 600
        assert {each["Reason"][-1] for each in ended["Data"]["Left"]} == {"…"}, "so that nobody takes it for all"

    @pytest.mark.parametrize("error", ["ResourceNotFoundException", "ValidationException"])
    def test_an_instance_that_goes_between_the_look_and_the_call_is_not_left_nor_is_the_one_beside_it(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch, error: str
    ) -> None:
        """DRS has forgotten it and refuses the call for both, by an error nobody has documented."""
        execution_id = drilled(
            orchestrator, plan(wave("all", DATABASE, WEB), plan_id="one-job") | {"Cleanup": "IMMEDIATE"}
        )
        orchestrator.simulator.switch(unknownResourceError=error)
        [gone, _] = sorted(living(orchestrator))
        terminate = Drs.terminate

        def late(drs: Drs, instances: list[RecoveryInstance]) -> StartOutcome:
            monkeypatch.undo()
            terminate(drs, [each for each in instances if each.instance_id == gone])
            orchestrator.let_pass(600)
            return terminate(drs, instances)

        monkeypatch.setattr(Drs, "terminate", late)

        assert orchestrator.clean_up(execution_id)["instancesLeft"] == 0
        assert {each["Status"] for each in clean_up_of(orchestrator, execution_id)["Instances"]} == {"TERMINATED"}
        assert living(orchestrator) == set()

    def test_what_was_left_is_tried_again_when_somebody_asks_for_it(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        fault = orchestrator.simulator.add_fault(
            "error", operation="TerminateRecoveryInstances", code="AccessDeniedException"
        )
        orchestrator.clean_up(execution_id)
        orchestrator.simulator.remove_faults(fault)
        request_clean_up(orchestrator.app, execution_id, None, OPERATOR)

        assert orchestrator.clean_up(execution_id, 2)["instancesLeft"] == 0
        assert clean_up_of(orchestrator, execution_id)["Status"] == "CLEANED_UP"
        assert living(orchestrator) == set()

    def test_a_protected_instance_is_left_and_the_log_says_why(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        [protected, *_] = sorted(living(orchestrator))
        orchestrator.simulator.protect(protected)
        result = orchestrator.clean_up(execution_id)

        assert result["instancesLeft"] == 1
        assert living(orchestrator) == {protected}
        [left] = [each for each in clean_up_of(orchestrator, execution_id)["Instances"] if each["Status"] == "LEFT"]
        assert left["InstanceId"] == protected
        assert "termination protection is on" in left["Reason"]

    @pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerException"])
    def test_what_drs_could_never_be_asked_for_is_left_with_its_words_and_can_be_cleaned_up_later(
        self, orchestrator: Orchestrator, code: str
    ) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        before = living(orchestrator)
        fault = orchestrator.simulator.add_fault("error", operation="DescribeRecoveryInstances", code=code)
        result = orchestrator.clean_up(execution_id)
        document = clean_up_of(orchestrator, execution_id)

        assert (result["instancesLeft"], document["Status"]) == (2, "INSTANCES_LEFT")
        assert {each["InstanceId"] for each in document["Instances"]} == before
        assert all(each["Status"] == "LEFT" and code in each["Reason"] for each in document["Instances"])

        orchestrator.simulator.remove_faults(fault)
        request_clean_up(orchestrator.app, execution_id, None, OPERATOR)
        assert orchestrator.clean_up(execution_id, 2)["instancesLeft"] == 0
        assert living(orchestrator) == set()

    def test_what_no_round_had_time_for_is_left(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        ticks = itertools.count(step=101)
        orchestrator.app = replace(orchestrator.app, timer=lambda: next(ticks))
        orchestrator.clean_up(execution_id)
        document = clean_up_of(orchestrator, execution_id)

        assert document["Status"] == "INSTANCES_LEFT"
        assert {each["Reason"] for each in document["Instances"]} == {"there was no time left to ask DRS for it"}

    def test_a_launched_server_of_whose_instance_nobody_knows_counts_as_left(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        recorded = orchestrator.app.executions.jobs_with_instances

        def without_instances(execution_id: str) -> list[Job]:
            return [
                replace(job, servers={key: replace(each, instance_id=None) for key, each in job.servers.items()})
                for job in recorded(execution_id)
            ]

        monkeypatch.setattr(orchestrator.app.executions, "jobs_with_instances", without_instances)
        fault = orchestrator.simulator.add_fault(
            "error", operation="DescribeRecoveryInstances", code="InternalServerException"
        )
        assert orchestrator.clean_up(execution_id)["instancesLeft"] == 2
        assert clean_up_of(orchestrator, execution_id)["Status"] == "INSTANCES_LEFT"

        orchestrator.simulator.remove_faults(fault)
        request_clean_up(orchestrator.app, execution_id, None, OPERATOR)
        assert orchestrator.clean_up(execution_id, 2)["instancesLeft"] == 0
        assert living(orchestrator) == set()

    def test_it_ends_even_when_a_termination_never_does(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.simulator.hold(True)
        result = orchestrator.clean_up(execution_id, rounds=LAST_ROUND + 1)

        assert result["outcome"] == "CLEANED_UP"
        assert {each["Reason"] for each in clean_up_of(orchestrator, execution_id)["Instances"]} == {
            "DRS has not said in time that it is terminated"
        }

    def test_a_termination_that_comes_late_is_still_waited_for(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.simulator.hold(True)
        for _ in range(MAX_ROUNDS):
            clean_up_drill(orchestrator.app, execution_id, 1)
            orchestrator.let_pass(30)
        orchestrator.simulator.hold(False)

        assert orchestrator.clean_up(execution_id)["instancesLeft"] == 0
        assert living(orchestrator) == set()

    def test_what_nobody_terminates_in_time_is_left(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        orchestrator.simulator.add_fault(
            "error", operation="TerminateRecoveryInstances", code="ServiceQuotaExceededException"
        )

        assert orchestrator.clean_up(execution_id, rounds=MAX_ROUNDS + 1)["instancesLeft"] == 2
        assert {each["Reason"] for each in clean_up_of(orchestrator, execution_id)["Instances"]} == {
            "DRS did not terminate it in time"
        }

    def test_an_instance_whose_server_is_busy_waits_for_it(self, orchestrator: Orchestrator) -> None:
        """A new launch of the server removes the instance itself: then it is gone, and the new one is not ours."""
        execution_id = drilled(orchestrator, IMMEDIATE)
        other = orchestrator.start(MANUAL)
        orchestrator.prepare(other)
        orchestrator.launch(other)

        assert orchestrator.clean_up(execution_id)["outcome"] == "CLEANED_UP"
        assert orchestrator.drive(other)["Status"] == "COMPLETED"
        servers = [server for wave in orchestrator.show(other)["Waves"] for server in wave["Servers"]]
        assert {server["InstanceId"] for server in servers} == living(orchestrator)


class TestReconciler:
    def test_a_clean_up_whose_driver_died_gets_another(self, orchestrator: Orchestrator) -> None:
        execution_id = drilled(orchestrator, IMMEDIATE)
        arn = orchestrator.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        orchestrator.stepfunctions.stop_execution(executionArn=f"{arn}:{execution_id}-g1")

        assert reconcile_executions(orchestrator.app, execution_id)["REPLACED"] == 1
        assert orchestrator.drivers() == [f"{execution_id}-g1", f"{execution_id}-g2"]
        assert orchestrator.clean_up(execution_id, 2)["outcome"] == "CLEANED_UP"
        assert reconcile_executions(orchestrator.app) == dict.fromkeys(reconcile_executions(orchestrator.app), 0)

    def test_one_that_waits_for_its_time_is_healthy_and_one_that_is_silent_is_not(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = drilled(orchestrator, LATER)
        orchestrator.let_pass(80 * 60)
        assert reconcile_executions(orchestrator.app)["HEALTHY"] == 1

        orchestrator.let_pass(30 * 60)
        assert reconcile_executions(orchestrator.app)["REPLACED"] == 1
        assert f"{execution_id}-g2" in orchestrator.drivers()


class TestTheRule:
    JOB = Job(JobKey(0, 0), "web", "us-east-1", None, {WEB: ServerProgress()}, job_id="drsjob-1")
    OWN = RecoveryInstance("i-1", WEB, "drsjob-1", is_drill=True, state="RUNNING", recovery_instance_id="i-1")

    def test_an_own_living_instance_of_a_drill_may_be_terminated(self) -> None:
        assert may_be_terminated(self.OWN, self.JOB)

    @pytest.mark.parametrize(
        "other",
        [
            RecoveryInstance("i-1", WEB, "drsjob-1", is_drill=False, state="RUNNING"),
            RecoveryInstance("i-1", WEB, "drsjob-2", is_drill=True, state="RUNNING"),
            RecoveryInstance("i-1", WEB, None, is_drill=True, state="RUNNING"),
            RecoveryInstance("i-1", DATABASE, "drsjob-1", is_drill=True, state="RUNNING"),
            RecoveryInstance("i-1", WEB, "drsjob-1", is_drill=True, state="TERMINATED"),
        ],
    )
    def test_anything_else_may_not(self, other: RecoveryInstance) -> None:
        assert not may_be_terminated(other, self.JOB)

    def test_what_the_record_names_and_drs_calls_no_drill_s_is_none_of_the_clean_up_s(self) -> None:
        """DRS did not list it at first: it was waited for by its name in the record alone."""
        job = replace(self.JOB, servers={WEB: ServerProgress(instance_id="i-1")})
        missed = look({}, job, [], now=0, grace=60)
        found = replace(self.OWN, is_drill=False)

        assert missed["i-1"].missing_since == 0
        assert look(missed, job, [found], now=30, grace=60) == {}

    def test_the_adapter_refuses_what_is_no_drills_whoever_asks(self) -> None:
        with pytest.raises(ValueError, match="not instances of a drill: i-1"):
            Drs(lambda _: pytest.fail("no client is wanted")).terminate(
                [RecoveryInstance("i-1", WEB, "drsjob-1", is_drill=False, state="RUNNING", recovery_instance_id="i-1")]
            )

    def test_a_fate_is_final_when_nothing_follows(self) -> None:
        assert {fate for fate in Fate if fate.is_final} == {Fate.TERMINATED, Fate.LEFT}

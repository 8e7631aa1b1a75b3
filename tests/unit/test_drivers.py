"""Who drives an execution: finishing, handing over, and the reconciler's part when a driver is gone or silent."""

from dataclasses import replace
from typing import Any

import pytest

from drs_orchestrator.adapters.drivers import execution_id_of
from drs_orchestrator.tasks.ask_operator import wait_for_decision
from drs_orchestrator.tasks.finish_execution import finish_execution
from drs_orchestrator.tasks.hand_over_execution import hand_over_execution
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from tests.helpers.history import replacement
from tests.helpers.orchestrator import START, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO = server_id(1), server_id(2)
TWO_WAVES = plan(wave("a", ONE), wave("b", TWO))


@pytest.fixture(autouse=True)
def servers(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO)


def stop_driver(orchestrator: Orchestrator, execution_id: str, generation: int = 1) -> None:
    orchestrator.stepfunctions.stop_execution(executionArn=driver_arn(orchestrator, execution_id, generation))


def driver_status(orchestrator: Orchestrator, execution_id: str, generation: int = 1) -> str:
    arn = driver_arn(orchestrator, execution_id, generation)
    return str(orchestrator.stepfunctions.describe_execution(executionArn=arn)["status"])


def driver_arn(orchestrator: Orchestrator, execution_id: str, generation: int) -> str:
    arn = orchestrator.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    return f"{arn}:{execution_id}-g{generation}"


def launches(simulator: SimulatorControl) -> int:
    return len(simulator.calls("StartRecovery"))


class TestFinish:
    def test_the_final_status_is_read_and_not_rewritten_when_the_task_is_repeated(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.start(TWO_WAVES)
        document = orchestrator.drive(execution_id)
        orchestrator.let_pass(600)

        repeated = finish_execution(orchestrator.app, execution_id, 1)

        assert (repeated["outcome"], repeated["status"], repeated["cleanUp"]) == ("FINISHED", "COMPLETED", False)
        assert orchestrator.show(execution_id) == document

    def test_nothing_is_concluded_while_a_wave_is_open(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)

        with pytest.raises(ValueError, match="waves still open: a, b"):
            finish_execution(orchestrator.app, execution_id, 1)
        assert orchestrator.show(execution_id)["Status"] == "POLLING"

    def test_an_execution_nobody_knows_is_an_error(self, orchestrator: Orchestrator) -> None:
        for task in (finish_execution, hand_over_execution):
            with pytest.raises(LookupError, match="there is no execution exec-0"):
                task(orchestrator.app, "exec-0", 1)
        with pytest.raises(LookupError, match="there is no execution exec-0"):
            orchestrator.check("exec-0")


class TestSuperseded:
    def test_every_task_of_a_replaced_driver_stops_quietly_and_asks_drs_nothing(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        hand_over_execution(orchestrator.app, execution_id, 1)
        simulator.clear_calls()
        results = [
            orchestrator.prepare(execution_id),
            orchestrator.launch(execution_id),
            orchestrator.check(execution_id),
            finish_execution(orchestrator.app, execution_id, 1),
        ]

        assert {result["outcome"] for result in results} == {"SUPERSEDED"}
        assert simulator.calls() == []

    def test_a_result_has_the_same_fields_whatever_the_outcome(self, orchestrator: Orchestrator) -> None:
        """The state machine selects them all; on AWS a path that finds nothing is an error."""
        execution_id = orchestrator.start(TWO_WAVES)
        orchestrator.prepare(execution_id)
        launched, checked = orchestrator.launch(execution_id), orchestrator.check(execution_id)
        hand_over_execution(orchestrator.app, execution_id, 1)

        assert orchestrator.launch(execution_id).keys() == launched.keys()
        assert orchestrator.check(execution_id).keys() == checked.keys()

    def test_a_driver_that_is_replaced_while_it_asks_drs_writes_no_heartbeat(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        begin_round = orchestrator.app.executions.begin_round

        def replaced(execution_id: str) -> Any:
            read = begin_round(execution_id)
            hand_over_execution(orchestrator.app, execution_id, 1)
            return read

        monkeypatch.setattr(orchestrator.app.executions, "begin_round", replaced)

        assert orchestrator.check(execution_id, after=15)["outcome"] == "SUPERSEDED"
        assert orchestrator.show(execution_id)["PollCount"] == 0


class TestHandOver:
    def test_a_driver_hands_over_after_its_rounds_and_nothing_is_launched_again(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.environment["MAX_POLLS_PER_DRIVER"] = "3"
        orchestrator.app = orchestrator.another_app()
        execution_id = orchestrator.begin(TWO_WAVES)
        first, second = orchestrator.check(execution_id, after=15), orchestrator.check(execution_id, after=15)
        assert (first["handOver"], second["handOver"]) == (False, True)

        assert hand_over_execution(orchestrator.app, execution_id, 1) == {"outcome": "HANDED_OVER"}
        assert orchestrator.drivers() == [f"{execution_id}-g1", f"{execution_id}-g2"]

        document = orchestrator.drive(execution_id, 2)
        assert (document["Status"], document["Generation"]) == ("COMPLETED", 2)
        assert launches(simulator) == 2

    def test_a_repeated_hand_over_finds_its_heir_and_makes_no_other(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        for _ in range(3):
            assert hand_over_execution(orchestrator.app, execution_id, 1) == {"outcome": "HANDED_OVER"}

        assert orchestrator.drivers() == [f"{execution_id}-g1", f"{execution_id}-g2"]

    def test_a_driver_replaced_twice_hands_over_nothing(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        hand_over_execution(orchestrator.app, execution_id, 1)
        hand_over_execution(orchestrator.app, execution_id, 2)

        assert hand_over_execution(orchestrator.app, execution_id, 1) == {"outcome": "SUPERSEDED"}


class TestReconciler:
    def test_an_execution_whose_driver_ended_is_driven_on_and_nothing_is_launched_twice(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        stop_driver(orchestrator, execution_id)

        assert reconcile_executions(orchestrator.app, execution_id)["REPLACED"] == 1
        assert orchestrator.drivers() == [f"{execution_id}-g1", f"{execution_id}-g2"]

        document = orchestrator.drive(execution_id, 2)
        assert (document["Status"], launches(simulator)) == ("COMPLETED", 2)

    def test_a_driver_whose_end_nobody_announced_is_missed_after_two_rounds(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        stop_driver(orchestrator, execution_id)
        orchestrator.let_pass(90)
        assert reconcile_executions(orchestrator.app)["HEALTHY"] == 1

        orchestrator.let_pass(1)
        assert reconcile_executions(orchestrator.app)["REPLACED"] == 1
        assert driver_status(orchestrator, execution_id, 2) == "RUNNING"

    def test_the_truth_is_recorded_before_the_new_driver_comes(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        stop_driver(orchestrator, execution_id)
        orchestrator.let_pass(600)
        reconcile_executions(orchestrator.app)

        assert orchestrator.server(execution_id, ONE)["Status"] == "LAUNCHED"

    def test_a_silent_driver_is_stopped_and_replaced_but_not_before_its_time(self, orchestrator: Orchestrator) -> None:
        silence = orchestrator.app.settings.driver_silence_seconds
        execution_id = orchestrator.begin(TWO_WAVES)
        orchestrator.let_pass(silence)
        assert reconcile_executions(orchestrator.app)["HEALTHY"] == 1

        orchestrator.let_pass(1)
        assert reconcile_executions(orchestrator.app)["REPLACED"] == 1
        assert driver_status(orchestrator, execution_id) == "ABORTED"
        assert driver_status(orchestrator, execution_id, 2) == "RUNNING"

    def test_a_new_driver_is_given_the_same_time_before_it_counts_as_silent(self, orchestrator: Orchestrator) -> None:
        orchestrator.begin(TWO_WAVES)
        orchestrator.let_pass(orchestrator.app.settings.driver_silence_seconds + 1)

        assert reconcile_executions(orchestrator.app)["REPLACED"] == 1
        assert reconcile_executions(orchestrator.app)["HEALTHY"] == 1

    @pytest.mark.parametrize("is_stopped", [True, False])
    def test_a_driver_lost_between_two_waits_for_an_answer_is_replaced(
        self, orchestrator: Orchestrator, is_stopped: bool
    ) -> None:
        """It looked again after a day, and has no token yet to be woken by."""
        execution_id = orchestrator.begin(plan(wave("a", ONE, ApprovalBefore=True)))
        wait_for_decision(orchestrator.app, execution_id, 1, "token-1")
        orchestrator.let_pass(86400)
        orchestrator.launch(execution_id)
        if is_stopped:
            stop_driver(orchestrator, execution_id)
        orchestrator.let_pass(orchestrator.app.settings.driver_silence_seconds + 1)

        assert orchestrator.show(execution_id)["Status"] == "PAUSED"
        assert reconcile_executions(orchestrator.app)["REPLACED"] == 1

    def test_an_execution_that_ended_meanwhile_is_left_alone(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(TWO_WAVES)
        orchestrator.drive(execution_id)

        assert reconcile_executions(orchestrator.app, execution_id)["ENDED"] == 1
        assert reconcile_executions(orchestrator.app, "exec-never-seen")["ENDED"] == 1

    def test_a_reconciler_that_dies_before_it_starts_the_new_driver_is_made_good_by_the_next(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        stop_driver(orchestrator, execution_id)
        recorded = orchestrator.app.executions.get(execution_id)
        assert recorded is not None
        orchestrator.app.executions.take_over(recorded, replacement(START + 60))

        assert reconcile_executions(orchestrator.app)["STARTED"] == 1
        assert driver_status(orchestrator, execution_id, 2) == "RUNNING"

    def test_an_execution_not_prepared_yet_is_driven_without_asking_drs(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.start(TWO_WAVES)
        stop_driver(orchestrator, execution_id)
        simulator.clear_calls()

        assert reconcile_executions(orchestrator.app)["REPLACED"] == 1
        assert simulator.calls() == []
        assert orchestrator.drive(execution_id, 2)["Status"] == "COMPLETED"

    def test_a_drs_that_cannot_be_asked_keeps_no_execution_from_its_driver(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        stop_driver(orchestrator, execution_id)
        simulator.add_fault("throttle", operation="DescribeJobs")

        assert reconcile_executions(orchestrator.app, execution_id)["REPLACED"] == 1
        assert driver_status(orchestrator, execution_id, 2) == "RUNNING"

    def test_a_driver_is_named_after_its_execution_and_generation(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(TWO_WAVES)
        [name] = orchestrator.drivers()

        assert execution_id_of(name) == execution_id
        assert len(name) <= 80

    def test_a_generation_that_another_reconciler_took_is_not_taken_again(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(TWO_WAVES)
        stop_driver(orchestrator, execution_id)
        executions = orchestrator.app.executions
        recorded = executions.get(execution_id)
        assert recorded is not None
        executions.take_over(recorded, replacement(START))

        assert executions.take_over(replace(recorded, poll_count=9), replacement(START)) is None

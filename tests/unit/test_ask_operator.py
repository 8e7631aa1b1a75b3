"""An execution that asks: one question at a time, its deadline, and the driver that waits for the answer."""

from typing import Any

import pytest

from drs_orchestrator.bootstrap import App
from drs_orchestrator.errors import Conflict
from drs_orchestrator.tasks.ask_operator import wait_for_decision
from drs_orchestrator.tasks.steer_execution import approve, cancel
from tests.helpers.orchestrator import CALLER, START, Orchestrator, plan, server_id, wave

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
APPROVAL = plan(wave("database", ONE, ApprovalBefore=True), wave("web", TWO, ApprovalBefore=True))
LIMITED = APPROVAL | {"ApprovalTimeoutMinutes": 10}


@pytest.fixture
def app(orchestrator: Orchestrator) -> App:
    orchestrator.add_servers(ONE, TWO)
    return orchestrator.app


@pytest.fixture
def woken(app: App, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens of the drivers that were told to go on."""
    tokens: list[str] = []
    monkeypatch.setattr(app.drivers, "wake", tokens.append)
    return tokens


def entries(app: App, execution_id: str, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in app.executions.history(execution_id) if entry["Kind"] == kind]


class TestAsking:
    def test_a_question_stands_in_document_and_history(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(LIMITED)
        question = orchestrator.show(execution_id)["Question"]
        [entry] = entries(app, execution_id, "QuestionAsked")

        assert question == {
            "Kind": "APPROVAL",
            "Text": "Launch wave database (1 server)? After that: wave web.",
            "Waves": ["database"],
            "AskedTime": START,
            "Deadline": START + 600,
            "OnTimeout": "REJECT",
        }
        assert entry["Data"] == {
            "Number": 1,
            "Kind": "APPROVAL",
            "Text": question["Text"],
            "Waves": ["database"],
            "Held": ["database"],
            "Deadline": START + 600,
            "OnTimeout": "REJECT",
        }

    def test_a_question_is_asked_once_however_often_the_driver_comes_by(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        for _ in range(3):
            assert orchestrator.launch(execution_id)["awaitsDecision"] is True

        assert len(entries(app, execution_id, "QuestionAsked")) == 1
        assert orchestrator.simulator.calls("StartRecovery") == []

    def test_the_next_question_comes_after_the_answer_to_the_one_before(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        approve(app, execution_id, None, CALLER)
        document = orchestrator.until_asked(execution_id)

        assert document["Question"]["Waves"] == ["web"]
        assert [each["Data"]["Number"] for each in entries(app, execution_id, "QuestionAsked")] == [1, 2]

    def test_a_question_without_a_limit_is_never_answered_by_time(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        orchestrator.let_pass(30 * 86400)
        orchestrator.launch(execution_id)

        assert orchestrator.show(execution_id)["Question"].keys() == {"Kind", "Text", "Waves", "AskedTime"}


class TestDeadline:
    def test_before_it_nothing_is_decided(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(LIMITED)
        orchestrator.let_pass(599)

        assert orchestrator.launch(execution_id)["awaitsDecision"] is True
        assert entries(app, execution_id, "ApprovalTimedOut") == []

    def test_from_then_on_the_plan_answers_with_no(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(LIMITED)
        orchestrator.let_pass(600)
        document = orchestrator.drive(execution_id)
        [entry] = entries(app, execution_id, "ApprovalTimedOut")

        assert (entry["By"], entry["Data"]) == ("orchestrator", {"Waves": ["database"], "Decision": "REJECT"})
        assert (document["Status"], document["StatusReason"]) == (
            "CANCELLED",
            "rejected by orchestrator: wave database was not approved in time",
        )
        assert orchestrator.simulator.calls("StartRecovery") == []

    def test_or_with_yes_where_it_says_so(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(LIMITED | {"OnApprovalTimeout": "CONTINUE"})
        orchestrator.let_pass(600)
        result = orchestrator.launch(execution_id)
        [entry] = entries(app, execution_id, "ApprovalTimedOut")

        assert entry["Data"] == {"Waves": ["database"], "Decision": "CONTINUE"}
        assert result["jobsLaunched"] == 1

    def test_an_answer_in_time_counts(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(LIMITED)
        orchestrator.let_pass(599)
        approve(app, execution_id, None, CALLER)
        orchestrator.let_pass(1)

        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1
        assert entries(app, execution_id, "ApprovalTimedOut") == []


class TestMoot:
    """While a wave waits for approval another one fails, which ends the plan; a third is still being launched."""

    @pytest.fixture
    def execution_id(self, app: App, orchestrator: Orchestrator) -> str:
        orchestrator.add_servers(THREE)
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        orchestrator.simulator.add_fault("late-failure", sourceServerIDs=[THREE], seconds=9000)
        waves = [wave("asked", ONE, ApprovalBefore=True), wave("failing", TWO, DependsOn=[])]
        waves.append(wave("long", THREE, DependsOn=[]))
        execution_id = orchestrator.begin(plan(*waves) | {"ApprovalTimeoutMinutes": 60})
        assert orchestrator.show(execution_id)["Question"]["Waves"] == ["asked"]
        for _ in range(16):
            orchestrator.check(execution_id, after=120)
        statuses = [each["Status"] for each in orchestrator.show(execution_id)["Waves"]]
        assert statuses == ["SKIPPED", "FAILED", "LAUNCHING"]
        return execution_id

    def test_a_question_about_a_wave_that_is_skipped_is_withdrawn(
        self, app: App, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        [entry] = entries(app, execution_id, "QuestionWithdrawn")

        assert (entry["By"], entry["Data"]) == ("orchestrator", {"Waves": ["asked"]})
        assert "Question" not in orchestrator.show(execution_id)
        with pytest.raises(Conflict, match="asks nothing"):
            approve(app, execution_id, None, CALLER)

    def test_its_deadline_decides_nothing(self, app: App, orchestrator: Orchestrator, execution_id: str) -> None:
        orchestrator.check(execution_id, after=3600)
        document = orchestrator.drive(execution_id)

        assert entries(app, execution_id, "ApprovalTimedOut") == []
        assert document["Status"] == "FAILED"


def test_an_execution_that_has_ended_asks_nothing(app: App, orchestrator: Orchestrator) -> None:
    """The failure that ends the last wave is what its question had waited for."""
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
    waves = [wave("asked", ONE, ApprovalBefore=True), wave("failing", TWO, DependsOn=[])]
    execution_id = orchestrator.start(plan(*waves))
    document = orchestrator.drive(execution_id)

    assert document["Status"] == "FAILED"
    assert "Question" not in document
    assert len(entries(app, execution_id, "QuestionWithdrawn")) == 1


class TestWaiting:
    def test_a_driver_waits_for_the_answer_and_the_execution_is_paused(
        self, app: App, orchestrator: Orchestrator, woken: list[str]
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)

        assert wait_for_decision(app, execution_id, 1, "token-1") == {"outcome": "WAITS"}
        assert orchestrator.show(execution_id)["Status"] == "PAUSED"
        assert woken == []

    def test_the_newest_token_counts(self, app: App, orchestrator: Orchestrator, woken: list[str]) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        wait_for_decision(app, execution_id, 1, "token-1")
        wait_for_decision(app, execution_id, 1, "token-2")
        approve(app, execution_id, None, CALLER)

        assert woken == ["token-2"]

    @pytest.mark.parametrize("decide", [approve, cancel])
    def test_a_driver_that_comes_too_late_to_wait_is_let_go_on_at_once(
        self, app: App, orchestrator: Orchestrator, woken: list[str], decide: Any
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        decide(app, execution_id, None, CALLER)

        assert wait_for_decision(app, execution_id, 1, "token-1") == {"outcome": "RELEASED"}
        assert woken == ["token-1"]
        assert orchestrator.show(execution_id)["Status"] == "POLLING"

    def test_a_driver_that_was_replaced_does_not_wait(
        self, app: App, orchestrator: Orchestrator, woken: list[str]
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)

        assert wait_for_decision(app, execution_id, 0, "old token") == {"outcome": "RELEASED"}
        assert orchestrator.show(execution_id)["Status"] == "POLLING"
        assert woken == ["old token"]

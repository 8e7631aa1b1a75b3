"""What operators decide: recorded once with who and why, told to the driver, refused in a sentence that helps."""

from collections.abc import Callable
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError

from drs_orchestrator.bootstrap import App
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound, ServiceBusy
from drs_orchestrator.tasks.ask_operator import wait_for_decision
from drs_orchestrator.tasks.steer_execution import approve, cancel, pause, reject, resume, skip_wave
from tests.helpers.orchestrator import START, Orchestrator, plan, server_id, wave

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
APPROVAL = plan(wave("database", ONE, ApprovalBefore=True), wave("web", TWO))
FAILURE = plan(wave("database", ONE, OnFailure="PAUSE"), wave("web", TWO))
PLAIN = plan(wave("database", ONE), wave("web", TWO), wave("report", THREE))
JANE, JOE = "arn:aws:iam::123456789012:user/jane", "arn:aws:iam::123456789012:user/joe"

type Decide = Callable[[App, str, object, str], dict[str, str]]

WAVELESS: list[Decide] = [approve, resume, reject, pause, cancel]


@pytest.fixture(autouse=True)
def servers(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO, THREE)


@pytest.fixture
def app(orchestrator: Orchestrator) -> App:
    return orchestrator.app


@pytest.fixture
def failed(orchestrator: Orchestrator) -> str:
    """An execution that asks whether to go on although its first wave failed."""
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
    execution_id = orchestrator.begin(FAILURE)
    orchestrator.until_asked(execution_id)
    return execution_id


@pytest.fixture
def paused(orchestrator: Orchestrator, app: App) -> str:
    """A PAUSED execution whose driver waits with a token for an approval."""
    execution_id = orchestrator.begin(APPROVAL)
    wait_for_decision(app, execution_id, 1, "token-1")
    assert orchestrator.show(execution_id)["Status"] == "PAUSED"
    return execution_id


@pytest.fixture
def woken(app: App, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens of the drivers that were told to go on."""
    tokens: list[str] = []

    def wake(token: str) -> bool:
        tokens.append(token)
        return True

    monkeypatch.setattr(app.drivers, "wake", wake)
    return tokens


def last(app: App, execution_id: str) -> dict[str, Any]:
    """The history's last entry, without what only its order decides."""
    entry = list(app.executions.history(execution_id))[-1]
    return {name: value for name, value in entry.items() if name not in ("Number", "PreviousHash", "Hash")}


def before_call(
    number: int, act: Callable[[], object], task: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Do the task, and right before its call to DynamoDB of that number what an operator does; what he is answered:
    "done", "refused", or "not reached" where there are fewer calls."""
    answers: list[str] = []
    numbers, make_api_call = count(), BaseClient._make_api_call

    def call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb" and not answers and next(numbers) == number:
            answers.append("done")
            try:
                act()
            except Conflict:
                answers[0] = "refused"
        return make_api_call(client, operation, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        task()
    return answers[0] if answers else "not reached"


def until_not_reached(attempt: Callable[[int], str]) -> set[str]:
    """Attempt it before the first call, the second and so on, as long as there is one; the answers."""
    answers: set[str] = set()
    numbers = count()
    while "not reached" not in answers:
        answers.add(attempt(next(numbers)))
    return answers


def skip_before_call(
    orchestrator: Orchestrator, execution_id: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Launch, and have the wave `database` skipped before the call of that number."""
    operators_app = orchestrator.another_app()
    return before_call(
        number,
        lambda: skip_wave(operators_app, execution_id, {"WaveName": "database"}, JANE),
        lambda: orchestrator.launch(execution_id),
        monkeypatch,
    )


class TestDecisions:
    def test_an_approval_closes_the_question_and_lets_its_waves_be_launched(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        answer = approve(app, execution_id, {"Reason": "looks good"}, JANE)

        assert answer == {
            "executionId": execution_id,
            "status": "POLLING",
            "message": "Approved: database will be launched now.",
        }
        assert last(app, execution_id) == {
            "Kind": "Approved",
            "Time": START,
            "By": JANE,
            "Reason": "looks good",
            "Data": {"Waves": ["database"]},
        }
        assert "Question" not in orchestrator.show(execution_id)
        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1

    def test_resuming_after_a_failure_accepts_it_and_launches_the_next_wave(
        self, app: App, orchestrator: Orchestrator, failed: str
    ) -> None:
        assert resume(app, failed, None, JANE)["message"] == "Resumed: the execution goes on."
        assert (last(app, failed)["Kind"], last(app, failed)["Data"]) == ("Resumed", {"Waves": ["database"]})
        document = orchestrator.drive(failed)

        assert [each["Status"] for each in document["Waves"]] == ["FAILED", "COMPLETED"]
        assert document["Status"] == "PARTIAL"

    def test_a_rejection_skips_what_has_not_begun_and_cancels_the_execution(
        self, app: App, orchestrator: Orchestrator, failed: str
    ) -> None:
        assert reject(app, failed, {"Reason": "too risky"}, JANE)["message"] == "Rejected: nothing more is launched."
        assert last(app, failed)["Kind"] == "Rejected"
        document = orchestrator.drive(failed)

        assert (document["Status"], document["StatusReason"]) == ("CANCELLED", f"rejected by {JANE}: too risky")
        assert document["Waves"][1]["Status"] == "SKIPPED"
        assert document["Stop"] == {"Kind": "REJECT", "By": JANE, "Time": orchestrator.now, "Reason": "too risky"} | {
            "Time": document["Stop"]["Time"]
        }

    @pytest.mark.parametrize(
        ("began", "message"),
        [
            (False, "Cancelled: nothing more is launched."),
            (True, "Cancelled: nothing more is launched; 1 DRS job in flight is followed to the end."),
        ],
    )
    def test_a_cancellation_launches_nothing_more_and_follows_what_runs(
        self, app: App, orchestrator: Orchestrator, began: bool, message: str
    ) -> None:
        execution_id = orchestrator.begin(PLAIN) if began else orchestrator.start(PLAIN)
        assert cancel(app, execution_id, {"Reason": "the site is back"}, JANE)["message"] == message
        assert last(app, execution_id)["Kind"] == "CancelRequested"
        document = orchestrator.drive(execution_id)

        assert (document["Status"], document["Stop"]["Kind"]) == ("CANCELLED", "CANCEL")
        assert [each["Status"] for each in document["Waves"]] == [
            "COMPLETED" if began else "SKIPPED",
            "SKIPPED",
            "SKIPPED",
        ]
        assert len(orchestrator.simulator.calls("StartRecovery")) == int(began)

    def test_a_pause_holds_the_next_wave_until_it_is_resumed(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        pause(app, execution_id, {"Reason": "network work"}, JANE)
        assert last(app, execution_id)["Kind"] == "PauseRequested"
        assert orchestrator.show(execution_id)["PauseRequested"] == {
            "By": JANE,
            "Time": START,
            "Reason": "network work",
        }
        document = orchestrator.until_asked(execution_id)

        assert document["Question"]["Kind"] == "PAUSE"
        resume(app, execution_id, None, JOE)
        assert "PauseRequested" not in orchestrator.show(execution_id)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_a_pause_that_has_held_nothing_yet_is_taken_back(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        pause(app, execution_id, None, JANE)
        answer = resume(app, execution_id, {"Reason": "never mind"}, JANE)

        assert answer["message"] == "Resumed: the execution goes on; it had not come to a halt yet."
        assert (last(app, execution_id)["Kind"], last(app, execution_id)["Data"]) == ("Resumed", {})
        assert "PauseRequested" not in orchestrator.show(execution_id)

    def test_a_pause_is_taken_back_while_an_approval_is_waited_for(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(plan(wave("database", ONE, ApprovalBefore=True)))
        pause(app, execution_id, None, JANE)
        answer = resume(app, execution_id, None, JANE)

        assert answer["message"] == (
            'Resumed: the pause is taken back, and it asks "Launch wave database (1 server)? Nothing comes after '
            f'that.", to be answered with drctl approve {execution_id}.'
        )
        assert "PauseRequested" not in orchestrator.show(execution_id)
        assert orchestrator.show(execution_id)["Question"]["Kind"] == "APPROVAL"

    def test_what_a_pause_holds_back_of_a_wave_that_has_begun_is_launched_once_it_is_resumed(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        """Two waves at once, and DRS had no room for the second: nothing but its own job is left to turn to."""
        orchestrator.simulator.add_fault(
            "error", code="ServiceQuotaExceededException", operation="StartRecovery", count=1, skip=1
        )
        execution_id = orchestrator.begin(plan(wave("database", ONE), wave("web", TWO, DependsOn=[])))
        pause(app, execution_id, None, JANE)
        document = orchestrator.until_asked(execution_id)
        assert (document["Question"]["Kind"], document["Question"]["Waves"]) == ("PAUSE", ["web"])
        assert orchestrator.launch(execution_id)["jobsWaiting"] == 1

        resume(app, execution_id, None, JOE)
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    @pytest.mark.parametrize(
        ("decide", "web", "outcome"), [(resume, "COMPLETED", "PARTIAL"), (reject, "SKIPPED", "CANCELLED")]
    )
    def test_a_failure_that_pauses_the_plan_holds_what_is_queued_beside_it(
        self, app: App, orchestrator: Orchestrator, decide: Decide, web: str, outcome: str
    ) -> None:
        """Two waves at once, and DRS had no room for the second until after the first one had failed."""
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        full = orchestrator.simulator.add_fault(
            "error", code="ServiceQuotaExceededException", operation="StartRecovery", skip=1
        )
        execution_id = orchestrator.begin(
            plan(wave("database", ONE, OnFailure="PAUSE"), wave("web", TWO, DependsOn=[]))
        )
        document = orchestrator.until_asked(execution_id)
        assert (document["Question"]["Kind"], document["Question"]["Waves"]) == ("FAILURE", ["database"])
        assert "Go on and launch wave web (1 server)?" in document["Question"]["Text"]
        orchestrator.simulator.remove_faults(full)
        orchestrator.simulator.clear_calls()
        assert orchestrator.launch(execution_id)["awaitsDecision"]
        assert orchestrator.simulator.calls("StartRecovery") == []

        decide(app, execution_id, {"Reason": "we know why"}, JANE)
        document = orchestrator.drive(execution_id)
        assert (document["Waves"][1]["Status"], document["Status"]) == (web, outcome)

    def test_an_approved_wave_whose_failure_pauses_the_plan_is_asked_about_once_more(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        waves = [wave("database", ONE, ApprovalBefore=True, OnFailure="PAUSE"), wave("web", TWO)]
        execution_id = orchestrator.begin(plan(*waves))
        approve(app, execution_id, None, JANE)

        assert orchestrator.until_asked(execution_id)["Question"]["Kind"] == "FAILURE"

    @pytest.mark.parametrize("decide", [pause, cancel])
    def test_a_decision_in_the_moment_of_a_launch_comes_before_it(
        self, app: App, orchestrator: Orchestrator, decide: Decide
    ) -> None:
        """The task has read the execution already and is about to note that it launches."""
        execution_id = orchestrator.start(PLAIN)
        orchestrator.prepare(execution_id)
        execution = app.executions.get(execution_id)
        assert execution is not None
        [job] = app.executions.jobs(execution_id, 0)
        decide(app, execution_id, None, JANE)

        assert app.executions.record_intent(execution, job, START) is None

    def test_a_wave_skipped_in_the_moment_of_its_launch_is_not_launched(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.start(PLAIN)
        orchestrator.prepare(execution_id)
        execution = app.executions.get(execution_id)
        assert execution is not None
        [job] = app.executions.jobs(execution_id, 0)
        skip_wave(app, execution_id, {"WaveName": "database"}, JANE)

        assert app.executions.record_intent(execution, job, START) is None

    def test_a_wave_is_skipped_or_launched_never_both_whenever_the_skip_comes(
        self, app: App, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It comes before each call to DynamoDB that a launch makes, one after the other."""

        def attempt(number: int) -> str:
            server = server_id(number + 10)
            orchestrator.add_servers(server)
            execution_id = orchestrator.start(plan(wave("database", server), plan_id=f"plan-{number}"))
            orchestrator.prepare(execution_id)
            answer = skip_before_call(orchestrator, execution_id, number, monkeypatch)
            launched = any(
                call["request"]["sourceServers"] == [{"sourceServerID": server}]
                for call in orchestrator.simulator.calls("StartRecovery")
            )
            assert launched is (answer != "done"), f"before call {number}: {answer}"
            return answer

        assert {"done", "refused"} < until_not_reached(attempt)

    def test_a_wave_that_was_skipped_before_it_ended_stops_nothing_whenever_the_skip_comes(
        self, app: App, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its only server came to live by somebody else's recovery, so that the wave ends at its launch."""

        def attempt(number: int) -> str:
            first, second = server_id(2 * number + 10), server_id(2 * number + 11)
            orchestrator.add_servers(first, second)
            waves = wave("database", first), wave("web", second)
            execution_id = orchestrator.start(plan(*waves, plan_id=f"plan-{number}"))
            orchestrator.prepare(execution_id)
            drs = boto3.client("drs", endpoint_url=orchestrator.simulator.url)
            drs.start_recovery(sourceServers=[{"sourceServerID": first}], isDrill=False)
            orchestrator.let_pass(900)
            answer = skip_before_call(orchestrator, execution_id, number, monkeypatch)
            _, web = orchestrator.drive(execution_id)["Waves"]

            expected = "COMPLETED" if answer == "done" else "SKIPPED"
            assert web["Status"] == expected, f"before call {number}: {answer}"
            return answer

        assert {"done", "refused"} < until_not_reached(attempt)

    def test_an_execution_is_cancelled_or_has_ended_never_both_whenever_the_cancellation_comes(
        self, app: App, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It comes before each call to DynamoDB that the end takes, one after the other."""
        operators_app = orchestrator.another_app()

        def attempt(number: int) -> str:
            server = server_id(number + 10)
            orchestrator.add_servers(server)
            execution_id = orchestrator.begin(plan(wave("database", server), plan_id=f"plan-{number}"))
            orchestrator.check(execution_id, after=3600)
            answer = before_call(
                number,
                lambda: cancel(operators_app, execution_id, None, JANE),
                lambda: orchestrator.finish(execution_id),
                monkeypatch,
            )
            document = orchestrator.show(execution_id)

            expected = "CANCELLED" if answer == "done" else "COMPLETED"
            assert document["Status"] == expected, f"before call {number}: {answer}"
            assert ("StatusReason" in document) is (answer == "done")
            return answer

        assert {"done", "refused"} < until_not_reached(attempt)

    def test_a_wave_is_not_skipped_once_its_launch_is_noted(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(PLAIN)
        orchestrator.prepare(execution_id)
        execution = app.executions.get(execution_id)
        assert execution is not None
        [job] = app.executions.jobs(execution_id, 0)
        app.executions.record_intent(execution, job, START)

        with pytest.raises(Conflict, match="Wave database is being launched"):
            skip_wave(app, execution_id, {"WaveName": "database"}, JANE)

    def test_a_skipped_wave_is_never_launched_and_what_depends_on_it_goes_on(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        answer = skip_wave(app, execution_id, {"WaveName": "web", "Reason": "not needed"}, JANE)
        assert answer["message"] == "Wave web will be skipped; what depends on it goes on."
        assert (last(app, execution_id)["Kind"], last(app, execution_id)["Data"]) == (
            "WaveSkipRequested",
            {"WaveName": "web"},
        )
        _, web, report = orchestrator.drive(execution_id)["Waves"]

        assert (web["Status"], web["StatusReason"]) == ("SKIPPED", f"skipped by {JANE}: not needed")
        assert report["Status"] == "COMPLETED"

    def test_skipping_the_wave_that_is_asked_about_answers_the_question(
        self, app: App, orchestrator: Orchestrator, paused: str, woken: list[str]
    ) -> None:
        skip_wave(app, paused, {"WaveName": "database"}, JANE)

        assert "Question" not in orchestrator.show(paused)
        assert woken == ["token-1"]

    def test_skipping_the_wave_that_a_failure_holds_answers_the_question(
        self, app: App, orchestrator: Orchestrator, failed: str, woken: list[str]
    ) -> None:
        wait_for_decision(app, failed, 1, "token-1")
        skip_wave(app, failed, {"WaveName": "web"}, JANE)

        assert woken == ["token-1"]
        document = orchestrator.drive(failed)
        assert [each["Status"] for each in document["Waves"]] == ["FAILED", "SKIPPED"]
        assert document["Status"] == "FAILED"

    @pytest.mark.parametrize("request_body", [None, {}])
    def test_a_reason_may_be_left_out(self, app: App, orchestrator: Orchestrator, request_body: object) -> None:
        execution_id = orchestrator.begin(PLAIN)
        pause(app, execution_id, request_body, JANE)

        assert "Reason" not in last(app, execution_id)


class TestDriver:
    @pytest.mark.parametrize(("decide", "body"), [(approve, None), (reject, {"Reason": "no"}), (cancel, None)])
    def test_a_driver_that_waits_is_told_to_go_on(
        self, app: App, orchestrator: Orchestrator, paused: str, woken: list[str], decide: Decide, body: object
    ) -> None:
        answer = decide(app, paused, body, JANE)

        assert woken == ["token-1"]
        assert answer["status"] == orchestrator.show(paused)["Status"] == "POLLING"

    def test_a_driver_that_waits_for_nobody_is_left_alone(
        self, app: App, orchestrator: Orchestrator, woken: list[str]
    ) -> None:
        pause(app, orchestrator.begin(PLAIN), None, JANE)

        assert woken == []

    @pytest.mark.parametrize(
        "failure",
        [
            ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "busy"}}, "SendTaskSuccess"),
            EndpointConnectionError(endpoint_url="https://states.us-east-1.amazonaws.com"),
        ],
    )
    def test_a_decision_stands_even_when_its_driver_can_t_be_told(
        self, app: App, orchestrator: Orchestrator, paused: str, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        """The reconciler tells it: the token stays until the driver's next round."""

        def fail(_: str) -> bool:
            raise failure

        monkeypatch.setattr(app.drivers, "wake", fail)
        answer = approve(app, paused, None, JANE)
        execution = app.executions.get(paused)

        assert answer["message"] == "Approved: database will be launched now."
        assert last(app, paused)["Kind"] == "Approved"
        assert execution
        assert (execution.question, execution.task_token) == (None, "token-1")


class TestConflicts:
    def sentence(self, decide: Decide, app: App, execution_id: str, body: object = None) -> str:
        before = list(app.executions.history(execution_id))
        with pytest.raises(Conflict) as caught:
            decide(app, execution_id, body, JOE)
        assert list(app.executions.history(execution_id)) == before, "a refused decision leaves no trace"
        return caught.value.message

    def test_nothing_is_approved_that_waits_for_no_approval(
        self, app: App, orchestrator: Orchestrator, failed: str
    ) -> None:
        assert self.sentence(approve, app, failed).startswith(
            f'No wave of {failed} waits for approval: it asks "wave database failed'
        )
        assert self.sentence(approve, app, failed).endswith(f"to be answered with drctl resume {failed}.")

    def test_nothing_is_resumed_that_is_not_paused(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(APPROVAL)

        assert self.sentence(resume, app, execution_id) == (
            f'{execution_id} is not paused: it asks "Launch wave database (1 server)? After that: wave web.", '
            f"to be answered with drctl approve {execution_id}."
        )

    def test_nothing_is_rejected_that_was_not_asked(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)

        assert self.sentence(reject, app, execution_id, {"Reason": "x"}) == (
            f"{execution_id} is POLLING and asks nothing that could be rejected; to stop it all the same: "
            f"drctl cancel {execution_id}"
        )

    def test_nothing_is_paused_twice(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        pause(app, execution_id, None, JANE)

        assert self.sentence(pause, app, execution_id) == (
            f"{execution_id} is paused already, by {JANE}: drctl resume {execution_id}"
        )

    @pytest.mark.parametrize("decide", WAVELESS)
    def test_nothing_is_decided_about_what_is_being_stopped(
        self, app: App, orchestrator: Orchestrator, decide: Decide
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        cancel(app, execution_id, {"Reason": "wrong plan"}, JANE)

        assert self.sentence(decide, app, execution_id, {"Reason": "x"}) == (
            f"{execution_id} is being stopped already, cancelled by {JANE}: wrong plan."
        )

    @pytest.mark.parametrize("decide", WAVELESS)
    def test_nothing_is_decided_about_what_has_ended(
        self, app: App, orchestrator: Orchestrator, decide: Decide
    ) -> None:
        execution_id = orchestrator.begin(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)

        assert self.sentence(decide, app, execution_id, {"Reason": "x"}) == (
            f"{execution_id} has ended COMPLETED: nothing of it can be changed any more."
        )

    def test_only_a_wave_that_has_not_begun_is_skipped_and_only_once(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.start(PLAIN)
        assert self.sentence(skip_wave, app, execution_id, {"WaveName": "web"}).endswith("try again in a moment.")
        orchestrator.prepare(execution_id)
        orchestrator.launch(execution_id)

        assert self.sentence(skip_wave, app, execution_id, {"WaveName": "database"}) == (
            "Wave database is LAUNCHING: only a wave that has not begun can be skipped."
        )
        skip_wave(app, execution_id, {"WaveName": "web"}, JANE)
        assert self.sentence(skip_wave, app, execution_id, {"WaveName": "web"}) == (
            f"Wave web is skipped by {JANE} already."
        )

    def test_an_unknown_wave_is_not_found_and_a_near_one_is_named(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)

        with pytest.raises(NotFound, match=f'{execution_id} has no wave wbe; did you mean "web"?'):
            skip_wave(app, execution_id, {"WaveName": "wbe"}, JANE)

    @pytest.mark.parametrize("decide", WAVELESS)
    def test_an_unknown_execution_is_not_found(self, app: App, decide: Decide) -> None:
        with pytest.raises(NotFound, match="There is no execution exec-9"):
            decide(app, "exec-9", {"Reason": "x"}, JANE)

    def test_who_decides_second_is_told_what_was_decided_first(
        self, app: App, paused: str, woken: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go_on = app.executions.go_on

        def after_a_rejection(*arguments: Any) -> bool:
            monkeypatch.setattr(app.executions, "go_on", go_on)
            reject(app, paused, {"Reason": "too risky"}, JANE)
            return go_on(*arguments)

        monkeypatch.setattr(app.executions, "go_on", after_a_rejection)
        with pytest.raises(Conflict, match=f"is being stopped already, rejected by {JANE}: too risky"):
            approve(app, paused, None, JOE)
        assert [entry["Kind"] for entry in app.executions.history(paused)][-1] == "Rejected"

    def test_a_decision_that_meets_a_change_is_made_again_on_what_it_has_become(
        self, app: App, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        request_pause = app.executions.request_pause

        def after_the_driver_waits(*arguments: Any) -> bool:
            monkeypatch.setattr(app.executions, "request_pause", request_pause)
            wait_for_decision(app, execution_id, 1, "token-1")
            return request_pause(*arguments)

        monkeypatch.setattr(app.executions, "request_pause", after_the_driver_waits)
        pause(app, execution_id, None, JANE)

        assert orchestrator.show(execution_id)["PauseRequested"]["By"] == JANE
        assert [entry["Kind"] for entry in app.executions.history(execution_id)].count("PauseRequested") == 1

    def test_an_execution_that_never_stands_still_is_busy(
        self, app: App, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        monkeypatch.setattr(app.executions, "request_pause", lambda *_: False)

        with pytest.raises(ServiceBusy, match="changing too fast to be decided on; try again"):
            pause(app, execution_id, None, JANE)


class TestBody:
    def faults(self, decide: Decide, app: App, body: object) -> dict[str, str]:
        with pytest.raises(InvalidRequest) as caught:
            decide(app, "exec-9", body, JANE)
        return {detail["pointer"]: detail["message"] for detail in caught.value.details}

    @pytest.mark.parametrize("decide", [*WAVELESS, skip_wave])
    @pytest.mark.parametrize("body", [[], "yes", 1])
    def test_a_body_that_is_no_object_is_refused(self, app: App, decide: Decide, body: object) -> None:
        with pytest.raises(InvalidRequest, match="The body must be a JSON object with Reason"):
            decide(app, "exec-9", body, JANE)

    @pytest.mark.parametrize("decide", WAVELESS)
    def test_every_fault_is_listed(self, app: App, decide: Decide) -> None:
        assert self.faults(decide, app, {"Reason": "two\nlines", "WaveName": "web"}) == {
            "/Reason": "Reason must be a text of 1 to 500 characters on one line.",
            "/WaveName": "Unknown field; known are Reason.",
        }

    @pytest.mark.parametrize("body", [None, {}, {"Reason": None}])
    def test_a_rejection_wants_a_reason(self, app: App, body: object) -> None:
        assert self.faults(reject, app, body) == {"/Reason": "Reason is required: say why, in a sentence."}

    @pytest.mark.parametrize("body", [None, {}, {"WaveName": ""}, {"WaveName": 1}])
    def test_a_skip_wants_a_wave(self, app: App, body: object) -> None:
        assert self.faults(skip_wave, app, body) == {
            "/WaveName": "WaveName is required: the name of a wave of this execution."
        }

"""What an operator is asked: about which waves, until when, and in which words."""

from dataclasses import replace

import pytest

from drs_orchestrator.domain.choices import OnApprovalTimeout
from drs_orchestrator.domain.questions import next_question
from drs_orchestrator.domain.records import Execution, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType, WaveStatus
from drs_orchestrator.domain.steering import PauseRequest, Question, QuestionKind
from drs_orchestrator.domain.waves import NextWaves

EXECUTION = Execution("exec-1", "shop", "Web shop", ExecutionType.DRILL, ExecutionStatus.POLLING, 0, 1)


def wave(index: int, name: str, servers: int = 2, status: WaveStatus = WaveStatus.PENDING) -> Wave:
    return Wave(index, name, (), "us-east-1", None, servers, 1, status=status)


DATABASE = replace(wave(0, "database", status=WaveStatus.FAILED), pauses_plan=True, status_reason="2 of 2 failed")
APP, WEB = wave(1, "app"), wave(2, "web", servers=1)


def ask(
    following: NextWaves,
    *,
    execution: Execution = EXECUTION,
    timeout_minutes: int | None = None,
    on_timeout: OnApprovalTimeout = OnApprovalTimeout.REJECT,
) -> Question:
    waves = [DATABASE, APP, WEB]
    question = next_question(
        execution, waves, following, now=1000, timeout_minutes=timeout_minutes, on_timeout=on_timeout
    )
    assert question
    return question


def held(kind: QuestionKind, *waves: Wave) -> NextWaves:
    return NextWaves(held=waves, held_by=kind)


def test_nothing_is_asked_while_nothing_is_held() -> None:
    assert (
        next_question(
            EXECUTION,
            [APP],
            NextWaves(ready=(APP,)),
            now=0,
            timeout_minutes=5,
            on_timeout=OnApprovalTimeout.REJECT,
        )
        is None
    )


def test_an_approval_is_about_the_waves_that_are_held_and_says_what_comes_after_them() -> None:
    question = ask(held(QuestionKind.APPROVAL, APP))

    assert (question.kind, question.waves, question.wave_names) == (QuestionKind.APPROVAL, (1,), ("app",))
    assert question.text == "Launch wave app (2 servers)? After that: wave web."


def test_several_waves_are_asked_about_at_once_with_all_their_servers() -> None:
    question = ask(held(QuestionKind.APPROVAL, APP, WEB))

    assert question.waves == (1, 2)
    assert question.text == "Launch waves app, web (3 servers)? Nothing comes after that."


def test_a_failure_is_about_the_waves_that_failed_with_their_reasons() -> None:
    question = ask(held(QuestionKind.FAILURE, APP))

    assert (question.kind, question.waves, question.wave_names) == (QuestionKind.FAILURE, (0,), ("database",))
    assert question.text == (
        "wave database failed (database: 2 of 2 failed). Go on and launch wave app (2 servers)? After that: wave web."
    )


@pytest.mark.parametrize(("reason", "why"), [(None, ""), ("network work", ": network work")])
def test_a_pause_says_who_asked_for_it_and_why(reason: str | None, why: str) -> None:
    paused = replace(EXECUTION, pause=PauseRequest("jane", 900, reason))
    question = ask(held(QuestionKind.PAUSE, WEB), execution=paused)

    assert question.text == f"Paused by jane{why}. Go on and launch wave web (1 server)? After that: wave app."


def test_a_question_names_no_more_waves_than_anybody_reads() -> None:
    many = tuple(wave(index, f"w{index}", servers=1) for index in range(7))
    question = next_question(
        EXECUTION,
        many,
        held(QuestionKind.APPROVAL, *many),
        now=0,
        timeout_minutes=None,
        on_timeout=OnApprovalTimeout.REJECT,
    )

    assert question
    assert question.text.startswith("Launch waves w0, w1, w2, w3, w4 and 2 more (7 servers)?")
    assert len(question.wave_names) == 7


def test_each_question_has_the_next_number() -> None:
    assert ask(held(QuestionKind.APPROVAL, APP)).number == 1
    assert ask(held(QuestionKind.APPROVAL, APP), execution=replace(EXECUTION, questions=3)).number == 4


def test_an_approval_is_overdue_from_its_deadline_on() -> None:
    question = ask(held(QuestionKind.APPROVAL, APP), timeout_minutes=30, on_timeout=OnApprovalTimeout.CONTINUE)

    assert (question.asked_time, question.deadline, question.on_timeout) == (1000, 2800, OnApprovalTimeout.CONTINUE)
    assert [question.is_overdue(now) for now in (2799, 2800)] == [False, True]


@pytest.mark.parametrize("kind", [QuestionKind.FAILURE, QuestionKind.PAUSE])
def test_only_an_approval_is_ever_overdue(kind: QuestionKind) -> None:
    question = ask(held(kind, APP), timeout_minutes=30)

    assert question.deadline is None
    assert not question.is_overdue(10**10)

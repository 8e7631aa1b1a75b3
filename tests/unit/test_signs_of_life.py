"""Which executions Step Functions has to be asked about, by their own record."""

from dataclasses import replace

import pytest

from drs_orchestrator.domain.clean_up import CleanUp
from drs_orchestrator.domain.plan import OnApprovalTimeout
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.signs_of_life import is_at_work, last_sign
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.domain.steering import Question, QuestionKind

NOW, QUIET, STUCK = 1_800_000_000, 90, 2100

POLLED = Execution(
    execution_id="exec-1",
    plan_id="shop",
    plan_name="Web shop",
    execution_type=ExecutionType.DRILL,
    status=ExecutionStatus.POLLING,
    start_time=NOW - 600,
    generation=1,
    driver_started=NOW - 600,
    driver_rounds=9,
    last_polled=NOW - QUIET,
    moved_time=NOW - STUCK,
)
QUESTION = Question(1, QuestionKind.APPROVAL, (0,), ("web",), NOW - 600, "Go on?", NOW + 600, OnApprovalTimeout.REJECT)
PAUSED = replace(POLLED, status=ExecutionStatus.PAUSED, question=QUESTION, task_token="token", last_polled=NOW - 500)
ENDED = replace(POLLED, status=ExecutionStatus.COMPLETED, end_time=NOW - 500, last_polled=NOW - 500)
DUE = CleanUp(due_time=NOW - QUIET, requested_time=NOW - 500)


def at_work(execution: Execution, clean_up: CleanUp | None = None) -> bool:
    return is_at_work(execution, clean_up, NOW, QUIET, STUCK)


def test_one_that_has_just_been_polled_is_at_work_and_one_that_missed_two_rounds_is_not() -> None:
    assert at_work(POLLED)
    assert not at_work(replace(POLLED, last_polled=NOW - QUIET - 1))


def test_one_whose_driver_has_made_no_round_may_have_none() -> None:
    fresh = replace(POLLED, driver_started=NOW, last_polled=None)

    assert not at_work(replace(fresh, driver_rounds=0))
    assert not at_work(replace(fresh, driver_rounds=0, status=ExecutionStatus.PENDING))


def test_one_that_stands_still_is_looked_at_unless_an_operator_is_asked() -> None:
    still = replace(POLLED, last_polled=NOW, moved_time=NOW - STUCK - 1)

    assert not at_work(still)
    assert at_work(replace(still, question=QUESTION))


def test_one_that_waits_for_an_operator_is_left_alone_until_there_is_an_answer_or_the_time_for_it_is_over() -> None:
    answered = replace(PAUSED, status=ExecutionStatus.POLLING, question=None, driver_started=NOW)

    assert at_work(PAUSED)
    assert not at_work(answered)
    assert not at_work(replace(PAUSED, question=replace(QUESTION, deadline=NOW - 1)))


def test_one_that_is_paused_without_a_driver_that_waits_is_looked_at_once_it_is_silent() -> None:
    unlimited = replace(PAUSED, question=replace(QUESTION, deadline=None))

    assert at_work(unlimited)
    assert not at_work(replace(unlimited, task_token=None))


def test_the_time_for_an_answer_is_no_silence() -> None:
    assert last_sign(PAUSED) == NOW + 600


@pytest.mark.parametrize("clean_up", [DUE, replace(DUE, due_time=NOW + 3600), replace(DUE, last_round=NOW - 1)])
def test_a_clean_up_that_waits_for_its_time_or_goes_on_is_at_work(clean_up: CleanUp) -> None:
    assert at_work(ENDED, clean_up)


def test_a_clean_up_that_is_silent_or_whose_driver_has_never_been_seen_is_not() -> None:
    requested = replace(ENDED, driver_rounds=0, driver_started=NOW - 10)

    assert not at_work(ENDED, replace(DUE, due_time=NOW - QUIET - 1))
    assert not at_work(requested, replace(DUE, last_round=NOW - 11))
    assert at_work(requested, replace(DUE, last_round=NOW - 5))


def test_an_ended_execution_whose_clean_up_was_not_found_is_looked_at() -> None:
    assert not at_work(ENDED)

"""What DRS says of servers reaches the history once, in order, whoever dies, comes late or writes meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_orchestrator.domain.history import Head, find_break
from drs_orchestrator.tasks.observe_jobs import observe_jobs
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.show_history import show_history
from drs_orchestrator.tasks.steer_execution import pause
from tests.helpers.history import replacement
from tests.helpers.orchestrator import CALLER, EXECUTION_TABLE, Orchestrator, plan, server_id, wave

ONE, TWO = server_id(1), server_id(2)


class Death(Exception):
    """A task ends here."""


@pytest.fixture
def execution_id(orchestrator: Orchestrator) -> str:
    """An execution of one server whose launch DRS has just begun."""
    orchestrator.add_servers(ONE, TWO)
    execution_id = orchestrator.begin(plan(wave("web", ONE)))
    orchestrator.let_pass(60)
    return execution_id


@contextmanager
def before(
    orchestrator: Orchestrator, operation: str, record: str, act: Callable[[], None], passes: int = 0
) -> Iterator[None]:
    """Once, immediately before this operation on a record whose key begins so: `act`. It `passes` so many before."""
    table, left = orchestrator.app.executions._dynamodb, [act, *[lambda: None] * passes]
    call = getattr(table, operation)

    def acting(**arguments: Any) -> Any:
        key = arguments.get("Key") or arguments["Item"]
        if left and key["Record"]["S"].startswith(record):
            left.pop()()
        return call(**arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, operation, acting)
        yield
    assert not left, f"{operation} of {record} was never called"


def die() -> None:
    raise Death


def told(orchestrator: Orchestrator, execution_id: str) -> list[str]:
    """The statuses of ONE that the history tells of; that its chain is whole comes with it."""
    execution = orchestrator.app.executions.get(execution_id)
    entries, more = show_history(orchestrator.app, execution_id, 1000, 0)
    assert execution is not None
    assert more is None
    assert find_break(execution_id, entries, execution.head) is None
    servers = [each for entry in entries if entry["Kind"] == "ServersChanged" for each in entry["Data"]["Servers"]]
    return [each["Status"] for each in servers if each["SourceServerId"] == ONE and "Status" in each]


def head(orchestrator: Orchestrator, execution_id: str) -> Head:
    execution = orchestrator.app.executions.get(execution_id)
    assert execution is not None
    return execution.head


def entries_in_the_table(orchestrator: Orchestrator, execution_id: str) -> int:
    return len(list(orchestrator.app.executions.history(execution_id)))


class TestDeaths:
    def test_what_a_dead_check_found_is_told_by_the_next_one(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        with before(orchestrator, "put_item", "HISTORY#", die), pytest.raises(Death):
            orchestrator.check(execution_id)
        assert told(orchestrator, execution_id) == []
        orchestrator.check(execution_id)

        assert told(orchestrator, execution_id) == ["STARTED"]

    def test_an_entry_whose_header_does_not_follow_is_not_written_again(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        with before(orchestrator, "update_item", "EXECUTION", die), pytest.raises(Death):
            orchestrator.check(execution_id)
        ahead = entries_in_the_table(orchestrator, execution_id)
        assert ahead == head(orchestrator, execution_id).count + 1
        assert told(orchestrator, execution_id) == [], "the history ends where the header says"
        orchestrator.check(execution_id)

        assert told(orchestrator, execution_id) == ["STARTED"]
        assert head(orchestrator, execution_id).count == ahead

    def test_of_two_jobs_news_each_is_told_once_although_the_check_died_in_between(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE, TWO)
        execution_id = orchestrator.begin(plan(wave("a", ONE), wave("b", TWO, DependsOn=[])))
        orchestrator.let_pass(60)
        before_second = before(orchestrator, "put_item", "HISTORY#", die, passes=1)
        with before_second, pytest.raises(Death):
            orchestrator.check(execution_id)
        assert entries_in_the_table(orchestrator, execution_id) == head(orchestrator, execution_id).count + 1
        orchestrator.check(execution_id)
        entries, _ = show_history(orchestrator.app, execution_id, 1000, 0)

        assert [entry["Data"]["WaveName"] for entry in entries if entry["Kind"] == "ServersChanged"] == ["a", "b"]

    def test_an_operators_word_goes_behind_an_entry_that_is_ahead_of_the_header(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        with before(orchestrator, "update_item", "EXECUTION", die), pytest.raises(Death):
            orchestrator.check(execution_id)
        pause(orchestrator.app, execution_id, {"Reason": "wait for the network"}, CALLER)
        entries, _ = show_history(orchestrator.app, execution_id, 1000, 0)

        assert [entry["Kind"] for entry in entries[-2:]] == ["ServersChanged", "PauseRequested"]
        assert told(orchestrator, execution_id) == ["STARTED"]

    def test_what_the_reconciler_saw_is_told_even_if_it_dies_before_telling(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        execution = orchestrator.app.executions.get(execution_id)
        assert execution is not None
        observe_jobs(orchestrator.app, execution, orchestrator.app.executions.active_jobs(execution))
        assert told(orchestrator, execution_id) == []
        orchestrator.check(execution_id)

        assert told(orchestrator, execution_id) == ["STARTED"]

    def test_a_reconciler_that_replaces_a_driver_tells_what_it_saw(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        orchestrator.let_pass(3600)
        counts = reconcile_executions(orchestrator.app)
        entries, _ = show_history(orchestrator.app, execution_id, 1000, 0)

        assert counts["REPLACED"] == 1
        assert [entry["Kind"] for entry in entries[-2:]] == ["ServersChanged", "DriverReplaced"]


class TestOthersMeanwhile:
    def test_somebody_elses_entry_comes_first_and_the_news_behind_it(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        def speak() -> None:
            pause(orchestrator.another_app(), execution_id, {}, CALLER)

        with before(orchestrator, "put_item", "HISTORY#", speak):
            orchestrator.check(execution_id)
        entries, _ = show_history(orchestrator.app, execution_id, 1000, 0)

        assert [entry["Kind"] for entry in entries[-2:]] == ["PauseRequested", "ServersChanged"]
        assert told(orchestrator, execution_id) == ["STARTED"]

    def test_an_entry_that_another_one_has_the_header_follow_is_not_written_again(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        def speak() -> None:
            pause(orchestrator.another_app(), execution_id, {}, CALLER)

        with before(orchestrator, "update_item", "EXECUTION", speak):
            result = orchestrator.check(execution_id)
        entries, _ = show_history(orchestrator.app, execution_id, 1000, 0)

        assert result["outcome"] == "CHECKED"
        assert [entry["Kind"] for entry in entries[-2:]] == ["ServersChanged", "PauseRequested"]
        assert told(orchestrator, execution_id) == ["STARTED"]

    def test_a_driver_that_was_replaced_tells_nothing_more(self, orchestrator: Orchestrator, execution_id: str) -> None:
        def replace() -> None:
            other = orchestrator.another_app().executions
            current = other.get(execution_id)
            assert current is not None
            assert other.take_over(current, replacement(orchestrator.now))

        with before(orchestrator, "put_item", "HISTORY#", replace):
            result = orchestrator.check(execution_id)
        assert result["outcome"] == "SUPERSEDED"
        assert told(orchestrator, execution_id) == []
        orchestrator.check(execution_id, 2)

        assert told(orchestrator, execution_id) == ["STARTED"]

    def test_a_write_that_meets_a_transaction_under_way_is_tried_again(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        def meet() -> None:
            raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": "ongoing"}}, "PutItem")

        with before(orchestrator, "put_item", "HISTORY#", meet):
            orchestrator.check(execution_id)

        assert told(orchestrator, execution_id) == ["STARTED"]


class TestOrder:
    def test_a_waves_end_comes_behind_what_became_of_its_servers(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        orchestrator.drive(execution_id)
        entries, _ = show_history(orchestrator.app, execution_id, 1000, 0)
        kinds = [entry["Kind"] for entry in entries]

        assert told(orchestrator, execution_id) == ["STARTED", "IN_PROGRESS", "LAUNCHED"]
        assert kinds[-3:] == ["ServersChanged", "WaveChanged", "ExecutionFinished"]

    def test_a_check_that_died_between_news_and_waves_end_leaves_both_to_the_next_one(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        orchestrator.let_pass(3600)
        table = orchestrator.app.executions._dynamodb
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(table, "transact_write_items", lambda **_: die())
            with pytest.raises(Death):
                orchestrator.check(execution_id)
        assert told(orchestrator, execution_id) == ["LAUNCHED"]
        orchestrator.drive(execution_id)

        assert told(orchestrator, execution_id) == ["LAUNCHED"]

    def test_a_header_keeps_no_mark_of_jobs_that_are_finished(
        self, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        orchestrator.check(execution_id)
        during = orchestrator.app.executions.get(execution_id)
        orchestrator.drive(execution_id)
        after = orchestrator.app.executions.get(execution_id)

        assert during is not None
        assert during.told.keys() == during.active_jobs
        assert after is not None
        assert after.told == {}


def test_a_check_that_saw_a_server_move_writes_job_server_entry_and_header_once_each(
    orchestrator: Orchestrator, execution_id: str
) -> None:
    orchestrator.check(execution_id)
    orchestrator.let_pass(300)
    written: list[str] = []
    table = orchestrator.app.executions._dynamodb
    with pytest.MonkeyPatch.context() as patch:
        for operation in ("put_item", "update_item", "transact_write_items"):
            call = getattr(table, operation)

            def noted(call: Any = call, **arguments: Any) -> Any:
                assert arguments.get("TableName") == EXECUTION_TABLE, "nothing in a transaction"
                written.append((arguments.get("Key") or arguments["Item"])["Record"]["S"].partition("#")[0])
                return call(**arguments)

            patch.setattr(table, operation, noted)
        orchestrator.check(execution_id)

    assert told(orchestrator, execution_id) == ["STARTED", "IN_PROGRESS"]
    assert written == ["SERVER", "JOB", "HISTORY", "EXECUTION"]

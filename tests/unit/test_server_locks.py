"""A source server belongs to one execution, until that has ended: what is found in the table decides, and every write
is counted."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from drs_orchestrator.adapters.execution_store import ClientToken, ExecutionStore
from drs_orchestrator.adapters.server_locks import UNRECORDED_OWNER_SECONDS, Held, LockedServer, ServerLocks
from drs_orchestrator.domain.plan import Plan
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus
from tests.helpers.history import STARTED
from tests.helpers.orchestrator import EXECUTION_TABLE, HOME, REGION, START, server_id
from tests.helpers.records import EXECUTION, new_store

PLAN = Plan("shop", "Web shop", "", ())
LATER = START + 3600


def servers(count: int) -> list[LockedServer]:
    return [LockedServer(HOME.account_id, REGION, server_id(number)) for number in range(1, count + 1)]


ONE, TWO, THREE = servers(3)


@pytest.fixture
def store(no_aws: None) -> ExecutionStore:
    return new_store()


@pytest.fixture
def locks(store: ExecutionStore) -> ServerLocks:
    return ServerLocks(EXECUTION_TABLE, store.ended_among, store.is_over, store.has_lost)


@pytest.fixture
def calls(locks: ServerLocks) -> list[str]:
    """What is asked of the locks from now on."""
    return _recorded(locks._dynamodb)


@pytest.fixture
def look_ups(store: ExecutionStore) -> list[str]:
    """And of the executions that own them."""
    return _recorded(store._dynamodb)


def _recorded(dynamodb: Any) -> list[str]:
    called: list[str] = []
    dynamodb.meta.events.register("before-parameter-build.dynamodb", lambda model, **_: called.append(model.name))
    return called


def run(store: ExecutionStore, execution_id: str) -> Execution:
    store.create(replace(EXECUTION, execution_id=execution_id), PLAN, None, STARTED)
    found = store.get(execution_id)
    assert found is not None
    polling = store.begin_polling(found)
    assert polling is not None
    return polling


def end(store: ExecutionStore, execution_id: str) -> None:
    execution = store.get(execution_id)
    assert execution is not None
    assert store.finish(execution, ExecutionStatus.COMPLETED, None, LATER)


def leave_over(store: ExecutionStore, locks: ServerLocks, owner: str, wanted: list[LockedServer]) -> None:
    """The locks of an execution that has ended."""
    assert locks.acquire(owner, wanted, START) == []
    run(store, owner)
    end(store, owner)


class TestUntilTheOwnersEnd:
    def test_servers_are_held_while_their_execution_runs_however_long_and_free_from_its_end_on(
        self, store: ExecutionStore, locks: ServerLocks
    ) -> None:
        locks.acquire("exec-1", [ONE, TWO], START)
        run(store, "exec-1")
        held = [Held(ONE, "exec-1"), Held(TWO, "exec-1")]

        assert locks.held([TWO, THREE, ONE], LATER) == held
        assert locks.acquire("exec-2", [TWO, THREE, ONE], LATER) == held
        end(store, "exec-1")
        assert locks.held([TWO, THREE, ONE], LATER) == []
        assert locks.acquire("exec-2", [TWO, THREE, ONE], LATER) == []

    def test_a_left_over_lock_is_taken_over_with_one_write(
        self, store: ExecutionStore, locks: ServerLocks, calls: list[str]
    ) -> None:
        leave_over(store, locks, "exec-1", [ONE, TWO])
        calls.clear()

        assert locks.acquire("exec-2", [ONE, TWO, THREE], LATER) == []
        assert Counter(calls) == {"BatchGetItem": 1, "PutItem": 3}

    def test_a_put_that_the_sdk_repeats_finds_its_own_lock_and_has_succeeded(
        self, store: ExecutionStore, locks: ServerLocks, calls: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leave_over(store, locks, "exec-1", [ONE])
        calls.clear()
        put = locks._dynamodb.put_item

        def put_twice(**arguments: Any) -> Any:
            put(**arguments)
            return put(**arguments)

        monkeypatch.setattr(locks._dynamodb, "put_item", put_twice)

        assert locks.acquire("exec-2", [ONE], LATER) == []
        assert Counter(calls) == {"BatchGetItem": 1, "PutItem": 2}

    def test_nothing_is_written_where_the_look_shows_servers_held_and_all_of_them_are_named(
        self, store: ExecutionStore, locks: ServerLocks, calls: list[str]
    ) -> None:
        for owner, server in (("exec-1", ONE), ("exec-3", THREE)):
            locks.acquire(owner, [server], START)
            run(store, owner)
        calls.clear()

        assert locks.acquire("exec-9", [THREE, TWO, ONE], LATER) == [Held(ONE, "exec-1"), Held(THREE, "exec-3")]
        assert calls == ["BatchGetItem"]

    def test_owners_are_looked_up_together_and_once_however_many_servers_they_had(
        self, store: ExecutionStore, locks: ServerLocks, calls: list[str], look_ups: list[str]
    ) -> None:
        wanted = servers(120)
        for number in range(3):
            leave_over(store, locks, f"exec-{number}", wanted[number::3])
        calls.clear()
        look_ups.clear()

        assert locks.acquire("exec-9", wanted, LATER) == []
        assert Counter(calls) == {"BatchGetItem": 2, "PutItem": 120}
        assert look_ups == ["BatchGetItem"]

    def test_an_owner_that_ended_within_its_first_minute_has_ended_too(
        self, store: ExecutionStore, locks: ServerLocks, look_ups: list[str]
    ) -> None:
        leave_over(store, locks, "exec-1", [ONE, TWO, THREE])
        look_ups.clear()

        assert locks.acquire("exec-2", [ONE, TWO, THREE], START + 1) == []
        assert look_ups == ["BatchGetItem", "GetItem"]


class TestOwnersNobodyCanRead:
    @pytest.fixture(params=["gone", "broken"])
    def unreadable(self, store: ExecutionStore, locks: ServerLocks, request: pytest.FixtureRequest) -> None:
        """The lock of exec-1, whose header is gone or has a status nobody knows."""
        leave_over(store, locks, "exec-1", [ONE])
        key = {"ExecutionId": {"S": "exec-1"}, "Record": {"S": "EXECUTION"}}
        if request.param == "gone":
            store._dynamodb.delete_item(TableName=EXECUTION_TABLE, Key=key)
        else:
            store._dynamodb.put_item(TableName=EXECUTION_TABLE, Item=key | {"Status": {"S": "UNREADABLE"}})

    @pytest.mark.usefixtures("unreadable")
    def test_they_hold_their_servers_for_a_minute_from_the_lock_on(self, locks: ServerLocks) -> None:
        minute = START + UNRECORDED_OWNER_SECONDS

        assert locks.acquire("exec-2", [ONE], minute) == [Held(ONE, "exec-1", is_recorded=False)]
        assert locks.acquire("exec-2", [ONE], minute + 1) == []

    @pytest.mark.parametrize("has_lost", [True, False])
    def test_a_start_whose_token_a_later_one_has_taken_holds_nothing(
        self, store: ExecutionStore, locks: ServerLocks, has_lost: bool
    ) -> None:
        token = ClientToken("once", "digest", LATER)
        store.claim("exec-1", token)
        locks.acquire("exec-1", [ONE, TWO], START, token.record)
        if has_lost:
            store.claim("exec-2", token)
        held = locks.acquire("exec-2", [ONE, TWO], START + 1, token.record)

        assert [each.server for each in held] == ([] if has_lost else [ONE, TWO])


class TestRaces:
    def overtaken(
        self, store: ExecutionStore, winner: ServerLocks, wanted: list[LockedServer], *, ends: bool = False
    ) -> ServerLocks:
        """For a start before whose first write exec-fast locks these servers, and perhaps ends, too."""

        def look_up(execution_ids: Iterable[str]) -> set[str]:
            gone = store.ended_among(execution_ids)
            if not met:
                met.append("exec-fast")
                assert winner.acquire("exec-fast", wanted, LATER) == []
                if ends:
                    run(store, "exec-fast")
                    end(store, "exec-fast")
            return gone

        met: list[str] = []
        return ServerLocks(EXECUTION_TABLE, look_up, store.is_over, store.has_lost)

    @pytest.mark.parametrize("are_left_over", [True, False])
    def test_of_two_starts_one_wins_and_the_other_names_the_winner(
        self, store: ExecutionStore, locks: ServerLocks, are_left_over: bool
    ) -> None:
        if are_left_over:
            leave_over(store, locks, "exec-1", [ONE, TWO])
        slow = self.overtaken(store, locks, [ONE, TWO])
        won = [Held(ONE, "exec-fast", is_recorded=False), Held(TWO, "exec-fast", is_recorded=False)]

        assert slow.acquire("exec-slow", [TWO, ONE], LATER) == won
        assert locks.held([ONE, TWO], LATER) == won

    def test_who_is_overtaken_at_one_server_gives_the_others_back(
        self, store: ExecutionStore, locks: ServerLocks
    ) -> None:
        leave_over(store, locks, "exec-1", [ONE, TWO, THREE])
        slow = self.overtaken(store, locks, [TWO])

        assert slow.acquire("exec-slow", [ONE, TWO, THREE], LATER) == [Held(TWO, "exec-fast", is_recorded=False)]
        assert locks.acquire("exec-next", [ONE, THREE], LATER) == []

    def test_who_is_overtaken_by_one_that_has_ended_by_then_gets_the_servers(
        self, store: ExecutionStore, locks: ServerLocks
    ) -> None:
        slow = self.overtaken(store, locks, [ONE], ends=True)

        assert slow.acquire("exec-slow", [ONE, TWO], LATER) == []
        assert {each.owner for each in locks.held([ONE, TWO], LATER)} == {"exec-slow"}

    def test_of_many_starts_at_once_exactly_one_gets_a_left_over_lock(
        self, store: ExecutionStore, locks: ServerLocks
    ) -> None:
        leave_over(store, locks, "exec-0", [ONE])
        starts = [f"exec-{number}" for number in range(1, 9)]
        with ThreadPoolExecutor(len(starts)) as pool:
            answers = dict(zip(starts, pool.map(lambda owner: locks.acquire(owner, [ONE], LATER), starts), strict=True))
        [winner] = [owner for owner, held in answers.items() if not held]

        assert [held for owner, held in answers.items() if owner != winner] == [[Held(ONE, winner, False)]] * 7
        assert locks.held([ONE], LATER) == [Held(ONE, winner, False)]

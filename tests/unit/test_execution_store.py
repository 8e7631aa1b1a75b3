"""The record of executions: all or nothing at the start, one driver at a time, and no update ever lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters import job_items
from drs_orchestrator.adapters.execution_store import ClientToken, ExecutionStore, Round
from drs_orchestrator.adapters.ledger import Ledger
from drs_orchestrator.domain.choices import Impact
from drs_orchestrator.domain.history import NO_HISTORY, Head, seal
from drs_orchestrator.domain.layout import lay_out
from drs_orchestrator.domain.plan import Plan, Server, Wave
from drs_orchestrator.domain.records import Execution, Job, JobKey, JobUpdate, ServerChange
from drs_orchestrator.domain.statuses import (
    ExecutionStatus,
    LaunchActionsStatus,
    ServerStatus,
    WaveStatus,
)
from tests.helpers.history import STARTED, replacement
from tests.helpers.orchestrator import EXECUTION_TABLE, START, aws, keep_tables_in_memory, server_id
from tests.helpers.records import EXECUTION, new_store

ONE, TWO = server_id(1), server_id(2)
PLAN = Plan("shop", "Web shop", "", (Wave("web", (), "us-east-1", servers=(Server(ONE), Server(TWO))),))
KEY = JobKey(0, 0)


@pytest.fixture
def store(no_aws: None) -> ExecutionStore:
    return new_store()


@pytest.fixture
def polling(store: ExecutionStore) -> Execution:
    """EXECUTION, laid out and POLLING."""
    store.create(EXECUTION, PLAN, None, STARTED)
    waves, jobs = lay_out(PLAN)
    store.lay_out(EXECUTION.execution_id, waves, jobs, {ONE: "web-1"})
    begun = store.begin_polling(EXECUTION)
    assert begun is not None
    return begun


@pytest.fixture
def reads(store: ExecutionStore) -> list[str]:
    """The operations that are called from now on."""
    called: list[str] = []
    events = store._dynamodb.meta.events
    events.register("before-parameter-build.dynamodb", lambda model, **_: called.append(model.name))
    return called


def must[T](value: T | None) -> T:
    assert value is not None
    return value


def server_record(store: ExecutionStore, server: str = ONE) -> dict[str, Any]:
    return next(each for each in store.records("exec-1") if each.get("SourceServerId") == server)


def change(server: str, status: ServerStatus | None, **fields: Any) -> ServerChange:
    return ServerChange(server, KEY, status, **fields)


ACTIONS_DONE = change(ONE, ServerStatus.LAUNCHED, launch_actions=LaunchActionsStatus.COMPLETED)


def update(job: Job, *changes: ServerChange) -> JobUpdate:
    """What an observation that saw these changes would have written."""
    statuses = {each.source_server_id: each.status for each in changes}
    servers = {
        server: replace(progress, status=statuses.get(server) or progress.status)
        for server, progress in job.servers.items()
    }
    return JobUpdate(replace(job, servers=servers), changes, True)


class TestStart:
    def test_header_plan_and_token_are_written_together(self, store: ExecutionStore) -> None:
        token = ClientToken("token", "digest", START + 60)

        assert store.claim("exec-1", token)
        assert store.used_token("token") is None
        assert store.create(EXECUTION, PLAN, token, STARTED)
        entry = seal("exec-1", NO_HISTORY, STARTED)
        assert store.get("exec-1") == replace(EXECUTION, head=Head(1, entry["Hash"]), moved_time=START)
        assert list(store.history("exec-1")) == [entry]
        assert store.plan("exec-1") == PLAN
        assert store.used_token("token") == ("exec-1", "digest")

    def test_a_used_token_lets_nothing_be_written(self, store: ExecutionStore) -> None:
        store.claim("exec-1", ClientToken("token", "digest", START + 60))
        store.create(EXECUTION, PLAN, ClientToken("token", "digest", START + 60), STARTED)
        other = replace(EXECUTION, execution_id="exec-2")
        again = ClientToken("token", "another", START + 60)

        assert not store.claim("exec-2", again)
        assert not store.create(other, PLAN, again, STARTED)
        assert store.records("exec-2") == []
        assert store.used_token("token") == ("exec-1", "digest")

    def test_a_start_whose_token_a_later_one_has_taken_can_no_longer_be_recorded(self, store: ExecutionStore) -> None:
        token = ClientToken("token", "digest", START + 60)
        store.claim("exec-1", token)
        assert not store.has_lost("exec-1", token.record)
        store.claim("exec-2", token)

        assert store.has_lost("exec-1", token.record)
        assert not store.create(EXECUTION, PLAN, token, STARTED)
        assert store.create(replace(EXECUTION, execution_id="exec-2"), PLAN, token, STARTED)

    def test_of_requests_with_one_token_at_the_same_time_one_starts_an_execution(self, store: ExecutionStore) -> None:
        token = ClientToken("token", "digest", START + 60)

        def create(number: int) -> bool:
            execution = replace(EXECUTION, execution_id=f"exec-{number}")
            store.claim(execution.execution_id, token)
            return store.create(execution, PLAN, token, STARTED)

        with ThreadPoolExecutor(4) as pool:
            created = list(pool.map(create, range(4)))

        assert created.count(True) == 1
        assert list(store.ids_by_status(ExecutionStatus.PENDING)) == [f"exec-{created.index(True)}"]

    def test_a_plan_of_three_thousand_servers_is_kept_whole_in_pieces_of_16_kb(self, store: ExecutionStore) -> None:
        servers = tuple(Server(server_id(n), Impact.OPTIONAL) for n in range(3000))
        big = Plan("big", "Grüße 東京", "", (Wave("all", (), "us-east-1", servers=servers),))
        store.create(EXECUTION, big, None, STARTED)
        pieces = [each for each in store.records("exec-1") if each["Record"].startswith("PLAN#")]

        assert store.plan("exec-1") == big
        assert len(pieces) > 10
        assert max(len(piece["Text"].encode()) for piece in pieces) <= 16_000

    def test_an_unknown_execution_or_token_is_none(self, store: ExecutionStore) -> None:
        assert store.get("exec-0") is None
        assert store.used_token("never seen") is None


class TestPreparing:
    def test_laying_out_again_changes_nothing_that_exists(self, store: ExecutionStore, polling: Execution) -> None:
        job = store.job(polling, KEY)
        store.apply(polling, update(job, change(ONE, ServerStatus.STARTED)), START + 5)
        before = store.records("exec-1")
        waves, jobs = lay_out(PLAN)
        store.lay_out("exec-1", waves, jobs, {})

        assert store.records("exec-1") == before

    def test_only_a_pending_execution_begins_polling(self, store: ExecutionStore, polling: Execution) -> None:
        assert polling.status is ExecutionStatus.POLLING
        assert store.begin_polling(polling) is None


class TestFencing:
    """A driver of an earlier generation may come late, but never writes into the header again."""

    def test_a_replaced_driver_can_write_no_header(self, store: ExecutionStore, polling: Execution) -> None:
        successor = store.take_over(polling, replacement(START + 900))

        assert successor is not None
        assert successor.generation == 2
        assert store.take_over(polling, replacement(START + 901)) is None
        assert store.heartbeat(polling, now=START + 901, polled=True, phase="PENDING") is None
        assert store.record_intent(polling, store.job(polling, KEY), START + 901) is None
        assert not store.finish(polling, ExecutionStatus.FAILED, None, START + 901)
        assert store.get("exec-1") == successor

    def test_a_takeover_starts_the_count_of_rounds_anew_and_keeps_that_of_polls(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        for _ in range(3):
            store.heartbeat(polling, now=START + 1, polled=True, phase="PENDING")
        store.heartbeat(polling, now=START + 2, polled=False, phase=None)
        successor = store.take_over(polling, replacement(START + 3))

        assert successor is not None
        assert (successor.driver_rounds, successor.poll_count, successor.driver_started) == (0, 3, START + 3)

    def test_of_several_reconcilers_at_the_same_time_one_takes_over(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        with ThreadPoolExecutor(4) as pool:
            successors = list(pool.map(lambda _: store.take_over(polling, replacement(START + 900)), range(4)))

        assert sum(successor is not None for successor in successors) == 1
        current = store.get("exec-1")
        assert current is not None
        assert current.generation == 2

    def test_an_execution_that_has_ended_since_it_was_read_is_taken_over_by_nobody(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        store.finish(polling, ExecutionStatus.COMPLETED, None, START + 60)
        finished = must(store.get("exec-1"))

        assert store.take_over(polling, replacement(START + 61)) is None
        assert store.get("exec-1") == finished
        assert must(store.take_over(finished, replacement(START + 62))).generation == 2, (
            "its clean-up may need a driver"
        )

    def test_a_final_status_is_written_once(self, store: ExecutionStore, polling: Execution) -> None:
        assert store.finish(polling, ExecutionStatus.PARTIAL, "wave web: 1 of 2 servers failed", START + 60)
        assert not store.finish(polling, ExecutionStatus.COMPLETED, None, START + 61)

        finished = store.get("exec-1")
        assert finished is not None
        assert (finished.status, finished.end_time) == (ExecutionStatus.PARTIAL, START + 60)
        assert finished.status_reason == "wave web: 1 of 2 servers failed"


class TestJobs:
    def test_an_intent_is_recorded_with_the_job_in_the_header_or_not_at_all(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        job = store.job(polling, KEY)
        intended = store.record_intent(polling, job, START + 1)
        current = store.get("exec-1")

        assert intended is not None
        assert (intended.intent_time, intended.called_time) == (START + 1, START + 1)
        assert current is not None
        assert current.active_jobs == {KEY}
        # The same job once more, as a second driver that read it before would: the record has moved on.
        assert store.record_intent(polling, job, START + 2) is None
        assert store.job(polling, KEY) == intended

    def test_a_second_call_keeps_the_time_of_the_first_intent(self, store: ExecutionStore, polling: Execution) -> None:
        first = store.record_intent(polling, store.job(polling, KEY), START + 1)
        assert first is not None
        second = store.record_intent(polling, first, START + 300)

        assert second is not None
        assert (second.intent_time, second.called_time) == (START + 1, START + 300)

    def test_a_job_replaced_by_somebody_else_is_not_overwritten(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        job = store.job(polling, KEY)
        saved = store.save_job(polling, replace(job, status_reason="first"))

        assert saved is not None
        assert store.save_job(polling, replace(job, status_reason="second")) is None
        assert store.job(polling, KEY).status_reason == "first"

    def test_a_job_that_was_never_laid_out_is_an_error_that_names_it(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        with pytest.raises(LookupError, match="no record of job 0007#0000 in exec-1"):
            store.job(polling, JobKey(7, 0))

    def test_active_jobs_are_those_intended_and_not_yet_finished(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        intended = store.record_intent(polling, store.job(polling, KEY), START + 1)
        current = store.get("exec-1")
        assert current is not None
        assert store.active_jobs(current) == [intended]

        after = store.heartbeat(
            current, now=START + 2, polled=True, phase="PENDING", observed=[replace(must(intended), finished=True)]
        )
        assert after is not None
        assert store.active_jobs(after) == []

    def test_a_round_begins_with_header_active_jobs_and_waves(
        self, store: ExecutionStore, polling: Execution, reads: list[str]
    ) -> None:
        intended = store.record_intent(polling, store.job(polling, KEY), START + 1)
        expected = Round(must(store.get("exec-1")), [must(intended)], store.waves("exec-1"))
        reads.clear()

        assert store.begin_round("exec-1") == expected
        reads.clear()
        assert store.begin_round("exec-1") == expected
        assert reads == ["BatchGetItem"], "all of it at once, for the keys are known from the round before"

    def test_a_round_misses_no_job_that_became_active_since_the_one_before(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        assert store.begin_round("exec-1").jobs == []
        intended = store.record_intent(polling, store.job(polling, KEY), START + 1)

        assert store.begin_round("exec-1").jobs == [intended]
        store.heartbeat(
            must(store.get("exec-1")),
            now=START + 2,
            polled=True,
            phase="PENDING",
            observed=[replace(must(intended), finished=True)],
        )
        assert store.begin_round("exec-1").jobs == []

    def test_a_round_of_many_waves_reads_them_all_in_order(self, store: ExecutionStore) -> None:
        store.create(EXECUTION, PLAN, None, STARTED)
        many = tuple(Wave(f"wave-{n}", (), "us-east-1", servers=(Server(server_id(n)),)) for n in range(100))
        store.lay_out("exec-1", *lay_out(replace(PLAN, waves=many)), {})

        for _ in range(2):
            assert [wave.name for wave in store.begin_round("exec-1").waves] == [wave.name for wave in many]

    def test_there_is_no_round_of_an_execution_that_does_not_exist(self, store: ExecutionStore) -> None:
        with pytest.raises(LookupError, match="there is no execution exec-9"):
            store.begin_round("exec-9")

    def test_more_active_jobs_than_one_batch_can_read_are_all_read(self, store: ExecutionStore) -> None:
        servers = tuple(Server(server_id(n)) for n in range(12_000))
        _, jobs = lay_out(Plan("big", "Big", "", (Wave("all", (), "us-east-1", servers=servers),)))
        assert len(jobs) == 120
        for job in jobs:
            store._ledger.put_once(job_items.job("exec-1", replace(job, servers={})))
            store._ledger.put_once(job_items.servers("exec-1", replace(job, servers={})))
        execution = replace(EXECUTION, active_jobs=frozenset(job.key for job in jobs))

        assert [job.key for job in store.active_jobs(execution)] == [job.key for job in jobs]

    def test_a_round_follows_the_news_of_as_many_jobs_as_a_plan_may_have(self, no_aws: None) -> None:
        """As many as 3,000 servers in 100 waves can make, all active at once in several Regions."""
        keep_tables_in_memory()
        store = ExecutionStore(Ledger(EXECUTION_TABLE))
        sizes = [101] * 29 + [1] * 71
        waves = tuple(
            Wave(f"wave-{n}", (), "us-east-1", servers=tuple(Server(server_id(each)) for each in range(size)))
            for n, size in enumerate(sizes)
        )
        _, jobs = lay_out(replace(PLAN, waves=waves))
        assert len(jobs) == 129
        store.create(EXECUTION, PLAN, None, STARTED)
        store.lay_out("exec-1", (), jobs, {})
        for job in jobs:
            store.record_intent(EXECUTION, job, START)
        execution = must(store.get("exec-1"))
        observed = []
        for job in store.active_jobs(execution):
            started = ServerChange(next(iter(job.servers)), job.key, ServerStatus.STARTED)
            observed.append(must(store.note_observation(execution, update(job, started), START + 60)))
        told = must(store.heartbeat(execution, now=START + 60, polled=True, phase="STARTED", observed=observed))

        assert told.told == {job.key: job.version for job in observed}

    def test_what_drs_says_of_a_hundred_servers_in_many_words_fits_however_late_it_is_told(
        self, store: ExecutionStore
    ) -> None:
        """In letters of four bytes; five drivers died before the telling."""
        servers = [server_id(n) for n in range(100)]
        crowd = Wave("all", (), "us-east-1", servers=tuple(map(Server, servers)))
        _, jobs = lay_out(replace(PLAN, waves=(crowd,)))
        store.create(EXECUTION, PLAN, None, STARTED)
        store.lay_out("exec-1", (), jobs, {})
        job = must(store.record_intent(EXECUTION, jobs[0], START))
        execution, words = must(store.get("exec-1")), "\N{FIRE}" * 16_000
        store.change_servers(execution, job, [change(ONE, ServerStatus.LAUNCHED, error=words)], START)
        changes = [change(each, None, error=words[:1000]) for each in servers if each != ONE]
        for time in range(START, START + 6):
            seen = update(job, change(ONE, None, error=words), *changes)
            job = must(store.note_observation(execution, seen, time))
        must(store.heartbeat(execution, now=START + 6, polled=True, observed=[job]))
        told = [entry["Data"]["Servers"] for entry in store.history("exec-1") if entry["Kind"] == "ServersChanged"]

        assert server_record(store)["Error"] == words
        assert [len(entry) for entry in told] == [100] * 6
        assert {each["Error"] for entry in told for each in entry} == {"\N{FIRE}" * 124 + "…"}


class TestServers:
    def test_a_transition_is_recorded_with_its_time(self, store: ExecutionStore, polling: Execution) -> None:
        job = store.job(polling, KEY)
        store.apply(polling, update(job, change(ONE, ServerStatus.STARTED, launch_time=START + 1)), START + 15)
        record = server_record(store)

        assert record["Status"] == "STARTED"
        assert record["TransitionHistory"] == [{"From": "PENDING", "To": "STARTED", "Time": START + 15}]
        assert (record["LaunchTime"], record["LastPolledTime"]) == (START + 1, START + 15)

    def test_a_change_touches_no_other_server(self, store: ExecutionStore, polling: Execution) -> None:
        store.apply(polling, update(store.job(polling, KEY), change(TWO, ServerStatus.STARTED)), START)
        before = server_record(store, TWO)
        store.apply(polling, update(store.job(polling, KEY), change(ONE, ServerStatus.FAILED, error="why")), START)

        assert server_record(store, TWO) == before

    def test_a_server_has_a_record_once_something_happens_to_it(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        job = store.job(polling, KEY)
        assert job.servers[ONE].name == "web-1"
        assert not any("SourceServerId" in each for each in store.records("exec-1"))
        store.apply(polling, update(job, change(ONE, ServerStatus.STARTED)), START + 15)

        assert [each.get("Name") for each in store.records("exec-1") if "SourceServerId" in each] == ["web-1"]

    @pytest.mark.parametrize("first", ["FAILED", "LAUNCHED"])
    def test_of_two_writers_of_a_first_record_none_takes_the_other_back(
        self, store: ExecutionStore, polling: Execution, monkeypatch: pytest.MonkeyPatch, first: str
    ) -> None:
        job = store.job(polling, KEY)
        record_of = items.changed_server

        def overtaken(given: ServerChange, *arguments: Any) -> dict[str, Any]:
            monkeypatch.setattr(items, "changed_server", record_of)
            store.change_servers(polling, job, [change(ONE, ServerStatus(first))], START)
            return record_of(given, *arguments)

        monkeypatch.setattr(items, "changed_server", overtaken)
        store.change_servers(polling, job, [change(ONE, ServerStatus.STARTED)], START + 1)

        assert [step["To"] for step in server_record(store)["TransitionHistory"]] == [first]

    def test_a_crash_between_server_and_job_keeps_the_history_whole(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        """The servers are written first. Whoever repeats the work finds a record that is ahead of its job."""
        job = store.job(polling, KEY)
        ahead = update(job, change(ONE, ServerStatus.IN_PROGRESS))
        store.change_servers(polling, ahead.job, ahead.changes, START + 10)
        assert store.job(polling, KEY) == job

        # The next driver still believes the server PENDING and sees it LAUNCHED by now.
        seen = update(job, change(ONE, ServerStatus.LAUNCHED, instance_id="i-00000000000000001"))
        assert store.apply(polling, seen, START + 20) is not None
        assert server_record(store)["TransitionHistory"] == [
            {"From": "PENDING", "To": "IN_PROGRESS", "Time": START + 10},
            {"From": "IN_PROGRESS", "To": "LAUNCHED", "Time": START + 20},
        ]

    def test_a_late_writer_never_takes_a_server_back(self, store: ExecutionStore, polling: Execution) -> None:
        job = store.job(polling, KEY)
        store.apply(polling, update(job, change(ONE, ServerStatus.LAUNCHED)), START + 20)

        assert store.apply(polling, update(job, change(ONE, ServerStatus.STARTED)), START + 21) is None
        assert server_record(store)["Status"] == "LAUNCHED"

    @pytest.mark.parametrize("late", [LaunchActionsStatus.IN_PROGRESS, LaunchActionsStatus.NOT_CONFIGURED])
    def test_nor_its_launch_actions(self, store: ExecutionStore, polling: Execution, late: LaunchActionsStatus) -> None:
        job = store.job(polling, KEY)
        for launch_actions in (LaunchActionsStatus.IN_PROGRESS, LaunchActionsStatus.COMPLETED, late):
            store.change_servers(polling, job, [change(ONE, None, launch_actions=launch_actions)], START)

        assert server_record(store)["PostLaunchActionsStatus"] == "COMPLETED"

    def test_nor_does_it_fail_a_server_whose_launch_actions_are_decided(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        job = store.job(polling, KEY)
        store.change_servers(polling, job, [ACTIONS_DONE], START + 3600)
        before = server_record(store)
        late = change(
            ONE,
            ServerStatus.FAILED,
            launch_actions=LaunchActionsStatus.TIMED_OUT,
            error="launch action audit did not finish in time (still IN_PROGRESS)",
            next_step="mend it",
        )
        store.change_servers(polling, job, [late], START + 3600)

        assert server_record(store) == before

    def test_a_server_that_drs_terminates_after_its_launch_actions_has_failed_all_the_same(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        job = store.job(polling, KEY)
        store.change_servers(polling, job, [ACTIONS_DONE], START + 60)
        gone = replace(ACTIONS_DONE, status=ServerStatus.FAILED, error="DRS terminated the instance")
        store.change_servers(polling, job, [gone], START + 75)
        record = server_record(store)

        assert (record["Status"], record["Error"]) == ("FAILED", "DRS terminated the instance")
        assert record["PostLaunchActionsStatus"] == "COMPLETED"

    def test_launch_actions_that_end_between_a_late_writers_look_and_its_write_stay_ended(
        self, store: ExecutionStore, polling: Execution, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = store.job(polling, KEY)
        store.change_servers(polling, job, [change(ONE, ServerStatus.LAUNCHED)], START)
        update_of = items.server_update

        def overtaken(given: ServerChange, *arguments: Any) -> dict[str, Any]:
            monkeypatch.setattr(items, "server_update", update_of)
            store.change_servers(polling, job, [change(ONE, None, launch_actions=LaunchActionsStatus.COMPLETED)], START)
            return update_of(given, *arguments)

        monkeypatch.setattr(items, "server_update", overtaken)
        store.change_servers(polling, job, [change(ONE, None, launch_actions=LaunchActionsStatus.IN_PROGRESS)], START)

        assert server_record(store)["PostLaunchActionsStatus"] == "COMPLETED"

    def test_a_change_of_a_server_that_is_not_there_is_an_error_that_names_it(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        stray = JobUpdate(store.job(polling, KEY), (change(server_id(9), ServerStatus.STARTED),), True)

        with pytest.raises(LookupError, match=f"no record of server {server_id(9)}"):
            store.apply(polling, stray, START)

    def test_writers_at_the_same_time_lose_no_update(self, store: ExecutionStore) -> None:
        """Eight poll one job and see different servers move; each repeats, as a driver does, until it is written."""
        servers = tuple(Server(server_id(n)) for n in range(8))
        crowd = Plan("crowd", "Crowd", "", (Wave("all", (), "us-east-1", servers=servers),))
        execution = replace(EXECUTION, execution_id="exec-2")
        store.create(execution, crowd, None, STARTED)
        waves, jobs = lay_out(crowd)
        store.lay_out("exec-2", waves, jobs, {})

        def observe(server: str) -> None:
            while (
                store.apply(execution, update(store.job(execution, KEY), change(server, ServerStatus.STARTED)), 1)
                is None
            ):
                pass

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(observe, [server.source_server_id for server in servers]))

        job = store.job(execution, KEY)
        assert {progress.status for progress in job.servers.values()} == {ServerStatus.STARTED}
        assert job.version == len(servers)
        histories = [each["TransitionHistory"] for each in store.records("exec-2") if "SourceServerId" in each]
        assert [len(history) for history in histories] == [1] * len(servers)

    def test_a_server_record_does_not_grow_with_the_number_of_polls(
        self, store: ExecutionStore, polling: Execution
    ) -> None:
        sizes = set()
        for _ in range(5):
            store.apply(polling, update(store.job(polling, KEY), change(ONE, None)), START + 10)
            sizes.add(len(str(server_record(store))))

        assert len(sizes) == 1


class TestWaves:
    def test_a_wave_moves_forward_only(self, store: ExecutionStore, polling: Execution) -> None:
        [wave] = store.waves("exec-1")
        launching = replace(wave, status=WaveStatus.LAUNCHING, start_time=START + 1)
        completed = replace(launching, status=WaveStatus.COMPLETED, end_time=START + 9, launched_count=2)

        assert store.save_wave(polling, launching, START)
        assert store.save_wave(polling, completed, START)
        assert not store.save_wave(polling, launching, START)
        assert store.waves("exec-1") == [completed]


@pytest.fixture(scope="module")
def shared_store() -> Iterator[ExecutionStore]:
    with aws():
        yield new_store()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    example=st.uuids(),
    wanted=st.lists(st.sampled_from([each for each in ServerStatus if each is not ServerStatus.PENDING]), max_size=6),
)
def test_whatever_is_written_in_whatever_order_a_history_is_one_unbroken_path(
    shared_store: ExecutionStore, example: object, wanted: list[ServerStatus]
) -> None:
    execution = replace(EXECUTION, execution_id=f"exec-{example}")
    waves, jobs = lay_out(PLAN)
    shared_store.create(execution, PLAN, None, STARTED)
    shared_store.lay_out(execution.execution_id, waves, jobs, {})
    for time, status in enumerate(wanted):
        shared_store.apply(execution, JobUpdate(jobs[0], (change(ONE, status),), True), time)
    # None before anything happens to the server.
    for record in shared_store.records(execution.execution_id):
        if record.get("SourceServerId") == ONE:
            history = record["TransitionHistory"]
            assert history[0]["From"] == "PENDING"
            assert [step["From"] for step in history[1:]] == [step["To"] for step in history[:-1]]
            assert record["Status"] == history[-1]["To"]
            assert [step["Time"] for step in history] == sorted(step["Time"] for step in history)

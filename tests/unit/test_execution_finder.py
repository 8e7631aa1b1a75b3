"""Suites 1 and 3: finding the executions that are to be driven, and driving each of them independently."""

from dataclasses import replace
from itertools import count

import boto3
import pytest
from botocore.exceptions import ClientError

from drs_orchestrator.adapters.drivers import DriverState
from drs_orchestrator.adapters.execution_store import ExecutionStore
from drs_orchestrator.adapters.ledger import Ledger
from drs_orchestrator.domain.plan import Plan
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from reconcile_executions.handler import handler
from tests.helpers.history import STARTED
from tests.helpers.orchestrator import EXECUTION_TABLE, START, Orchestrator, create_tables, plan, server_id, wave

EMPTY_PLAN = Plan("shop", "Web shop", "", ())


@pytest.fixture
def store(no_aws: None) -> ExecutionStore:
    create_tables()
    return ExecutionStore(Ledger(EXECUTION_TABLE))


def execution(number: int, status: ExecutionStatus = ExecutionStatus.POLLING, *, name: str = "Web shop") -> Execution:
    return Execution(
        execution_id=f"exec-{number}",
        plan_id="shop",
        plan_name=name,
        execution_type=ExecutionType.DRILL,
        status=status,
        start_time=START + number,
        generation=1,
        driver_started=START,
    )


class TestGSIQuery:
    """Suite 1."""

    def test_the_index_gives_exactly_the_polling_executions_newest_first(self, store: ExecutionStore) -> None:
        for number, status in enumerate(ExecutionStatus):
            store.create(execution(number, status), EMPTY_PLAN, None, STARTED)
        store.create(execution(9), EMPTY_PLAN, None, STARTED)

        assert list(store.ids_by_status(ExecutionStatus.POLLING)) == ["exec-9", "exec-1"]

    def test_no_execution_is_polling(self, store: ExecutionStore) -> None:
        store.create(execution(1, ExecutionStatus.COMPLETED), EMPTY_PLAN, None, STARTED)

        assert list(store.ids_by_status(ExecutionStatus.POLLING)) == []
        assert store.page_by_status(ExecutionStatus.POLLING, 10, None) == ([], None)

    def test_every_page_is_read(self, store: ExecutionStore) -> None:
        for number in range(25):
            store.create(execution(number, name="x" * 60_000), EMPTY_PLAN, None, STARTED)
        first_page = boto3.client("dynamodb").query(
            TableName=EXECUTION_TABLE,
            IndexName="StatusIndex",
            KeyConditionExpression="#Status = :polling",
            ExpressionAttributeNames={"#Status": "Status"},
            ExpressionAttributeValues={":polling": {"S": "POLLING"}},
        )

        assert first_page["Count"] < 25
        assert list(store.ids_by_status(ExecutionStatus.POLLING)) == [f"exec-{n}" for n in reversed(range(25))]

    def test_pages_of_a_given_size_follow_each_other_without_gap_or_repeat(self, store: ExecutionStore) -> None:
        for number in range(5):
            store.create(execution(number), EMPTY_PLAN, None, STARTED)
        seen: list[str] = []
        start = None
        while True:
            page, start = store.page_by_status(ExecutionStatus.POLLING, 2, start)
            seen += [each["ExecutionId"] for each in page]
            if start is None:
                break

        assert seen == ["exec-4", "exec-3", "exec-2", "exec-1", "exec-0"]

    def test_an_entry_of_the_index_names_plan_type_and_times(self, store: ExecutionStore) -> None:
        store.create(execution(1), EMPTY_PLAN, None, STARTED)

        assert store.page_by_status(ExecutionStatus.POLLING, 10, None)[0] == [
            {
                "ExecutionId": "exec-1",
                "PlanId": "shop",
                "PlanName": "Web shop",
                "ExecutionType": "DRILL",
                "Status": "POLLING",
                "StartTime": START + 1,
            }
        ]

    def test_only_execution_records_are_in_the_index(self, orchestrator: Orchestrator) -> None:
        """Waves and servers have a Status too; none of their records may ever show up as an execution."""
        orchestrator.add_servers(server_id(1), server_id(2))
        execution_id = orchestrator.start(plan(wave("a", server_id(1)), wave("b", server_id(2))))
        orchestrator.drive(execution_id)
        in_index = orchestrator.dynamodb.scan(TableName=EXECUTION_TABLE, IndexName="StatusIndex")["Items"]

        assert [item["Record"]["S"] for item in in_index] == ["EXECUTION"]

    @pytest.mark.usefixtures("no_aws")
    def test_a_dynamodb_error_is_raised_as_such_with_its_cause(self) -> None:
        with pytest.raises(ClientError) as caught:
            list(ExecutionStore(Ledger("no-such-table")).ids_by_status(ExecutionStatus.POLLING))

        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
        assert caught.value.operation_name == "Query"

    def test_the_reconciler_never_takes_a_failing_index_for_an_empty_one(self, orchestrator: Orchestrator) -> None:
        orchestrator.dynamodb.delete_table(TableName=EXECUTION_TABLE)

        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            reconcile_executions(orchestrator.app)


class TestPollerInvocation:
    """Suite 3: one driver an execution, and one that fails never stops the others."""

    def test_every_execution_gets_one_driver_of_its_own(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1), server_id(2))
        first = orchestrator.start(plan(wave("a", server_id(1)), plan_id="one"))
        second = orchestrator.start(plan(wave("a", server_id(2)), plan_id="two"))

        assert set(orchestrator.drivers()) == {f"{first}-g1", f"{second}-g1"}

    def test_a_driver_knows_its_execution_by_id_and_nothing_of_its_servers(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(plan(wave("a", server_id(1))), "RECOVERY")
        arn = orchestrator.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        driver = orchestrator.stepfunctions.describe_execution(executionArn=f"{arn}:{execution_id}-g1")

        assert driver["input"] == f'{{"executionId": "{execution_id}", "executionType": "RECOVERY", "generation": 1}}'

    def test_starting_a_driver_twice_starts_one(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(plan(wave("a", server_id(1))))
        recorded = orchestrator.app.executions.get(execution_id)
        assert recorded is not None
        orchestrator.app.drivers.start(recorded)

        assert orchestrator.drivers() == [f"{execution_id}-g1"]

    def test_an_execution_with_a_living_driver_is_left_alone(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(plan(wave("a", server_id(1))))

        assert reconcile_executions(orchestrator.app) == counts(HEALTHY=1)
        assert orchestrator.drivers() == [f"{execution_id}-g1"]

    def test_an_execution_whose_driver_never_started_gets_it(self, orchestrator: Orchestrator) -> None:
        """The API's function died between recording the execution and starting its driver."""
        orchestrator.app.executions.create(execution(1, ExecutionStatus.PENDING), EMPTY_PLAN, None, STARTED)

        assert reconcile_executions(orchestrator.app) == counts(STARTED=1)
        assert orchestrator.drivers() == ["exec-1-g1"]

    def test_one_failing_execution_does_not_stop_the_rest(self, orchestrator: Orchestrator) -> None:
        executions = orchestrator.app.executions
        executions.create(execution(1), EMPTY_PLAN, None, STARTED)
        executions.create(execution(2), EMPTY_PLAN, None, STARTED)
        executions.create(execution(3, ExecutionStatus.PENDING), EMPTY_PLAN, None, STARTED)
        # Step Functions refuses this name, so that no driver can ever be started for it.
        broken = replace(execution(4), execution_id="exec with a blank")
        executions.create(broken, EMPTY_PLAN, None, STARTED)

        assert reconcile_executions(orchestrator.app) == counts(STARTED=3, FAILED=1)
        assert set(orchestrator.drivers()) == {"exec-1-g1", "exec-2-g1", "exec-3-g1"}

    def test_step_functions_is_not_asked_about_those_that_are_at_work(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orchestrator.add_servers(server_id(1), server_id(2))
        for number in (1, 2):
            orchestrator.begin(plan(wave("a", server_id(number)), plan_id=f"plan-{number}"))
        orchestrator.app.executions.create(execution(3, ExecutionStatus.PENDING), EMPTY_PLAN, None, STARTED)
        asked: list[str] = []
        state = orchestrator.app.drivers.state

        def noted(one: Execution) -> DriverState:
            asked.append(one.execution_id)
            return state(one)

        monkeypatch.setattr(orchestrator.app.drivers, "state", noted)

        assert reconcile_executions(orchestrator.app) == counts(HEALTHY=2, STARTED=1)
        assert asked == ["exec-3"]

    def test_a_run_without_time_leaves_the_rest_to_the_next_which_goes_on_with_the_longest_silent(
        self, orchestrator: Orchestrator
    ) -> None:
        for number in (3, 1, 2):
            silent = replace(execution(number), driver_started=START + number)
            orchestrator.app.executions.create(silent, EMPTY_PLAN, None, STARTED)
        ticks = count(step=20)
        hurried = replace(orchestrator.app, timer=lambda: next(ticks))

        assert reconcile_executions(hurried) == counts(STARTED=2, LEFT=1)
        assert set(orchestrator.drivers()) == {"exec-1-g1", "exec-2-g1"}
        assert reconcile_executions(orchestrator.app) == counts(HEALTHY=2, STARTED=1)

    def test_a_run_looks_at_no_more_than_step_functions_answers_in_a_minute(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("drs_orchestrator.tasks.reconcile_executions._LOOKS_A_RUN", 2)
        for number in (1, 2, 3):
            orchestrator.app.executions.create(execution(number), EMPTY_PLAN, None, STARTED)

        assert reconcile_executions(orchestrator.app) == counts(STARTED=2, LEFT=1)

    def test_the_end_of_a_driver_reconciles_its_own_execution_only(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reconcile_executions.handler.app", lambda: orchestrator.app)
        for number in (1, 2):
            orchestrator.app.executions.create(execution(number), EMPTY_PLAN, None, STARTED)

        assert handler({"detail": {"name": "exec-2-g1", "status": "ABORTED"}}, None) == counts(STARTED=1)
        assert orchestrator.drivers() == ["exec-2-g1"]

    def test_the_schedule_reconciles_all(self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("reconcile_executions.handler.app", lambda: orchestrator.app)
        for number in (1, 2):
            orchestrator.app.executions.create(execution(number), EMPTY_PLAN, None, STARTED)

        assert handler({"detail-type": "Scheduled Event", "detail": {}}, None) == counts(STARTED=2)


def counts(**verdicts: int) -> dict[str, int]:
    return {"HEALTHY": 0, "ENDED": 0, "STARTED": 0, "REPLACED": 0, "FAILED": 0, "LEFT": 0} | verdicts

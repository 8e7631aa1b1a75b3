"""A record that nobody can read holds up nobody: it is left out, it raises an alarm, and everything else goes on."""

from typing import Any

import pytest

from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from tests.helpers.orchestrator import EXECUTION_TABLE, Orchestrator, plan, server_id, wave

ONE, TWO = server_id(1), server_id(2)


def corrupt(orchestrator: Orchestrator, execution_id: str, **attributes: Any) -> None:
    """Replace attributes of the execution's header by what they can't be; None removes one."""
    key = {"ExecutionId": {"S": execution_id}, "Record": {"S": "EXECUTION"}}
    header = orchestrator.dynamodb.get_item(TableName=EXECUTION_TABLE, Key=key)["Item"]
    kept = {name: value for name, value in header.items() if name not in attributes}
    replaced = {name: value for name, value in attributes.items() if value is not None}
    orchestrator.dynamodb.put_item(TableName=EXECUTION_TABLE, Item=kept | replaced)


@pytest.fixture
def broken(orchestrator: Orchestrator) -> str:
    """A running execution whose header has lost its generation and has a type nobody knows."""
    orchestrator.add_servers(ONE, TWO)
    execution_id = orchestrator.begin(plan(wave("web", ONE), plan_id="broken"))
    corrupt(orchestrator, execution_id, Generation=None, ExecutionType={"S": "REHEARSAL"})
    return execution_id


def test_the_others_are_reconciled_and_the_broken_one_is_counted(orchestrator: Orchestrator, broken: str) -> None:
    orchestrator.begin(plan(wave("web", TWO), plan_id="fine"))
    counts = reconcile_executions(orchestrator.app)

    assert counts["FAILED"] == 1
    assert sum(counts.values()) == 2


def test_one_line_of_the_log_names_it(
    orchestrator: Orchestrator, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    reconcile_executions(orchestrator.app)

    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.__dict__["execution_id"] == broken


def test_it_neither_locks_its_servers_for_good_nor_hides_from_the_list(orchestrator: Orchestrator, broken: str) -> None:
    corrupt(orchestrator, broken, Status={"S": "UNREADABLE"})
    orchestrator.let_pass(3600)
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE), plan_id="again")))

    assert document["Status"] == "COMPLETED"

"""Starting executions, reading them from where they are recorded, and waiting for what becomes of them."""

import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from drs_orchestrator.adapters.execution_store import ExecutionStore
from drs_orchestrator.adapters.ledger import Ledger
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.settings import Settings
from drs_orchestrator.tasks.show_executions import show_execution
from tests.helpers.stack import call_api, patience
from tests.helpers.template import function_environment

FINAL = ("COMPLETED", "PARTIAL", "FAILED", "CANCELLED")
_PAUSE_SECONDS = 0.1
_NAMES = ("EXECUTION_TABLE_NAME", "PLAN_TABLE_NAME", "STATE_MACHINE_ARN")


def start_test_execution(plan: Mapping[str, Any] | str, execution_type: str = "DRILL", **fields: Any) -> str:
    """Start a plan (or the plan of this id) through the API; returns the execution's id."""
    plan_id = plan if isinstance(plan, str) else plan["PlanId"]
    path = STARTS[ExecutionType(execution_type)]
    answer = call_api("POST", path, {"PlanId": plan_id, "ExecutionType": execution_type, **fields})
    assert answer.status_code == 202, answer.text
    execution_id: str = answer.json()["executionId"]
    return execution_id


def get_execution_from_dynamodb(execution_id: str) -> dict[str, Any]:
    """The execution's document, assembled from its records in the table and not through the API."""
    return show_execution(
        _app(os.environ.get("AWS_ENDPOINT_URL"), *(os.environ[name] for name in _NAMES)), execution_id
    )


def query_status_index(status: str) -> list[str]:
    """The ids of all executions in this status, newest first, from every page of StatusIndex."""
    store = ExecutionStore(Ledger(os.environ["EXECUTION_TABLE_NAME"]))
    return list(store.ids_by_status(ExecutionStatus(status)))


def wait_for_status(execution_id: str, expected_status: str, timeout: float = 60) -> dict[str, Any]:
    """Wait until the execution has this status; returns its document.

    `timeout` is in seconds of the embedded stack. Raises TimeoutError, and at once when the execution has ended
    differently.
    """

    def reached(document: dict[str, Any]) -> bool:
        status = document["Status"]
        if status in FINAL and status != expected_status:
            raise TimeoutError(f"{execution_id} will never be {expected_status}: it ended {_short(document)}")
        return bool(status == expected_status)

    return wait_for(execution_id, reached, expected_status, timeout)


def wait_for_final_status(execution_id: str, timeout: float = 60) -> dict[str, Any]:
    """Wait until the execution has ended; returns its document. Raises TimeoutError."""
    return wait_for(execution_id, lambda document: document["Status"] in FINAL, "final", timeout)


def wait_for(
    execution_id: str, holds: Callable[[dict[str, Any]], bool], what: str, timeout: float = 60
) -> dict[str, Any]:
    """Wait until `holds(document)`; `what` says in a word or two what is waited for. Raises TimeoutError."""
    deadline = time.monotonic() + patience(timeout)
    while True:
        document = get_execution_from_dynamodb(execution_id)
        if holds(document):
            return document
        if time.monotonic() > deadline:
            raise TimeoutError(f"{execution_id} is not {what} after {patience(timeout):.0f} s: {_short(document)}")
        time.sleep(_PAUSE_SECONDS)


@cache
def _app(_endpoint: str | None, execution_table: str, plan_table: str, state_machine_arn: str) -> App:
    # Tables of different stacks have the same names; where they are, clients read from the environment once.
    tables = {"ExecutionTable": execution_table, "PlanTable": plan_table}
    environment = function_environment(tables) | {"STATE_MACHINE_ARN": state_machine_arn}
    return App(Settings.from_environment(environment))


def _short(document: Mapping[str, Any]) -> str:
    waves = [
        f"{wave['WaveName']} {wave['Status']} {wave.get('StatusReason', '')} "
        + ", ".join(f"{server['Status']} {server.get('Error', '')}".strip() for server in wave["Servers"])
        for wave in document["Waves"]
    ]
    return f"{document['Status']} after {document['PollCount']} polls; {'; '.join(waves)}"

"""The machine that runs everything but DRS loses power, twice, in the middle of twenty executions."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedded import Stack
from tests.helpers import (
    create_test_plan_with_servers,
    get_execution_from_dynamodb,
    start_test_execution,
    wait_for_final_status,
)
from tests.helpers.stack import control, embedded_stack
from tests.survival.reconciler import reconcile_at_once
from tests.survival.truth import differences, launch_order

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("stack")]

EXECUTIONS = 20
DARK_SECONDS = 2


@pytest.fixture(scope="module")
def durable_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose tables outlive its engine. Jobs of ten minutes take five seconds here."""
    folder = tmp_path_factory.mktemp("durable")
    command = [sys.executable, str(Path(__file__).with_name("durable_engine.py"))]
    with embedded_stack(folder, wait_scale=0.1, speed=120, engine_command=command) as stack:
        yield stack


def test_every_execution_ends_right_although_the_engine_was_killed_twice(durable_stack: Stack) -> None:
    """Killed by SIGKILL: the whole process group of ministack, with every Lambda in the middle of its work, once
    while the first waves are launched and once while the second ones are.

    Kept: what DynamoDB had acknowledged, that a state machine execution had been started (not how far it was), and
    the deployment. Lost: requests under way, undelivered events, every driver. DRS goes on the whole time, so that
    launches end, or turn out to have begun, while nobody looks. The engine's schedules begin anew with it; that the
    reconciler's next runs miss the drivers is not waited for: their ends are announced.
    """
    control().hold(True)
    plans = [create_test_plan_with_servers([["s-1", "s-2"], ["s-3"]], optional=["s-1"]) for _ in range(EXECUTIONS)]
    doomed = [plan["Waves"][0]["Servers"][0]["SourceServerId"] for plan in plans[:3]]
    control().add_fault("launch-failure", sourceServerIDs=doomed)
    with ThreadPoolExecutor(4) as clients:
        executions = list(clients.map(start_test_execution, plans))
    wait_until(lambda: len(launch_order()) >= EXECUTIONS // 2)

    cut_the_power(durable_stack)
    assert {get_execution_from_dynamodb(each)["Status"] for each in executions} <= {"PENDING", "POLLING"}
    control().hold(False)
    control().push_jobs("STARTED")
    announce_ends(executions)
    wait_until(lambda: len(launch_order()) >= EXECUTIONS + EXECUTIONS // 2)

    cut_the_power(durable_stack)
    announce_ends(executions)
    documents = [wait_for_final_status(each, timeout=180) for each in executions]

    assert differences(executions) == []
    assert [document["Status"] for document in documents] == ["PARTIAL"] * 3 + ["COMPLETED"] * (EXECUTIONS - 3)
    assert max(document["Generation"] for document in documents) > 2


def announce_ends(executions: Sequence[str]) -> None:
    for execution_id in executions:
        reconcile_at_once(1, [f"{execution_id}-g1"])


def cut_the_power(stack: Stack) -> None:
    stack.kill_engine()
    time.sleep(DARK_SECONDS)
    stack.restart_engine()


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)

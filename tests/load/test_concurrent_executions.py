"""Suite 9: many executions at once. Each has its own driver; DRS has room for twenty jobs, the others wait."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    get_execution_from_dynamodb,
    mock_drs_progression,
    query_status_index,
    start_test_execution,
    wait_for_status,
)
from tests.helpers.stack import start_recovery_calls

pytestmark = [
    pytest.mark.load,
    pytest.mark.slow,
    pytest.mark.xdist_group("stack"),
    # Nobody wants fifty drills of real servers.
    pytest.mark.usefixtures("simulated_drs"),
]

Measured = Callable[..., None]

# How many clients start executions at the same time.
CLIENTS = 8
INDEX_QUERIES = 10


def start_executions(count: int) -> tuple[list[str], list[float]]:
    """Start so many executions of one server each; their ids, and how long each API call took."""
    plans = [create_test_plan_with_servers(["s-1"]) for _ in range(count)]

    def start(plan: dict[str, Any]) -> tuple[str, float]:
        began = time.perf_counter()
        return start_test_execution(plan), time.perf_counter() - began

    with ThreadPoolExecutor(CLIENTS) as pool:
        started = list(pool.map(start, plans))
    return [execution_id for execution_id, _ in started], [seconds for _, seconds in started]


def time_index_queries(expected: Sequence[str]) -> list[float]:
    """Query StatusIndex some times; every query has to find all the executions."""
    times = []
    for _ in range(INDEX_QUERIES):
        began = time.perf_counter()
        polling = query_status_index("POLLING")
        times.append(time.perf_counter() - began)
        assert set(expected) <= set(polling)
    return times


def run_to_completion(execution_ids: Sequence[str], timeout: float) -> float:
    """Let DRS finish every job and wait for all executions; how long that took."""
    began = time.perf_counter()
    advance_drs_phase("COMPLETED")
    for execution_id in execution_ids:
        wait_for_status(execution_id, "COMPLETED", timeout=timeout)
    return time.perf_counter() - began


def test_10_concurrent_executions(measured: Measured) -> None:
    """3.1.1"""
    with mock_drs_progression():
        execution_ids, api = start_executions(10)
        for execution_id in execution_ids:
            wait_for_status(execution_id, "POLLING", timeout=120)
        index = time_index_queries(execution_ids)
        seconds = run_to_completion(execution_ids, timeout=300)

    for execution_id in execution_ids:
        assert get_execution_from_dynamodb(execution_id)["Status"] == "COMPLETED"
        assert len(start_recovery_calls(execution_id)) == 1
    measured("POST /executions", api)
    measured("StatusIndex with 10 executions", index, 0.1)
    measured("10 executions from released to COMPLETED", [seconds])


def test_50_concurrent_executions(concurrency: int, measured: Measured) -> None:
    """3.1.2: more executions than DRS has room for jobs; whoever has to wait is launched when its turn comes."""
    with mock_drs_progression():
        execution_ids, api = start_executions(concurrency)
        for execution_id in execution_ids:
            wait_for_status(execution_id, "POLLING", timeout=180)
        index = time_index_queries(execution_ids)
        seconds = run_to_completion(execution_ids, timeout=600)

    # Each job that took effect was one launch; a call that DRS refused for want of room launched nothing.
    for execution_id in execution_ids:
        assert [call["tookEffect"] for call in start_recovery_calls(execution_id)].count(True) == 1
    measured("POST /executions", api)
    measured(f"StatusIndex with {concurrency} executions", index, 0.2)
    measured(f"{concurrency} executions from released to COMPLETED", [seconds])


def test_lambda_concurrency_limits(concurrency: int, measured: Measured) -> None:
    """3.1.3: twice as many, far beyond what the functions may run at once: they wait their turn, none is lost."""
    with mock_drs_progression():
        execution_ids, api = start_executions(2 * concurrency)
        began = time.perf_counter()
        for execution_id in execution_ids:
            wait_for_status(execution_id, "POLLING", timeout=600)
        seconds = time.perf_counter() - began
        measured(f"{2 * concurrency} executions until POLLING", [seconds])
        run_to_completion(execution_ids, timeout=1200)

    measured("POST /executions", api)

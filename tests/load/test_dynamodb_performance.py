"""Suite 10: the table of executions under many records and many writers."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest

from tests.helpers import (
    advance_drs_phase,
    create_test_execution,
    get_execution_from_dynamodb,
    mock_drs_progression,
    query_status_index,
    wait_for_status,
)
from tests.helpers.stack import client
from tests.helpers.template import create_table
from tests.load.test_concurrent_executions import start_executions

pytestmark = [pytest.mark.load, pytest.mark.slow, pytest.mark.xdist_group("stack")]

Measured = Callable[..., None]

RECORDS = 1000
QUERIES = 100
POLLING_CYCLES = 10


@pytest.fixture
def table_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A table like the stack's: a thousand records that nobody drives must not be found by its reconciler."""
    dynamodb = client("dynamodb")
    name = create_table(dynamodb, "ExecutionTable", f"load-test-{secrets.token_hex(4)}")
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    monkeypatch.setenv("EXECUTION_TABLE_NAME", name)
    yield
    dynamodb.delete_table(TableName=name)


@pytest.mark.usefixtures("table_of_its_own")
def test_status_index_query_performance(measured: Measured) -> None:
    """3.2.1: a thousand executions in various statuses, a hundred queries; each gives exactly the POLLING ones."""
    statuses = [status for _, status in zip(range(RECORDS), cycle(["POLLING", "COMPLETED", "FAILED", "PENDING"]))]
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(create_test_execution, (f"exec-{n}" for n in range(RECORDS)), statuses))
    polling = {record["ExecutionId"] for record in records if record["Status"] == "POLLING"}
    times = []
    for _ in range(QUERIES):
        began = time.perf_counter()
        found = query_status_index("POLLING")
        times.append(time.perf_counter() - began)
        assert set(found) == polling
        assert len(found) == len(polling)

    measured(f"StatusIndex with {RECORDS} executions", times, 0.05)


@pytest.mark.usefixtures("simulated_drs")
def test_dynamodb_write_throughput(concurrency: int, measured: Measured) -> None:
    """3.2.2: many executions are polled; every poll is written and DynamoDB throttles none."""
    began = datetime.now(UTC)
    with mock_drs_progression():
        execution_ids, _ = start_executions(concurrency)
        for execution_id in execution_ids:
            wait_for_status(execution_id, "POLLING", timeout=180)
        cycles = []
        for _ in range(POLLING_CYCLES):
            before = polls(execution_ids)
            started = time.perf_counter()
            while any(now <= then for now, then in zip(polls(execution_ids), before, strict=True)):
                assert time.perf_counter() - started < 300, "an execution is not polled any more"
                time.sleep(0.5)
            cycles.append(time.perf_counter() - started)
        advance_drs_phase("COMPLETED")
        for execution_id in execution_ids:
            wait_for_status(execution_id, "COMPLETED", timeout=600)

    assert throttled_since(began) == 0
    measured(f"one poll of each of {concurrency} executions", cycles)


def polls(execution_ids: list[str]) -> list[int]:
    with ThreadPoolExecutor(8) as pool:
        return [document["PollCount"] for document in pool.map(get_execution_from_dynamodb, execution_ids)]


def throttled_since(began: datetime) -> float:
    """How many calls DynamoDB refused for their number; the embedded engine refuses none and has no such metric."""
    statistics = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/DynamoDB",
        MetricName="ThrottledRequests",
        Dimensions=[{"Name": "TableName", "Value": os.environ["EXECUTION_TABLE_NAME"]}],
        StartTime=began,
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in statistics["Datapoints"])

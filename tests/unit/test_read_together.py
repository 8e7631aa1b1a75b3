"""Reading many items at once from a table that is throttled: what it leaves unread is asked for again, with pauses."""

from typing import Any

import pytest

from drs_orchestrator.adapters import table
from drs_orchestrator.adapters.table import pack, read_together
from drs_orchestrator.errors import ServiceBusy
from tests.helpers.dynamodb import DynamoDb
from tests.helpers.template import template

TABLE = "executions"
KEYS = [{"ExecutionId": f"exec-{number:03d}", "Record": "EXECUTION"} for number in range(250)]


class Throttled:
    """A table in memory that reads so many keys of each call, and leaves the others unread as DynamoDB does."""

    def __init__(self, *reads: int) -> None:
        self._tables = DynamoDb()
        self._tables.create_table(TABLE, template()["Resources"]["ExecutionTable"]["Properties"])
        for key in KEYS:
            self._tables.call("PutItem", {"TableName": TABLE, "Item": pack(key)})
        self._reads = iter(reads)
        self.asked: list[int] = []

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        keys = RequestItems[TABLE]["Keys"]
        self.asked.append(len(keys))
        read = next(self._reads, len(keys))
        answer = self._tables.call("BatchGetItem", {"RequestItems": {TABLE: {"Keys": keys[:read]}}})
        if read < len(keys):
            answer["UnprocessedKeys"] = {TABLE: {"Keys": keys[read:]}}
        return answer


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(table.time, "sleep", taken.append)
    return taken


def test_every_item_is_read_once_a_hundred_in_a_call(pauses: list[float]) -> None:
    throttled = Throttled()

    assert sorted(item["ExecutionId"] for item in read_together(throttled, TABLE, KEYS)) == [
        key["ExecutionId"] for key in KEYS
    ]
    assert throttled.asked == [100, 100, 50]
    assert pauses == []


def test_what_is_left_unread_is_read_after_a_pause(pauses: list[float]) -> None:
    throttled = Throttled(30, 100)

    assert len({item["ExecutionId"] for item in read_together(throttled, TABLE, KEYS)}) == len(KEYS)
    assert throttled.asked == [100, 100, 100, 20]
    assert len(pauses) == 1


def test_pauses_grow_while_nothing_is_read(pauses: list[float]) -> None:
    throttled = Throttled(0, 0, 0)

    assert len(list(read_together(throttled, TABLE, KEYS[:5]))) == 5
    assert throttled.asked == [5, 5, 5, 5]
    for number, pause in enumerate(pauses, start=1):
        assert 0.025 * 2**number <= pause <= 0.05 * 2**number


def test_a_table_that_reads_nothing_is_busy(pauses: list[float]) -> None:
    throttled = Throttled(0, 0, 0, 0, 0, 0, 0)

    with pytest.raises(ServiceBusy, match=f"DynamoDB throttles the reads of {TABLE}; try again"):
        list(read_together(throttled, TABLE, KEYS[:5]))
    assert len(throttled.asked) == 5

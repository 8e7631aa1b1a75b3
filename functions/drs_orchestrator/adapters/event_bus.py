"""The EventBridge bus on which executions are announced."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.domain.notices import SOURCE, Notice

# A recovery waits for nobody's mail: what can't be published within seconds is published later.
_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

# EventBridge's quotas for one PutEvents request.
_MAX_ENTRIES = 10
_MAX_BYTES = 256 * 1024
# What EventBridge counts for an entry's Time.
_TIME_BYTES = 14


@dataclass(frozen=True, slots=True)
class Delivery:
    """How many of the events, counted from the first, the bus has taken, and what kept it from taking more."""

    taken: int
    trouble: str | None = None


class EventBus:
    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Any = boto3.client("events", config=_CONFIG)

    def put(self, notices: Sequence[Notice]) -> Delivery:
        """Publish the events in order, up to the first that the bus does not take."""
        taken = 0
        for batch in _batches([self._entry(notice) for notice in notices]):
            try:
                answer = self._client.put_events(Entries=batch)
            except (ClientError, BotoCoreError) as error:
                return Delivery(taken, str(error))
            for result in answer["Entries"]:
                if "EventId" not in result:
                    return Delivery(taken, f"{result.get('ErrorCode')}: {result.get('ErrorMessage')}")
                taken += 1
        return Delivery(taken)

    def _entry(self, notice: Notice) -> dict[str, Any]:
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": notice.type.value,
            "Time": datetime.fromtimestamp(notice.time, UTC),
            "Detail": json.dumps(notice.detail, ensure_ascii=False),
        }


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The entries in order, as many in a request as it may have."""
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        more = _bytes(entry)
        if batch and (len(batch) == _MAX_ENTRIES or size + more > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += more
    if batch:
        yield batch


def _bytes(entry: dict[str, Any]) -> int:
    return _TIME_BYTES + sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))

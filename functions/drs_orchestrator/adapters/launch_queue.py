"""Who waits for DRS's quotas in an account and Region, oldest execution first. One small item a waiting execution.

A ticket says how much its execution waits for. It is taken when DRS says a quota is reached, renewed with every
further try, and given back when nothing of the execution waits there any more. A ticket that is not renewed lapses,
so that neither a driver that died nor a wave that was skipped keeps others waiting; one whose execution has ended is
void. Whoever finds such a ticket, or one that can't be read, removes it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.adapters.table import client, pack, query
from drs_orchestrator.domain.capacity import MAX_JOBS, Room


@dataclass(frozen=True, slots=True)
class Place:
    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """An execution in the queue, and what it waits for."""

    execution_id: str
    needs: Room


class LaunchQueue:
    def __init__(self, table_name: str, ended_among: Callable[[Iterable[str]], set[str]], lapse_seconds: int) -> None:
        """`ended_among(execution_ids)`: those that have ended or don't exist. `lapse_seconds`: how long a ticket holds
        its place without being renewed."""
        self._table_name = table_name
        self._dynamodb = client()
        self._ended_among = ended_among
        self._lapse_seconds = lapse_seconds

    def ahead_of(self, place: Place, execution_id: str, start_time: int, now: int) -> list[Waiting]:
        """The living executions that wait there and are older, oldest first.

        Only as many as DRS could have room for are looked up; whoever is behind them only has to know its place.
        """
        older = []
        for item in query(
            self._dynamodb,
            TableName=self._table_name,
            KeyConditionExpression="ExecutionId = :queue AND #Record < :mine",
            ExpressionAttributeNames={"#Record": "Record"},
            ExpressionAttributeValues={
                ":queue": {"S": _queue(place)},
                ":mine": {"S": _ticket(start_time, execution_id)},
            },
            ConsistentRead=True,
        ):
            waiting = _read(item)
            if waiting is None or now - item["RenewedTime"] > self._lapse_seconds:
                # Should its owner be renewing it just now, it takes another with its next try.
                self._remove(place, item["Record"])
            else:
                older.append((item["Record"], waiting))
        ended = self._ended_among(waiting.execution_id for _, waiting in older[:MAX_JOBS])
        for record, waiting in older:
            if waiting.execution_id in ended:
                self._remove(place, record)
        return [waiting for _, waiting in older if waiting.execution_id not in ended]

    def wait(self, place: Place, execution_id: str, start_time: int, needs: Room, now: int) -> None:
        """Take a ticket, or renew the one there is."""
        ticket = {
            "ExecutionId": _queue(place),
            "Record": _ticket(start_time, execution_id),
            "WaitingExecutionId": execution_id,
            "Jobs": needs.jobs,
            "Servers": needs.servers,
            "RenewedTime": now,
        }
        self._dynamodb.put_item(TableName=self._table_name, Item=pack(ticket))

    def leave(self, place: Place, execution_id: str, start_time: int) -> None:
        """Give the ticket back, if there is one."""
        self._remove(place, _ticket(start_time, execution_id))

    def _remove(self, place: Place, ticket: str) -> None:
        key = {"ExecutionId": _queue(place), "Record": ticket}
        self._dynamodb.delete_item(TableName=self._table_name, Key=pack(key))


def _read(item: dict[str, Any]) -> Waiting | None:
    """None for a ticket that can't be read: it must not keep others waiting."""
    execution_id = item.get("WaitingExecutionId")
    numbers = [item.get(name) for name in ("Jobs", "Servers", "RenewedTime")]
    if not isinstance(execution_id, str) or not all(isinstance(number, int) for number in numbers):
        return None
    return Waiting(execution_id, Room(item["Jobs"], item["Servers"]))


def _queue(place: Place) -> str:
    return f"QUEUE#{place.account_id}#{place.region}"


def _ticket(start_time: int, execution_id: str) -> str:
    return f"{start_time:012d}#{execution_id}"

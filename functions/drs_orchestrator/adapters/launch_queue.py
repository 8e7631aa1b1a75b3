"""Who waits for DRS's quotas in an account and Region, oldest execution first. One small item a waiting execution.

A ticket is taken when DRS says its quota is reached, renewed with every further try, and given back when nothing of
the execution waits there any more. A ticket that is not renewed lapses, so that neither a driver that died nor a wave
that was skipped keeps others waiting. A ticket whose execution has ended is void: whoever reads it removes it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drs_orchestrator.adapters.table import client, pack, query


@dataclass(frozen=True, slots=True)
class Place:
    account_id: str
    region: str


class LaunchQueue:
    def __init__(self, table_name: str, is_over: Callable[[str], bool | None], lapse_seconds: int) -> None:
        """`is_over(execution_id)`: True when it has ended, None when there is no such execution. `lapse_seconds`: how
        long a ticket holds its place without being renewed."""
        self._table_name = table_name
        self._dynamodb = client()
        self._is_over = is_over
        self._lapse_seconds = lapse_seconds

    def ahead_of(self, place: Place, execution_id: str, start_time: int, now: int) -> list[str]:
        """The living executions that wait there and are older, oldest first."""
        older = []
        for ticket in query(
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
            waiting = ticket["WaitingExecutionId"]
            if self._is_over(waiting) is not False:
                self._remove(place, ticket["Record"])
            elif now - ticket["RenewedTime"] <= self._lapse_seconds:
                older.append(waiting)
        return older

    def wait(self, place: Place, execution_id: str, start_time: int, now: int) -> None:
        """Take a ticket, or renew the one there is."""
        ticket = {
            "ExecutionId": _queue(place),
            "Record": _ticket(start_time, execution_id),
            "WaitingExecutionId": execution_id,
            "RenewedTime": now,
        }
        self._dynamodb.put_item(TableName=self._table_name, Item=pack(ticket))

    def leave(self, place: Place, execution_id: str, start_time: int) -> None:
        """Give the ticket back, if there is one."""
        self._remove(place, _ticket(start_time, execution_id))

    def _remove(self, place: Place, ticket: str) -> None:
        key = {"ExecutionId": _queue(place), "Record": ticket}
        self._dynamodb.delete_item(TableName=self._table_name, Key=pack(key))


def _queue(place: Place) -> str:
    return f"QUEUE#{place.account_id}#{place.region}"


def _ticket(start_time: int, execution_id: str) -> str:
    return f"{start_time:012d}#{execution_id}"

"""A source server belongs to one active execution: one lock item a server, in the table of executions.

A lock names its owner. It is released when the owner ends; should that release be lost, the lock is void all the same,
because whoever wants it looks its owner up. A start locks before it records, so an owner may be unrecorded: it holds
its locks until a later start has taken its ClientToken, which keeps it from ever being recorded, or for a minute.
The items have neither Status nor StartTime, so the index never sees them.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from drs_orchestrator.adapters.table import client, pack, put_if, read_together, succeeds, unpack

_PARALLEL_WRITES = 8

# A start lives as long as the API's function may run, 29 s; one that has recorded nothing after this is dead.
UNRECORDED_OWNER_SECONDS = 60


@dataclass(frozen=True, slots=True, order=True)
class LockedServer:
    """A source server where it lives."""

    account_id: str
    region: str
    source_server_id: str


@dataclass(frozen=True, slots=True)
class Held:
    """A server that another execution holds; `is_recorded` False: its start is not through yet."""

    server: LockedServer
    owner: str
    is_recorded: bool = True


class ServerLocks:
    def __init__(
        self, table_name: str, is_over: Callable[[str], bool | None], has_lost: Callable[[str, str], bool]
    ) -> None:
        """`is_over(execution_id)`: True when it has ended, None when there is no such execution.
        `has_lost(execution_id, token_record)`: whether a later start has taken its ClientToken."""
        self._table_name = table_name
        self._dynamodb = client()
        self._is_over = is_over
        self._has_lost = has_lost

    def acquire(
        self, owner: str, servers: Sequence[LockedServer], now: int, token_record: str | None = None
    ) -> list[Held]:
        """Lock all servers for `owner` or none: the result names those that others hold; empty means locked.
        `token_record`: where the ClientToken is kept that the owner is started with, if any."""
        lock = {"Owner": owner, "LockedTime": now, "TokenRecord": token_record}
        with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
            held = [each for each in pool.map(lambda server: self._acquire(server, lock, now), servers) if each]
        if held:
            self.release(owner, servers)
        return sorted(held, key=lambda each: each.server)

    def held(self, servers: Sequence[LockedServer], now: int) -> list[Held]:
        """Those of the servers that an execution holds. Nothing is locked by looking."""
        by_key = {_key(server)["ExecutionId"]: server for server in servers}
        is_over = cache(self._is_over)
        found = []
        for lock in read_together(self._dynamodb, self._table_name, map(_key, servers)):
            over = is_over(lock["Owner"])
            if not self._is_void(lock, over, now):
                found.append(Held(by_key[lock["ExecutionId"]], lock["Owner"], over is not None))
        return sorted(found, key=lambda each: each.server)

    def release(self, owner: str, servers: Iterable[LockedServer]) -> None:
        """Give back what `owner` holds among the servers; locks of others stay."""
        with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
            list(pool.map(lambda server: self._release(owner, server), servers))

    def _acquire(self, server: LockedServer, lock: dict[str, Any], now: int) -> Held | None:
        lock = _key(server) | lock
        while not self._put(lock, "attribute_not_exists(ExecutionId) OR #Owner = :owner", lock["Owner"]):
            answer = self._dynamodb.get_item(TableName=self._table_name, Key=pack(_key(server)), ConsistentRead=True)
            if "Item" not in answer:
                continue
            current = unpack(answer["Item"])
            if not self._is_void(current, self._is_over(current["Owner"]), now):
                return Held(server, current["Owner"])
            if self._put(lock, "#Owner = :owner", current["Owner"]):
                break
        return None

    def _is_void(self, lock: dict[str, Any], is_over: bool | None, now: int) -> bool:
        """`is_over` of its owner; None when that is not recorded."""
        if is_over is not None:
            return is_over
        if "TokenRecord" in lock and self._has_lost(lock["Owner"], lock["TokenRecord"]):
            return True
        return bool(now - lock["LockedTime"] > UNRECORDED_OWNER_SECONDS)

    def _put(self, lock: dict[str, Any], condition: str, owner: str) -> bool:
        return put_if(
            self._dynamodb,
            TableName=self._table_name,
            Item=pack(lock),
            ConditionExpression=condition,
            ExpressionAttributeNames={"#Owner": "Owner"},
            ExpressionAttributeValues={":owner": {"S": owner}},
        )

    def _release(self, owner: str, server: LockedServer) -> None:
        succeeds(
            self._dynamodb.delete_item,
            TableName=self._table_name,
            Key=pack(_key(server)),
            ConditionExpression="#Owner = :owner",
            ExpressionAttributeNames={"#Owner": "Owner"},
            ExpressionAttributeValues={":owner": {"S": owner}},
        )


def _key(server: LockedServer) -> dict[str, str]:
    place = f"{server.account_id}#{server.region}#{server.source_server_id}"
    return {"ExecutionId": f"LOCK#{place}", "Record": "LOCK"}

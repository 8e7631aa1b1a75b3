"""A source server belongs to one active execution: one lock item a server, in the table of executions.

A lock names its owner and is void with the owner's end: nobody gives it back, the next owner writes over it, so that an
execution costs one write a server and leaves at most one item a server. A start locks before it records, so an owner
may be unrecorded: it holds its locks until a later start has taken its ClientToken, which keeps it from ever being
recorded, or for a minute. The items have neither Status nor StartTime, so the index never sees them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.adapters.table import client, pack, put_if, read_together, succeeds

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


type Locks = Mapping[LockedServer, Mapping[str, Any]]
"""The lock items that were found, by server."""


class ServerLocks:
    def __init__(
        self,
        table_name: str,
        ended_among: Callable[[Iterable[str]], set[str]],
        is_over: Callable[[str], bool | None],
        has_lost: Callable[[str, str], bool],
    ) -> None:
        """`ended_among(execution_ids)`: those that have ended or don't exist, read together.
        `is_over(execution_id)`: True when it has ended, None when there is no such execution.
        `has_lost(execution_id, token_record)`: whether a later start has taken its ClientToken."""
        self._table_name = table_name
        self._dynamodb = client()
        self._ended_among = ended_among
        self._is_over = is_over
        self._has_lost = has_lost

    def acquire(
        self, owner: str, servers: Sequence[LockedServer], now: int, token_record: str | None = None
    ) -> list[Held]:
        """Lock all servers for `owner` or none: the result names those that others hold; empty means locked.
        `token_record`: where the ClientToken is kept that the owner is started with, if any.

        Nothing is written when a look at the locks shows one held. Raises ServiceBusy when they can't be read.
        """
        found = self._read(servers, ConsistentRead=True)
        if held := self._held(found, now, owner):
            return held
        lock = {"Owner": owner, "LockedTime": now, "TokenRecord": token_record}
        with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
            refused = pool.map(lambda server: self._take(server, lock, found, now), servers)
            held = [each for each in refused if each]
        if held:
            lost = {each.server for each in held}
            self.release(owner, [server for server in servers if server not in lost])
        return sorted(held, key=lambda each: each.server)

    def held(self, servers: Sequence[LockedServer], now: int) -> list[Held]:
        """Those of the servers that an execution holds. Nothing is locked by looking."""
        return self._held(self._read(servers), now)

    def release(self, owner: str, servers: Iterable[LockedServer]) -> None:
        """Give back what `owner` holds among the servers; locks of others stay."""
        with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
            list(pool.map(lambda server: self._release(owner, server), servers))

    def _take(self, server: LockedServer, lock: Mapping[str, Any], found: Locks, now: int) -> Held | None:
        """Lock the server; `found`: the lock that was read there, if any, is void or the owner's own."""
        while not self._put(server, lock, found.get(server, lock)["Owner"]):
            found = self._read([server], ConsistentRead=True)
            if held := self._held(found, now, lock["Owner"]):
                return held[0]
        return None

    def _held(self, locks: Locks, now: int, owner: str | None = None) -> list[Held]:
        """Those that others than `owner` hold. Whoever owns some is looked up once, and after they were read: from
        its end on an execution locks nothing."""
        others = {server: lock for server, lock in locks.items() if lock["Owner"] != owner}
        # A start locks all its servers at the same time and with the same token.
        owners = {lock["Owner"]: lock for lock in others.values()}
        gone = self._ended_among(owners)
        starting = {each for each in gone if self._may_be_recorded(owners[each], now)}
        return sorted(
            (
                Held(server, lock["Owner"], lock["Owner"] not in gone)
                for server, lock in others.items()
                if lock["Owner"] not in gone or lock["Owner"] in starting
            ),
            key=lambda each: each.server,
        )

    def _may_be_recorded(self, lock: Mapping[str, Any], now: int) -> bool:
        """Whether the lock's owner, which has ended or is not recorded, is a start that is not through yet."""
        if now - lock["LockedTime"] > UNRECORDED_OWNER_SECONDS or self._is_over(lock["Owner"]):
            return False
        return "TokenRecord" not in lock or not self._has_lost(lock["Owner"], lock["TokenRecord"])

    def _read(self, servers: Sequence[LockedServer], **arguments: Any) -> Locks:
        by_key = {_key(server)["ExecutionId"]: server for server in servers}
        items = read_together(self._dynamodb, self._table_name, map(_key, servers), **arguments)
        return {by_key[item["ExecutionId"]]: item for item in items}

    def _put(self, server: LockedServer, lock: Mapping[str, Any], former: str) -> bool:
        """Lock the server if nobody does, `former` does, or this very owner, whose put may come a second time."""
        return put_if(
            self._dynamodb,
            TableName=self._table_name,
            Item=pack({**_key(server), **lock}),
            ConditionExpression="attribute_not_exists(ExecutionId) OR #Owner IN (:owner, :former)",
            ExpressionAttributeNames={"#Owner": "Owner"},
            ExpressionAttributeValues={":owner": {"S": lock["Owner"]}, ":former": {"S": former}},
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

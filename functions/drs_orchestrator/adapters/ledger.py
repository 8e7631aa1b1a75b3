"""How the record of an execution is read and changed: single records, and changes that belong into the history.

Every write is conditional on what it replaces, so that any of two writers may come late, twice or not at all. A change
that belongs into the history is written in one transaction with its entry and the chain's new head (`commit`). Only the
news of jobs, which come with most polls, are told in writes of their own, for half the price (`tell`): the entry first,
the head after it. Should the head not follow, whoever writes the next entry finds one in its place and has the head
follow first. An execution's step to another status is logged here, so that it has one line, whoever made it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from botocore.exceptions import ClientError

from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters.table import client, pack, put_if, query, read_together, succeeds, unpack
from drs_orchestrator.domain.history import Event, Head, event_of, seal
from drs_orchestrator.domain.notices import notice_type
from drs_orchestrator.domain.records import Execution, Job, untold
from drs_orchestrator.errors import ServiceBusy
from drs_orchestrator.observability import about, logger

_PARALLEL_WRITES = 8
# How often a transaction that met another one is tried again before its caller has to be repeated.
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a record: attributes to set, to add to (numbers, sets), to take from (sets), to remove, and what
    must hold: an attribute's value, a tuple of values it may have, None for an attribute that must be absent, `...` for
    one that must be there."""

    set: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, Any] = field(default_factory=dict)
    delete: Mapping[str, Any] = field(default_factory=dict)
    remove: Sequence[str] = ()
    only_if: Mapping[str, Any] = field(default_factory=dict)


class Fate(Enum):
    """What became of a change: carried out, a condition did not hold, or somebody else wrote at the same time."""

    DONE = auto()
    REFUSED = auto()
    COLLIDED = auto()


class Ledger:
    """The table of executions, one partition an execution."""

    def __init__(self, table_name: str) -> None:
        self.table_name = table_name
        self.dynamodb = client()
        # The reading of a header that an entry was last written on, and the same with the head as it is since.
        self._last: tuple[Execution, Execution] | None = None

    def get(self, key: dict[str, str]) -> dict[str, Any] | None:
        """One record as plain dictionary."""
        answer = self.dynamodb.get_item(TableName=self.table_name, Key=pack(key), ConsistentRead=True)
        return unpack(answer["Item"]) if "Item" in answer else None

    def header(self, execution_id: str) -> Execution | None:
        item = self.get(items.header_key(execution_id))
        return items.read_header(item) if item else None

    def read_together(self, keys: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
        """The items of these keys that exist, in no order. Raises ServiceBusy as `table.read_together` does."""
        return read_together(self.dynamodb, self.table_name, keys, ConsistentRead=True)

    def records(self, execution_id: str, prefix: str) -> Iterator[dict[str, Any]]:
        """The execution's records whose keys begin with `prefix`, in order."""
        condition, values = "ExecutionId = :id", {":id": {"S": execution_id}}
        if prefix:
            condition += " AND begins_with(#Record, :prefix)"
            values[":prefix"] = {"S": prefix}
        names = {"ExpressionAttributeNames": {"#Record": "Record"}} if prefix else {}
        return query(
            self.dynamodb,
            TableName=self.table_name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **names,
        )

    def put(self, record: dict[str, Any]) -> dict[str, Any]:
        """The write of a transaction that puts a record which must not exist yet."""
        condition = "attribute_not_exists(ExecutionId)"
        return {"Put": {"TableName": self.table_name, "Item": pack(record), "ConditionExpression": condition}}

    def put_once(self, record: dict[str, Any]) -> None:
        """Put the record; one that exists already is left as it is."""
        put_if(self.dynamodb, **self.put(record)["Put"])

    def update(self, key: Mapping[str, str], change: Change) -> dict[str, Any]:
        """The arguments of update_item that carry the change."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {}

        def value(name: str, value: Any) -> str:
            # Short, for DynamoDB takes expressions of 4 KB: a header that follows the news of 129 jobs, as many as a
            # plan may have, sets `#Told_0000_0000 = :12` so often, which is 3 KB.
            placeholder = f":{len(values)}"
            values[placeholder] = value
            names[f"#{name}"] = name
            return placeholder

        def name(name: str) -> str:
            names[f"#{name}"] = name
            return f"#{name}"

        clauses = {
            "SET": [f"#{each} = {value(each, new)}" for each, new in change.set.items()],
            "REMOVE": [name(each) for each in change.remove],
            "ADD": [f"#{each} {value(each, more)}" for each, more in change.add.items()],
            "DELETE": [f"#{each} {value(each, gone)}" for each, gone in change.delete.items()],
        }
        conditions = []
        for each, wanted in change.only_if.items():
            if wanted is None:
                conditions.append(f"attribute_not_exists({name(each)})")
            elif wanted is ...:
                conditions.append(f"attribute_exists({name(each)})")
            elif isinstance(wanted, tuple):
                conditions.append(f"#{each} IN ({', '.join(value(each, one) for one in wanted)})")
            else:
                conditions.append(f"#{each} = {value(each, wanted)}")
        update = {
            "TableName": self.table_name,
            "Key": pack(key),
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts),
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": pack(values),
        }
        return {name: each for name, each in update.items() if each}

    def update_header(self, execution: Execution, change: Change) -> Execution | None:
        """The header after a change of it alone; None when its condition did not hold."""
        update = self.update(items.header_key(execution.execution_id), change)
        answer = succeeds(self.dynamodb.update_item, **update, ReturnValues="ALL_NEW")
        if answer is None:
            return None
        _log_step(execution, change)
        return items.read_header(unpack(answer["Attributes"]))

    def commit(self, execution: Execution, event: Event | None, change: Change, *writes: dict[str, Any]) -> bool:
        """Carry out a change of the header, other writes and the history's entry about them, all or nothing.

        False when a condition did not hold. Another entry that came first is no such condition: the entry is sealed
        again behind it.
        """
        execution_id, current = execution.execution_id, self._with_latest_head(execution)
        for _ in range(_TRIES):
            header, entries, after = replace(change, only_if={"Status": ..., **change.only_if}), [], current
            if event:
                entry = seal(execution_id, current.head, event)
                entries.append(self.put(items.history_entry(execution_id, entry)))
                after = _with(current, entry)
                header = _following(header, current, after)
            update = self.update(items.header_key(execution_id), header)
            fate = self.transact([{"Update": update}, *writes, *entries])
            if fate is Fate.DONE:
                if event:
                    self._last = execution, after
                _log_step(execution, change)
                return True
            found = self._caught_up(execution_id)
            if found is None or (fate is Fate.REFUSED and found.head == current.head):
                return False
            current = found
        raise ServiceBusy(f"The record of {execution_id} is being changed by too many at once; try again.")

    def tell(self, execution: Execution, jobs: Sequence[Job], change: Change) -> Execution | None:
        """Write what the history is not told yet of these jobs, an entry for each of their news, and then a change of
        the header, which follows them. None when its condition does not hold, or another driver has taken over.

        Each write stands for itself. That is safe because the news are true already, they stay in the job's record
        until the header says that they are told, and each entry says whose news it tells.
        """
        current = self._with_latest_head(execution)
        for _ in range(_TRIES):
            if current.generation != execution.generation or current.status.is_final:
                return None
            fate, told = self._try_to_tell(current, jobs, change)
            if told:
                self._last = execution, told
                return told
            found = self._caught_up(execution.execution_id)
            if found is None or (fate is Fate.REFUSED and found.head == current.head):
                return None
            current = found
        raise ServiceBusy(f"The record of {execution.execution_id} is being changed by too many at once; try again.")

    def _try_to_tell(self, current: Execution, jobs: Iterable[Job], change: Change) -> tuple[Fate, Execution | None]:
        """Once, behind the head that `current` knows: what became of it, and the header afterwards if it is done."""
        try:
            after = self._write_entries(current, jobs)
            if after is None:
                return Fate.COLLIDED, None
            if after is current and change == Change():
                return Fate.DONE, current
            header = change if after is current else _following(change, current, after)
            told = self.update_header(current, header)
        except ClientError as error:
            # A transaction on the same record is under way.
            if error.response["Error"]["Code"] == "TransactionConflictException":
                return Fate.COLLIDED, None
            raise
        return (Fate.DONE, told) if told else (Fate.REFUSED, None)

    def _write_entries(self, current: Execution, jobs: Iterable[Job]) -> Execution | None:
        """The header as it is to follow the entries; None when somebody else has written one in the place of ours."""
        # No job leaves the active ones with news untold.
        for job in (each for each in jobs if each.key in current.active_jobs):
            for news in untold(current, job):
                entry = seal(current.execution_id, current.head, news.event)
                item = items.news_entry(current.execution_id, entry, job.key, news.version)
                if not put_if(self.dynamodb, **self.put(item)["Put"]):
                    return None
                current = _with(current, item)
        return current

    def _caught_up(self, execution_id: str) -> Execution | None:
        """The header, once it has followed all entries there are; None when there is none."""
        found = self.header(execution_id)
        while found and (item := self.get(items.history_key(execution_id, found.head.count + 1))):
            follow = _following(Change(), found, _with(found, item))
            found = self.update_header(found, follow) or self.header(execution_id)
        return found

    def _with_latest_head(self, execution: Execution) -> Execution:
        """One task writes several entries on one reading of the header: the next one goes behind what it wrote itself,
        for each attempt behind an older entry is refused and has its price all the same."""
        return self._last[1] if self._last and self._last[0] is execution else execution

    def transact(self, writes: list[dict[str, Any]]) -> Fate:
        """All of the writes or none of them."""
        try:
            self.dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
            if "ConditionalCheckFailed" in reasons:
                return Fate.REFUSED
            if "TransactionConflict" in reasons:
                return Fate.COLLIDED
            raise
        return Fate.DONE

    @staticmethod
    def each[T](things: Sequence[T], write: Callable[[T], None]) -> None:
        """Write all; more than a few in parallel. The first error is raised once every write has been tried."""
        if len(things) <= 2:
            for thing in things:
                write(thing)
            return
        with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
            for future in [pool.submit(write, thing) for thing in things]:
                future.result()


def _with(execution: Execution, item: Mapping[str, Any]) -> Execution:
    """The header behind one more entry of the history, given as it is kept in the table."""
    entry = items.read_history_entry(item)
    after = replace(execution, head=Head(entry["Number"], entry["Hash"]))
    if event_of(entry).is_progress:
        after = replace(after, moved_time=entry["Time"])
    if _is_published_with(execution, entry):
        after = replace(after, published=entry["Number"])
    if source := items.read_source_of_news(item):
        key, version = source
        after = replace(after, told={**after.told, key: version})
    return after


def _is_published_with(execution: Execution, entry: Mapping[str, Any]) -> bool:
    """Whether nothing is left to announce once the entry is written: no event is made of it, and all before it are out.
    What comes after the end is left to who closes the outbox."""
    up_to_date = execution.published == execution.head.count
    return up_to_date and not execution.status.is_final and notice_type(entry) is None


def _following(change: Change, before: Execution, after: Execution) -> Change:
    """The change of a header that also follows the entries written since `before` was read, if those are all."""
    noted: dict[str, Any] = {"HistoryCount": after.head.count, "HistoryHash": after.head.hash}
    if after.moved_time != before.moved_time:
        noted["MovedTime"] = after.moved_time
    if after.published != before.published:
        noted["Published"] = after.published
    noted |= {items.told(key): version for key, version in after.told.items() if before.told.get(key) != version}
    return replace(
        change,
        # A job that leaves the active ones leaves no mark.
        set={**change.set, **{name: value for name, value in noted.items() if name not in change.remove}},
        only_if={**change.only_if, "HistoryCount": before.head.count or None},
    )


def _log_step(execution: Execution, change: Change) -> None:
    status = change.set.get("Status", execution.status.value)
    if status != execution.status.value:
        logger.info("execution changed", **about(execution), status=status)

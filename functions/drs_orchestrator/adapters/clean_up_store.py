"""The record of a drill's clean-up, beside the execution's own.

    CLEANUP                      whether it is due, under way or over; while it is open, it stands in StatusIndex under
                                 its own status, where the reconciler finds it
    CLEANUP#0000#0000 …          one a StartRecovery call: what became of each instance it launched

It is driven by the execution's driver, so the execution's generation fences it. What became of the instances is read
from DRS in every round: a write that comes late is put right by the next one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from drs_orchestrator.adapters import clean_up_items as items
from drs_orchestrator.adapters.execution_items import outbox
from drs_orchestrator.adapters.execution_store import STATUS_INDEX
from drs_orchestrator.adapters.ledger import Change, Ledger
from drs_orchestrator.adapters.table import pack, query, succeeds
from drs_orchestrator.domain.clean_up import CleanUp, CleanUpStatus, DrillInstance, Instances
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.records import Execution, JobKey


class CleanUpStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, execution_id: str) -> CleanUp | None:
        item = self._ledger.get(items.clean_up_key(execution_id))
        return items.read_clean_up(item) if item else None

    def get_together(self, execution_ids: Iterable[str]) -> dict[str, CleanUp]:
        """By execution, those that exist and can be read; `get` tells what is wrong with another."""
        found = {}
        for item in self._ledger.read_together(map(items.clean_up_key, execution_ids)):
            with suppress(LookupError, TypeError, ValueError):
                found[item["ExecutionId"]] = items.read_clean_up(item)
        return found

    def open_ids(self) -> Iterator[str]:
        """The id of every execution whose clean-up is due or under way, from every page of the index."""
        for item in query(
            self._ledger.dynamodb,
            TableName=self._ledger.table_name,
            IndexName=STATUS_INDEX,
            KeyConditionExpression="#Status = :status",
            ExpressionAttributeNames={"#Status": "Status"},
            ExpressionAttributeValues={":status": {"S": CleanUpStatus.CLEANING_UP.value}},
        ):
            yield item["ExecutionId"]

    def request(self, execution: Execution, clean_up: CleanUp, event: Event) -> Execution | None:
        """Record that an ended execution is to be cleaned up, by a driver of its next generation; the execution as it
        is then. None when it has changed meanwhile."""
        change = Change(
            set={"Generation": execution.generation + 1, "DriverStarted": event.time, "DriverRounds": 0},
            only_if={"Generation": execution.generation, "Status": execution.status.value},
        )
        write = self.put(execution, clean_up)
        return (
            self._ledger.header(execution.execution_id)
            if self._ledger.commit(execution, event, change, write)
            else None
        )

    def put(self, execution: Execution, clean_up: CleanUp) -> dict[str, Any]:
        """The write of a transaction that records a new clean-up."""
        return self._put(items.clean_up(execution, clean_up))

    def instances(self, execution_id: str) -> dict[JobKey, dict[str, DrillInstance]]:
        """What became of each instance, by the job that launched it."""
        return {
            items.job_of(record): items.read_instances(record)
            for record in self._ledger.records(execution_id, items.INSTANCES_PREFIX)
        }

    def save_instances(self, execution_id: str, key: JobKey, instances: Instances) -> None:
        self._ledger.dynamodb.put_item(
            TableName=self._ledger.table_name, Item=pack(items.instances(execution_id, key, instances))
        )

    def count_round(self, execution: Execution, clean_up: CleanUp, now: int) -> CleanUp | None:
        """Note that a round begins; None when somebody else has begun it or the clean-up is over."""
        begun = replace(clean_up, rounds=clean_up.rounds + 1, last_round=now)
        change = Change(
            set={"Rounds": begun.rounds, "LastRoundTime": now},
            only_if={"Status": CleanUpStatus.CLEANING_UP.value, "Rounds": clean_up.rounds},
        )
        update = self._ledger.update(items.clean_up_key(execution.execution_id), change)
        return begun if succeeds(self._ledger.dynamodb.update_item, **update) else None

    def end(self, execution: Execution, clean_up: CleanUp, left: Sequence[Mapping[str, Any]]) -> bool:
        """Close the clean-up, which takes it out of the index; False when it is over already, or another driver is at
        it. `left` tells the history some of what could not be terminated. Until that is announced, the outbox stays
        open."""
        change = Change(
            set={
                "Status": clean_up.status.value,
                "EndTime": clean_up.end_time,
                "Terminated": clean_up.terminated,
                "Left": clean_up.left,
            },
            remove=("StartTime",),
            only_if={"Status": CleanUpStatus.CLEANING_UP.value},
        )
        write = {"Update": self._ledger.update(items.clean_up_key(execution.execution_id), change)}
        data = {
            "Status": clean_up.status.value,
            "Terminated": clean_up.terminated,
            "LeftCount": clean_up.left or None,
            "Left": list(left) or None,
        }
        event = Event(Kind.CLEAN_UP_FINISHED, clean_up.end_time or 0, data=data)
        unchanged = Change(only_if={"Generation": execution.generation})
        return self._ledger.commit(execution, event, unchanged, write, self._put(outbox(execution)))

    def _put(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"Put": {"TableName": self._ledger.table_name, "Item": pack(record)}}

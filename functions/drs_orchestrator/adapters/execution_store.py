"""The record of executions: one table, one partition an execution.

    EXECUTION                    the header; the only record in the index StatusIndex
    PLAN#0000 …                  the plan as it was at the start, in pieces of at most 16 KB
    WAVE#0000 …                  one a wave
    JOB#0000#0000 …              one a StartRecovery call: at most 100 servers
    SERVER#0000#0000#s-… …       one a server, with its history

No item grows with the number of servers of the execution. Every write is conditional on what it replaces, so that
any of two writers may come late, twice or not at all:
- header: on its generation (a driver that was replaced can't write);
- wave, server: on a status that the new one may follow;
- job: on its version. Its servers are written before it, so a lost job write only repeats server writes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters.table import client, pack, put_if, query, succeeds, unpack
from drs_orchestrator.domain.plan import Plan, plan_from_document, plan_to_document
from drs_orchestrator.domain.records import Execution, Job, JobKey, JobUpdate, ServerChange, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ServerStatus, may_follow, predecessors

STATUS_INDEX = "StatusIndex"

_PIECE_CHARACTERS = 16_000
_PARALLEL_WRITES = 8


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A caller's idempotency token and the digest of the request it came with."""

    token: str
    request_digest: str
    expires: int


class ExecutionStore:
    def __init__(self, table_name: str) -> None:
        self._table_name = table_name
        self._dynamodb = client()

    # -- start -----------------------------------------------------------------------------------------------------

    def create(self, execution: Execution, plan: Plan, token: ClientToken | None) -> bool:
        """Write header, plan pieces and token, all or nothing. False when the token has been used before."""
        text = json.dumps(plan_to_document(plan), separators=(",", ":"))
        pieces = [text[i : i + _PIECE_CHARACTERS] for i in range(0, len(text), _PIECE_CHARACTERS)]
        writes = [self._put(items.header(execution))]
        writes += [self._put(items.plan_piece(execution.execution_id, i, piece)) for i, piece in enumerate(pieces)]
        if token:
            writes.append(
                self._put(items.token(token.token, execution.execution_id, token.request_digest, token.expires))
            )
        return self._transact(writes)

    def used_token(self, token: str) -> tuple[str, str] | None:
        """(execution id, request digest) the token was first used with."""
        item = self._get(items.token_key(token))
        return (item["StartedExecutionId"], item["RequestDigest"]) if item else None

    def plan(self, execution_id: str) -> Plan:
        """The plan as it was when the execution was started."""
        pieces = self._records(execution_id, items.PLAN_PREFIX)
        return plan_from_document(json.loads("".join(piece["Text"] for piece in pieces)))

    # -- reading ---------------------------------------------------------------------------------------------------

    def get(self, execution_id: str) -> Execution | None:
        item = self._get(items.header_key(execution_id))
        return items.read_header(item) if item else None

    def is_over(self, execution_id: str) -> bool | None:
        """Whether the execution has ended; None when there is no such execution, or its header can't be read.

        A broken header must not keep its servers locked or others waiting for its turn.
        """
        item = self._get(items.header_key(execution_id))
        status = str(item.get("Status")) if item else ""
        return ExecutionStatus(status).is_final if status in ExecutionStatus.__members__ else None

    def records(self, execution_id: str) -> list[dict[str, Any]]:
        """Every record of the execution, as plain dictionaries, in order of their keys."""
        return list(self._records(execution_id, ""))

    def waves(self, execution_id: str) -> list[Wave]:
        return [items.read_wave(item) for item in self._records(execution_id, items.WAVE_PREFIX)]

    def jobs(self, execution_id: str, wave: int | None = None) -> list[Job]:
        """Every job of the execution, or of one wave."""
        prefix = items.JOB_PREFIX if wave is None else f"{items.JOB_PREFIX}{wave:04d}#"
        return [items.read_job(item) for item in self._records(execution_id, prefix)]

    def job(self, execution: Execution, key: JobKey) -> Job:
        """Raises LookupError when the execution has no such job."""
        item = self._get(items.job_key(execution.execution_id, key))
        if item is None:
            raise LookupError(f"no record of job {key} in {execution.execution_id}")
        return items.read_job(item)

    def active_jobs(self, execution: Execution) -> list[Job]:
        """The jobs whose launch was intended and whose servers are not all settled."""
        keys = [pack(items.job_key(execution.execution_id, key)) for key in sorted(execution.active_jobs)]
        found: list[Job] = []
        while keys:
            batch, keys = keys[:100], keys[100:]
            answer = self._dynamodb.batch_get_item(
                RequestItems={self._table_name: {"Keys": batch, "ConsistentRead": True}}
            )
            found += [items.read_job(unpack(item)) for item in answer["Responses"].get(self._table_name, ())]
            keys += answer.get("UnprocessedKeys", {}).get(self._table_name, {}).get("Keys", [])
        return sorted(found, key=lambda job: job.key)

    def page_by_status(
        self, status: ExecutionStatus, limit: int, start: dict[str, Any] | None
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """One page of the index, newest first, and the key to go on from, if any."""
        arguments: dict[str, Any] = {"ExclusiveStartKey": pack(start)} if start else {}
        answer = self._dynamodb.query(**self._status_query(status), Limit=limit, **arguments)
        last = answer.get("LastEvaluatedKey")
        return [items.summary(unpack(item)) for item in answer["Items"]], unpack(last) if last else None

    def ids_by_status(self, status: ExecutionStatus) -> Iterator[str]:
        """The id of every execution in `status`, from every page of the index."""
        for item in query(self._dynamodb, **self._status_query(status)):
            yield item["ExecutionId"]

    # -- preparing -------------------------------------------------------------------------------------------------

    def lay_out(self, execution_id: str, waves: Sequence[Wave], jobs: Sequence[Job], names: dict[str, str]) -> None:
        """Write the wave, job and server records; those that exist already are left as they are."""
        self._each(items.laid_out(execution_id, waves, jobs, names), self._put_once)

    def begin_polling(self, execution: Execution) -> Execution | None:
        """Mark the records as laid out and the execution as POLLING; None when another driver has taken over."""
        return self._update_header(
            execution,
            "SET #Status = :polling, Prepared = :true",
            {":polling": ExecutionStatus.POLLING.value, ":true": True},
            only_from=ExecutionStatus.PENDING,
        )

    # -- launching -------------------------------------------------------------------------------------------------

    def record_intent(self, execution: Execution, job: Job, now: int) -> Job | None:
        """Note that StartRecovery is about to be called for the job; None when somebody else was faster."""
        intended = replace(job, called_time=now, version=job.version + 1, status_reason=None)
        if job.intent_time is None:
            intended = replace(intended, intent_time=now, polls_at_launch=execution.poll_count)
        header = self._header_update(
            execution,
            "ADD ActiveJobs :job",
            {":job": {str(job.key)}},
        )
        return intended if self._transact([{"Update": header}, self._replace_job(execution, intended)]) else None

    def save_job(self, execution: Execution, job: Job) -> Job | None:
        """Replace the job's record; None when somebody else has replaced it since it was read."""
        saved = replace(job, version=job.version + 1)
        return saved if put_if(self._dynamodb, **self._replace_job(execution, saved)["Put"]) else None

    # -- observing -------------------------------------------------------------------------------------------------

    def apply(self, execution: Execution, update: JobUpdate, now: int) -> Job | None:
        """Write what an observation changed: servers first, then the job. None when somebody else was faster."""
        self._each(update.changes, lambda change: self._change_server(execution, change, now))
        return self.save_job(execution, update.job)

    def save_wave(self, execution: Execution, wave: Wave) -> bool:
        """Write a wave with a new status; False when its record has already moved on."""
        allowed = [status.value for status in predecessors(wave.status)]
        values = {f":s{i}": status for i, status in enumerate(allowed)}
        return put_if(
            self._dynamodb,
            TableName=self._table_name,
            Item=pack(items.wave(execution.execution_id, wave)),
            ConditionExpression=f"#Status IN ({', '.join(values)})",
            ExpressionAttributeNames={"#Status": "Status"},
            ExpressionAttributeValues=pack(values),
        )

    def heartbeat(
        self,
        execution: Execution,
        *,
        now: int,
        polled: bool,
        troubles: int = 0,
        phase: str | None = None,
        finished: Iterable[JobKey] = (),
    ) -> Execution | None:
        """The last write of every round; None when another driver has taken over."""
        done = {str(key) for key in finished}
        expression = "SET LastPolledTime = :now, Troubles = :troubles"
        values: dict[str, Any] = {":now": now, ":one": 1, ":polls": 1 if polled else 0, ":troubles": troubles}
        if phase:
            expression += ", PollingPhase = :phase"
            values[":phase"] = phase
        expression += " ADD DriverRounds :one, PollCount :polls"
        if done:
            expression += " DELETE ActiveJobs :done"
            values[":done"] = done
        return self._update_header(execution, expression, values)

    def finish(self, execution: Execution, status: ExecutionStatus, reason: str | None, now: int) -> bool:
        """Write the final status; False when another driver has taken over or the execution has ended."""
        expression, values = "SET #Status = :status, EndTime = :now", {":status": status.value, ":now": now}
        if reason:
            expression += ", StatusReason = :reason"
            values[":reason"] = reason
        return self._update_header(execution, expression, values, only_from=ExecutionStatus.POLLING) is not None

    def take_over(self, execution: Execution, now: int) -> Execution | None:
        """Give the execution its next generation: whoever drives an earlier one is fenced off from now on."""
        return self._update_header(
            execution,
            "SET Generation = :next, DriverStarted = :now, DriverRounds = :zero",
            {":next": execution.generation + 1, ":now": now, ":zero": 0},
        )

    # -- how ---------------------------------------------------------------------------------------------------------

    def _status_query(self, status: ExecutionStatus) -> dict[str, Any]:
        return {
            "TableName": self._table_name,
            "IndexName": STATUS_INDEX,
            "KeyConditionExpression": "#Status = :status",
            "ExpressionAttributeNames": {"#Status": "Status"},
            "ExpressionAttributeValues": {":status": {"S": status.value}},
            "ScanIndexForward": False,
        }

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        answer = self._dynamodb.get_item(TableName=self._table_name, Key=pack(key), ConsistentRead=True)
        return unpack(answer["Item"]) if "Item" in answer else None

    def _records(self, execution_id: str, prefix: str) -> Iterator[dict[str, Any]]:
        condition, values = "ExecutionId = :id", {":id": {"S": execution_id}}
        if prefix:
            condition += " AND begins_with(#Record, :prefix)"
            values[":prefix"] = {"S": prefix}
        names = {"ExpressionAttributeNames": {"#Record": "Record"}} if prefix else {}
        return query(
            self._dynamodb,
            TableName=self._table_name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **names,
        )

    def _put(self, record: dict[str, Any]) -> dict[str, Any]:
        condition = "attribute_not_exists(ExecutionId)"
        return {"Put": {"TableName": self._table_name, "Item": pack(record), "ConditionExpression": condition}}

    def _put_once(self, record: dict[str, Any]) -> None:
        put_if(self._dynamodb, **self._put(record)["Put"])

    def _replace_job(self, execution: Execution, job: Job) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": pack(items.job(execution.execution_id, job)),
                "ConditionExpression": "Version = :read",
                "ExpressionAttributeValues": {":read": {"N": str(job.version - 1)}},
            }
        }

    def _change_server(self, execution: Execution, change: ServerChange, now: int) -> None:
        """Write the change from the status the record really has: a crash may have left it ahead of its job."""
        key = items.server_key(execution.execution_id, change.job, change.source_server_id)
        while True:  # ends: the condition fails only when the status moved, and statuses only move forward
            current = self._get(key)
            if current is None:
                raise LookupError(f"no record of server {change.source_server_id} in {execution.execution_id}")
            status = ServerStatus(current["Status"])
            to = change.status if change.status and may_follow(status, change.status) else None
            update = items.server_update(change, status, to, execution.poll_count + 1, now)
            update |= {"TableName": self._table_name, "Key": pack(key)}
            if succeeds(self._dynamodb.update_item, **update):
                return

    def _header_update(self, execution: Execution, expression: str, values: dict[str, Any]) -> dict[str, Any]:
        values = {":generation": execution.generation} | values
        names = {"#Status": "Status"} if "#Status" in expression else {}
        update = {
            "TableName": self._table_name,
            "Key": pack(items.header_key(execution.execution_id)),
            "UpdateExpression": expression,
            "ConditionExpression": "Generation = :generation",
            "ExpressionAttributeValues": pack(values),
        }
        return update | ({"ExpressionAttributeNames": names} if names else {})

    def _update_header(
        self, execution: Execution, expression: str, values: dict[str, Any], only_from: ExecutionStatus | None = None
    ) -> Execution | None:
        update = self._header_update(execution, expression, values)
        if only_from:
            update["ConditionExpression"] += " AND #Status = :from"
            update["ExpressionAttributeNames"] = {"#Status": "Status"}
            update["ExpressionAttributeValues"][":from"] = {"S": only_from.value}
        answer = succeeds(self._dynamodb.update_item, **update, ReturnValues="ALL_NEW")
        return items.read_header(unpack(answer["Attributes"])) if answer else None

    def _transact(self, writes: list[dict[str, Any]]) -> bool:
        try:
            self._dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
            if "ConditionalCheckFailed" in reasons:
                return False
            raise
        return True

    @staticmethod
    def _each[T](things: Sequence[T], write: Callable[[T], None]) -> None:
        """Write all; more than a few in parallel. The first error is raised once every write has been tried."""
        if len(things) <= 2:
            for thing in things:
                write(thing)
            return
        with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
            for future in [pool.submit(write, thing) for thing in things]:
                future.result()

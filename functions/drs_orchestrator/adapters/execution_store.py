"""The record of executions: one table, one partition an execution.

    EXECUTION                    the header; in the index StatusIndex with its status
    PLAN#0000 …                  the plan as it was at the start, in pieces of at most 16 KB
    WAVE#0000 …                  one a wave
    JOB#0000#0000 …              two a StartRecovery call: what changes of it, and its at most 100 servers
    SERVER#0000#0000#s-… …       one a server that is PENDING no more, with its transitions
    HISTORY#000001 …             what happened, by whom, in order; each entry carries the hash of the one before
    OUTBOX                       while some of an ended execution's history is to be announced; in the index as
                                 UNPUBLISHED

No item grows with the number of servers of the execution. Every write is conditional on what it replaces:
- header: on its generation (a driver that was replaced can't write), or on what an operator's decision is about;
- wave, server: on a status that the new one may follow;
- job: on its version. Its servers are written before it, so a lost job write only repeats server writes.
What an observation found stands in the job's record until the history has been told, which the header says: by the
round's last write, or before the job's wave ends. So a poll that sees a server move writes the job, the history's entry
and the header once each.
The history is the outbox, too: the header says up to which entry it has been announced.
Every step of a wave's or server's status is logged where it is written, so that it has one line, whoever made it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters import job_items
from drs_orchestrator.adapters.ledger import Change, Fate, Ledger
from drs_orchestrator.adapters.table import pack, put_if, query, succeeds, unpack
from drs_orchestrator.domain.cutting import cut
from drs_orchestrator.domain.history import NO_HISTORY, Event, Kind, seal
from drs_orchestrator.domain.notices import FailedServer
from drs_orchestrator.domain.progress import to_keep
from drs_orchestrator.domain.records import Execution, Job, JobKey, JobUpdate, News, ServerChange, Wave, untold
from drs_orchestrator.domain.statuses import (
    ExecutionStatus,
    ExecutionType,
    ServerStatus,
    WaveStatus,
    may_follow,
    predecessors,
)
from drs_orchestrator.domain.steering import PauseRequest, Question, QuestionKind, Stop
from drs_orchestrator.observability import about, logger

if TYPE_CHECKING:
    from drs_orchestrator.domain.plan import Plan

STATUS_INDEX = "StatusIndex"

_PIECE_CHARACTERS = 16_000

# What the history has of a server's error; its own record has all, of DRS's longest (65,536 characters) 256 KB. An item
# may have 400 KB. An entry about 100 servers has 100 * (500 + 150) bytes, 65 KB. The job's item has the same shorter
# until it is told: even six in a row, whose drivers died before they told them, are 6 * 100 * (500 + 40) bytes, 324 KB,
# beside at most 33 KB of reasons why instances are not protected, 15 KB of reasons for skips and 20 KB of all else.
_ERROR_BYTES = 500

# How many executions' keys are kept in mind, and how many waves are read by their keys: each is paid for by itself.
_KEPT_IN_MIND = 1000
_WAVES_BY_KEY = 10


@dataclass(frozen=True, slots=True)
class Round:
    """What a check begins with: the header, the active jobs and all waves."""

    execution: Execution
    jobs: list[Job]
    waves: list[Wave]


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A caller's idempotency token and the digest of the request it came with."""

    token: str
    request_digest: str
    expires: int

    @property
    def record(self) -> str:
        """Where the table keeps it; tells nothing of the token."""
        return items.token_record(self.token)


class ExecutionStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._table_name = ledger.table_name
        self._dynamodb = ledger.dynamodb
        # What the last check of each execution read beside its header. Only ever a guess at what the next one needs.
        self._guesses: dict[str, list[dict[str, str]]] = {}

    # -- start -----------------------------------------------------------------------------------------------------

    def claim(self, execution_id: str, token: ClientToken) -> bool:
        """Give the token to the start of this execution; an earlier start that has recorded nothing loses it, and
        with it the right to record. False when an execution has been recorded with the token."""
        return put_if(
            self._dynamodb,
            TableName=self._table_name,
            Item=pack(items.token(token.token, execution_id, token.request_digest, token.expires)),
            ConditionExpression="attribute_not_exists(Recorded)",
        )

    def has_lost(self, execution_id: str, token_record: str) -> bool:
        """Whether a later start has taken the token from this one: the execution will never be recorded then."""
        item = self._ledger.get(items.token_key(token_record))
        return item is not None and item["StartedExecutionId"] != execution_id

    def create(self, execution: Execution, plan: "Plan", token: ClientToken | None, event: Event) -> bool:
        """Write header, plan pieces, token and the history's first entry, all or nothing. False when the token is no
        longer this start's."""
        from drs_orchestrator.domain.plan import plan_to_document

        text = json.dumps(plan_to_document(plan), separators=(",", ":"))
        pieces = [text[i : i + _PIECE_CHARACTERS] for i in range(0, len(text), _PIECE_CHARACTERS)]
        entry = seal(execution.execution_id, NO_HISTORY, event)
        header = items.header(execution) | {"HistoryCount": entry["Number"], "HistoryHash": entry["Hash"]}
        writes = [self._ledger.put(header), self._ledger.put(items.history_entry(execution.execution_id, entry))]
        writes += [
            self._ledger.put(items.plan_piece(execution.execution_id, i, piece)) for i, piece in enumerate(pieces)
        ]
        if token:
            writes.append(self._record_token(execution.execution_id, token))
        return self._ledger.transact(writes) is Fate.DONE

    def used_token(self, token: str) -> tuple[str, str] | None:
        """(execution id, request digest) of the execution that was recorded with the token."""
        item = self._ledger.get(items.token_key(items.token_record(token)))
        return (item["StartedExecutionId"], item["RequestDigest"]) if item and item.get("Recorded") else None

    def plan(self, execution_id: str) -> "Plan":
        """The plan as it was when the execution was started."""
        # Imported here: a check, the function that starts most often, never reads the plan.
        from drs_orchestrator.domain.plan import plan_from_document

        pieces = self._ledger.records(execution_id, items.PLAN_PREFIX)
        return plan_from_document(json.loads("".join(piece["Text"] for piece in pieces)))

    # -- reading ---------------------------------------------------------------------------------------------------

    def get(self, execution_id: str) -> Execution | None:
        return self._ledger.header(execution_id)

    def begin_round(self, execution_id: str) -> Round:
        """In one call, if since the last check in this process no job became active; more where that guess is wrong.

        Raises LookupError for an unknown id.
        """
        key = items.header_key(execution_id)
        guess = self._guesses.pop(execution_id, [])
        found = {item["Record"]: item for item in self._ledger.read_together([key, *guess])}
        if items.HEADER not in found:
            raise LookupError(f"there is no execution {execution_id}")
        execution = items.read_header(found[items.HEADER])
        job_keys = _job_keys(execution_id, execution.active_jobs)
        missing = [each for each in job_keys if each["Record"] not in found]
        found |= {item["Record"]: item for item in self._ledger.read_together(missing)}
        waves = [item for record, item in sorted(found.items()) if record.startswith(items.WAVE_PREFIX)]
        waves = waves or list(self._ledger.records(execution_id, items.WAVE_PREFIX))
        wave_keys = [items.wave_key(execution_id, number) for number in range(len(waves))]
        if len(self._guesses) >= _KEPT_IN_MIND:
            self._guesses.clear()
        self._guesses[execution_id] = job_keys + (wave_keys if len(waves) <= _WAVES_BY_KEY else [])
        jobs = job_items.read_jobs(found[each["Record"]] for each in job_keys if each["Record"] in found)
        return Round(execution, jobs, [items.read_wave(item) for item in waves])

    def get_together(self, execution_ids: Iterable[str]) -> dict[str, Execution]:
        """Those of the executions that exist and whose headers can be read; `get` tells what is wrong with another."""
        found = {}
        for item in self._ledger.read_together(map(items.header_key, execution_ids)):
            with suppress(LookupError, TypeError, ValueError):
                found[item["ExecutionId"]] = items.read_header(item)
        return found

    def is_over(self, execution_id: str) -> bool | None:
        """Whether the execution has ended; None when there is no such execution, or its header can't be read.

        A broken header must not keep its servers locked or others waiting for its turn.
        """
        item = self._ledger.get(items.header_key(execution_id))
        if item is None or str(item.get("Status")) not in ExecutionStatus.__members__:
            return None
        return not _is_running(item)

    def ended_among(self, execution_ids: Iterable[str]) -> set[str]:
        """Those of the executions that have ended, don't exist, or can't be read."""
        wanted = set(execution_ids)
        found = self._ledger.read_together(items.header_key(execution_id) for execution_id in sorted(wanted))
        return wanted - {item["ExecutionId"] for item in found if _is_running(item)}

    def records(self, execution_id: str) -> list[dict[str, Any]]:
        """Every record of the execution, as plain dictionaries, in order of their keys."""
        return list(self._ledger.records(execution_id, ""))

    def waves(self, execution_id: str) -> list[Wave]:
        return [items.read_wave(item) for item in self._ledger.records(execution_id, items.WAVE_PREFIX)]

    def wave(self, execution: Execution, index: int) -> Wave:
        """Raises LookupError when the execution has no such wave."""
        item = self._ledger.get(items.wave_key(execution.execution_id, index))
        if item is None:
            raise LookupError(f"no record of wave {index} in {execution.execution_id}")
        return items.read_wave(item)

    def jobs(self, execution_id: str, wave: int | None = None) -> list[Job]:
        """Every job of the execution, or of one wave."""
        prefix = job_items.PREFIX if wave is None else f"{job_items.PREFIX}{wave:04d}#"
        return job_items.read_jobs(self._ledger.records(execution_id, prefix))

    def jobs_with_instances(self, execution_id: str) -> list[Job]:
        """Every job of the execution, with the instances of its settled servers, too."""
        recorded = {
            record["SourceServerId"]: record.get("InstanceId")
            for record in self._ledger.records(execution_id, items.SERVER_PREFIX)
        }
        return [
            replace(
                job,
                servers={
                    server_id: replace(server, instance_id=server.instance_id or recorded.get(server_id))
                    for server_id, server in job.servers.items()
                },
            )
            for job in self.jobs(execution_id)
        ]

    def job(self, execution: Execution, key: JobKey) -> Job:
        """Raises LookupError when the execution has no such job."""
        jobs = self._jobs_together(execution, [key])
        if not jobs:
            raise LookupError(f"no record of job {key} in {execution.execution_id}")
        return jobs[0]

    def active_jobs(self, execution: Execution) -> list[Job]:
        """The jobs whose launch was intended and whose servers are not all settled."""
        return self._jobs_together(execution, execution.active_jobs)

    def _jobs_together(self, execution: Execution, keys: Iterable[JobKey]) -> list[Job]:
        return job_items.read_jobs(self._ledger.read_together(_job_keys(execution.execution_id, keys)))

    def page_by_status(
        self, status: ExecutionStatus, limit: int, start: dict[str, Any] | None
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """One page of the index, newest first, and the key to go on from, if any."""
        arguments: dict[str, Any] = {"ExclusiveStartKey": pack(start)} if start else {}
        answer = self._dynamodb.query(**self._status_query(status.value), Limit=limit, **arguments)
        last = answer.get("LastEvaluatedKey")
        return [items.summary(unpack(item)) for item in answer["Items"]], unpack(last) if last else None

    def ids_by_status(self, status: ExecutionStatus) -> Iterator[str]:
        """The id of every execution in `status`, from every page of the index."""
        yield from self._ids_in_index(status.value)

    def last_completed(self, execution_type: ExecutionType) -> int | None:
        """When the execution of this type that was started last among the COMPLETED ones ended."""
        # Small pages: the first one nearly always has it.
        completed = query(self._dynamodb, **self._status_query(ExecutionStatus.COMPLETED), Limit=25)
        ends = (item.get("EndTime") for item in completed if item.get("ExecutionType") == execution_type)
        return next((end for end in ends if end is not None), None)

    def ids_of_unpublished(self) -> Iterator[str]:
        """The id of every ended execution of whose history something is still to be announced."""
        yield from self._ids_in_index(items.UNPUBLISHED)

    def failed_servers(self, execution_id: str, wave: Wave, limit: int) -> list[FailedServer]:
        """The wave's first so many servers that failed."""
        records = self._ledger.records(execution_id, f"{items.SERVER_PREFIX}{wave.index:04d}#")
        failed = (record for record in records if record["Status"] == ServerStatus.FAILED)
        return [items.read_failed_server(record, wave.name) for record in islice(failed, limit)]

    def history(self, execution_id: str, after: int = 0, last: int = 999_999) -> Iterator[dict[str, Any]]:
        """The entries after the number `after`, up to `last`, in order, as `domain.history.seal` made them."""
        for item in query(
            self._dynamodb,
            TableName=self._table_name,
            KeyConditionExpression="ExecutionId = :id AND #Record BETWEEN :first AND :last",
            ExpressionAttributeNames={"#Record": "Record"},
            ExpressionAttributeValues=pack(
                {
                    ":id": execution_id,
                    ":first": items.history_key(execution_id, after + 1)["Record"],
                    ":last": items.history_key(execution_id, last)["Record"],
                }
            ),
            ConsistentRead=True,
        ):
            yield items.read_history_entry(item)

    # -- preparing -------------------------------------------------------------------------------------------------

    def lay_out(self, execution_id: str, waves: Sequence[Wave], jobs: Sequence[Job], names: dict[str, str]) -> None:
        """Write the first records; those that exist already are left as they are."""
        self._ledger.each(items.laid_out(execution_id, waves, jobs, names), self._ledger.put_once)

    def begin_polling(self, execution: Execution) -> Execution | None:
        """Mark the records as laid out and the execution as POLLING; None when another driver has taken over."""
        change = Change(
            set={"Status": ExecutionStatus.POLLING.value, "Prepared": True},
            only_if=_driven(execution) | {"Status": ExecutionStatus.PENDING.value},
        )
        return self._ledger.update_header(execution, change)

    # -- launching -------------------------------------------------------------------------------------------------

    def record_intent(self, execution: Execution, job: Job, now: int) -> Job | None:
        """Note that StartRecovery is about to be called for the job; None when somebody else was faster, an operator
        who stops or pauses the execution included."""
        intended = replace(job, called_time=now, version=job.version + 1, status_reason=None)
        event = None
        if job.intent_time is None:
            intended = replace(intended, intent_time=now, polls_at_launch=execution.poll_count)
            data = {"WaveName": job.wave_name, "Chunk": job.key.chunk, "Servers": len(job.to_launch)}
            event = Event(Kind.LAUNCH_REQUESTED, now, data=data)
        change = Change(add={"ActiveJobs": {str(job.key)}}, only_if=_driven(execution) | {"Stop": None, "Pause": None})
        return (
            intended if self._ledger.commit(execution, event, change, self._replace_job(execution, intended)) else None
        )

    def save_job(self, execution: Execution, job: Job, event: Event | None = None) -> Job | None:
        """Replace the job's record; None when somebody else has replaced it since it was read."""
        saved = replace(job, version=job.version + 1)
        write = self._replace_job(execution, saved)
        if event is None:
            return saved if put_if(self._dynamodb, **write["Put"]) else None
        return saved if self._ledger.commit(execution, event, Change(), write) else None

    # -- observing -------------------------------------------------------------------------------------------------

    def note_observation(self, execution: Execution, update: JobUpdate, now: int) -> Job | None:
        """Write what an observation changed: servers first, then the job, with what `tell` is to tell of it. None when
        somebody else was faster."""
        job = update.job
        self.change_servers(execution, job, update.changes, now)
        event = _servers_changed(update, now)
        news = (News(job.version + 1, event),) if event else ()
        return self.save_job(execution, replace(job, untold=untold(execution, job) + news))

    def tell(self, execution: Execution, jobs: Sequence[Job]) -> bool:
        """Have the history follow what was observed of the jobs; False when another driver has taken over."""
        pending = [job for job in jobs if untold(execution, job)]
        if all(job.key in execution.active_jobs for job in pending):
            current: Execution | None = execution
        else:
            # It has become active since, or its last news were told and it is active no more.
            current = self.get(execution.execution_id)
        return current is not None and self._ledger.tell(current, pending, Change()) is not None

    def apply(self, execution: Execution, update: JobUpdate, now: int) -> Job | None:
        """Write what was decided about a job: servers first, then the job together with the history's entry. None when
        somebody else was faster."""
        self.change_servers(execution, update.job, update.changes, now)
        return self.save_job(execution, update.job, _servers_changed(update, now))

    def change_servers(self, execution: Execution, job: Job, changes: Sequence[ServerChange], now: int) -> None:
        """Write what changes in the records of the job's servers. Safe to repeat."""
        self._ledger.each(changes, lambda change: self._change_server(execution, job, change, now))

    def save_wave(self, execution: Execution, wave: Wave, now: int) -> bool:
        """Write a wave with a new status; False when its record has already moved on, or an operator has had it skipped
        since it was read."""
        progress = items.wave_progress(wave)
        change = Change(
            set={name: value for name, value in progress.items() if value is not None},
            only_if={
                "Status": tuple(status.value for status in predecessors(wave.status)),
                "SkipReason": wave.skip_reason,
            },
        )
        data = {
            "WaveName": wave.name,
            "Status": wave.status.value,
            "StatusReason": wave.status_reason,
            "Servers": wave.server_count,
        }
        if wave.end_time is not None:
            data |= {"Launched": wave.launched_count, "Failed": wave.failed_count}
        write = {"Update": self._ledger.update(items.wave_key(execution.execution_id, wave.index), change)}
        saved = self._ledger.commit(execution, Event(Kind.WAVE_CHANGED, now, data=data), Change(), write)
        if saved:
            logger.info("wave changed", **about(execution, wave.name), status=wave.status.value)
        return saved

    def heartbeat(
        self,
        execution: Execution,
        *,
        now: int,
        polled: bool,
        troubles: int = 0,
        reason: str | None = None,
        phase: str | None = None,
        observed: Sequence[Job] = (),
    ) -> Execution | None:
        """The last write of every round; None when another driver has taken over. A driver that makes a round does
        not wait for an answer any more, so its callback token goes. `reason`: what kept DRS from being asked.
        `observed`: the active jobs as they now stand, of which the history is told what it does not know yet."""
        finished = [job.key for job in observed if job.finished]
        known = {"PollingPhase": phase, "StatusReason": reason}
        gone = {"TaskToken": execution.task_token, "StatusReason": execution.status_reason and not reason}
        change = Change(
            set={"LastPolledTime": now, "Troubles": troubles} | {name: text for name, text in known.items() if text},
            add={"DriverRounds": 1, "PollCount": 1 if polled else 0},
            delete={"ActiveJobs": set(map(str, finished))} if finished else {},
            remove=[*(name for name, is_there in gone.items() if is_there), *map(items.told, finished)],
            only_if=_driven(execution),
        )
        return self._ledger.tell(execution, observed, change)

    def finish(
        self, execution: Execution, status: ExecutionStatus, reason: str | None, now: int, *also: dict[str, Any]
    ) -> bool:
        """Write the final status, and in the same transaction what else comes of it; False when another driver has
        taken over, the execution has ended, or an operator has stopped it since it was read."""
        change = Change(
            set={"Status": status.value, "EndTime": now} | ({"StatusReason": reason} if reason else {}),
            remove=() if reason else ("StatusReason",),
            only_if=_driven(execution)
            | {"Status": ExecutionStatus.POLLING.value}
            | ({} if execution.stop else {"Stop": None}),
        )
        event = Event(Kind.EXECUTION_FINISHED, now, data={"Status": status.value, "StatusReason": reason})
        return self._ledger.commit(execution, event, change, self._outbox(execution), *also)

    def take_over(self, execution: Execution, event: Event) -> Execution | None:
        """Give the execution its next generation: whoever drives an earlier one is fenced off from now on. `event`
        tells the history why; the new generation is added to it. None when somebody else has taken it over, or it has
        ended since it was read."""
        generation = execution.generation + 1
        change = Change(
            set={"Generation": generation, "DriverStarted": event.time, "DriverRounds": 0},
            only_if=_driven(execution) | {"EndTime": execution.end_time},
        )
        event = replace(event, data={"Generation": generation, **event.data})
        also = [self._outbox(execution)] if execution.status.is_final else []
        return self.get(execution.execution_id) if self._ledger.commit(execution, event, change, *also) else None

    def note(self, execution: Execution, event: Event) -> bool:
        """Write into the history what changes nothing; False when the execution has moved or ended since it was
        read, or another driver has taken over."""
        moved = {"Status": execution.status.value, "MovedTime": execution.moved_time}
        return self._ledger.commit(execution, event, Change(only_if=_driven(execution) | moved))

    # -- announcing ------------------------------------------------------------------------------------------------

    def mark_published(self, execution: Execution, number: int) -> None:
        """Note that the history is announced up to this entry, unless somebody else has noted some of it meanwhile;
        they will go on from there. With the last entry of an ended execution its outbox goes."""
        unchanged = {"Published": execution.published or None}
        change = Change(set={"Published": number}, only_if=unchanged)
        if execution.status.is_final and number == execution.head.count:
            change = replace(change, only_if=unchanged | {"HistoryCount": number})
            key = pack(items.outbox_key(execution.execution_id))
            self._ledger.commit(execution, None, change, {"Delete": {"TableName": self._table_name, "Key": key}})
        else:
            self._ledger.update_header(execution, change)

    # -- steering --------------------------------------------------------------------------------------------------

    def ask(self, execution: Execution, question: Question, held: Sequence[str]) -> bool:
        """Open the question, for whose answer the waves `held` (names) wait; False when another driver has taken over
        or an operator has decided something."""
        change = Change(
            set={
                "Question": _plain(items.question(question)),
                "QuestionNumber": question.number,
                "Questions": question.number,
            },
            only_if=_driven(execution) | {"QuestionNumber": None, "Stop": None},
        )
        data = {
            "Number": question.number,
            "Kind": question.kind.value,
            "Waves": list(question.wave_names),
            "Held": list(held),
            "Deadline": question.deadline,
            "OnTimeout": question.on_timeout.value if question.deadline else None,
            "Text": question.text,
        }
        return self._ledger.commit(execution, Event(Kind.QUESTION_ASKED, question.asked_time, data=data), change)

    def pause(self, execution: Execution, question: Question, token: str) -> bool:
        """PAUSED, with the token of the driver that waits for the answer; False when the question is not open any
        more or another driver has taken over."""
        change = Change(
            set={"Status": ExecutionStatus.PAUSED.value, "TaskToken": token},
            only_if=_driven(execution)
            | {
                "QuestionNumber": question.number,
                "Status": (ExecutionStatus.POLLING.value, ExecutionStatus.PAUSED.value),
            },
        )
        return self._ledger.update_header(execution, change) is not None

    def go_on(self, execution: Execution, question: Question, event: Event) -> bool:
        """Close the question and let what it held go on; False when it is not open any more."""
        noted_in = {QuestionKind.APPROVAL: "ApprovedWaves", QuestionKind.FAILURE: "AcceptedWaves"}.get(question.kind)
        change = Change(
            set=self._awake(execution, event.time),
            add={noted_in: {items.wave_index(index) for index in question.waves}} if noted_in else {},
            remove=["Question", "QuestionNumber", *([] if noted_in else ["Pause"])],
            only_if=_as_read(execution) | {"Stop": None},
        )
        return self._ledger.commit(execution, event, change)

    def withdraw_question(self, execution: Execution, event: Event) -> bool:
        """Close a question that nobody has to answer any more; False when another driver has taken over or what was
        read of it has changed meanwhile."""
        change = Change(
            set=self._awake(execution, event.time),
            remove=["Question", "QuestionNumber"],
            only_if=_driven(execution) | _as_read(execution),
        )
        return self._ledger.commit(execution, event, change)

    def stop(self, execution: Execution, stop: Stop, event: Event) -> bool:
        """Launch nothing more; closes an open question. False when it has ended, is stopped already, or what was
        read of it has changed meanwhile."""
        change = Change(
            set={"Stop": _plain(items.stop(stop))} | self._awake(execution, event.time),
            remove=["Question", "QuestionNumber"] if execution.question else [],
            only_if=_as_read(execution) | {"Stop": None},
        )
        return self._ledger.commit(execution, event, change)

    def request_pause(self, execution: Execution, request: PauseRequest, event: Event) -> bool:
        """Launch nothing more for now; False when it has ended, is stopped or paused, or has changed meanwhile."""
        change = Change(
            set={"Pause": _plain(items.pause(request))}, only_if=_as_read(execution) | {"Stop": None, "Pause": None}
        )
        return self._ledger.commit(execution, event, change)

    def withdraw_pause(self, execution: Execution, event: Event) -> bool:
        """Take a request to pause back that nothing was asked for; False when the execution has changed meanwhile."""
        change = Change(remove=["Pause"], only_if=_as_read(execution))
        return self._ledger.commit(execution, event, change)

    def skip_wave(self, execution: Execution, wave: Wave, jobs: Sequence[Job], reason: str, event: Event) -> bool:
        """Have the wave skipped; a question about it, or about going on with it after a failure, is closed, to be asked
        anew without it. False when the wave has
        begun or the execution has changed meanwhile. Each of its jobs is claimed by its version: who is about to launch
        it finds it gone."""
        question = execution.question
        asked = question is not None and (question.kind is QuestionKind.FAILURE or wave.index in question.waves)
        change = Change(
            set=self._awake(execution, event.time) if asked else {},
            remove=["Question", "QuestionNumber"] if asked else [],
            only_if=_as_read(execution),
        )
        skip = Change(
            set={"SkipReason": reason}, only_if={"Status": (WaveStatus.PENDING.value, WaveStatus.QUEUED.value)}
        )
        write = {"Update": self._ledger.update(items.wave_key(execution.execution_id, wave.index), skip)}
        claims = [self._replace_job(execution, replace(job, version=job.version + 1)) for job in jobs]
        return self._ledger.commit(execution, event, change, write, *claims)

    @staticmethod
    def _awake(execution: Execution, now: int) -> dict[str, Any]:
        """A paused execution goes on; its driver's silence counts from now."""
        if execution.status is not ExecutionStatus.PAUSED:
            return {}
        return {"Status": ExecutionStatus.POLLING.value, "DriverStarted": now}

    # -- how ---------------------------------------------------------------------------------------------------------

    def _outbox(self, execution: Execution) -> dict[str, Any]:
        """The write of a transaction that has the reconciler look after the announcements of an ended execution."""
        return {"Put": {"TableName": self._table_name, "Item": pack(items.outbox(execution))}}

    def _ids_in_index(self, status: str) -> Iterator[str]:
        for item in query(self._dynamodb, **self._status_query(status)):
            yield item["ExecutionId"]

    def _status_query(self, status: str) -> dict[str, Any]:
        return {
            "TableName": self._table_name,
            "IndexName": STATUS_INDEX,
            "KeyConditionExpression": "#Status = :status",
            "ExpressionAttributeNames": {"#Status": "Status"},
            "ExpressionAttributeValues": {":status": {"S": status}},
            "ScanIndexForward": False,
        }

    def _record_token(self, execution_id: str, token: ClientToken) -> dict[str, Any]:
        item = items.token(token.token, execution_id, token.request_digest, token.expires, recorded=True)
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": pack(item),
                "ConditionExpression": "StartedExecutionId = :id AND attribute_not_exists(Recorded)",
                "ExpressionAttributeValues": {":id": {"S": execution_id}},
            }
        }

    def _replace_job(self, execution: Execution, job: Job) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": pack(job_items.job(execution.execution_id, to_keep(job, execution.execution_type))),
                "ConditionExpression": "Version = :read",
                "ExpressionAttributeValues": {":read": {"N": str(job.version - 1)}},
            }
        }

    def _change_server(self, execution: Execution, job: Job, change: ServerChange, now: int) -> None:
        """Write the change from what the record really has: a crash may have left it ahead of its job, and whoever
        looked at DRS earlier may come later."""
        server_id, polls = change.source_server_id, execution.poll_count + 1
        key = items.server_key(execution.execution_id, change.job, server_id)
        if server_id not in job.servers:
            raise LookupError(f"no record of server {server_id} in {execution.execution_id}")
        unchanged = replace(job.servers[server_id], status=ServerStatus.PENDING, skip_reason=None)
        first = items.new_server(execution.execution_id, change.job, server_id, unchanged)
        while True:  # ends: the condition fails only when a status moved, and statuses only move forward
            recorded = self._ledger.get(key)
            current = first if recorded is None else recorded
            status = ServerStatus(current["Status"])
            if status is ServerStatus.SKIPPED:
                # Nothing happens to it any more, and why it was skipped first is the reason that stays.
                return
            decided, news = items.launch_actions_of(current), change
            if decided and decided.is_final and change.launch_actions not in (None, decided):
                # What came of its launch actions, and by them of the server, is decided once.
                news = replace(change, status=None, launch_actions=None, error=None, next_step=None)
            to = news.status if news.status and may_follow(status, news.status) else None
            if recorded is None:
                put = self._ledger.put(items.changed_server(news, first, to, polls, now))["Put"]
                written = put_if(self._dynamodb, **put)
            else:
                update = items.server_update(news, current, to, polls, now)
                update |= {"TableName": self._table_name, "Key": pack(key)}
                written = succeeds(self._dynamodb.update_item, **update) is not None
            if written:
                if to:
                    _log_server(execution, job, change, to)
                return


def _job_keys(execution_id: str, jobs: Iterable[JobKey]) -> list[dict[str, str]]:
    """The keys of both items of each job."""
    return [make(execution_id, key) for key in sorted(jobs) for make in (job_items.job_key, job_items.servers_key)]


def _driven(execution: Execution) -> dict[str, Any]:
    """The condition that this generation still drives the execution."""
    return {"Generation": execution.generation}


def _as_read(execution: Execution) -> dict[str, Any]:
    """The condition that an operator's decision still meets the execution it was made for."""
    question = execution.question.number if execution.question else None
    return {"Status": execution.status.value, "QuestionNumber": question}


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def _servers_changed(update: JobUpdate, now: int) -> Event | None:
    """What the history says of an observation; None when no server's record moved."""
    if not update.changes:
        return None
    servers = [
        _plain(
            {
                "SourceServerId": change.source_server_id,
                "Status": change.status.value if change.status else None,
                "InstanceId": change.instance_id,
                "Error": cut(change.error, _ERROR_BYTES) if change.error else None,
                "PostLaunchActionsStatus": change.launch_actions.value if change.launch_actions else None,
                "TimeoutDetected": change.timeout_detected or None,
            }
        )
        for change in update.changes
    ]
    return job_items.servers_changed(update.job.wave_name, update.job.job_id, servers, now)


def _log_server(execution: Execution, job: Job, change: ServerChange, status: ServerStatus) -> None:
    logger.info(
        "server changed",
        **about(execution, job.wave_name, job.job_id),
        source_server_id=change.source_server_id,
        status=status.value,
        # DRS's words; why a server is SKIPPED may be an operator's.
        error=change.error if status is ServerStatus.FAILED else None,
    )


def _is_running(header: Mapping[str, Any]) -> bool:
    """Whether a header, maybe a broken one, is that of an execution that has not ended."""
    status = str(header.get("Status"))
    return status in ExecutionStatus.__members__ and not ExecutionStatus(status).is_final

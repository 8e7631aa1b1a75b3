"""An execution's history: everything that happened, by whom, in order, each entry sealed with the one before.

The chain's head (number and hash of the last entry) stands in the execution's header. It is written in the same
transaction as the entry, or right behind it where the entry tells what DRS says of servers, see `ledger.py`. Who
changes, removes or inserts an entry later has to rewrite every entry after it and the header as well; `find_break`
names the first place where that was not done.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NO_HASH = "0" * 64

ORCHESTRATOR = "orchestrator"
RECONCILER = "reconciler"


class Kind(StrEnum):
    """What an entry tells of; what stands in its `Data` is described in docs/history.md."""

    EXECUTION_STARTED = "ExecutionStarted"
    WAVE_CHANGED = "WaveChanged"
    LAUNCH_REQUESTED = "LaunchRequested"
    LAUNCH_STARTED = "LaunchStarted"
    SERVERS_CHANGED = "ServersChanged"
    QUESTION_ASKED = "QuestionAsked"
    APPROVED = "Approved"
    RESUMED = "Resumed"
    REJECTED = "Rejected"
    APPROVAL_TIMED_OUT = "ApprovalTimedOut"
    QUESTION_WITHDRAWN = "QuestionWithdrawn"
    PAUSE_REQUESTED = "PauseRequested"
    CANCEL_REQUESTED = "CancelRequested"
    WAVE_SKIP_REQUESTED = "WaveSkipRequested"
    LIVE_INSTANCES_REPLACED = "LiveInstancesReplaced"
    SERVERS_GUARDED = "ServersGuarded"
    INSTANCES_PROTECTED = "InstancesProtected"
    DRIVER_REPLACED = "DriverReplaced"
    STOOD_STILL = "StoodStill"
    HANDED_OVER = "HandedOver"
    EXECUTION_FINISHED = "ExecutionFinished"
    CLEAN_UP_REQUESTED = "CleanUpRequested"
    CLEAN_UP_FINISHED = "CleanUpFinished"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is about to be written into the history; `time` in epoch seconds."""

    kind: Kind
    time: int
    by: str = ORCHESTRATOR
    reason: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_progress(self) -> bool:
        """Whether it means that the execution does not stand still. That somebody has been told of its standstill
        counts, too: the next time is reckoned from there."""
        if self.kind is Kind.SERVERS_CHANGED:
            return any("Status" in server for server in self.data["Servers"])
        return self.kind not in (Kind.DRIVER_REPLACED, Kind.HANDED_OVER)


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a history: how many there are, and its hash."""

    count: int = 0
    hash: str = NO_HASH


NO_HISTORY = Head()


def seal(execution_id: str, head: Head, event: Event) -> dict[str, Any]:
    """The entry that comes after `head`, as the API shows it."""
    entry: dict[str, Any] = {
        "Number": head.count + 1,
        "Time": event.time,
        "Kind": event.kind.value,
        "By": event.by,
        "Data": {name: value for name, value in event.data.items() if value is not None},
        "PreviousHash": head.hash,
    }
    if event.reason is not None:
        entry["Reason"] = event.reason
    return entry | {"Hash": entry_hash(execution_id, entry)}


def event_of(entry: Mapping[str, Any]) -> Event:
    """What the entry tells of."""
    return Event(Kind(entry["Kind"]), entry["Time"], entry["By"], entry.get("Reason"), entry["Data"])


def entry_hash(execution_id: str, entry: Mapping[str, Any]) -> str:
    """SHA-256 of the entry's canonical JSON: sorted keys, no blanks, ASCII; a missing Reason counts as null."""
    sealed = {name: entry[name] for name in ("Number", "Time", "Kind", "By", "Data", "PreviousHash")}
    sealed |= {"ExecutionId": execution_id, "Reason": entry.get("Reason")}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def find_break(execution_id: str, entries: Iterable[Mapping[str, Any]], head: Head) -> str | None:
    """Where the chain is broken, in a sentence; None when it is whole and ends at `head`."""
    last = NO_HISTORY
    for entry in entries:
        if entry.get("Number") != last.count + 1:
            return f"entry {last.count + 1} is missing: entry {entry.get('Number')} follows on entry {last.count}"
        if entry.get("PreviousHash") != last.hash:
            return f"entry {entry['Number']} does not carry the hash of the entry before it"
        try:
            actual = entry_hash(execution_id, entry)
        except KeyError as error:
            return f"entry {entry['Number']} has no {error.args[0]}"
        if actual != entry.get("Hash"):
            return f"entry {entry['Number']} was changed: its content does not have the hash it carries"
        last = Head(last.count + 1, actual)
    if last.count < head.count:
        return f"entries are missing at the end: the record counts {head.count}, the history has {last.count}"
    if last != head:
        return f"the history ends at entry {last.count}, whose hash is not the one in the execution's record"
    return None

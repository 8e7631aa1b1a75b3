"""What a server and a wave spent their time with, as spans of whole seconds. Pure: no clock, no I/O.

Everything here reads an execution's document as the API shows it (docs/openapi.yaml, Execution) and its history.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from drs_orchestrator.domain.history import Kind
from drs_orchestrator.domain.statuses import ExecutionType, LaunchActionsStatus, ServerStatus, WaveStatus
from drs_orchestrator.domain.steering import QuestionKind

type Document = Mapping[str, Any]


class SpanKind(StrEnum):
    """DECISION: an operator was asked. QUEUED: its turn had come, but DRS had no room or had not begun. BOOT: launched,
    and its launch actions had not begun. UNTOLD: DRS worked on it, but the record has no phases. The others are the
    phases of a launch."""

    DECISION = "DECISION"
    QUEUED = "QUEUED"
    SNAPSHOT = "SNAPSHOT"
    CONVERSION = "CONVERSION"
    LAUNCH = "LAUNCH"
    BOOT = "BOOT"
    LAUNCH_ACTIONS = "LAUNCH_ACTIONS"
    UNTOLD = "UNTOLD"


@dataclass(frozen=True, slots=True)
class Span:
    """Epoch seconds; what has not ended yet ends with the report."""

    kind: SpanKind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the history and the entry that settled it; None while it is open."""

    question: Document
    answer: Document | None

    @property
    def wave_names(self) -> Sequence[str]:
        names: Sequence[str] = self.question["Data"].get("Waves", ())
        return names

    @property
    def held_names(self) -> Sequence[str]:
        """The waves that wait for the answer; after a failure they are not those that it is about, which a history that
        lacks them has to do with."""
        names: Sequence[str] = self.question["Data"].get("Held", self.wave_names)
        return names


_ANSWERS = (
    Kind.APPROVED,
    Kind.RESUMED,
    Kind.REJECTED,
    Kind.APPROVAL_TIMED_OUT,
    Kind.QUESTION_WITHDRAWN,
    Kind.CANCEL_REQUESTED,
)


def questions(history: Sequence[Document]) -> Iterator[Asked]:
    """Every question of the history in order. At most one is open at a time, so the next answer is its answer."""
    asked: Document | None = None
    for entry in history:
        if entry["Kind"] == Kind.QUESTION_ASKED:
            asked = entry
        elif asked is not None and _settles(entry, asked):
            yield Asked(asked, entry)
            asked = None
    if asked is not None:
        yield Asked(asked, None)


def _settles(entry: Document, question: Document) -> bool:
    if entry["Kind"] == Kind.WAVE_SKIP_REQUESTED:
        asked = question["Data"]
        return asked.get("Kind") == QuestionKind.FAILURE or entry["Data"].get("WaveName") in asked.get("Waves", ())
    if entry["Kind"] == Kind.RESUMED and "Waves" not in entry["Data"]:
        # A pause was taken back that had held nothing yet: what was asked beside it stays open.
        return False
    return entry["Kind"] in _ANSWERS


def settled_time(server: Document, execution_type: ExecutionType) -> int | None:
    """When the server was recovered or had failed; None while it has not, and for one that was never launched.

    A drill's server is recovered with its launch, a recovery's when its launch actions have ended, which only the poll
    that found them ended can tell.
    """
    time: int | None = None
    if server["Status"] == ServerStatus.FAILED:
        time = next((step["Time"] for step in server["TransitionHistory"] if step["To"] == ServerStatus.FAILED), None)
    elif server["Status"] == ServerStatus.LAUNCHED:
        time = server.get("LaunchedTime")
        actions = server.get("PostLaunchActionsStatus", LaunchActionsStatus.IN_PROGRESS)
        if execution_type is ExecutionType.RECOVERY and actions != LaunchActionsStatus.NOT_CONFIGURED:
            time = server.get("LastPolledTime") if LaunchActionsStatus(actions).is_final else None
    return time


def turn_time(wave: Document, history: Sequence[Document]) -> int | None:
    """When the wave's turn to be launched had come; None when it never had."""
    for entry in history:
        data = entry["Data"]
        if entry["Kind"] == Kind.WAVE_CHANGED and data.get("WaveName") == wave["WaveName"]:
            if data.get("Status") == WaveStatus.QUEUED:
                return int(entry["Time"])
            break
    start: int | None = wave.get("StartTime")
    return start


def wave_spans(wave: Document, asked: Sequence[Asked], turn: int | None, until: int) -> list[Span]:
    """What the wave as a whole waited for before it was launched."""
    spans = [
        Span(SpanKind.DECISION, each.question["Time"], each.answer["Time"] if each.answer else until)
        for each in asked
        if wave["WaveName"] in each.held_names
    ]
    if turn is not None and "StartTime" in wave:
        spans.append(Span(SpanKind.QUEUED, turn, wave["StartTime"]))
    return [span for span in spans if span.end > span.start]


def server_spans(server: Document, turn: int | None, settled: int | None, until: int) -> list[Span]:
    """The server's spans in order, each of them as long as until the next."""
    launch: int | None = server.get("LaunchTime")
    if launch is None:
        return []
    begun = [(int(phase["Time"]), SpanKind(phase["Phase"])) for phase in server.get("Phases", ())]
    if begun and "LaunchedTime" in server:
        begun = sorted([*begun, (int(server["LaunchedTime"]), SpanKind.BOOT)], key=lambda mark: mark[0])
    queued = (launch if turn is None else min(turn, launch), SpanKind.QUEUED)
    marks = [queued, *(begun or [(launch, SpanKind.UNTOLD)])]
    ends = [*(time for time, _ in marks[1:]), until if settled is None else settled]
    return [Span(kind, start, end) for (start, kind), end in zip(marks, ends, strict=True) if end > start]

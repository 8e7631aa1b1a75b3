"""The evidence report of an execution: from its document, its plan and its history to figures, each measured or said
to be not measured and why. Pure: no clock, no I/O.

What each figure means and where it comes from is described in docs/report.md; the shape is the schema Report of
docs/openapi.yaml.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from drs_orchestrator.domain.history import Head, Kind, find_break
from drs_orchestrator.domain.objectives import ENDS, RecoveryTime, recovery_point_of_plan, recovery_point_of_server
from drs_orchestrator.domain.plan import Plan
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus
from drs_orchestrator.domain.timeline import (
    Asked,
    Document,
    Span,
    questions,
    server_spans,
    settled_time,
    turn_time,
    wave_spans,
)

_DECISIONS = (
    Kind.APPROVED,
    Kind.RESUMED,
    Kind.REJECTED,
    Kind.APPROVAL_TIMED_OUT,
    Kind.QUESTION_WITHDRAWN,
    Kind.PAUSE_REQUESTED,
    Kind.CANCEL_REQUESTED,
    Kind.WAVE_SKIP_REQUESTED,
)
_OF_EXECUTION = (
    "ExecutionId",
    "PlanId",
    "PlanName",
    "ExecutionType",
    "Status",
    "StatusReason",
    "StartedBy",
    "Reason",
    "RetryOf",
    "StartTime",
    "EndTime",
)
_OF_WAVE = ("WaveName", "Status", "StatusReason", "Region", "AccountId", "DependsOn", "StartTime", "EndTime")
_OF_SERVER = ("SourceServerId", "Name", "Impact", "Status", "RecoveryJobId", "InstanceId")
_PROTECTION = ("TerminationProtection", "UnprotectedReason")
_CLEAN_UP = (Kind.CLEAN_UP_REQUESTED, Kind.CLEAN_UP_FINISHED)


def make_report(document: Document, plan: Plan, history: Sequence[Document], now: int) -> dict[str, Any]:
    """`document`: the execution as the API shows it; `plan`: the one it was started with; `history`: its entries, those
    after the document's HistoryCount are left out; `now`: epoch seconds."""
    entries = [entry for entry in history if entry["Number"] <= document["HistoryCount"]]
    return _Report(document, plan, entries, now).whole()


@dataclass(frozen=True)
class _Report:
    document: Document
    plan: Plan
    history: Sequence[Document]
    now: int

    def whole(self) -> dict[str, Any]:
        waves = [self._wave(wave) for wave in self.document["Waves"]]
        servers = [server for wave in waves for server in wave["Servers"]]
        return _picked(self.document, _OF_EXECUTION) | {
            "ReportTime": self.now,
            "Counts": _counts(servers),
            "RecoveryTime": self._recovery_time.of_plan(self.document, servers),
            "RecoveryPoint": recovery_point_of_plan(servers, self.plan.rpo_minutes),
            "Waves": waves,
            "Failures": list(self._troubles(ServerStatus.FAILED, ServerStatus.LAUNCHED)),
            "Skipped": list(self._troubles(ServerStatus.SKIPPED)),
            "Decisions": list(self._decisions()),
            "Overrides": list(self._overrides()),
            **self._protection(servers),
            "CleanUp": [_entry(entry) for entry in self.history if entry["Kind"] in _CLEAN_UP],
            "Audit": self._audit(),
        }

    @property
    def _execution_type(self) -> ExecutionType:
        return ExecutionType(self.document["ExecutionType"])

    @property
    def _start(self) -> int:
        return int(self.document["StartTime"])

    @property
    def _until(self) -> int:
        """The end of the execution; while it has none, that of the report."""
        return int(self.document.get("EndTime", self.now))

    @property
    def _recovery_time(self) -> RecoveryTime:
        return RecoveryTime(self.plan.rto_minutes, self._start, self._until)

    @cached_property
    def _asked(self) -> list[Asked]:
        return list(questions(self.history))

    def _wave(self, wave: Document) -> dict[str, Any]:
        turn = turn_time(wave, self.history)
        servers = [self._server(server, turn) for server in wave["Servers"]]
        return _picked(wave, _OF_WAVE) | {
            "Counts": _counts(servers),
            "RecoveryTime": self._recovery_time.of_wave(wave),
            "Spans": _spans(wave_spans(wave, self._asked, turn, self._until)),
            "Servers": servers,
        }

    def _server(self, server: Document, turn: int | None) -> dict[str, Any]:
        settled = settled_time(server, self._execution_type)
        return _picked(server, (*_OF_SERVER, "LaunchTime", *_PROTECTION)) | {
            **({"SettledTime": settled} if settled is not None else {}),
            "RecoveryTime": self._recovery_time.of_server(server, settled),
            "RecoveryPoint": recovery_point_of_server(server, self.plan.rpo_minutes),
            "Spans": _spans(server_spans(server, turn, settled, self._until)),
        }

    def _troubles(self, *statuses: ServerStatus) -> Iterator[dict[str, Any]]:
        """The servers of these statuses that have something to say, in DRS's words where it had any."""
        for wave in self.document["Waves"]:
            for server in wave["Servers"]:
                is_told = server["Status"] != ServerStatus.LAUNCHED or "Error" in server
                if server["Status"] in statuses and is_told:
                    time = next((step["Time"] for step in reversed(server["TransitionHistory"])), None)
                    shown = _picked(server, (*_OF_SERVER, "Error", "NextStep"))
                    yield {"WaveName": wave["WaveName"], **shown} | ({"Time": time} if time is not None else {})

    def _decisions(self) -> Iterator[dict[str, Any]]:
        """What people decided, and what the plan decided for them, with the question where there was one."""
        questions_of = {each.answer["Number"]: each.question for each in self._asked if each.answer}
        for entry in self.history:
            if entry["Kind"] in _DECISIONS:
                yield _entry(entry) | _question(questions_of.get(entry["Number"]), entry["Time"])
        for each in self._asked:
            if each.answer is None:
                yield _entry(each.question) | _question(each.question, self._until)

    def _overrides(self) -> Iterator[dict[str, Any]]:
        """The safeguards that the start was allowed to pass over, and what that came to."""
        started = next((entry for entry in self.history if entry["Kind"] == Kind.EXECUTION_STARTED), None)
        who = {"Time": self._start, "By": self.document["StartedBy"]}
        who |= {"Reason": self.document["Reason"]} if "Reason" in self.document else {}
        who |= {"Number": started["Number"]} if started else {}
        if self.document.get("SkipApprovals"):
            waves = [wave["WaveName"] for wave in self.document["Waves"] if wave.get("ApprovalBefore")]
            yield {"Override": "SkipApprovals", **who, "Waves": waves}
        if self.document.get("ReplaceLive"):
            replaced = [entry for entry in self.history if entry["Kind"] == Kind.LIVE_INSTANCES_REPLACED]
            instances = [each for entry in replaced for each in entry["Data"].get("Instances", ())]
            yield {"Override": "ReplaceLive", **who, "Instances": instances}

    def _protection(self, servers: Sequence[Document]) -> dict[str, Any]:
        """Whether the plan has EC2 protect what is launched, and of how many instances EC2 has said what; of a RECOVERY
        only."""
        if self._execution_type is not ExecutionType.RECOVERY:
            return {}
        of = Counter(server["TerminationProtection"] for server in servers if "TerminationProtection" in server)
        counts = {"Protected": of[True], "Unprotected": of[False]}
        return {"TerminationProtection": {"Wanted": self.plan.termination_protection, **counts}}

    def _audit(self) -> dict[str, Any]:
        """The chain's head, and whether the entries were whole when the report was made."""
        count, last = self.document["HistoryCount"], self.document["HistoryHash"]
        fault = find_break(self.document["ExecutionId"], self.history, Head(count, last))
        return {
            "Entries": count,
            "Hash": last,
            "Whole": fault is None,
            **({"Break": fault} if fault else {}),
            "Verify": f"drctl history verify {self.document['ExecutionId']}",
        }


def _counts(servers: Sequence[Document]) -> dict[str, int]:
    of = Counter(server["Status"] for server in servers)
    return {
        "Servers": len(servers),
        "Launched": of[ServerStatus.LAUNCHED],
        "Failed": of[ServerStatus.FAILED],
        "Skipped": of[ServerStatus.SKIPPED],
        "Open": sum(server["Status"] not in ENDS for server in servers),
    }


def _picked(document: Document, names: Sequence[str]) -> dict[str, Any]:
    return {name: document[name] for name in names if name in document}


def _spans(spans: Sequence[Span]) -> list[dict[str, Any]]:
    return [{"Kind": span.kind.value, "StartTime": span.start, "EndTime": span.end} for span in spans]


def _entry(entry: Document) -> dict[str, Any]:
    """A history entry without its seal; its number leads to it."""
    return _picked(entry, ("Number", "Time", "Kind", "By", "Reason", "Data"))


def _question(question: Document | None, settled: int) -> dict[str, Any]:
    if question is None:
        return {}
    data: Mapping[str, Any] = question["Data"]
    text = {"Text": data["Text"]} if "Text" in data else {}
    return {"Question": {"AskedTime": question["Time"], "WaitedSeconds": settled - question["Time"], **text}}

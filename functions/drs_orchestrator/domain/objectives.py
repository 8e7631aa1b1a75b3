"""How long a recovery took and how old its data was, held against the plan's objectives. Pure: no clock, no I/O.

A figure is a document: the number of seconds, or under `NotMeasured` why there is none; with an objective a `Verdict`.
The documents read here are those of the API (docs/openapi.yaml, Execution).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from drs_orchestrator.domain.statuses import ExecutionStatus, ServerStatus, WaveStatus
from drs_orchestrator.domain.timeline import Document

ENDS = (ServerStatus.LAUNCHED, ServerStatus.FAILED, ServerStatus.SKIPPED)


class Verdict(StrEnum):
    """A figure held against the plan's objective."""

    MET = "MET"
    MISSED = "MISSED"
    NOT_MEASURED = "NOT_MEASURED"


@dataclass(frozen=True, slots=True)
class RecoveryTime:
    """Recovery times against `limit` (RtoMinutes), which counts from the execution's `start`, whatever was recovered.

    `until`: the execution's end, or now. Who was not recovered by a time beyond the limit has missed it.
    """

    limit: int | None
    start: int
    until: int

    def of_plan(self, execution: Document, servers: Sequence[Document]) -> dict[str, Any]:
        reason = None
        if "EndTime" not in execution:
            reason = "the execution has not ended"
        elif execution["Status"] != ExecutionStatus.COMPLETED:
            reason = _not_recovered(servers) or f"the execution was {execution['Status']}"
        return _objective(self.limit) | self._figure(self.start, self.until, reason)

    def of_wave(self, wave: Document) -> dict[str, Any]:
        reason = None
        if wave["Status"] == WaveStatus.SKIPPED:
            reason = "the wave was skipped"
        elif "EndTime" not in wave:
            reason = "the wave has not ended"
        elif wave["Status"] != WaveStatus.COMPLETED:
            reason = _not_recovered(wave["Servers"]) or f"the wave was {wave['Status']}"
        return self._figure(wave.get("StartTime"), wave.get("EndTime"), reason)

    def of_server(self, server: Document, settled: int | None) -> dict[str, Any]:
        reason = None
        if server["Status"] == ServerStatus.SKIPPED:
            reason = "the server was skipped"
        elif server["Status"] == ServerStatus.FAILED:
            reason = "the server failed"
        elif settled is None:
            reason = "the server is not recovered yet"
        return self._figure(server.get("LaunchTime"), settled, reason)

    def _figure(self, start: int | None, end: int | None, reason: str | None) -> dict[str, Any]:
        if reason is not None or start is None or end is None:
            missed = self.limit is not None and self.until - self.start > self.limit * 60
            verdict = Verdict.MISSED if missed else Verdict.NOT_MEASURED
            return {"NotMeasured": reason or "the record lacks a time"} | _verdict(self.limit, verdict)
        since_start = end - self.start
        return {"Seconds": end - start, "SinceStartSeconds": since_start} | _held(self.limit, since_start)


def recovery_point_of_server(server: Document, limit: int | None) -> dict[str, Any]:
    """The age of the server's data when its launch was requested, against `limit` (RpoMinutes)."""
    point, launch = server.get("RecoveryPointTime"), server.get("LaunchTime")
    if point is None or launch is None:
        return {"NotMeasured": _why_no_point(server)} | _verdict(limit, Verdict.NOT_MEASURED)
    # A point that DRS took for the launch is younger than the request.
    age = max(0, launch - point)
    return {"Time": point, "AgeSeconds": age} | _held(limit, age)


def recovery_point_of_plan(servers: Sequence[Document], limit: int | None) -> dict[str, Any]:
    """The oldest data among the launched servers of the report, whose own figures are already in them."""
    launched = [server["RecoveryPoint"] for server in servers if server["Status"] == ServerStatus.LAUNCHED]
    ages = [point["AgeSeconds"] for point in launched if "AgeSeconds" in point]
    silent = len(launched) - len(ages)
    figure: dict[str, Any] = {"Measured": len(ages), "Launched": len(launched)}
    verdict = Verdict.MET
    if ages:
        figure["OldestAgeSeconds"] = max(ages)
    if not launched:
        figure["NotMeasured"] = "no server was launched"
    elif silent:
        figure["NotMeasured"] = f"DRS did not tell the point in time of {silent} of {len(launched)} launched servers"
    if limit is not None and any(age > limit * 60 for age in ages):
        verdict = Verdict.MISSED
    elif "NotMeasured" in figure:
        verdict = Verdict.NOT_MEASURED
    return _objective(limit) | figure | _verdict(limit, verdict)


def _why_no_point(server: Document) -> str:
    if server["Status"] == ServerStatus.SKIPPED:
        return "the server was skipped"
    if "InstanceId" not in server:
        return "the server was not launched" if server["Status"] in ENDS else "the server is not launched yet"
    return "DRS did not tell the point in time when the server was found launched"


def _not_recovered(servers: Sequence[Document]) -> str | None:
    missing = sum(server["Status"] != ServerStatus.LAUNCHED for server in servers)
    was = "was" if missing == 1 else "were"
    return f"{missing} of {len(servers)} servers {was} not recovered" if missing else None


def _objective(minutes: int | None) -> dict[str, Any]:
    return {} if minutes is None else {"ObjectiveMinutes": minutes}


def _held(limit: int | None, seconds: int) -> dict[str, str]:
    return _verdict(limit, Verdict.MET if limit is not None and seconds <= limit * 60 else Verdict.MISSED)


def _verdict(limit: int | None, verdict: Verdict) -> dict[str, str]:
    """Without an objective nothing is met or missed."""
    return {} if limit is None else {"Verdict": verdict.value}

"""How long to wait before DRS is asked again: 45 s while all is PENDING, 15 s around a transition, 30 s in progress."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from drs_orchestrator.domain.statuses import ServerStatus, WaveStatus

_FINAL_WAVES = frozenset(str(status) for status in WaveStatus if status.is_final)
_FINAL_SERVERS = frozenset({"LAUNCHED", "FAILED", "SKIPPED"})


class PollingPhase(StrEnum):
    PENDING = "PENDING"
    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two polls, by phase."""

    pending: int = 45
    transition: int = 15
    progress: int = 30

    def of(self, phase: PollingPhase) -> int:
        return {
            PollingPhase.PENDING: self.pending,
            PollingPhase.STARTED: self.transition,
            PollingPhase.IN_PROGRESS: self.progress,
        }[phase]


def detect_execution_phase(waves: Iterable[Mapping[str, Any]]) -> PollingPhase:
    """The phase of an execution document's waves (`{"Status", "Servers": [{"Status"}]}`).

    Finished waves don't count. Any STARTED server wins; all PENDING is PENDING; everything else is IN_PROGRESS.
    """
    statuses = [
        str(server["Status"])
        for wave in waves
        if str(wave.get("Status", "")) not in _FINAL_WAVES
        for server in wave.get("Servers", ())
    ]
    return _phase(statuses)


def phase_after_poll(statuses: Iterable[ServerStatus], moved: bool) -> PollingPhase:
    """The phase after a poll that saw these servers of unfinished jobs.

    DRS leaves a server's launchStatus PENDING for up to 14 minutes of conversion while its job is STARTED, so a
    STARTED server asks for the short interval only around a transition: when this poll saw something move.
    """
    if moved:
        return PollingPhase.STARTED
    return _phase([str(PollingPhase.PENDING if status is ServerStatus.STARTED else status) for status in statuses])


def is_poll_due(last_polled: int | None, phase: PollingPhase, now: int, intervals: Intervals) -> bool:
    """Whether the interval of `phase` has passed since `last_polled` (epoch seconds; None = never polled)."""
    return last_polled is None or now - last_polled >= intervals.of(phase)


def _phase(statuses: list[str]) -> PollingPhase:
    if "STARTED" in statuses:
        return PollingPhase.STARTED
    unfinished = [status for status in statuses if status not in _FINAL_SERVERS]
    if unfinished and all(status == "PENDING" for status in unfinished) and len(unfinished) == len(statuses):
        return PollingPhase.PENDING
    return PollingPhase.IN_PROGRESS

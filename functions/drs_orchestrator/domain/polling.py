"""How long to wait before DRS is asked again: 45 s while nothing can end, 15 s around an end, 30 s in between."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from drs_orchestrator.domain.statuses import WaveStatus

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


def phase_after_poll(seconds_left: Iterable[int], intervals: Intervals) -> PollingPhase:
    """The phase of the longest interval that is over before any wave can end; none is open: IN_PROGRESS.

    `seconds_left`: of each wave under way, see `forecast.seconds_left`. So the polls are PENDING's, 45 s apart, while
    DRS takes snapshots, converts and begins to launch, and STARTED's, 15 s apart, once a wave may end any moment.
    """
    soonest = min(seconds_left, default=intervals.progress)
    if soonest >= intervals.pending:
        return PollingPhase.PENDING
    return PollingPhase.IN_PROGRESS if soonest >= intervals.progress else PollingPhase.STARTED


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

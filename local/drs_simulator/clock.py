"""Two times that flow together.

``now`` is what timestamps show: the wall clock, or a virtual one that only moves when told (stepped mode).
``timeline`` counts the seconds of job life: it runs `speed` times faster than the wall clock, so a 24-minute launch
can be watched in seconds while its timestamps stay honest about when things were seen to happen.
"""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from drs_simulator.errors import ControlError

MAX_SPEED = 100_000.0


@dataclass(frozen=True, slots=True)
class Segment:
    """From `wall`, `timeline` on, the timeline runs `rate` times as fast as the wall clock."""

    wall: float
    timeline: float
    rate: float


def steady_wall() -> Callable[[], float]:
    """A wall clock that never runs backwards, whatever is done to the machine's date while we run."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class Clock:
    """The clock of one simulator. All values are seconds; `now` counts from the Unix epoch."""

    def __init__(self, speed: float = 1.0, wall: Callable[[], float] | None = None) -> None:
        self._wall = wall or steady_wall()
        self._stepped_now: float | None = None
        self._speed = _checked_speed(speed)
        self._segments = [Segment(self._wall(), 0.0, self._speed)]

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def mode(self) -> str:
        return "running" if self._stepped_now is None else "stepped"

    def now(self) -> float:
        return self._wall() if self._stepped_now is None else self._stepped_now

    def timeline(self) -> float:
        last = self._segments[-1]
        return last.timeline + (self.now() - last.wall) * last.rate

    def now_at(self, timeline: float) -> float:
        """The value of `now` at the moment `timeline` was (or, if nothing changes, will be) reached."""
        index = max(bisect_right(self._segments, timeline, key=lambda segment: segment.timeline) - 1, 0)
        segment = self._segments[index]
        return segment.wall + (timeline - segment.timeline) / segment.rate

    def set_speed(self, speed: float) -> None:
        """From now on timelines run `speed` times faster than the wall clock (in running mode)."""
        self._speed = _checked_speed(speed)
        self._begin_segment(self.now())

    def step(self, now: float | None = None) -> None:
        """Stand still, at `now` if given, until `advance` is called."""
        timeline = self.timeline()
        self._stepped_now = self.now() if now is None else now
        self._begin_segment(self._stepped_now, timeline)

    def run(self) -> None:
        """Follow the wall clock (again)."""
        timeline = self.timeline()
        self._stepped_now = None
        self._begin_segment(self._wall(), timeline)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, in stepped mode only."""
        if self._stepped_now is None:
            raise ControlError("the clock is running: switch to stepped mode before advancing it")
        if seconds < 0:
            raise ControlError(f"seconds must not be negative, got {seconds}")
        self._stepped_now += seconds

    def restore(self, now: float, timeline: float) -> None:
        """Continue a dumped state's timeline; a stepped clock also takes over its time of day."""
        if self._stepped_now is not None:
            self._stepped_now = now
        self._segments = [Segment(self.now(), timeline, self._rate())]

    def _rate(self) -> float:
        # Virtual time is told second by second what to do: a speed factor on top of it would only confuse.
        return self._speed if self._stepped_now is None else 1.0

    def _begin_segment(self, now: float, timeline: float | None = None) -> None:
        self._segments.append(Segment(now, self.timeline() if timeline is None else timeline, self._rate()))


def _checked_speed(speed: float) -> float:
    if not 0 < speed <= MAX_SPEED:
        raise ControlError(f"speed must be more than 0 and at most {MAX_SPEED:.0f}, got {speed}")
    return float(speed)

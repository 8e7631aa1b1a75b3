"""Following an execution through the API until it is finished, through passing failures, at a considerate pace."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from drctl.api import Api
from drctl.outcome import PassingFailure, is_final
from drctl.wording import Document
from drs_orchestrator.domain.polling import Intervals, PollingPhase

_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 5.0
_SLOWER = 1.5
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One look: the newest document there is, and what stood in the way of a newer one."""

    document: Document | None
    trouble: PassingFailure | None = None


def follow(
    api: Api,
    execution_id: str,
    *,
    known_to_exist: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Sight]:
    """A sight after every look, the last one with a final document.

    Looks again after 1 s while something moves, up to 5 s when nothing does. A passing failure is yielded and tried
    again for 15 minutes; only before anything was seen at all it is raised at once, because then the address is
    more likely wrong than the API ill (unless the execution is `known_to_exist`: it was just started there).
    """
    newest: Document | None = None
    pause = _SHORTEST_PAUSE
    last_success = clock()
    while True:
        try:
            document = api.execution(execution_id)
        except PassingFailure as failure:
            if (newest is None and not known_to_exist) or clock() - last_success > _PATIENCE_SECONDS:
                raise
            yield Sight(newest, failure)
            pause = min(pause * _SLOWER, _LONGEST_PAUSE)
        else:
            last_success = clock()
            pause = _SHORTEST_PAUSE if document != newest else min(pause * _SLOWER, _LONGEST_PAUSE)
            newest = document
            yield Sight(document)
            if is_final(document["Status"]):
                return
        sleep(pause)


@dataclass
class PollClock:
    """When the orchestrator will ask DRS next: by the interval seen in this phase, else by the usual one.

    The intervals are parameters of the stack, which the API does not tell.
    """

    _seen: dict[str, float] = field(default_factory=dict)
    _last: Document | None = None

    def next_poll(self, document: Document) -> float | None:
        """Epoch seconds; None while nothing was polled."""
        before, self._last = self._last, document
        phase = str(document.get("PollingPhase", ""))
        polled = document.get("LastPolledTime")
        if before and polled and before.get("LastPolledTime") and before.get("PollingPhase") == phase:
            polls = document["PollCount"] - before["PollCount"]
            if polls > 0:
                self._seen[phase] = (polled - before["LastPolledTime"]) / polls
        if polled is None or phase not in PollingPhase.__members__:
            return None
        return float(polled) + self._seen.get(phase, Intervals().of(PollingPhase(phase)))

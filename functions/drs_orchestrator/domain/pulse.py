"""How the executions are doing as a whole: how many are watched, since when, and whether one is stuck."""

from collections.abc import Iterable
from dataclasses import dataclass

from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus


@dataclass(frozen=True, slots=True)
class Pulse:
    """`oldest_seconds`: the age of the oldest execution in POLLING, 0 without any."""

    in_polling: int
    oldest_seconds: int
    stuck: int


def pulse(executions: Iterable[Execution], now: int, stuck_after_seconds: int) -> Pulse:
    """Stuck is what is POLLING, asks no operator anything, and of which nothing has moved for so long."""
    polling = [execution for execution in executions if execution.status is ExecutionStatus.POLLING]
    return Pulse(
        in_polling=len(polling),
        oldest_seconds=max((now - execution.start_time for execution in polling), default=0),
        stuck=sum(
            execution.question is None and now - execution.moved_time > stuck_after_seconds for execution in polling
        ),
    )

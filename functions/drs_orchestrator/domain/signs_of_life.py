"""What an execution's own record says about its driver: whether it is at work, or has to be asked about.

Step Functions answers few questions a second, see docs/scaling.md: nothing is asked about a driver that has just made a
round. Pure; times are epoch seconds.
"""

from drs_orchestrator.domain.clean_up import CleanUp
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus


def last_sign(execution: Execution, clean_up: CleanUp | None = None) -> int:
    """When the driver last gave a sign of life, or was last given time without one: until an answer or a clean-up is
    due, it has nothing to do."""
    if clean_up and execution.status.is_final:
        return max(clean_up.due_time, clean_up.last_round or 0, execution.driver_started)
    answered = execution.question.deadline if execution.question else None
    return max(execution.last_polled or 0, execution.driver_started, answered or 0)


def may_go_on(execution: Execution, now: int) -> bool:
    """Whether a driver that waits for an operator has nothing to wait for any more."""
    return execution.question is None or execution.question.is_overdue(now)


def waits_for_operator(execution: Execution) -> bool:
    """Whether its driver waits for an answer and makes no rounds. Without a token to wake it by it does not wait yet:
    it is on its way there, and may be lost."""
    return execution.status is ExecutionStatus.PAUSED and execution.task_token is not None


def stands_still(execution: Execution, now: int, stuck_after_seconds: int) -> bool:
    """Nothing has moved for too long, although no operator is waited for."""
    return execution.question is None and now - execution.moved_time > stuck_after_seconds


def is_at_work(
    execution: Execution, clean_up: CleanUp | None, now: int, quiet_seconds: int, stuck_after_seconds: int
) -> bool:
    """Whether nothing is to be found out or done about the execution: its driver has made a round, gave a sign of life
    within `quiet_seconds`, waits for nobody who has answered, and the execution moves.

    A driver that was recorded and has made no round may never have been started. One that waits for an operator makes
    no rounds; should it be lost, that shows as soon as there is an answer for it. `clean_up`: of an ended execution.
    """
    if execution.status.is_final:
        return (
            clean_up is not None
            and _has_begun(execution, clean_up)
            and _is_fresh(execution, clean_up, now, quiet_seconds)
        )
    if execution.driver_rounds == 0 or stands_still(execution, now, stuck_after_seconds):
        return False
    if execution.task_token and may_go_on(execution, now):
        return False
    return waits_for_operator(execution) or _is_fresh(execution, None, now, quiet_seconds)


def _has_begun(execution: Execution, clean_up: CleanUp) -> bool:
    """Whether this generation has been seen at work: on the execution itself, or on what is left to clean up."""
    return execution.driver_rounds > 0 or (clean_up.last_round or 0) >= execution.driver_started


def _is_fresh(execution: Execution, clean_up: CleanUp | None, now: int, quiet_seconds: int) -> bool:
    return now - last_sign(execution, clean_up) <= quiet_seconds

"""One driver: every task of the state machine begins by asking whether it may still act."""

from enum import StrEnum

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.records import Execution


class Outcome(StrEnum):
    """The `outcome` of every task's result; the state graph branches on it."""

    READY = "READY"
    LAUNCHED = "LAUNCHED"
    CHECKED = "CHECKED"
    FINISHED = "FINISHED"
    # The execution has ended; what is left to do, such as a clean-up, is this driver's.
    ENDED = "ENDED"
    # What a recovery launched is protected, as far as EC2 has been asked.
    PROTECTED = "PROTECTED"
    # Every instance of a drill has met its fate; or some have not, look again later.
    CLEANED_UP = "CLEANED_UP"
    CLEANING_UP = "CLEANING_UP"
    HANDED_OVER = "HANDED_OVER"
    # Another driver has taken over, or the execution has ended: this one stops quietly.
    SUPERSEDED = "SUPERSEDED"


def driven_execution(app: App, execution_id: str, generation: int) -> Execution | None:
    """The execution, or None when this generation no longer drives it. Raises LookupError for an unknown id."""
    execution = app.executions.get(execution_id)
    if execution is None:
        raise LookupError(f"there is no execution {execution_id}")
    return execution if is_driven(execution, generation) else None


def is_driven(execution: Execution, generation: int) -> bool:
    """Whether this generation may still act."""
    return execution.generation == generation and not execution.status.is_final

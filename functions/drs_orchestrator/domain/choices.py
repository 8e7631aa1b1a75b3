"""What a plan leaves to its author: words of a plan document that the records of an execution keep."""

from enum import StrEnum


class Impact(StrEnum):
    """What the failure of a server means for its plan."""

    CRITICAL = "CRITICAL"
    OPTIONAL = "OPTIONAL"


class OnFailure(StrEnum):
    """What the failure of a wave means for the later waves: they are SKIPPED, launched all the same, or asked about."""

    STOP = "STOP"
    CONTINUE = "CONTINUE"
    PAUSE = "PAUSE"


class OnApprovalTimeout(StrEnum):
    """What an approval that nobody gave in time counts as."""

    REJECT = "REJECT"
    CONTINUE = "CONTINUE"

"""What an operator may decide about a running execution, and what the execution may ask an operator.

At most one question is open at a time. It is asked when a wave's turn has come and something other than DRS keeps it
from being launched; the execution goes on watching what runs in DRS meanwhile, and is PAUSED once nothing does.
"""

from dataclasses import dataclass
from enum import StrEnum

from drs_orchestrator.domain.choices import OnApprovalTimeout


class QuestionKind(StrEnum):
    """APPROVAL: a wave asks for it. FAILURE: a wave with OnFailure PAUSE failed. PAUSE: an operator asked for it."""

    APPROVAL = "APPROVAL"
    FAILURE = "FAILURE"
    PAUSE = "PAUSE"


class StopKind(StrEnum):
    CANCEL = "CANCEL"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True)
class Question:
    """An open question. `waves`: positions of those it is about; times in epoch seconds; `deadline` None: no end."""

    number: int
    kind: QuestionKind
    waves: tuple[int, ...]
    wave_names: tuple[str, ...]
    asked_time: int
    text: str
    deadline: int | None = None
    on_timeout: OnApprovalTimeout = OnApprovalTimeout.REJECT

    def is_overdue(self, now: int) -> bool:
        return self.deadline is not None and now >= self.deadline


@dataclass(frozen=True, slots=True)
class PauseRequest:
    by: str
    time: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more is launched; what runs in DRS, which can't cancel it, is followed to its end."""

    kind: StopKind
    by: str
    time: int
    reason: str | None = None

    @property
    def sentence(self) -> str:
        """`cancelled by arn:…: wrong plan`."""
        word = "cancelled" if self.kind is StopKind.CANCEL else "rejected"
        return f"{word} by {self.by}" + (f": {self.reason}" if self.reason else "")

"""Every status an execution, a wave and a server can have, and the only place that says which may follow which.

The names are those of the user's specification. DRS itself has other words: its job statuses and `launchStatus`
are open strings to us (see `job.py`), because DRS has emitted values its own SDK does not list.
"""

from enum import StrEnum


class ExecutionType(StrEnum):
    DRILL = "DRILL"
    RECOVERY = "RECOVERY"


class ExecutionStatus(StrEnum):
    """PAUSED: nothing runs in DRS and an operator's decision is waited for. CANCELLED: an operator stopped it, or an
    approval came too late."""

    PENDING = "PENDING"
    POLLING = "POLLING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        return self not in (ExecutionStatus.PENDING, ExecutionStatus.POLLING, ExecutionStatus.PAUSED)


class WaveStatus(StrEnum):
    """QUEUED: its turn has come, but nothing of it is known to be launched: DRS has no room for it, can't be asked, or
    is asked what became of an earlier call."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    LAUNCHING = "LAUNCHING"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"

    @property
    def is_final(self) -> bool:
        return self not in (WaveStatus.PENDING, WaveStatus.QUEUED, WaveStatus.LAUNCHING)


class ServerStatus(StrEnum):
    """PENDING: DRS has not begun. STARTED: its job runs (snapshot, conversion). IN_PROGRESS: the launch itself."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    LAUNCHED = "LAUNCHED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class LaunchActionsStatus(StrEnum):
    """The document's `PostLaunchActionsStatus`, read from DRS's `launchActionsStatus.runs`."""

    NOT_CONFIGURED = "NOT_CONFIGURED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        return self is not LaunchActionsStatus.IN_PROGRESS


type Status = ExecutionStatus | WaveStatus | ServerStatus

_E, _W, _S = ExecutionStatus, WaveStatus, ServerStatus

# Forward only, but for PAUSED, which leads back to POLLING. A poll may miss a status that came and went, so a step may
# skip some. LAUNCHED → FAILED is the one surprise: in a RECOVERY a required launch action can still fail after the
# launch. A LAUNCHING wave is SKIPPED when what may have been launched turns out not to have been, and must not be now.
# One table per family: members of different families are equal as strings.
_ENDS = frozenset({_E.COMPLETED, _E.PARTIAL, _E.FAILED, _E.CANCELLED})
_EXECUTION_STEPS: dict[Status, frozenset[Status]] = {
    _E.PENDING: _ENDS | {_E.POLLING},
    _E.POLLING: _ENDS | {_E.PAUSED},
    _E.PAUSED: frozenset({_E.POLLING}),
}
_WAVE_STEPS: dict[Status, frozenset[Status]] = {
    _W.PENDING: frozenset({_W.QUEUED, _W.LAUNCHING, _W.SKIPPED}),
    _W.QUEUED: frozenset({_W.LAUNCHING, _W.SKIPPED}),
    _W.LAUNCHING: frozenset({_W.COMPLETED, _W.PARTIAL, _W.FAILED, _W.SKIPPED}),
}
_SERVER_STEPS: dict[Status, frozenset[Status]] = {
    _S.PENDING: frozenset({_S.STARTED, _S.IN_PROGRESS, _S.LAUNCHED, _S.FAILED, _S.SKIPPED}),
    _S.STARTED: frozenset({_S.IN_PROGRESS, _S.LAUNCHED, _S.FAILED}),
    _S.IN_PROGRESS: frozenset({_S.LAUNCHED, _S.FAILED}),
    _S.LAUNCHED: frozenset({_S.FAILED}),
}
_STEPS: dict[type[Status], dict[Status, frozenset[Status]]] = {
    _E: _EXECUTION_STEPS,
    _W: _WAVE_STEPS,
    _S: _SERVER_STEPS,
}


def may_follow(old: Status, new: Status) -> bool:
    """Whether a record that says `old` may be changed to `new`; a status never follows itself."""
    return type(old) is type(new) and new in _STEPS[type(old)].get(old, frozenset())


def predecessors(new: Status) -> tuple[Status, ...]:
    """The statuses `new` may follow: what a conditional write must find in the table."""
    return tuple(old for old, allowed in _STEPS[type(new)].items() if new in allowed)

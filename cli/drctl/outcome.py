"""How a command ends: with an exit code that scripts can rely on, and in trouble with one sentence and a next step."""

from collections.abc import Sequence
from enum import IntEnum

from drs_orchestrator.domain.statuses import ExecutionStatus


class ExitCode(IntEnum):
    OK = 0
    REFUSED = 1
    USAGE = 2
    PARTIAL = 3
    FAILED = 4
    NO_ANSWER = 5
    NOT_FOUND = 6
    CONFLICT = 7
    CANCELLED = 8
    BROKEN_HISTORY = 9
    INTERRUPTED = 130
    NOT_READ = 141


MEANINGS = {
    ExitCode.OK: "done; a watched or finished execution is COMPLETED (or it still runs: status, start without --watch)",
    ExitCode.REFUSED: "the plan or the request has faults; every one of them is listed",
    ExitCode.USAGE: "the command line or a setting is wrong",
    ExitCode.PARTIAL: "the execution ended PARTIAL: some servers were not launched",
    ExitCode.FAILED: "the execution ended FAILED",
    ExitCode.NO_ANSWER: "no usable answer: credentials, permissions, network, Region or a failure of the API",
    ExitCode.NOT_FOUND: "there is no such plan, execution or wave",
    ExitCode.CONFLICT: "the request contradicts what is there: pre-flight finds errors, a client token is used up, "
    "nobody asked for the decision",
    ExitCode.CANCELLED: "the execution ended CANCELLED: it was cancelled, rejected or not approved in time",
    ExitCode.BROKEN_HISTORY: "the execution's history was changed after it was written",
    ExitCode.INTERRUPTED: "stopped with Ctrl-C; an execution goes on without its watcher",
    ExitCode.NOT_READ: "whoever read the output stopped before its end, as in `drctl list | head -1`",
}

_OF_STATUS = {
    ExecutionStatus.COMPLETED: ExitCode.OK,
    ExecutionStatus.PARTIAL: ExitCode.PARTIAL,
    ExecutionStatus.FAILED: ExitCode.FAILED,
    ExecutionStatus.CANCELLED: ExitCode.CANCELLED,
}


def is_final(status: str) -> bool:
    return status in ExecutionStatus.__members__ and ExecutionStatus(status).is_final


def exit_code_of(status: str) -> ExitCode:
    """The exit code of an execution's status; OK while it runs."""
    return _OF_STATUS.get(ExecutionStatus(status), ExitCode.OK) if is_final(status) else ExitCode.OK


class CliError(Exception):
    """What went wrong in one sentence, the command that helps, and the details where there are several faults."""

    def __init__(
        self, message: str, exit_code: ExitCode, advice: str | None = None, details: Sequence[dict[str, str]] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.advice = advice
        self.details = list(details)


class PassingFailure(CliError):
    """One that may be gone in a moment: the API was not reached, was busy or failed."""

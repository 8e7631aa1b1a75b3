"""The words DRS is known to use, and those of an observation that are not among them.

DRS's enumerations are open: real job logs say LAUNCH_END, which the SDK's own model does not list. A word nobody knows
stops nothing. It is kept with its job, once, so that the record shows what DRS has begun to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from drs_orchestrator.domain.job import DrsJob, LogEvent
from drs_orchestrator.domain.records import UnknownWord

# What a job keeps at the most: its record is rewritten whole at every change.
MAX_UNKNOWN_WORDS = 20
_MAX_CHARACTERS = 100


class WordKind(StrEnum):
    """Where DRS said it: a job log item, or a status of a job, of a server in it, of a server's launch action."""

    LOG_EVENT = "LOG_EVENT"
    JOB_STATUS = "JOB_STATUS"
    LAUNCH_STATUS = "LAUNCH_STATUS"
    LAUNCH_ACTION_STATUS = "LAUNCH_ACTION_STATUS"


# botocore's `drs` model (JobLogEvent, JobStatus, LaunchStatus, LaunchActionRunStatus), and LAUNCH_END from real logs.
KNOWN_WORDS: Mapping[WordKind, frozenset[str]] = {
    WordKind.LOG_EVENT: frozenset(
        {
            "JOB_START",
            "SERVER_SKIPPED",
            "CLEANUP_START",
            "CLEANUP_END",
            "CLEANUP_FAIL",
            "SNAPSHOT_START",
            "SNAPSHOT_END",
            "SNAPSHOT_FAIL",
            "USING_PREVIOUS_SNAPSHOT",
            "USING_PREVIOUS_SNAPSHOT_FAILED",
            "CONVERSION_START",
            "CONVERSION_END",
            "CONVERSION_FAIL",
            "LAUNCH_START",
            "LAUNCH_END",
            "LAUNCH_FAILED",
            "JOB_CANCEL",
            "JOB_END",
            "DEPLOY_NETWORK_CONFIGURATION_START",
            "DEPLOY_NETWORK_CONFIGURATION_END",
            "DEPLOY_NETWORK_CONFIGURATION_FAILED",
            "UPDATE_NETWORK_CONFIGURATION_START",
            "UPDATE_NETWORK_CONFIGURATION_END",
            "UPDATE_NETWORK_CONFIGURATION_FAILED",
            "UPDATE_LAUNCH_TEMPLATE_START",
            "UPDATE_LAUNCH_TEMPLATE_END",
            "UPDATE_LAUNCH_TEMPLATE_FAILED",
            "NETWORK_RECOVERY_FAIL",
        }
    ),
    WordKind.JOB_STATUS: frozenset({"PENDING", "STARTED", "COMPLETED"}),
    WordKind.LAUNCH_STATUS: frozenset({"PENDING", "IN_PROGRESS", "LAUNCHED", "FAILED", "TERMINATED"}),
    WordKind.LAUNCH_ACTION_STATUS: frozenset({"IN_PROGRESS", "SUCCEEDED", "FAILED"}),
}


def with_unknown_words(
    kept: tuple[UnknownWord, ...], job: DrsJob, log: Sequence[LogEvent] | None, now: int
) -> tuple[UnknownWord, ...]:
    """`kept` and behind it every word not known and not kept yet, as far as there is room (MAX_UNKNOWN_WORDS)."""
    words = {(word.kind, word.word): word for word in kept}
    for word in _said(job, log or (), now):
        if len(words) == MAX_UNKNOWN_WORDS:
            break
        if word.word and word.word not in KNOWN_WORDS[WordKind(word.kind)]:
            words.setdefault((word.kind, word.word), word)
    return tuple(words.values())


def _said(job: DrsJob, log: Sequence[LogEvent], now: int) -> Iterator[UnknownWord]:
    """Every word of the observation; a log item has a time of its own, a status is as old as the look at it."""
    for event in log:
        yield _word(WordKind.LOG_EVENT, event.event, int(event.time), event.source_server_id)
    yield _word(WordKind.JOB_STATUS, job.status, now)
    for server in job.servers:
        yield _word(WordKind.LAUNCH_STATUS, server.launch_status, now, server.source_server_id)
        for run in server.runs:
            yield _word(WordKind.LAUNCH_ACTION_STATUS, run.status, now, server.source_server_id)


def _word(kind: WordKind, word: str, time: int, server_id: str | None = None) -> UnknownWord:
    return UnknownWord(kind.value, word[:_MAX_CHARACTERS], time, server_id)

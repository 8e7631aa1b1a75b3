"""One launch and never a second: how a DRS job is recognised as the one a job record asked for.

StartRecovery has no client token, so a repeated call is a second launch. The record of the intent comes first, the
job carries tags, and before any repeat the job is looked for: by its tags, else by its servers, its initiator and
its creation time.
"""

from collections.abc import Iterable, Mapping

from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.records import Job
from drs_orchestrator.domain.source import LastLaunch
from drs_orchestrator.domain.statuses import ExecutionType

EXECUTION_TAG = "drs-orchestrator:execution-id"
WAVE_TAG = "drs-orchestrator:wave"
CHUNK_TAG = "drs-orchestrator:chunk"

# DRS's clock and ours may disagree a little; a job older than this before the intent can't be its result.
CLOCK_SKEW_SECONDS = 60

# Tighter where nothing but the time tells our job from another on the same servers.
_UNTAGGED_SKEW_SECONDS = 5

_INITIATORS = {ExecutionType.DRILL: "START_DRILL", ExecutionType.RECOVERY: "START_RECOVERY"}


def job_tags(execution_id: str, job: Job) -> dict[str, str]:
    """Few and plain: DRS has refused a launch over its tags."""
    return {EXECUTION_TAG: execution_id, WAVE_TAG: str(job.key.wave), CHUNK_TAG: str(job.key.chunk)}


def find_own_job(execution_id: str, execution_type: ExecutionType, job: Job, seen: Iterable[DrsJob]) -> DrsJob | None:
    """The DRS job that this record's StartRecovery call created, if it is among those seen since the intent.

    A job without tags is ours only if a call of ours may still have taken effect (`called_time`) when it was created:
    somebody else's job on the same servers is never adopted.
    """
    candidates = [candidate for candidate in seen if candidate.type == "LAUNCH"]
    wanted = job_tags(execution_id, job)
    for candidate in candidates:
        if _has_tags(candidate.tags, wanted):
            return candidate
    servers = set(job.to_launch)
    for candidate in candidates:
        if (
            EXECUTION_TAG not in candidate.tags
            and candidate.initiated_by == _INITIATORS[execution_type]
            and job.called_time is not None
            and candidate.created >= job.called_time - _UNTAGGED_SKEW_SECONDS
            and {server.source_server_id for server in candidate.servers} == servers
        ):
            return candidate
    return None


def find_unlisted_job(execution_type: ExecutionType, job: Job, launches: Mapping[str, LastLaunch]) -> LastLaunch | None:
    """The launch that this record's call began, by what its servers say of theirs (by source server id), where DRS does
    not list the job: it may list it late, and lists none that somebody has deleted.

    The signs are those of a job without tags: type, time, and all of our servers in it.
    """
    own = [launches.get(server_id) for server_id in job.to_launch]
    first = own[0] if own else None
    if (
        first
        and job.called_time is not None
        and first.called >= job.called_time - _UNTAGGED_SKEW_SECONDS
        and first.type == execution_type
        and all(each and each.job_id == first.job_id for each in own)
    ):
        return first
    return None


def may_call_again(job: Job, settle_seconds: int, now: int) -> bool:
    """Whether an earlier call that left no job can no longer take effect: its caller is dead or has given up."""
    return job.called_time is None or now - job.called_time >= settle_seconds


def may_still_call(job: Job, settle_seconds: int, now: int) -> bool:
    """Whether a call that begins now is over before anybody may repeat it. Recording the intent may have taken long: a
    third of the time is for that, two thirds are for the call's own time-outs."""
    return job.called_time is not None and 3 * (now - job.called_time) <= settle_seconds


def _has_tags(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(tags.get(key) == value for key, value in wanted.items())

"""EC2 termination protection of what a RECOVERY launched: whose turn it is, and what became of each instance. Pure.

A later launch of a source server removes its earlier recovery instance, unless EC2 refuses to terminate that. An
instance that can't be protected fails nothing: the document says why, and how to do it by hand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from drs_orchestrator.domain.cutting import cut
from drs_orchestrator.domain.records import Job

# How often EC2 is asked about a job's instances before the execution ends without their protection.
MAX_ROUNDS = 10
# How many instances one round is about, as far as whole jobs allow: EC2 lets a caller change a few in a second.
MAX_INSTANCES = 200
# EC2's words for a refusal may hold a long code only AWS can read.
_REASON_BYTES = 300


class Answer(StrEnum):
    """What EC2 made of a request. REFUSED is its last word; BUSY: it may be asked again."""

    PROTECTED = "PROTECTED"
    REFUSED = "REFUSED"
    BUSY = "BUSY"


@dataclass(frozen=True, slots=True)
class Protection:
    """`reason`: EC2's words, empty when it protected the instance."""

    answer: Answer
    reason: str = ""


def undecided(job: Job) -> tuple[str, ...]:
    """The ids of the job's instances about which EC2 has not had its last word. A server that FAILED by a launch
    action has one, too: it runs."""
    instances = (server.instance_id for server in job.servers.values() if server.instance_id is not None)
    return tuple(instance_id for instance_id in instances if instance_id not in job.protection)


def next_jobs(jobs: Iterable[Job]) -> list[Job]:
    """The jobs this round is about: those that have had the fewest rounds first."""
    taken: list[Job] = []
    count = 0
    for job in sorted(jobs, key=lambda job: (job.protection_rounds, job.key)):
        count += len(undecided(job))
        if taken and count > MAX_INSTANCES:
            break
        if undecided(job):
            taken.append(job)
    return taken


def after_round(job: Job, outcomes: Mapping[str, Protection]) -> Job:
    """The job after a round, given what became of each of its instances; the last round decides every one."""
    rounds = job.protection_rounds + 1
    decided = {
        instance_id: cut(outcome.reason, _REASON_BYTES)
        for instance_id, outcome in outcomes.items()
        if outcome.answer is not Answer.BUSY or rounds >= MAX_ROUNDS
    }
    return replace(job, protection={**job.protection, **decided}, protection_rounds=rounds)


def told(job: Job) -> dict[str, Any]:
    """What the history says once every instance of the job is decided."""
    unprotected = [
        {"InstanceId": instance_id, "Reason": reason} for instance_id, reason in job.protection.items() if reason
    ]
    return {
        "WaveName": job.wave_name,
        "Protected": len(job.protection) - len(unprotected),
        "Unprotected": unprotected,
    }


def protection_command(instance_id: str, region: str) -> str:
    """What a person types to protect an instance, in the account it is in."""
    return f"aws ec2 modify-instance-attribute --instance-id {instance_id} --disable-api-termination --region {region}"

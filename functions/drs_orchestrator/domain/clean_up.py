"""Cleaning up after a drill: which instances may be terminated, and what became of each. Pure.

Only a recovery instance that DRS itself says was launched as a drill, by a job of this very execution, is ever
terminated; whatever else lives on the source server, a recovery's instance above all, is none of the clean-up's.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from drs_orchestrator.domain.cutting import cut
from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.records import Job
from drs_orchestrator.domain.source import RecoveryInstance

# How often DRS is looked at before what nobody terminates is left: more than an hour at the default interval, so that a
# DRS that can't be asked for a while is outlasted.
MAX_ROUNDS = 150
# What is on its way then, or not listed any more, is waited for until this one, with which the clean-up ends for good.
# Bounds in rounds, because the state machine's history is bounded too: a driver that has polled has room for these.
LAST_ROUND = 180

# A hundred of them stand in one item of 400 KB, and 500 in the history's entry about the end, each with 100 bytes of
# ids and names: 300 KB.
_REASON_BYTES = 500

# DRS's own job type, see `DrsJob.type`.
TERMINATE = "TERMINATE"


class CleanUpStatus(StrEnum):
    """INSTANCES_LEFT: it has ended, and at least one instance could not be terminated."""

    CLEANING_UP = "CLEANING_UP"
    CLEANED_UP = "CLEANED_UP"
    INSTANCES_LEFT = "INSTANCES_LEFT"


class Fate(StrEnum):
    """What became of one instance. LIVING: not asked to go yet. LEFT: it lives on, the reason says why."""

    LIVING = "LIVING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    LEFT = "LEFT"

    @property
    def is_final(self) -> bool:
        return self in (Fate.TERMINATED, Fate.LEFT)


@dataclass(frozen=True, slots=True)
class DrillInstance:
    """One instance of the drill. `job_id` is the DRS job that terminates it, `reason` why it is still there,
    `missing_since` (epoch seconds) when DRS first did not list it."""

    instance_id: str
    source_server_id: str
    fate: Fate = Fate.LIVING
    job_id: str | None = None
    reason: str | None = None
    missing_since: int | None = None


@dataclass(frozen=True, slots=True)
class CleanUp:
    """`requested_by` None: the plan asked for it. Times in epoch seconds; not begun before `due_time`."""

    due_time: int
    requested_time: int
    requested_by: str | None = None
    reason: str | None = None
    status: CleanUpStatus = CleanUpStatus.CLEANING_UP
    rounds: int = 0
    last_round: int | None = None
    end_time: int | None = None
    terminated: int = 0
    left: int = 0

    @property
    def is_open(self) -> bool:
        return self.status is CleanUpStatus.CLEANING_UP

    @property
    def is_overdue(self) -> bool:
        return self.rounds >= MAX_ROUNDS

    @property
    def is_at_its_last_round(self) -> bool:
        return self.rounds >= LAST_ROUND


type Instances = Mapping[str, DrillInstance]
"""By instance id."""


def may_be_terminated(instance: RecoveryInstance, job: Job) -> bool:
    """Whether it is a living instance that `job` launched as a drill. The one rule there is; nothing overrides it."""
    own = job.job_id is not None and instance.job_id == job.job_id and instance.source_server_id in job.servers
    return instance.is_drill and own and instance.is_living


def look(
    known: Instances, job: Job, seen: Iterable[RecoveryInstance], now: int, grace: int
) -> dict[str, DrillInstance]:
    """The job's instances after one look at DRS: new ones are noted, those that are gone are TERMINATED.

    DRS forgets an instance some time after its end, but it may also fail to list one for a moment: it is gone when it
    has not been listed for `grace` seconds, counted from the first look that missed it. That goes for what the job is
    known to have launched, too: a first look that finds nothing proves nothing.
    """
    listed = {instance.instance_id: instance for instance in seen}
    missed = {
        server.instance_id: DrillInstance(server.instance_id, server_id)
        for server_id, server in job.servers.items()
        if server.instance_id and server.instance_id not in listed
    }
    instances = {
        instance_id: instance if instance.fate.is_final else _as_listed(instance, listed.get(instance_id), now, grace)
        for instance_id, instance in {**missed, **known}.items()
    }
    for instance_id, found in listed.items():
        if may_be_terminated(found, job):
            instances.setdefault(instance_id, DrillInstance(instance_id, found.source_server_id))
        elif found.is_living:
            # By the record it is the job's, by DRS it is not: then it is none of the clean-up's.
            instances.pop(instance_id, None)
    return instances


def unasked(known: Instances, job: Job, reason: str) -> dict[str, DrillInstance]:
    """The job's instances in a round in which DRS was not asked, for that reason: what is known to have been launched
    is there until DRS says otherwise."""
    recorded = {
        server.instance_id: DrillInstance(server.instance_id, server_id)
        for server_id, server in job.servers.items()
        if server.instance_id
    }
    short = cut(reason, _REASON_BYTES)
    return {
        instance_id: instance if instance.fate.is_final else replace(instance, reason=short)
        for instance_id, instance in {**recorded, **known}.items()
    }


def _as_listed(instance: DrillInstance, listed: RecoveryInstance | None, now: int, grace: int) -> DrillInstance:
    if listed is None:
        since = now if instance.missing_since is None else instance.missing_since
        gone = now - since >= grace
        return replace(instance, missing_since=since, fate=Fate.TERMINATED if gone else instance.fate, reason=None)
    if listed.is_gone:
        return replace(instance, fate=Fate.TERMINATED, missing_since=None, reason=None)
    if not listed.is_living:
        return replace(instance, fate=Fate.TERMINATING, missing_since=None, reason=None)
    return replace(instance, missing_since=None, reason=None)


def watch(instances: Instances, jobs: Iterable[DrsJob]) -> dict[str, DrillInstance]:
    """The instances after a look at the jobs DRS has under way: who terminates one, whoever asked for it, is noted,
    and one whose server is busy in another job has to wait."""
    busy = {server.source_server_id: job for job in jobs for server in job.servers}
    watched = dict(instances)
    for instance_id, instance in instances.items():
        job = busy.get(instance.source_server_id)
        if instance.fate is not Fate.LIVING:
            continue
        if job is None:
            watched[instance_id] = replace(instance, reason=None)
        elif job.type == TERMINATE:
            watched[instance_id] = replace(instance, fate=Fate.TERMINATING, job_id=job.job_id, reason=None)
        else:
            watched[instance_id] = replace(instance, reason=f"its source server is busy in DRS job {job.job_id}")
    return watched


def ready(instances: Instances) -> list[str]:
    """The ids of the instances that DRS may be asked to terminate now."""
    return sorted(
        instance_id
        for instance_id, instance in instances.items()
        if instance.fate is Fate.LIVING and instance.reason is None and instance.missing_since is None
    )


def unmoved(instances: Instances) -> list[str]:
    """The ids of the instances that DRS lists and nobody terminates."""
    return [
        instance_id
        for instance_id, instance in instances.items()
        if instance.fate is Fate.LIVING and instance.missing_since is None
    ]


def asked(instances: Instances, asked_for: Collection[str], job_id: str) -> dict[str, DrillInstance]:
    """The instances once DRS has begun to terminate these in its job `job_id`."""
    return {
        instance_id: replace(instance, fate=Fate.TERMINATING, job_id=job_id, reason=None)
        if instance_id in asked_for
        else instance
        for instance_id, instance in instances.items()
    }


def left(instances: Instances, left_ones: Collection[str], reason: str) -> dict[str, DrillInstance]:
    """The instances once it is certain that these stay; of DRS's words the beginning is kept as the reason."""
    short = cut(reason, _REASON_BYTES)
    return {
        instance_id: replace(instance, fate=Fate.LEFT, reason=instance.reason or short)
        if instance_id in left_ones
        else instance
        for instance_id, instance in instances.items()
    }


def once_more(instances: Instances) -> dict[str, DrillInstance]:
    """The instances for another clean-up: what was left is tried again."""
    return {
        instance_id: DrillInstance(instance_id, instance.source_server_id) if instance.fate is Fate.LEFT else instance
        for instance_id, instance in instances.items()
    }


def ended(clean_up: CleanUp, instances: Iterable[DrillInstance], now: int, *, unknown: int = 0) -> CleanUp:
    """The clean-up once every instance has met its fate. `unknown`: launched servers of whose instances nobody knows;
    they count as left. Raises ValueError while an instance has not met its fate."""
    fates = [instance.fate for instance in instances]
    if not all(fate.is_final for fate in fates):
        raise ValueError("an instance has not met its fate yet")
    remaining = fates.count(Fate.LEFT) + unknown
    return replace(
        clean_up,
        status=CleanUpStatus.INSTANCES_LEFT if remaining else CleanUpStatus.CLEANED_UP,
        end_time=now,
        terminated=fates.count(Fate.TERMINATED),
        left=remaining,
    )


def removal_command(instance_id: str, region: str) -> str:
    """What a person types to terminate an instance that was left, in the account it is in."""
    return f"aws drs terminate-recovery-instances --recovery-instance-ids {instance_id} --region {region}"

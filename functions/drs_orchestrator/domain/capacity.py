"""DRS's quotas as sentences: what a launch that can't begin yet is waiting for. Per account and Region, from the
service's documentation: 20 concurrent jobs, 500 servers in all jobs, one job per server."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.launching import EXECUTION_TAG
from drs_orchestrator.domain.records import Job

MAX_JOBS = 20
MAX_SERVERS_IN_JOBS = 500


@dataclass(frozen=True, slots=True)
class Room:
    """So many jobs with so many servers in all: what DRS has free, or what somebody needs."""

    jobs: int
    servers: int

    def holds(self, needed: "Room") -> bool:
        return self.jobs >= needed.jobs and self.servers >= needed.servers

    def __add__(self, other: "Room") -> "Room":
        return Room(self.jobs + other.jobs, self.servers + other.servers)

    def __sub__(self, other: "Room") -> "Room":
        return Room(self.jobs - other.jobs, self.servers - other.servers)


def room_of(job: Job) -> Room:
    """What the job takes up once it is launched."""
    return Room(1, len(job.servers))


def room_behind(in_use: Iterable[DrsJob], ahead: Iterable[Room]) -> Room:
    """What DRS's unfinished jobs leave free, and of that what is left when everybody ahead has taken what they need."""
    room = Room(MAX_JOBS, MAX_SERVERS_IN_JOBS)
    for taken in (*(Room(1, len(job.servers)) for job in in_use), *ahead):
        room -= taken
    return room


def quota_reason(in_use: Sequence[DrsJob], drs_said: str) -> str:
    """Why DRS has no room, given its unfinished jobs; in DRS's words when they can't be counted."""
    if not in_use:
        return f"waiting: {drs_said}"
    servers = sum(len(job.servers) for job in in_use)
    if len(in_use) >= MAX_JOBS:
        return f"waiting: {len(in_use)} of {MAX_JOBS} DRS jobs in use"
    return f"waiting: {servers} of {MAX_SERVERS_IN_JOBS} servers in {len(in_use)} of {MAX_JOBS} DRS jobs"


def whose_job(in_use: Sequence[DrsJob], job: Job, drs_said: str) -> str:
    """Which unfinished job, started by somebody else, holds one of our servers."""
    for other in in_use:
        shared = sorted({server.source_server_id for server in other.servers} & set(job.to_launch))
        if shared:
            execution = other.tags.get(EXECUTION_TAG)
            owner = f"execution {execution}" if execution else f"{other.initiated_by}, not by DRS Orchestrator"
            return f"waiting: {', '.join(shared[:3])} in DRS job {other.job_id}, started by {owner}"
    return f"waiting: {drs_said}"

"""How long a wave is certain to go on, which is how long DRS need not be asked about it. Pure: no clock, no I/O.

A conversion lasts 3 to 14 minutes, so its end tells little. What follows it is steady: in real jobs 278 to 391 s from
LAUNCH_START to LAUNCH_END in the job's log, and 993 s to the latest LAUNCH_FAILED. No wave ends before its last server.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from drs_orchestrator.domain.job import JobObservation, LogEvent
from drs_orchestrator.domain.progress import is_settled
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus

# Seconds. Launches that have not ended so long after LAUNCH_START, and launch actions so long after the launch, are
# overdue: they may take for ever.
SHORTEST_LAUNCH = 240
LATEST_LAUNCH = 1200
LATEST_ACTIONS = 900


def seconds_left(
    jobs: Iterable[Job],
    seen: Mapping[JobKey, JobObservation],
    execution_type: ExecutionType,
    now: int,
    unknown: int,
) -> list[int]:
    """Of each wave with unfinished jobs: the seconds until its end at the earliest, 0 when it may come any moment.

    `seen`: what was seen of the jobs just now, those that could not be asked about left out. A server that is overdue,
    or in launch and the log says nothing of it, tells nothing; a wave that has no others has `unknown` left.
    """
    waves: dict[int, list[int]] = defaultdict(list)
    for job in jobs:
        if not job.finished:
            look = seen.get(job.key)
            waves[job.key.wave] += _servers_left(job, (look.log if look else None) or (), execution_type, now)
    return [max(servers, default=unknown) for servers in waves.values()]


def _servers_left(job: Job, log: Sequence[LogEvent], execution_type: ExecutionType, now: int) -> Iterator[int]:
    began = {event.source_server_id: int(event.time) for event in log if event.event == "LAUNCH_START"}
    for server_id, server in job.servers.items():
        if not is_settled(server, execution_type):
            left = _server_left(job, server, began.get(server_id), now)
            if left is not None:
                yield left


def _server_left(job: Job, server: ServerProgress, launch_began: int | None, now: int) -> int | None:
    """None when nothing is known."""
    if server.launched_time is not None:
        # What is awaited are its launch actions, or only the job's own end.
        return 0 if now - server.launched_time <= LATEST_ACTIONS else None
    if server.status is ServerStatus.FAILED or job.end_time is not None:
        # Only the reason is missing, or the grace after the job's end is running.
        return 0
    if launch_began is None:
        return None if server.status is ServerStatus.IN_PROGRESS else SHORTEST_LAUNCH
    lasted = now - launch_began
    return max(SHORTEST_LAUNCH - lasted, 0) if lasted <= LATEST_LAUNCH else None

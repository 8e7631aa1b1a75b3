"""The state of DRS in one account and Region: plain records, no behaviour beyond looking things up."""

import heapq
from dataclasses import dataclass, field
from typing import Any

from drs_simulator import ids
from drs_simulator.timeline import LaunchAction, Step

History = list[tuple[float, str]]
"""What something was, since when (epoch seconds): the last entry is what it is."""


def value_at(history: History, moment: float | None) -> str:
    """The history's value at `moment`; None means now. Before its first entry it already has that entry's value."""
    if moment is None:
        return history[-1][1]
    return next((value for since, value in reversed(history) if since <= moment), history[0][1])


@dataclass(slots=True)
class LogItem:
    """One line of a job's log; `data` is the wire's eventData."""

    at: float
    event: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ActionRun:
    """One launch action on one launched server, from `began` on."""

    run_id: str
    action: dict[str, Any]
    began: float
    status: History
    failure_reason: str | None = None


@dataclass(slots=True)
class Participant:
    """A server within a job."""

    server_id: str
    status: History
    instance_id: str | None = None
    launched_at: float | None = None
    agent_found_at: float | None = None
    runs: list[ActionRun] = field(default_factory=list)
    point_in_time: float | None = None


@dataclass(slots=True)
class Job:
    """A DRS job. `origin` is the timeline's second its steps count from; `done` says how many of them have happened."""

    id: str
    type: str
    initiated_by: str
    created: float
    origin: float
    participants: dict[str, Participant]
    status: History
    tags: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    done: int = 0
    completion: float = 0.0
    waits_for_actions: bool = False
    doomed: list[str] = field(default_factory=list)
    log: list[LogItem] = field(default_factory=list)
    ended: float | None = None
    held: bool = False

    @property
    def is_drill(self) -> bool:
        return self.initiated_by == "START_DRILL"

    @property
    def is_running(self) -> bool:
        return self.ended is None

    @property
    def next_due(self) -> float | None:
        """The timeline's second of the next step; None if there is none or the job is held back."""
        if self.held or self.done >= len(self.steps):
            return None
        return self.origin + self.steps[self.done].at


@dataclass(slots=True)
class LastLaunch:
    """What a source server remembers of its last launch."""

    job_id: str
    called_at: float
    is_drill: bool


@dataclass(slots=True)
class RecoverySnapshot:
    """A point in time; `taken` None while the snapshot is still being made."""

    id: str
    expected: float
    taken: float | None
    ebs_snapshots: list[str]


@dataclass(slots=True)
class SourceServer:
    """A replicating machine. Most of what DescribeSourceServers says of it is made up from these few facts."""

    id: str
    name: str
    hostname: str
    added: float
    tags: dict[str, str]
    operating_system: str
    disk_bytes: int
    ram_bytes: int
    cores: int
    instance_type: str
    source_instance_id: str
    mac_address: str
    skipped_steps: list[str]
    replication_state: str = "CONTINUOUS"
    lag: str = "P0D"
    profile: str | None = None
    recovery_mode: str = "OPTIMAL"
    launch_disposition: str = "STARTED"
    termination_protection: bool = False
    staging_account: str | None = None
    post_launch_enabled: bool = False
    launch_actions: list[LaunchAction] = field(default_factory=list)
    snapshots: list[RecoverySnapshot] = field(default_factory=list)
    last_launch: LastLaunch | None = None
    last_launch_result: str = "NOT_STARTED"


@dataclass(slots=True)
class RecoveryInstance:
    """An EC2 instance a job launched. It lives until a TERMINATE job or the next launch of its server removes it."""

    id: str
    server_id: str
    job_id: str
    is_drill: bool
    launched: float
    point_in_time: float
    state: str
    protected: bool
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PlanStep:
    """A step of a native recovery plan, stored as it was given."""

    arn: str
    order: int
    name: str
    configuration: dict[str, Any]
    created: float
    updated: float


@dataclass(slots=True)
class Plan:
    """A native recovery plan: data only, nothing executes it."""

    arn: str
    name: str
    description: str | None
    created: float
    updated: float
    tags: dict[str, str]
    steps: list[PlanStep] = field(default_factory=list)


@dataclass(slots=True)
class World:
    """One account and Region."""

    account: str
    region: str
    seed: int
    # Ids never come back after a reset; everything else that is drawn does.
    generation: int
    ids_drawn: int = 0
    initialized: bool = True
    servers: dict[str, SourceServer] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    instances: dict[str, RecoveryInstance] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    client_tokens: dict[str, str] = field(default_factory=dict)
    # Derived: which job works on a server, a server's recovery instances, and when each job moves next.
    busy: dict[str, str] = field(default_factory=dict)
    launched: dict[str, list[str]] = field(default_factory=dict)
    agenda: list[tuple[float, str]] = field(default_factory=list)

    def new_id(self, prefix: str) -> str:
        """`prefix` and 17 hexadecimal digits, as in ``s-``, ``i-``, ``drsjob-`` and ``pit-`` ids."""
        return ids.hex17(prefix, self._ids_seed(), self._draw())

    def new_uuid(self) -> str:
        return ids.uuid4(self._ids_seed(), self._draw())

    def spread_seed(self) -> str:
        """What decides who is fast and who is slow in the next job."""
        return f"{self.seed}/{self.account}/{self.region}/{len(self.jobs)}"

    def _ids_seed(self) -> str:
        return f"{self.seed}.{self.generation}/{self.account}/{self.region}"

    def _draw(self) -> int:
        self.ids_drawn += 1
        return self.ids_drawn

    def arn(self, resource: str) -> str:
        return f"arn:aws:drs:{self.region}:{self.account}:{resource}"

    def running_jobs(self) -> list[Job]:
        return [self.jobs[job_id] for job_id in dict.fromkeys(self.busy.values())]

    def instances_of(self, server_id: str) -> list[RecoveryInstance]:
        """The recovery instances of a source server, the newest last."""
        return [self.instances[instance_id] for instance_id in self.launched.get(server_id, ())]

    def add_instance(self, instance: RecoveryInstance) -> None:
        self.instances[instance.id] = instance
        self.launched.setdefault(instance.server_id, []).append(instance.id)

    def remove_instance(self, instance: RecoveryInstance) -> None:
        del self.instances[instance.id]
        self.launched[instance.server_id].remove(instance.id)

    def schedule(self, job: Job) -> None:
        """Note when the job moves next. Earlier notes of it become void by no longer matching."""
        if (due := job.next_due) is not None:
            heapq.heappush(self.agenda, (due, job.id))

    def rebuild_derived(self) -> None:
        """Recompute what follows from the rest of the state (after loading a dump)."""
        self.launched = {}
        for instance in self.instances.values():
            self.launched.setdefault(instance.server_id, []).append(instance.id)
        self.busy = {server: job.id for job in self.jobs.values() if job.is_running for server in job.participants}
        self.agenda = []
        for job in self.jobs.values():
            self.schedule(job)

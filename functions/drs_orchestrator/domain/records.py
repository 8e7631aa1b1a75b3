"""The execution as the table records it: one header, a record for each wave, two for each job, and one for each server
from the first thing that happens to it.

No record grows with the number of servers of an execution: a job holds at most 100 (DRS's quota per job), a wave
and the header hold counters. Times are epoch seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drs_orchestrator.domain.choices import Impact, OnFailure
from drs_orchestrator.domain.history import NO_HISTORY, Event, Head
from drs_orchestrator.domain.statuses import (
    ExecutionStatus,
    ExecutionType,
    LaunchActionsStatus,
    ServerStatus,
    WaveStatus,
)
from drs_orchestrator.domain.steering import PauseRequest, Question, Stop


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """Which StartRecovery call of an execution: the wave's position in the plan and the chunk of its servers."""

    wave: int
    chunk: int

    def __str__(self) -> str:
        return f"{self.wave:04d}#{self.chunk:04d}"

    @staticmethod
    def parse(text: str) -> "JobKey":
        wave, chunk = text.split("#")
        return JobKey(int(wave), int(chunk))


@dataclass(frozen=True, slots=True)
class Execution:
    """The header. `generation` fences drivers: a task that carries another one stops quietly."""

    execution_id: str
    plan_id: str
    plan_name: str
    execution_type: ExecutionType
    status: ExecutionStatus
    start_time: int
    generation: int
    prepared: bool = False
    # Seconds a server's launch actions may take, when the plan sets a limit of its own.
    launch_actions_timeout: int | None = None
    driver_started: int = 0
    driver_rounds: int = 0
    poll_count: int = 0
    # Rounds in a row in which DRS could not be asked.
    troubles: int = 0
    polling_phase: str | None = None
    last_polled: int | None = None
    end_time: int | None = None
    # What the end came to; before it, what kept DRS from being asked in the last poll.
    status_reason: str | None = None
    active_jobs: frozenset[JobKey] = frozenset()
    # Who started it (an ARN, or "unknown") and why.
    started_by: str = "unknown"
    reason: str | None = None
    # A RECOVERY may replace living non-drill recovery instances: the operator typed the plan's id.
    replace_live: bool = False
    # Break-glass: a RECOVERY whose waves don't wait for their approvals.
    skip_approvals: bool = False
    # Nothing at all is launched before somebody has approved a wave, whichever is the first to be launched.
    second_approver: bool = False
    # The execution whose failed and skipped servers this one launches again.
    retry_of: str | None = None
    # What an operator is asked now, and the callback token of the driver that waits for the answer. The token stays
    # until the driver's next round, so that a wake-up that got lost can be repeated.
    question: Question | None = None
    task_token: str | None = None
    pause: PauseRequest | None = None
    stop: Stop | None = None
    # Positions of the waves that were approved, and of those whose failure an operator accepted: a wave may be both.
    approved_waves: frozenset[int] = frozenset()
    accepted_waves: frozenset[int] = frozenset()
    # How many questions were asked so far; each has its number.
    questions: int = 0
    head: Head = NO_HISTORY
    # Up to which version of each active job's record the history has its news.
    told: Mapping[JobKey, int] = field(default_factory=dict)
    # Number of the last entry of the history whose announcement is done.
    published: int = 0
    # When the execution last moved, see `history.Event.is_progress`.
    moved_time: int = 0

    @property
    def may_replace_live(self) -> bool:
        """Only a RECOVERY ever may: a DRILL never removes an instance of a recovery, whatever its record says."""
        return self.replace_live and self.execution_type is ExecutionType.RECOVERY


@dataclass(frozen=True, slots=True)
class Wave:
    index: int
    name: str
    depends_on: tuple[str, ...]
    region: str
    account_id: str | None
    server_count: int
    job_count: int
    status: WaveStatus = WaveStatus.PENDING
    start_time: int | None = None
    end_time: int | None = None
    status_reason: str | None = None
    launched_count: int = 0
    failed_count: int = 0
    # Launch it only when an operator has approved it.
    approval_before: bool = False
    on_failure: OnFailure = OnFailure.STOP
    # How many launched servers make it a success whatever becomes of the others.
    minimum_launched: int | None = None
    # Why an operator had it skipped; it counts as ended, and what depends on it goes on.
    skip_reason: str | None = None
    # Set when it ends without success, by its OnFailure: the rest of the plan stops, or waits for an operator.
    stops_plan: bool = False
    pauses_plan: bool = False


@dataclass(frozen=True, slots=True)
class ServerProgress:
    """One server inside its job: where it stands and what is still to be learned about it.

    What was learned for good stands in the server's own record and is not carried along, see `progress.to_keep`.
    """

    status: ServerStatus = ServerStatus.PENDING
    impact: Impact = Impact.CRITICAL
    snapshot_id: str | None = None
    # What people call it: its Name in DRS as the execution began.
    name: str | None = None
    phase: str | None = None
    # Whether its instance is known. Which one it is, stands here when it has just been found, and in jobs that were
    # read with their instances.
    named: bool = False
    instance_id: str | None = None
    launched_time: int | None = None
    launch_actions: LaunchActionsStatus | None = None
    # False while an error text or an instance id is still to be fetched.
    detailed: bool = False
    timeout_detected: bool = False
    # Whether its launch configuration has post-launch actions switched on; None until DRS has been asked.
    expects_actions: bool | None = None
    # When its post-launch actions began: DRS's time of the SSM agent's discovery; without one, the first look that
    # showed a run, which may be an interval late.
    actions_began: int | None = None
    # Why a SKIPPED server is not launched although its job is; None when its whole wave is skipped.
    skip_reason: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A log event or status of DRS's that nobody knew when it was first seen, see `vocabulary.py`.

    `time` is the log item's own, or that of the first look that found the status; `source_server_id` the first server
    it was said of, None for the job as a whole.
    """

    kind: str
    word: str
    time: int
    source_server_id: str | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What one version of a job's record came with and the history is to be told."""

    version: int
    event: Event


@dataclass(frozen=True, slots=True)
class Job:
    """One StartRecovery call of at most 100 servers, from before it is made until its last server is settled.

    `intent_time` is when StartRecovery was first about to be called: no DRS job of ours is older. `called_time` is
    the last call that may still take effect; None when DRS has certainly not carried it out. `job_id` is set once
    DRS's job is known. `version` guards the whole record against two writers.
    """

    key: JobKey
    wave_name: str
    region: str
    account_id: str | None
    servers: Mapping[str, ServerProgress]
    version: int = 0
    intent_time: int | None = None
    called_time: int | None = None
    job_id: str | None = None
    launch_time: int | None = None
    polls_at_launch: int = 0
    drs_status: str | None = None
    end_time: int | None = None
    missing_since: int | None = None
    finished: bool = False
    status_reason: str | None = None
    # DRS's words when it definitely refused to start the launch.
    refusal: str | None = None
    # True while the job waits for DRS's quota with a ticket in the queue.
    queued: bool = False
    # Since when DRS's quotas have had no room for it; stays when it waits for something else meanwhile.
    queued_since: int | None = None
    # At most vocabulary.MAX_UNKNOWN_WORDS.
    unknown_words: tuple[UnknownWord, ...] = ()
    # The living instances of earlier recoveries that its launch removes, as the history was last told.
    replaces: tuple[str, ...] = ()
    # Of a RECOVERY: instance id → why its termination protection is not on, empty where it is; see protection.py.
    protection: Mapping[str, str] = field(default_factory=dict)
    protection_rounds: int = 0
    # In the order of their versions; the header says which of them the history has by now.
    untold: tuple[News, ...] = ()

    @property
    def to_launch(self) -> tuple[str, ...]:
        """The servers StartRecovery names: all but those that are SKIPPED."""
        return tuple(
            server_id for server_id, server in self.servers.items() if server.status is not ServerStatus.SKIPPED
        )

    @property
    def is_begun(self) -> bool:
        """Whether DRS was asked to launch it and did, may have done, or refused."""
        return self.job_id is not None or self.called_time is not None or self.refusal is not None


def untold(execution: Execution, job: Job) -> tuple[News, ...]:
    """What the history does not have of an active job, by this header."""
    return tuple(news for news in job.untold if news.version > execution.told.get(job.key, -1))


@dataclass(frozen=True, slots=True)
class ServerChange:
    """What one observation changes in one server's record; None leaves a field as it is."""

    source_server_id: str
    job: JobKey
    status: ServerStatus | None = None
    job_id: str | None = None
    instance_id: str | None = None
    launch_time: int | None = None
    launched_time: int | None = None
    launch_actions: LaunchActionsStatus | None = None
    error: str | None = None
    next_step: str | None = None
    timeout_detected: bool = False
    # The time of the recovery point it was launched from, as DRS tells it of the recovery instance.
    recovery_point_time: int | None = None
    # (phase, epoch seconds of its beginning) in order; given with the change that settles the server.
    phases: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """The job's next record and the server records to write before it; `changed` is False when nothing moved."""

    job: Job
    changes: tuple[ServerChange, ...] = field(default=())
    changed: bool = False

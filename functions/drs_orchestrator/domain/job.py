"""What DRS says about a job, as the domain sees it: open strings kept as they came, nothing interpreted yet.

Shapes follow botocore's `drs` service model; `facts` about values (LAUNCH_END missing from the SDK's enum, no
recoveryInstanceID on real completed jobs, failure text only in the log) are why every string here is open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drs_orchestrator.domain.source import RecoveryInstance


@dataclass(frozen=True, slots=True)
class LaunchActionRun:
    """One entry of `launchActionsStatus.runs`; status IN_PROGRESS, SUCCEEDED, FAILED or a word DRS adds later."""

    name: str
    optional: bool
    status: str
    failure_reason: str = ""


@dataclass(frozen=True, slots=True)
class ParticipatingServer:
    source_server_id: str
    launch_status: str
    recovery_instance_id: str | None = None
    runs: tuple[LaunchActionRun, ...] = ()
    # `launchActionsStatus.ssmAgentDiscoveryDatetime`, epoch seconds: launch actions begin with the agent's discovery.
    agent_found: float | None = None


@dataclass(frozen=True, slots=True)
class DrsJob:
    """One DescribeJobs item; times are epoch seconds."""

    job_id: str
    type: str
    status: str
    initiated_by: str
    created: float
    ended: float | None
    servers: tuple[ParticipatingServer, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_completed(self) -> bool:
        """COMPLETED means finished, not successful: DRS has no failed job."""
        return self.status == "COMPLETED"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One DescribeJobLogItems item; `event` is an open string."""

    event: str
    time: float
    source_server_id: str | None = None
    target_instance_id: str | None = None
    raw_error: str | None = None


@dataclass(frozen=True, slots=True)
class JobObservation:
    """Everything one look at a job brought.

    `log` is None when it could not be read this time; `instances` maps source server id to the recovery instance that
    DescribeRecoveryInstances attributes to this very job; None when it was not asked. `expects_actions` maps source
    server id to its launch configuration's `postLaunchEnabled`, or to None where DRS won't tell; a server is absent
    when it was not asked about or DRS could not answer this time. `denied`: asked for the log of a job that it did not
    list, DRS said that there is no such job.
    """

    job: DrsJob | None
    log: Sequence[LogEvent] | None = None
    instances: Mapping[str, RecoveryInstance] | None = None
    expects_actions: Mapping[str, bool | None] = field(default_factory=dict)
    denied: bool = False

"""What DRS says about source servers and what was launched from them, as the domain sees it.

Shapes follow botocore's `drs` service model; states are open strings, kept as they came. Times are epoch seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

# EC2's words for an instance that is gone, and those for one that no launch can remove any more: gone, or about to be.
_GONE = frozenset({"TERMINATED", "NOT_FOUND"})
_GOING = _GONE | {"SHUTTING-DOWN"}


class Refusal(StrEnum):
    """Why DRS of an account and Region can't be used by anybody until a person has changed something there."""

    NOT_ENTERED = "NOT_ENTERED"
    NOT_INITIALISED = "NOT_INITIALISED"
    ACCESS_DENIED = "ACCESS_DENIED"


@dataclass(frozen=True, slots=True)
class SourceServer:
    """One DescribeSourceServers item. `name`: the tag Name, else the host name; `lag_seconds` None: DRS gives none."""

    source_server_id: str
    name: str | None
    replication_state: str
    lag_seconds: int | None


@dataclass(frozen=True, slots=True)
class LastLaunch:
    """`lifeCycle.lastLaunch.initiated` of one DescribeSourceServers item: the job that launched the server last, when
    that was asked for (epoch seconds) and as what (`DRILL` or `RECOVERY`; empty where DRS does not say)."""

    job_id: str
    called: float
    type: str


@dataclass(frozen=True, slots=True)
class RecoveryInstance:
    """One DescribeRecoveryInstances item; `job_id` is the DRS job that launched it, `instance_id` EC2's id of it,
    `point_in_time` the time of the recovery point it was launched from (`pointInTimeSnapshotDateTime`).

    `is_drill` is False unless DRS says that it is one: an instance that might be production is treated as such.
    """

    instance_id: str
    source_server_id: str
    job_id: str | None
    is_drill: bool
    state: str
    # DRS's own id of it, which TerminateRecoveryInstances takes; no other than EC2's as far as anybody has seen.
    recovery_instance_id: str = ""
    point_in_time: float | None = None

    @property
    def is_living(self) -> bool:
        """Whether a new launch of its source server would remove it."""
        return self.state not in _GOING

    @property
    def is_gone(self) -> bool:
        return self.state in _GONE


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """One DescribeRecoverySnapshots item that is complete."""

    snapshot_id: str
    time: float


@dataclass(frozen=True, slots=True)
class RecoveryPoints:
    """What pre-flight wants of a server's points: the newest, and the pinned one if the plan pins one; None: none."""

    newest: RecoveryPoint | None
    pinned: RecoveryPoint | None = None


@dataclass(frozen=True, slots=True)
class LaunchConfiguration:
    """GetLaunchConfiguration: `right_sizing` NONE, BASIC, IN_AWS; `disposition` STARTED, STOPPED; open strings."""

    right_sizing: str
    disposition: str
    post_launch_enabled: bool

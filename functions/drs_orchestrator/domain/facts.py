"""What could be learned of DRS before a start, and what could not: the ground pre-flight judges on."""

from collections.abc import Mapping
from dataclasses import dataclass

from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.source import (
    LaunchConfiguration,
    RecoveryInstance,
    RecoveryPoints,
    Refusal,
    SourceServer,
)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server. None: DRS could not be asked, and a gap of the place says why."""

    is_known: bool | None = None
    source: SourceServer | None = None
    instances: tuple[RecoveryInstance, ...] | None = None
    points: RecoveryPoints | None = None
    configuration: LaunchConfiguration | None = None

    @property
    def living(self) -> tuple[RecoveryInstance, ...]:
        """The recovery instances that a launch would remove, as far as they are known."""
        return tuple(instance for instance in self.instances or () if instance.is_living)


@dataclass(frozen=True, slots=True)
class Gap:
    """`subject` could not be asked about so many `servers` (0: it is not about servers), for this reason."""

    subject: str
    reason: str
    servers: int


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """DRS of one account (None: the orchestrator's own) and Region; `jobs` are its unfinished ones."""

    account_id: str | None
    region: str
    servers: Mapping[str, ServerFacts]
    jobs: tuple[DrsJob, ...] | None = None
    refusal: Refusal | None = None
    reason: str = ""
    gaps: tuple[Gap, ...] = ()

"""Waves: which may launch, which are skipped, how one ends, and what that makes of the execution."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from drs_orchestrator.domain.plan import Impact
from drs_orchestrator.domain.records import ServerProgress, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ServerStatus, WaveStatus


@dataclass(frozen=True, slots=True)
class NextWaves:
    ready: tuple[Wave, ...]
    skipped: tuple[Wave, ...]


def next_waves(waves: Sequence[Wave]) -> NextWaves:
    """The PENDING waves whose dependencies have all ended, or, once a wave stopped the plan, those to skip."""
    pending = [wave for wave in waves if wave.status is WaveStatus.PENDING]
    not_launched = [wave for wave in waves if wave.status in (WaveStatus.PENDING, WaveStatus.QUEUED)]
    stopper = next((wave for wave in waves if wave.stops_plan), None)
    if stopper:
        reason = f"not launched: wave {stopper.name} has a CRITICAL server that failed"
        skipped = (replace(wave, status=WaveStatus.SKIPPED, status_reason=reason) for wave in not_launched)
        return NextWaves((), tuple(skipped))
    ended = {wave.name for wave in waves if wave.status.is_final}
    return NextWaves(tuple(wave for wave in pending if ended.issuperset(wave.depends_on)), ())


def ended_wave(wave: Wave, servers: Iterable[ServerProgress], now: int) -> Wave:
    """The wave with its final status, once every server of it is settled.

    OPTIONAL servers never fail a wave and never stop the plan; their failure still makes it PARTIAL.
    """
    members = list(servers)
    launched = sum(server.status is ServerStatus.LAUNCHED for server in members)
    failed = [server for server in members if server.status is ServerStatus.FAILED]
    critical = [server for server in failed if server.impact is Impact.CRITICAL]
    if launched == len(members):
        status = WaveStatus.COMPLETED
    elif launched == 0 and critical:
        status = WaveStatus.FAILED
    else:
        status = WaveStatus.PARTIAL
    reason = f"{len(failed)} of {len(members)} servers failed" if failed else None
    return replace(
        wave,
        status=status,
        end_time=now,
        status_reason=reason,
        launched_count=launched,
        failed_count=len(failed),
        stops_plan=bool(critical),
    )


def execution_outcome(waves: Sequence[Wave]) -> ExecutionStatus:
    """COMPLETED: every wave completed. FAILED: not one server is up. PARTIAL: everything between.

    Raises ValueError while a wave is still open: nothing is ever concluded early.
    """
    still_open = [wave.name for wave in waves if not wave.status.is_final]
    if still_open:
        raise ValueError(f"waves still open: {', '.join(still_open)}")
    if all(wave.status is WaveStatus.COMPLETED for wave in waves):
        return ExecutionStatus.COMPLETED
    if not any(wave.launched_count for wave in waves):
        return ExecutionStatus.FAILED
    return ExecutionStatus.PARTIAL

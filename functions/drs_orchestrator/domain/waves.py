"""Waves: which may launch, wait for an operator or are skipped, how one ends, and what the execution comes to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from drs_orchestrator.domain.choices import Impact, OnFailure
from drs_orchestrator.domain.records import Execution, ServerProgress, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ServerStatus, WaveStatus
from drs_orchestrator.domain.steering import QuestionKind

_NOT_BEGUN = (WaveStatus.PENDING, WaveStatus.QUEUED)


@dataclass(frozen=True, slots=True)
class NextWaves:
    """`ready`: to be launched now. `held`: their turn has come, but an operator has to decide first, for the reason
    `held_by`. `skipped`: never to be launched, with that status and the reason."""

    ready: tuple[Wave, ...] = ()
    held: tuple[Wave, ...] = ()
    held_by: QuestionKind | None = None
    skipped: tuple[Wave, ...] = ()


def next_waves(waves: Sequence[Wave], execution: Execution) -> NextWaves:
    """What to do with the waves that have not begun, given how the others ended and what operators decided."""
    not_begun = [wave for wave in waves if wave.status in _NOT_BEGUN]
    reason = stop_reason(waves, execution)
    if reason:
        return NextWaves(skipped=tuple(_skipped(wave, reason) for wave in not_begun))
    skipped = tuple(_skipped(wave, wave.skip_reason) for wave in not_begun if wave.skip_reason)
    ended = {wave.name for wave in waves if wave.status.is_final} | {wave.name for wave in skipped}
    pending = [wave for wave in not_begun if wave.status is WaveStatus.PENDING and not wave.skip_reason]
    turn = tuple(wave for wave in pending if ended.issuperset(wave.depends_on))
    if execution.pause and turn:
        return NextWaves(held=turn, held_by=QuestionKind.PAUSE, skipped=skipped)
    if unaccepted_failures(waves, execution):
        # What is QUEUED has launched nothing: it waits for the answer, too.
        queued = [wave for wave in not_begun if wave.status is WaveStatus.QUEUED and not wave.skip_reason]
        held = tuple(wave for wave in not_begun if wave in turn or wave in queued)
        return NextWaves(held=held, held_by=QuestionKind.FAILURE if held else None, skipped=skipped)
    unapproved = tuple(wave for wave in turn if needs_approval(wave, execution))
    ready = tuple(wave for wave in turn if wave not in unapproved)
    return NextWaves(ready, unapproved, QuestionKind.APPROVAL if unapproved else None, skipped)


def stop_reason(waves: Sequence[Wave], execution: Execution) -> str | None:
    """Why nothing more is launched, or None."""
    if execution.stop:
        return f"not launched: {execution.stop.sentence}"
    stopper = next((wave for wave in waves if wave.stops_plan), None)
    return f"not launched: wave {stopper.name} has a CRITICAL server that is not up" if stopper else None


def unaccepted_failures(waves: Sequence[Wave], execution: Execution) -> tuple[Wave, ...]:
    """The waves whose failure an operator still has to accept before anything more is launched."""
    return tuple(wave for wave in waves if wave.pauses_plan and wave.index not in execution.accepted_waves)


def needs_approval(wave: Wave, execution: Execution) -> bool:
    """Whether an operator has to approve the wave before it is launched.

    Its plan asks for that, or the execution needs a second approver and nobody has approved anything yet: then a wave
    comes first that was not meant to, because those before it are skipped.
    """
    wanted = wave.approval_before or (execution.second_approver and not execution.approved_waves)
    return wanted and not execution.skip_approvals and wave.index not in execution.approved_waves


def ended_wave(wave: Wave, servers: Iterable[ServerProgress], now: int) -> Wave:
    """The wave with its final status, once every server of it is settled.

    OPTIONAL servers never fail a wave; their failure still makes it PARTIAL. A wave that reaches its MinimumLaunched
    is a success: COMPLETED, whatever became of the other servers. What an operator had skipped is no failure.
    """
    members = list(servers)
    launched = sum(server.status is ServerStatus.LAUNCHED for server in members)
    failed = sum(server.status is ServerStatus.FAILED for server in members)
    skipped = sum(server.status is ServerStatus.SKIPPED for server in members)
    critical = any(
        server.impact is Impact.CRITICAL
        and server.status is not ServerStatus.LAUNCHED
        and not (wave.skip_reason and server.status is ServerStatus.SKIPPED)
        for server in members
    )
    enough = wave.minimum_launched is not None and launched >= wave.minimum_launched
    if launched == len(members) or enough:
        status = WaveStatus.COMPLETED
    elif skipped == len(members):
        status = WaveStatus.SKIPPED
    else:
        status = WaveStatus.FAILED if launched == 0 and critical else WaveStatus.PARTIAL
    failure = critical and not enough
    return replace(
        wave,
        status=status,
        end_time=now,
        status_reason=_what_failed(failed, skipped, len(members)),
        launched_count=launched,
        failed_count=failed,
        stops_plan=failure and wave.on_failure is OnFailure.STOP,
        pauses_plan=failure and wave.on_failure is OnFailure.PAUSE,
    )


def execution_outcome(waves: Sequence[Wave], execution: Execution) -> ExecutionStatus:
    """CANCELLED: an operator stopped it, or an approval came too late. COMPLETED: every wave completed. FAILED: not
    one server is up. PARTIAL: everything between.

    Raises ValueError while a wave is still open: nothing is ever concluded early.
    """
    still_open = [wave.name for wave in waves if not wave.status.is_final]
    if still_open:
        raise ValueError(f"waves still open: {', '.join(still_open)}")
    if execution.stop:
        return ExecutionStatus.CANCELLED
    if all(wave.status is WaveStatus.COMPLETED for wave in waves):
        return ExecutionStatus.COMPLETED
    if not any(wave.launched_count for wave in waves):
        return ExecutionStatus.FAILED
    return ExecutionStatus.PARTIAL


def _skipped(wave: Wave, reason: str | None) -> Wave:
    return replace(wave, status=WaveStatus.SKIPPED, status_reason=reason)


def _what_failed(failed: int, skipped: int, servers: int) -> str | None:
    """`2 of 3 servers failed`, `1 of 3 servers failed, 1 skipped`; None when all went well."""
    if failed:
        return f"{failed} of {servers} servers failed" + (f", {skipped} skipped" if skipped else "")
    return f"{skipped} of {servers} servers skipped" if skipped else None

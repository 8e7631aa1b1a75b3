"""What an operator may do to a running execution: approve, resume, reject, pause, cancel, skip a wave.

Each is one conditional write together with its entry in the history; the driver is woken after it, and should that be
lost, the reconciler wakes it. Who comes second is told what has been decided already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.plan import suggestion
from drs_orchestrator.domain.records import Execution, Wave
from drs_orchestrator.domain.statuses import WaveStatus
from drs_orchestrator.domain.steering import PauseRequest, QuestionKind, Stop, StopKind
from drs_orchestrator.domain.waves import needs_approval
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound, ServiceBusy
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.operators import Operator, fault, read_operator
from drs_orchestrator.tasks.second_approver import check_approver

# How often a decision that met a change of the execution is made again on what it has become.
_TRIES = 5
_MAX_WAVE_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class _Decision:
    """A write to be made, and what its success means, in a sentence for the operator."""

    write: Callable[[], bool]
    message: str


def approve(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """Let the waves that wait for approval be launched. `{"Reason"?}` → `{"executionId", "status", "message"}`.

    Like every function here: raises NotFound, InvalidRequest, Conflict (nothing of that kind is waited for; here also
    when it takes a second person), ServiceBusy.
    """
    operator = read_operator(request, by)

    def decide(execution: Execution) -> _Decision:
        question = execution.question
        if question is None or question.kind is not QuestionKind.APPROVAL:
            raise Conflict(f"No wave of {execution_id} waits for approval: {_what_is_asked(execution)}.")
        check_approver(app, execution, operator.by)
        event = _event(app, Kind.APPROVED, operator, {"Waves": list(question.wave_names)})
        return _Decision(
            lambda: app.executions.go_on(execution, question, event),
            f"Approved: {', '.join(question.wave_names)} will be launched now.",
        )

    return _carry_out(app, execution_id, decide)


def resume(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """Let a paused execution go on, or one that waits since a wave failed."""
    operator = read_operator(request, by)

    def decide(execution: Execution) -> _Decision:
        question = execution.question
        if question and question.kind is not QuestionKind.APPROVAL:
            event = _event(app, Kind.RESUMED, operator, {"Waves": list(question.wave_names)})
            return _Decision(
                lambda: app.executions.go_on(execution, question, event), "Resumed: the execution goes on."
            )
        if execution.pause:
            event = _event(app, Kind.RESUMED, operator)
            follows = (
                f"the pause is taken back, and {_what_is_asked(execution)}"
                if question
                else "the execution goes on; it had not come to a halt yet"
            )
            return _Decision(lambda: app.executions.withdraw_pause(execution, event), f"Resumed: {follows}.")
        raise Conflict(f"{execution_id} is not paused: {_what_is_asked(execution)}.")

    return _carry_out(app, execution_id, decide)


def reject(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """Answer the open question with no: nothing more is launched. A Reason is required."""
    operator = read_operator(request, by, reason_required=True)

    def decide(execution: Execution) -> _Decision:
        question = execution.question
        if question is None:
            raise Conflict(
                f"{execution_id} is {execution.status} and asks nothing that could be rejected; to stop it all the "
                f"same: drctl cancel {execution_id}"
            )
        event = _event(app, Kind.REJECTED, operator, {"Waves": list(question.wave_names)})
        stop = Stop(StopKind.REJECT, operator.by, event.time, operator.reason)
        return _Decision(lambda: app.executions.stop(execution, stop, event), "Rejected: nothing more is launched.")

    return _carry_out(app, execution_id, decide)


def cancel(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """Launch nothing more; what runs in DRS, which can't cancel a job, is followed to its end."""
    operator = read_operator(request, by)

    def decide(execution: Execution) -> _Decision:
        event = _event(app, Kind.CANCEL_REQUESTED, operator)
        stop = Stop(StopKind.CANCEL, operator.by, event.time, operator.reason)
        running = len(execution.active_jobs)
        follows = f"{running} DRS job{'' if running == 1 else 's'} in flight {'is' if running == 1 else 'are'} followed"
        message = f"Cancelled: nothing more is launched{f'; {follows} to the end' if running else ''}."
        return _Decision(lambda: app.executions.stop(execution, stop, event), message)

    return _carry_out(app, execution_id, decide)


def pause(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """Launch nothing more until somebody resumes; what runs in DRS is watched on."""
    operator = read_operator(request, by)

    def decide(execution: Execution) -> _Decision:
        if execution.pause:
            raise Conflict(f"{execution_id} is paused already, by {execution.pause.by}: drctl resume {execution_id}")
        event = _event(app, Kind.PAUSE_REQUESTED, operator)
        pause_request = PauseRequest(operator.by, event.time, operator.reason)
        return _Decision(
            lambda: app.executions.request_pause(execution, pause_request, event),
            "Pausing: nothing more is launched until it is resumed; what runs in DRS is watched on.",
        )

    return _carry_out(app, execution_id, decide)


def skip_wave(app: App, execution_id: str, request: object, by: str) -> dict[str, str]:
    """Never launch a wave that has not begun; what depends on it goes on. `{"WaveName", "Reason"?}`. One that waits for
    an approval is skipped only by who could give it."""
    operator = read_operator(request, by, fields=("Reason", "WaveName"))
    name = request.get("WaveName") if isinstance(request, Mapping) else None
    if not isinstance(name, str) or not 1 <= len(name) <= _MAX_WAVE_NAME_CHARACTERS:
        message = "WaveName is required: the name of a wave of this execution."
        raise InvalidRequest("The request has faults; each is listed in details.", [fault("/WaveName", message)])

    def decide(execution: Execution) -> _Decision:
        wave = _wave(app, execution, name)
        if wave.approval_before and needs_approval(wave, execution):
            check_approver(app, execution, operator.by)
        reason = f"skipped by {operator.by}" + (f": {operator.reason}" if operator.reason else "")
        event = _event(app, Kind.WAVE_SKIP_REQUESTED, operator, {"WaveName": name})
        jobs = app.executions.jobs(execution_id, wave.index)
        if any(job.is_begun for job in jobs):
            raise Conflict(f"Wave {name} is being launched: only a wave that has not begun can be skipped.")
        return _Decision(
            lambda: app.executions.skip_wave(execution, wave, jobs, reason, event),
            f"Wave {name} will be skipped; what depends on it goes on.",
        )

    return _carry_out(app, execution_id, decide)


def _carry_out(app: App, execution_id: str, decide: Callable[[Execution], _Decision]) -> dict[str, str]:
    for _ in range(_TRIES):
        execution = app.executions.get(execution_id)
        if execution is None:
            raise NotFound(f"There is no execution {execution_id}. GET /executions?status=POLLING lists running ones.")
        if execution.status.is_final:
            raise Conflict(f"{execution_id} has ended {execution.status}: nothing of it can be changed any more.")
        if execution.stop:
            raise Conflict(f"{execution_id} is being stopped already, {execution.stop.sentence}.")
        decision = decide(execution)
        if decision.write():
            now = app.executions.get(execution_id) or execution
            _wake(app, now)
            return {"executionId": execution_id, "status": now.status.value, "message": decision.message}
    raise ServiceBusy(f"{execution_id} is changing too fast to be decided on; try again.")


def _wake(app: App, execution: Execution) -> None:
    """The decision is recorded; should the driver not hear of it now, the reconciler tells it."""
    if execution.task_token is None:
        return
    try:
        app.drivers.wake(execution.task_token)
    except (ClientError, BotoCoreError):
        logger.exception("the driver could not be woken yet", **about(execution))


def _wave(app: App, execution: Execution, name: str) -> Wave:
    """Raises Conflict before the waves are laid out and once the wave has begun; NotFound."""
    waves = {wave.name: wave for wave in app.executions.waves(execution.execution_id)}
    if not execution.prepared or not waves:
        raise Conflict(f"{execution.execution_id} is only just beginning; try again in a moment.")
    if name not in waves:
        raise NotFound(f"{execution.execution_id} has no wave {name}{suggestion(name, waves)}")
    wave = waves[name]
    if wave.status not in (WaveStatus.PENDING, WaveStatus.QUEUED):
        raise Conflict(f"Wave {name} is {wave.status}: only a wave that has not begun can be skipped.")
    if wave.skip_reason:
        raise Conflict(f"Wave {name} is {wave.skip_reason} already.")
    return wave


def _what_is_asked(execution: Execution) -> str:
    """What the execution waits for instead, and the command that answers it; the end of a sentence."""
    question = execution.question
    if question is None:
        return f"it is {execution.status} and asks nothing"
    command = "approve" if question.kind is QuestionKind.APPROVAL else "resume"
    return f'it asks "{question.text}", to be answered with drctl {command} {execution.execution_id}'


def _event(app: App, kind: Kind, operator: Operator, data: Mapping[str, object] | None = None) -> Event:
    return Event(kind, app.clock(), operator.by, operator.reason, data or {})

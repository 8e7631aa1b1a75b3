"""Find executions whose driver is gone or silent, learn the truth from DRS, and give them a new driver. Note those that
stand still, and announce what nobody has announced yet.

Safe to run twice, late, or beside itself: a takeover is one conditional write, and a driver's name starts once.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from drs_orchestrator.adapters.drivers import DriverState
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.history import RECONCILER, Event, Kind
from drs_orchestrator.domain.pulse import pulse
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.observe_jobs import observe_jobs
from drs_orchestrator.tasks.publish_events import publish_events


class Verdict(StrEnum):
    """What became of one execution: left alone (HEALTHY, ENDED), driven again (STARTED, REPLACED), or FAILED to
    be reconciled this time."""

    HEALTHY = "HEALTHY"
    ENDED = "ENDED"
    STARTED = "STARTED"
    REPLACED = "REPLACED"
    FAILED = "FAILED"


_LOST = {
    DriverState.RUNNING: "the driver gave no sign of life for too long",
    DriverState.ENDED: "the driver had ended before everything was done",
}


def reconcile_executions(app: App, only: str | None = None) -> dict[str, int]:
    """How many executions got which verdict, as `{verdict: count}`. One that fails never stops the others."""
    counts = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    reconciled = []
    seen: list[Execution] = []
    for execution_id in [only] if only else list(_unfinished(app)):
        try:
            verdict = Verdict.ENDED
            if execution := app.executions.get(execution_id):
                seen.append(execution)
                verdict = _reconcile(app, execution)
        except Exception:  # noqa: BLE001 - one broken execution must never keep the others from being reconciled
            logger.exception("execution could not be reconciled", execution_id=execution_id)
            verdict = Verdict.FAILED
        else:
            reconciled.append(execution_id)
        counts[verdict.value] += 1
    _measure(app, counts)
    if not only:
        _sweep(app, seen)
    # Last, because a bus that does not answer must not keep anybody from being reconciled.
    _announce(app, reconciled if only else [*reconciled, *app.executions.ids_of_unpublished()])
    return counts


def _measure(app: App, counts: Mapping[str, int]) -> None:
    app.metrics.reconciled(reconciled=counts[Verdict.STARTED] + counts[Verdict.REPLACED], failed=counts[Verdict.FAILED])


def _sweep(app: App, seen: Iterable[Execution]) -> None:
    """Tell how all executions are doing, and how long ago a drill last succeeded."""
    now = app.clock()
    drilled = app.executions.last_completed(ExecutionType.DRILL)
    app.metrics.swept(pulse(seen, now, app.settings.stuck_after_seconds), None if drilled is None else now - drilled)


def _unfinished(app: App) -> Iterable[str]:
    # An execution that moves on while the pages are read may show up twice.
    return dict.fromkeys(_ids(app))


def _ids(app: App) -> Iterator[str]:
    for status in ExecutionStatus:
        if not status.is_final:
            yield from app.executions.ids_by_status(status)
    yield from app.clean_ups.open_ids()


def _reconcile(app: App, execution: Execution) -> Verdict:
    verdict = _verdict(app, execution)
    if verdict in (Verdict.STARTED, Verdict.REPLACED):
        logger.warning("execution has a new driver", **about(execution), verdict=verdict.value)
    return verdict


def _verdict(app: App, execution: Execution) -> Verdict:
    if execution.status.is_final:
        return _reconcile_clean_up(app, execution)
    state = app.drivers.state(execution)
    if state is DriverState.ABSENT:
        # Whoever recorded this generation died before starting its driver.
        app.drivers.start(execution)
        return Verdict.STARTED
    if state is DriverState.RUNNING:
        waits = execution.status is ExecutionStatus.PAUSED
        if execution.task_token and _may_go_on(app, execution):
            # The answer was recorded, or its time is over, but the driver has made no round since: it may never have
            # been woken, or is just about to make one.
            waits = app.drivers.wake(execution.task_token)
        if waits or not _is_silent(app, execution):
            _note_standstill(app, execution)
            return Verdict.HEALTHY
        app.drivers.stop(execution, "The driver has been silent for too long; the reconciler starts another.")
    if execution.prepared:
        observe_jobs(app, execution)
    return _replace(app, execution, state)


def _reconcile_clean_up(app: App, execution: Execution) -> Verdict:
    """The same for what is left to do after an execution's end."""
    clean_up = app.clean_ups.get(execution.execution_id)
    if clean_up is None or not clean_up.is_open:
        return Verdict.ENDED
    state = app.drivers.state(execution)
    if state is DriverState.ABSENT:
        app.drivers.start(execution)
        return Verdict.STARTED
    if state is DriverState.RUNNING:
        last_sign = max(clean_up.due_time, clean_up.last_round or 0, execution.driver_started)
        if app.clock() - last_sign <= app.settings.driver_silence_seconds:
            return Verdict.HEALTHY
        app.drivers.stop(execution, "The driver has been silent for too long; the reconciler starts another.")
    return _replace(app, execution, state)


def _replace(app: App, execution: Execution, state: DriverState) -> Verdict:
    event = Event(Kind.DRIVER_REPLACED, app.clock(), RECONCILER, data={"Verdict": _LOST[state]})
    successor = app.executions.take_over(execution, event)
    if successor is None:
        return Verdict.HEALTHY
    app.drivers.start(successor)
    return Verdict.REPLACED


def _note_standstill(app: App, execution: Execution) -> None:
    """Write into the history, once per so many seconds, that nothing moves although no operator is waited for."""
    if execution.question or app.clock() - execution.moved_time <= app.settings.stuck_after_seconds:
        return
    verdict = f"nothing has moved for {(app.clock() - execution.moved_time) // 60} minutes"
    data = {"Verdict": verdict, "Since": execution.moved_time}
    if app.executions.note(execution, Event(Kind.STOOD_STILL, app.clock(), RECONCILER, data=data)):
        logger.warning("execution stands still", **about(execution), since=execution.moved_time)


def _announce(app: App, execution_ids: Iterable[str]) -> None:
    """Publish what is still to be published of these executions, as far as the bus takes it."""
    for execution_id in dict.fromkeys(execution_ids):
        try:
            execution = app.executions.get(execution_id)
            if execution and not publish_events(app, execution):
                return
        except Exception:  # noqa: BLE001 - one broken execution must never keep the others from being announced
            logger.exception("execution could not be announced", execution_id=execution_id)


def _may_go_on(app: App, execution: Execution) -> bool:
    """Whether a driver that waits for an operator has nothing to wait for any more."""
    return execution.question is None or execution.question.is_overdue(app.clock())


def _is_silent(app: App, execution: Execution) -> bool:
    answered = execution.question.deadline if execution.question else None
    last_sign = max(execution.last_polled or 0, execution.driver_started, answered or 0)
    return app.clock() - last_sign > app.settings.driver_silence_seconds

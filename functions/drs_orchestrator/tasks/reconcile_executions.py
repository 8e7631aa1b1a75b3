"""Find executions whose driver is gone or silent, learn the truth from DRS, and give them a new driver. Note those that
stand still, and announce what nobody has announced yet.

Most executions are at work by their own record, which is read a hundred at a time; the others are looked at one by one,
longest silent first, as far as time and Step Functions' quota go: the next run goes on with the rest.
Safe to run twice, late, or beside itself: a takeover is one conditional write, and a driver's name starts once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from drs_orchestrator.adapters.drivers import DriverState
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.clean_up import CleanUp
from drs_orchestrator.domain.history import RECONCILER, Event, Kind
from drs_orchestrator.domain.pulse import pulse
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.signs_of_life import is_at_work, last_sign, may_go_on, stands_still, waits_for_operator
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.observe_jobs import observe_jobs
from drs_orchestrator.tasks.publish_events import publish_events

# A run looks at no further execution after this many seconds: the next one begins a minute after it.
_BUDGET_SECONDS = 50
# Nor at more than so many: DescribeExecution is refilled by 10 a second in the Regions that have the least of it, see
# the service quotas in the Step Functions Developer Guide.
_LOOKS_A_RUN = 600


class Verdict(StrEnum):
    """What became of one execution: left alone (HEALTHY, ENDED), driven again (STARTED, REPLACED), FAILED to be
    reconciled this time, or LEFT to the next run."""

    HEALTHY = "HEALTHY"
    ENDED = "ENDED"
    STARTED = "STARTED"
    REPLACED = "REPLACED"
    FAILED = "FAILED"
    LEFT = "LEFT"


_LOST = {
    DriverState.RUNNING: "the driver gave no sign of life for too long",
    DriverState.ENDED: "the driver had ended before everything was done",
}


def reconcile_executions(app: App, only: str | None = None) -> dict[str, int]:
    """How many executions got which verdict, as `{verdict: count}`. One that fails never stops the others."""
    counts = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    if only:
        _announce(app, _look_at(app, [only], counts))
        _measure(app, counts)
        return counts
    ids = _unfinished(app)
    seen = app.executions.get_together(ids)
    looked_at = _look_at(app, _to_look_at(app, ids, seen), counts)
    counts[Verdict.HEALTHY] += len(ids) - sum(counts.values())
    _measure(app, counts)
    _sweep(app, seen.values(), counts[Verdict.LEFT])
    # Last, because a bus that does not answer must not keep anybody from being reconciled.
    behind = [each.execution_id for each in seen.values() if each.head.count > each.published]
    _announce(app, [*looked_at, *behind, *app.executions.ids_of_unpublished()])
    return counts


def _to_look_at(app: App, ids: Sequence[str], seen: Mapping[str, Execution]) -> list[str]:
    """Those not at work by their own record, longest silent first. Who looks at one reads it again: it may have gone on
    meanwhile. What can't be read is looked at as well, to be named in the log."""
    now, settings = app.clock(), app.settings
    clean_ups = app.clean_ups.get_together(each for each, execution in seen.items() if execution.status.is_final)
    signs = {
        each: last_sign(execution, clean_ups.get(each))
        for each, execution in seen.items()
        if not is_at_work(execution, clean_ups.get(each), now, settings.quiet_seconds, settings.stuck_after_seconds)
    }
    return [*(each for each in ids if each not in seen), *sorted(signs, key=lambda each: signs[each])]


def _look_at(app: App, execution_ids: Sequence[str], counts: dict[str, int]) -> list[str]:
    """Note each one's verdict in `counts`; the ids of those that could be reconciled."""
    deadline = app.timer() + _BUDGET_SECONDS
    reconciled = []
    for number, execution_id in enumerate(execution_ids):
        if number == _LOOKS_A_RUN or app.timer() >= deadline:
            counts[Verdict.LEFT] = len(execution_ids) - number
            logger.warning("executions are left to the next run", left=counts[Verdict.LEFT])
            break
        try:
            execution = app.executions.get(execution_id)
            verdict = _reconcile(app, execution) if execution else Verdict.ENDED
        except Exception:  # noqa: BLE001 - one broken execution must never keep the others from being reconciled
            logger.exception("execution could not be reconciled", execution_id=execution_id)
            verdict = Verdict.FAILED
        else:
            reconciled.append(execution_id)
        counts[verdict.value] += 1
    return reconciled


def _measure(app: App, counts: Mapping[str, int]) -> None:
    app.metrics.reconciled(reconciled=counts[Verdict.STARTED] + counts[Verdict.REPLACED], failed=counts[Verdict.FAILED])


def _sweep(app: App, seen: Iterable[Execution], left: int) -> None:
    """Tell how all executions are doing, and how long ago a drill last succeeded."""
    now = app.clock()
    drilled = app.executions.last_completed(ExecutionType.DRILL)
    since_drill = None if drilled is None else now - drilled
    app.metrics.swept(pulse(seen, now, app.settings.stuck_after_seconds), since_drill, left=left)


def _unfinished(app: App) -> list[str]:
    # An execution that moves on while the pages are read may show up twice.
    return list(dict.fromkeys(_ids(app)))


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
        waits = waits_for_operator(execution)
        if execution.task_token and may_go_on(execution, app.clock()):
            # The answer was recorded, or its time is over, but the driver has made no round since: it may never have
            # been woken, or is just about to make one.
            waits = app.drivers.wake(execution.task_token)
        if waits or not _is_silent(app, execution):
            _note_standstill(app, execution)
            return Verdict.HEALTHY
        app.drivers.stop(execution, "The driver has been silent for too long; the reconciler starts another.")
    if execution.prepared:
        observation = observe_jobs(app, execution, app.executions.active_jobs(execution))
        app.executions.tell(execution, observation.jobs)
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
        if not _is_silent(app, execution, clean_up):
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
    if not stands_still(execution, app.clock(), app.settings.stuck_after_seconds):
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


def _is_silent(app: App, execution: Execution, clean_up: CleanUp | None = None) -> bool:
    return app.clock() - last_sign(execution, clean_up) > app.settings.driver_silence_seconds

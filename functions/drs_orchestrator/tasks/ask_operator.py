"""The question an execution asks an operator: opened, answered by nobody in time, and waited for by a driver."""

from collections.abc import Sequence
from enum import StrEnum

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.choices import OnApprovalTimeout
from drs_orchestrator.domain.history import ORCHESTRATOR, Event, Kind
from drs_orchestrator.domain.questions import is_moot, next_question
from drs_orchestrator.domain.records import Execution, Wave
from drs_orchestrator.domain.steering import Stop, StopKind
from drs_orchestrator.domain.waves import NextWaves, next_waves
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.fence import driven_execution


class Asked(StrEnum):
    """What became of a driver's wish to wait: it WAITS for the answer, or is RELEASED since there is nothing to wait
    for any more."""

    WAITS = "WAITS"
    RELEASED = "RELEASED"


def ask_operator(app: App, execution: Execution, waves: Sequence[Wave], following: NextWaves) -> Execution:
    """The execution with its question open, if there is anything to ask; one question at a time."""
    execution = _withdraw_if_moot(app, execution, following)
    if execution.question or following.held_by is None:
        return execution
    plan = app.executions.plan(execution.execution_id)
    question = next_question(
        execution,
        waves,
        following,
        now=app.clock(),
        timeout_minutes=plan.approval_timeout_minutes,
        on_timeout=plan.on_approval_timeout,
    )
    held = [wave.name for wave in following.held]
    if question and app.executions.ask(execution, question, held):
        logger.info(
            "operator asked",
            **about(execution),
            kind=question.kind.value,
            waves=list(question.wave_names),
            deadline=question.deadline,
        )
    return app.executions.get(execution.execution_id) or execution


def settle_question(app: App, execution: Execution, waves: Sequence[Wave]) -> Execution:
    """The execution as it is once a question about nothing is withdrawn, and one that nobody answered in time has had
    its plan's answer."""
    execution = _withdraw_if_moot(app, execution, next_waves(waves, execution))
    question, now = execution.question, app.clock()
    if question is None or not question.is_overdue(now):
        return execution
    data = {"Waves": list(question.wave_names), "Decision": question.on_timeout.value}
    event = Event(Kind.APPROVAL_TIMED_OUT, now, data=data)
    if question.on_timeout is OnApprovalTimeout.CONTINUE:
        app.executions.go_on(execution, question, event)
    else:
        reason = f"wave {', '.join(question.wave_names)} was not approved in time"
        app.executions.stop(execution, Stop(StopKind.REJECT, ORCHESTRATOR, now, reason), event)
    return app.executions.get(execution.execution_id) or execution


def _withdraw_if_moot(app: App, execution: Execution, following: NextWaves) -> Execution:
    question = execution.question
    if question is None or not is_moot(question, following):
        return execution
    data = {"Waves": list(question.wave_names)}
    app.executions.withdraw_question(execution, Event(Kind.QUESTION_WITHDRAWN, app.clock(), data=data))
    return app.executions.get(execution.execution_id) or execution


def wait_for_decision(app: App, execution_id: str, generation: int, task_token: str) -> dict[str, str]:
    """`{"outcome": WAITS|RELEASED}`. The driver's callback token is kept with the execution, which is PAUSED; when
    there is nothing to wait for any more, the driver is let go on at once. Safe to repeat: the newest token counts."""
    execution = driven_execution(app, execution_id, generation)
    if execution and execution.question and app.executions.pause(execution, execution.question, task_token):
        return {"outcome": Asked.WAITS}
    app.drivers.wake(task_token)
    return {"outcome": Asked.RELEASED}

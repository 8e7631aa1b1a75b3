"""The question an execution asks an operator: what it waits for and what follows, in words."""

from collections.abc import Sequence

from drs_orchestrator.domain.choices import OnApprovalTimeout
from drs_orchestrator.domain.records import Execution, Wave
from drs_orchestrator.domain.steering import Question, QuestionKind
from drs_orchestrator.domain.waves import NextWaves, unaccepted_failures

_SHOWN_NAMES = 5


def next_question(
    execution: Execution,
    waves: Sequence[Wave],
    following: NextWaves,
    *,
    now: int,
    timeout_minutes: int | None,
    on_timeout: OnApprovalTimeout,
) -> Question | None:
    """What to ask now, or None when nothing is held. Only an approval has a deadline: nobody paused by accident."""
    kind = following.held_by
    if kind is None:
        return None
    about = unaccepted_failures(waves, execution) if kind is QuestionKind.FAILURE else following.held
    deadline = now + timeout_minutes * 60 if timeout_minutes and kind is QuestionKind.APPROVAL else None
    return Question(
        number=execution.questions + 1,
        kind=kind,
        waves=tuple(wave.index for wave in about),
        wave_names=tuple(wave.name for wave in about),
        asked_time=now,
        text=_text(execution, waves, following, about),
        deadline=deadline,
        on_timeout=on_timeout,
    )


def is_moot(question: Question, following: NextWaves) -> bool:
    """Whether nothing is held any more that an answer would let go. A pause is its operator's to end."""
    match question.kind:
        case QuestionKind.APPROVAL:
            return not any(wave.index in question.waves for wave in following.held)
        case QuestionKind.FAILURE:
            return not following.held
    return False


def _text(execution: Execution, waves: Sequence[Wave], following: NextWaves, about: Sequence[Wave]) -> str:
    servers = sum(wave.server_count for wave in following.held)
    launch = f"{_named(following.held)} ({servers} server{'' if servers == 1 else 's'})"
    match following.held_by:
        case QuestionKind.FAILURE:
            reasons = "; ".join(f"{wave.name}: {wave.status_reason or wave.status}" for wave in about[:_SHOWN_NAMES])
            question = f"{_named(about)} failed ({reasons}). Go on and launch {launch}?"
        case QuestionKind.PAUSE if execution.pause:
            why = f": {execution.pause.reason}" if execution.pause.reason else ""
            question = f"Paused by {execution.pause.by}{why}. Go on and launch {launch}?"
        case _:
            question = f"Launch {launch}?"
    later = [wave for wave in waves if not wave.status.is_final and wave not in following.held]
    return f"{question} After that: {_named(later)}." if later else f"{question} Nothing comes after that."


def _named(waves: Sequence[Wave]) -> str:
    names = [wave.name for wave in waves[:_SHOWN_NAMES]]
    more = f" and {len(waves) - _SHOWN_NAMES} more" if len(waves) > _SHOWN_NAMES else ""
    return f"wave{'' if len(waves) == 1 else 's'} {', '.join(names)}{more}"

"""Walks a state machine's definition, one state after the other, without an engine: what a history runs on.

`walk` is a generator. It yields what the machine wants done (`Invoke` a function, `Pause`, `Await` a callback) and is
sent the function's or the callback's result, or has `TaskFailed` thrown in; it returns how the machine ended. Whoever
drives it decides what time is, so a week of polling lasts a moment. It knows the part of the Amazon States Language the
shipped definition uses and refuses everything else, so that a definition that grows beyond it is noticed at once.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

type Definition = Mapping[str, Any]
type Data = dict[str, Any]
type Step = Invoke | Pause | Await
type Walk = Generator[Step, Any, End]


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call the function with this payload."""

    function: str
    payload: Data


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until somebody answers with this callback token; after so many seconds States.Timeout is thrown in."""

    token: str
    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """How the machine ended: the terminal state's name, and whether it succeeded."""

    state: str
    succeeded: bool


class TaskFailed(Exception):
    """The function failed; `error` is the name a Retry or Catch matches."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Unsupported(Exception):
    """The definition uses something this walker does not know, or a path that selects nothing."""


_TASK = {
    *("Type", "Comment", "Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds"),
    *("Retry", "Catch", "Next"),
}
_FIELDS = {
    "Task": _TASK,
    "Choice": {"Type", "Comment", "Choices", "Default"},
    "Wait": {"Type", "Comment", "SecondsPath", "Next"},
    "Succeed": {"Type", "Comment"},
    "Fail": {"Type", "Comment", "Error", "Cause"},
}
_INVOKE, _CALLBACK = "arn:aws:states:::lambda:invoke", "arn:aws:states:::lambda:invoke.waitForTaskToken"
_RETRIER = {
    *("Comment", "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds"),
    "JitterStrategy",
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "StringEquals": lambda value, wanted: isinstance(value, str) and value == wanted,
    "BooleanEquals": lambda value, wanted: isinstance(value, bool) and value is wanted,
    "NumericEquals": lambda value, wanted: _is_number(value) and value == wanted,
    "NumericGreaterThan": lambda value, wanted: _is_number(value) and value > wanted,
}


def check_supported(definition: Definition) -> None:
    """Raises Unsupported when a state uses a field or comparison that `walk` would not honour."""
    for name, state in definition["States"].items():
        known = _FIELDS.get(state["Type"])
        if known is None or not set(state) <= known:
            raise Unsupported(f"{name}: {state['Type']} with {sorted(set(state) - (known or set()))}")
        if state["Type"] == "Task" and state["Resource"] not in (_INVOKE, _CALLBACK):
            raise Unsupported(f"{name}: a task of {state['Resource']}")
        for retrier in state.get("Retry", ()):
            if not set(retrier) <= _RETRIER:
                raise Unsupported(f"{name}: Retry with {sorted(set(retrier) - _RETRIER)}")
        for rule in state.get("Choices", ()):
            for test in rule.get("And", [rule]):
                if not set(test) <= {"Variable", "Next", "Comment", *_COMPARISONS}:
                    raise Unsupported(f"{name}: a choice with {sorted(test)}")


def walk(
    definition: Definition,
    data: Data,
    jitter: Callable[[], float] = lambda: 1.0,
    enter: Callable[[str], None] = lambda _: None,
    name: str = "machine",
) -> Walk:
    """Run the machine on its input. `jitter` draws from 0 to 1 for delays of full jitter; `enter` is told the name of
    each state that is entered; `name` is the execution's, which its callback tokens begin with."""
    tokens = (f"{name}#{number}" for number in count(1))
    current = definition["StartAt"]
    while True:
        enter(current)
        state = definition["States"][current]
        match state["Type"]:
            case "Task":
                data, current = yield from _task(state, data, jitter, tokens)
            case "Choice":
                current = next((rule["Next"] for rule in state["Choices"] if _holds(rule, data)), state["Default"])
            case "Wait":
                yield Pause(_at(state["SecondsPath"], data))
                current = state["Next"]
            case "Succeed":
                return End(current, succeeded=True)
            case "Fail":
                return End(current, succeeded=False)
            case other:
                raise Unsupported(f"{current}: {other}")


def _task(
    state: Definition, data: Data, jitter: Callable[[], float], tokens: Iterator[str]
) -> Generator[Step, Any, tuple[Data, str]]:
    attempts = [0] * len(state.get("Retry", ()))
    while True:
        try:
            result = yield from _attempt(state, data, tokens)
        except TaskFailed as failure:
            delay = _retry_delay(state.get("Retry", ()), attempts, failure.error, jitter)
            if delay is not None:
                yield Pause(delay)
                continue
            for catcher in state.get("Catch", ()):
                if _matches(catcher["ErrorEquals"], failure.error):
                    return _put(catcher["ResultPath"], data, {"Error": failure.error}), catcher["Next"]
            raise Unsupported(f"nobody catches {failure.error}") from failure
        if "ResultSelector" in state:
            result = _fill(state["ResultSelector"], result)
        return _put(state["ResultPath"], data, result), state["Next"]


def _attempt(state: Definition, data: Data, tokens: Iterator[str]) -> Generator[Step, Any, Data]:
    """The task's raw result: the function's answer as `Payload`, or what the callback brought."""
    if state["Resource"] == _INVOKE:
        parameters = _fill(state["Parameters"], data)
        answer = yield Invoke(parameters["FunctionName"], parameters["Payload"])
        return {"Payload": json.loads(json.dumps(answer))}
    token = next(tokens)
    parameters = _fill(state["Parameters"], data, token)
    yield Invoke(parameters["FunctionName"], parameters["Payload"])
    brought: Data = yield Await(token, state["TimeoutSeconds"])
    return brought


def _retry_delay(
    retriers: Sequence[Definition], attempts: list[int], error: str, jitter: Callable[[], float]
) -> float | None:
    """Seconds until the next attempt, or None when there is none left."""
    for position, retrier in enumerate(retriers):
        if not _matches(retrier["ErrorEquals"], error):
            continue
        if attempts[position] >= retrier.get("MaxAttempts", 3):
            return None
        delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** attempts[position]
        attempts[position] += 1
        delay = min(delay, retrier.get("MaxDelaySeconds", delay))
        return float(delay * jitter() if retrier.get("JitterStrategy") == "FULL" else delay)
    return None


def _matches(names: Sequence[str], error: str) -> bool:
    return "States.ALL" in names or error in names


def _holds(rule: Definition, data: Data) -> bool:
    if "And" in rule:
        return all(_holds(each, data) for each in rule["And"])
    comparison = next(name for name in rule if name in _COMPARISONS)
    return _COMPARISONS[comparison](_at(rule["Variable"], data), rule[comparison])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fill(template: Definition, data: Data, token: str | None = None) -> Data:
    """A payload template with its `"name.$": "$.path"` fields filled from `data`, or by the callback token."""
    filled: Data = {}
    for name, value in template.items():
        if name.endswith(".$"):
            filled[name.removesuffix(".$")] = token if token and value == "$$.Task.Token" else _at(value, data)
        else:
            filled[name] = _fill(value, data, token) if isinstance(value, Mapping) else value
    return filled


def _at(path: str, data: Data) -> Any:
    value: Any = data
    for step in path.removeprefix("$.").split("."):
        if not isinstance(value, dict) or step not in value:
            raise Unsupported(f"{path} selects nothing")
        value = value[step]
    return value


def _put(path: str, data: Data, value: Any) -> Data:
    return {**data, path.removeprefix("$."): value}

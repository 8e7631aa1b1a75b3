"""The definition as data: its paths, what a state may rely on, and what it costs in history events."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from tools.state_graph import Definition, State, edges, read_definition

# What Drivers.start gives every state machine execution; a test compares it with a real start.
EXECUTION_INPUT = frozenset({"$.executionId", "$.executionType", "$.generation"})

# The function behind a task, as `${LogicalId}`.
SUBSTITUTION = re.compile(r"\$\{(\w+)\}")

# AWS writes this many events for a state that is entered and left once. A task of lambda:invoke: entered, scheduled,
# started, succeeded, exited; a terminal state is followed by the execution's own end.
EVENTS = {"Task": 5, "Choice": 2, "Wait": 2, "Pass": 2, "Succeed": 3, "Fail": 2}


@cache
def definition() -> Definition:
    return read_definition()


def states(kind: str | None = None) -> dict[str, State]:
    """Every state by name, or those of one type."""
    return {name: each for name, each in definition()["States"].items() if kind in (None, each["Type"])}


def function_of(task: State) -> str:
    """The logical id of the task's function in the template."""
    match = SUBSTITUTION.fullmatch(task["Parameters"]["FunctionName"])
    assert match, task
    return match[1]


def paths(value: Any) -> Iterator[str]:
    """Every path and intrinsic in (a part of) a state: what stands in `*.$`, `*Path` and `Variable`."""
    if isinstance(value, list):
        for each in value:
            yield from paths(each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, str) and (name.endswith((".$", "Path")) or name == "Variable"):
                yield each
            else:
                yield from paths(each)


def needs(state: State) -> set[str]:
    """The paths that must be there when the state is entered; those guarded by IsPresent are not among them."""
    needed = {path for name in ("Parameters", "SecondsPath") if name in state for path in paths({name: state[name]})}
    for choice in state.get("Choices", ()):
        tests = choice.get("And", [choice])
        guarded = {test["Variable"] for test in tests if test.get("IsPresent")}
        needed |= {test["Variable"] for test in tests if "IsPresent" not in test} - guarded
    return {path for path in needed if not path.startswith(("$$.", "States."))}


def _gives(state: State) -> frozenset[str]:
    """The paths a task adds to the state when it succeeds."""
    selected = state.get("ResultSelector", {})
    return frozenset(f"{state['ResultPath']}.{name.removesuffix('.$')}" for name in selected)


def available() -> dict[str, frozenset[str]]:
    """The paths that are there whichever way a state was reached; a state no way leads to is absent."""
    known = {definition()["StartAt"]: EXECUTION_INPUT}
    ways = list(edges(definition()))
    settled = False
    while not settled:
        settled = True
        for way in ways:
            if way.source not in known:
                continue
            added = frozenset({"$.failure"}) if way.on_failure else frozenset()
            if states()[way.source]["Type"] == "Task" and not way.on_failure:
                added = _gives(states()[way.source])
            arriving = known[way.source] | added
            common = arriving & known.get(way.target, arriving)
            if known.get(way.target) != common:
                known[way.target] = common
                settled = False
    return known


def dearest_way(source: str, until: Collection[str], avoiding: Collection[str] = ()) -> float:
    """History events from entering `source` to entering a state of `until`, on the longest way; -inf without one."""
    onward = {way.target for way in edges(definition()) if way.source == source and not way.on_failure}
    rest = [0 if target in until else dearest_way(target, until, avoiding) for target in onward - set(avoiding)]
    return EVENTS[states()[source]["Type"]] + max(rest, default=-math.inf)

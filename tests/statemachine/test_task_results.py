"""Whatever a task returns has every field the definition selects from it: AWS fails on a path without a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.clean_up import CleanUp
from drs_orchestrator.domain.statuses import ExecutionStatus
from drs_orchestrator.tasks.fence import Outcome
from tests.helpers.history import replacement
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.samples import RELEASES
from tests.statemachine.functions import shipped_functions
from tests.statemachine.reading import function_of, paths, states

ONE, TWO = server_id(1), server_id(2)

Prepare = Callable[[Orchestrator, str], None]


def nothing(orchestrator: Orchestrator, execution_id: str) -> None:
    """The task finds the execution as it was started."""


def replaced(orchestrator: Orchestrator, execution_id: str) -> None:
    """Another driver has taken over before the task begins."""
    execution = orchestrator.app.executions.get(execution_id)
    assert execution
    orchestrator.app.executions.take_over(execution, replacement(orchestrator.now))


def prepared(orchestrator: Orchestrator, execution_id: str) -> None:
    orchestrator.prepare(execution_id)


def launched(orchestrator: Orchestrator, execution_id: str) -> None:
    prepared(orchestrator, execution_id)
    orchestrator.launch(execution_id)


def held_back(orchestrator: Orchestrator, execution_id: str) -> None:
    prepared(orchestrator, execution_id)
    orchestrator.simulator.add_fault("throttle", operation="StartRecovery")


def refused(orchestrator: Orchestrator, execution_id: str) -> None:
    prepared(orchestrator, execution_id)
    orchestrator.simulator.add_fault("error", operation="StartRecovery", code="AccessDeniedException")


def throttled(orchestrator: Orchestrator, execution_id: str) -> None:
    launched(orchestrator, execution_id)
    orchestrator.simulator.add_fault("throttle", operation="DescribeJobs")


def over(orchestrator: Orchestrator, execution_id: str) -> None:
    """Every wave has ended; only the final status is missing."""
    launched(orchestrator, execution_id)
    while orchestrator.check(execution_id, after=120)["wavesOpen"]:
        if orchestrator.launch(execution_id)["wavesOpen"] == 0:
            break


def unprotected(orchestrator: Orchestrator, execution_id: str) -> None:
    """Every wave of a recovery has ended, and EC2 throttles."""
    over(orchestrator, execution_id)
    orchestrator.ec2.fail("RequestLimitExceeded", status=503)


def finished(orchestrator: Orchestrator, execution_id: str) -> None:
    orchestrator.drive(execution_id)


def to_be_cleaned_up(orchestrator: Orchestrator, execution_id: str) -> None:
    """The plan says so; the driver goes on with it."""
    app = orchestrator.app
    over(orchestrator, execution_id)
    execution = app.executions.get(execution_id)
    assert execution
    clean_up = app.clean_ups.put(execution, CleanUp(due_time=orchestrator.now, requested_time=orchestrator.now))
    assert app.executions.finish(execution, ExecutionStatus.COMPLETED, None, orchestrator.now, clean_up)


def cleaned_up(orchestrator: Orchestrator, execution_id: str) -> None:
    to_be_cleaned_up(orchestrator, execution_id)
    orchestrator.clean_up(execution_id)


@dataclass(frozen=True, slots=True)
class Case:
    """What a task returns when it is invoked after `before`, or when another driver takes over `midway`."""

    task: str
    before: Prepare
    outcome: Outcome
    midway: bool = False
    execution_type: str = "DRILL"

    def __str__(self) -> str:
        return f"{self.task}, {'replaced midway' if self.midway else self.before.__name__}"


CASES = [
    Case("Prepare Execution", nothing, Outcome.READY),
    Case("Prepare Execution", prepared, Outcome.READY),
    Case("Prepare Execution", replaced, Outcome.SUPERSEDED),
    Case("Launch Ready Waves", prepared, Outcome.LAUNCHED),
    Case("Launch Ready Waves", launched, Outcome.LAUNCHED),
    Case("Launch Ready Waves", held_back, Outcome.LAUNCHED),
    Case("Launch Ready Waves", refused, Outcome.LAUNCHED),
    Case("Launch Ready Waves", replaced, Outcome.SUPERSEDED),
    Case("Launch Ready Waves", prepared, Outcome.SUPERSEDED, midway=True),
    Case("Check DRS", launched, Outcome.CHECKED),
    Case("Check DRS", throttled, Outcome.CHECKED),
    Case("Check DRS", replaced, Outcome.SUPERSEDED),
    Case("Check DRS", launched, Outcome.SUPERSEDED, midway=True),
    Case("Protect Instances", over, Outcome.PROTECTED, execution_type="RECOVERY"),
    Case("Protect Instances", unprotected, Outcome.PROTECTED, execution_type="RECOVERY"),
    Case("Protect Instances", unprotected, Outcome.SUPERSEDED, midway=True, execution_type="RECOVERY"),
    Case("Protect Instances", finished, Outcome.SUPERSEDED, execution_type="RECOVERY"),
    Case("Finish Execution", over, Outcome.FINISHED),
    Case("Finish Execution", finished, Outcome.FINISHED),
    Case("Finish Execution", replaced, Outcome.SUPERSEDED),
    Case("Finish Execution", over, Outcome.SUPERSEDED, midway=True),
    Case("Prepare Execution", finished, Outcome.ENDED),
    Case("Clean Up Drill", to_be_cleaned_up, Outcome.CLEANING_UP),
    Case("Clean Up Drill", cleaned_up, Outcome.CLEANED_UP),
    Case("Clean Up Drill", finished, Outcome.SUPERSEDED),
    Case("Hand Over", launched, Outcome.HANDED_OVER),
    Case("Hand Over", replaced, Outcome.HANDED_OVER),
    Case("Hand Over", finished, Outcome.SUPERSEDED),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_result_has_every_field_the_definition_selects(case: Case, orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO)
    execution_id = orchestrator.start(plan(wave("database", ONE), wave("web", TWO)), case.execution_type)
    case.before(orchestrator, execution_id)
    app = replaced_midway(orchestrator, execution_id) if case.midway else orchestrator.app
    with shipped_functions(app) as call:
        result = call(function_of(states()[case.task]), {"executionId": execution_id, "generation": 1})

    assert result["outcome"] == case.outcome
    for path in paths(states()[case.task]["ResultSelector"]):
        assert selects(path, {"Payload": result}), f"{path} selects nothing from {result}"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_definition_of_an_earlier_release_is_still_served(
    case: Case, release: str, orchestrator: Orchestrator
) -> None:
    orchestrator.add_servers(ONE, TWO)
    execution_id = orchestrator.start(plan(wave("database", ONE), wave("web", TWO)))
    case.before(orchestrator, execution_id)
    released = RELEASES[release][case.task]
    app = replaced_midway(orchestrator, execution_id) if case.midway else orchestrator.app
    with shipped_functions(app) as call:
        result = call(released["Function"], released["Input"] | {"executionId": execution_id})

    assert [name for name in released["Selects"] if not selects(f"$.{name}", result)] == []


def test_the_latest_release_is_the_definition_as_it_stands() -> None:
    """Should this fail after a release, the definition's change gets a version of its own beside the earlier ones."""
    latest = RELEASES[max(RELEASES, key=lambda version: int(version[1:]))]
    assert set(latest) == set(states("Task"))
    for name, released in latest.items():
        task = states("Task")[name]
        given = {each.removesuffix(".$") for each in task["Parameters"]["Payload"]}
        selected = {path.removeprefix("$.Payload.") for path in paths(task.get("ResultSelector", {}))}

        assert released["Function"] == function_of(task)
        assert set(released["Input"]) == given
        assert set(released["Selects"]) == selected


def test_the_cases_cover_every_task_and_every_outcome() -> None:
    # What a callback brings is not what its function returns: nothing is selected from that.
    selecting = {name for name, state in states("Task").items() if "ResultSelector" in state}

    assert {case.task for case in CASES} == selecting
    assert {case.outcome for case in CASES} == set(Outcome)


def replaced_midway(orchestrator: Orchestrator, execution_id: str) -> App:
    """The app of a Lambda whose driver is replaced as soon as the task asks for the time or begins to write."""

    def clock() -> int:
        execution = orchestrator.app.executions.get(execution_id)
        if execution and execution.generation == 1:
            replaced(orchestrator, execution_id)
        return orchestrator.now

    return App(orchestrator.app.settings, clock)


def selects(path: str, document: Any) -> bool:
    for name in path.removeprefix("$.").split("."):
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return document is not None

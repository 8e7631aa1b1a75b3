"""The walker that the reliability suite runs on visits the states an engine visits, in the same order.

Each path is walked on the same tables, functions and DRS as on moto's interpreter and compared with it state by state,
decisions and repetitions included; with the embedded engine it is compared as that is: by its tasks.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helpers.orchestrator import Orchestrator, aws
from tests.helpers.simulator import SimulatorControl
from tests.reliability.asl_walker import Await, End, Invoke, TaskFailed, check_supported, walk
from tests.statemachine.functions import shipped_functions
from tests.statemachine.paths import ONE_APPROVAL, ONE_SERVER, PATHS, WEB, Path, states_entered, steps, tasks
from tests.statemachine.reading import SUBSTITUTION, function_of, states
from tests.statemachine.second_engine import second_engine
from tools.state_graph import DEFINITION


@dataclass(slots=True)
class Course:
    """What came of a walk: the states entered, how many invocations failed, and how it ended."""

    entered: list[str]
    failures: int = 0
    end: End | None = None


def walked(
    orchestrator: Orchestrator, driver: str, broken: str | None = None, decisions: Iterable[Callable[[], object]] = ()
) -> Course:
    """The course the walker takes as this driver; the function `broken` always fails, and an operator decides in turn
    whenever it waits for an answer."""
    decide = iter(decisions)
    definition = json.loads(SUBSTITUTION.sub(lambda match: match[1], DEFINITION.read_text(encoding="utf-8")))
    check_supported(definition)
    course = Course([])
    with shipped_functions(orchestrator.app) as call:
        machine = walk(definition, given(orchestrator, driver), enter=course.entered.append)
        answer: Any = None
        while True:
            try:
                step = machine.throw(answer) if isinstance(answer, TaskFailed) else machine.send(answer)
            except StopIteration as stop:
                course.end = stop.value
                return course
            if isinstance(step, Invoke) and step.function == broken:
                course.failures += 1
                answer = TaskFailed("RuntimeError")
            elif isinstance(step, Invoke):
                answer = call(step.function, step.payload)
            elif isinstance(step, Await):
                next(decide)()
                answer = {}
            else:
                orchestrator.let_pass(math.ceil(step.seconds))
                answer = None


def given(orchestrator: Orchestrator, driver: str) -> dict[str, Any]:
    """The input the driver was started with."""
    arn = orchestrator.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    described = orchestrator.stepfunctions.describe_execution(executionArn=f"{arn}:{driver}")
    return dict(json.loads(described["input"]))


@contextmanager
def fresh(simulator: SimulatorControl) -> Iterator[None]:
    """An empty AWS account and a DRS as new."""
    simulator.reset()
    simulator.run()
    with aws():
        yield


def test_a_callback_token_names_the_execution_it_belongs_to() -> None:
    definition = json.loads(DEFINITION.read_text())
    waiting = {name: state for name, state in definition["States"].items() if "waitForTaskToken" in str(state)}
    [name] = waiting
    course = walk({**definition, "StartAt": name}, {"executionId": "exec-1", "generation": 1}, name="exec-1-g1")
    invoked = next(course)

    assert isinstance(invoked, Invoke)
    assert invoked.payload["taskToken"] == "exec-1-g1#1"
    assert course.send({"outcome": "WAITS"}) == Await("exec-1-g1#1", waiting[name]["TimeoutSeconds"])


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_path_is_walked_as_the_engines_take_it(path: Path, simulator: SimulatorControl) -> None:
    with fresh(simulator), second_engine(simulator) as engine:
        path.arrange(simulator)
        execution_id = engine.orchestrator.start(path.plan, path.execution_type)
        for decide in path.operator(engine.orchestrator.app, execution_id):
            engine.at_the_next_pause(decide)
        engine.run()
        taken = states_entered(engine.history(f"{execution_id}-g1"))
    with fresh(simulator):
        orchestrator = Orchestrator(simulator)
        path.arrange(simulator)
        execution_id = orchestrator.start(path.plan, path.execution_type)
        course = walked(orchestrator, f"{execution_id}-g1", decisions=path.operator(orchestrator.app, execution_id))
        status = orchestrator.show(execution_id)["Status"]

    assert course.entered == taken
    assert steps(course.entered) == path.order
    assert tasks(course.entered) == tasks(path.order)
    assert course.end is not None
    assert (status, course.end.succeeded) == (path.status, path.machine == "SUCCEEDED")


@pytest.mark.parametrize("task", states("Task"))
def test_a_task_that_keeps_failing_is_tried_and_given_up_as_on_the_engine(
    simulator: SimulatorControl, task: str
) -> None:
    parameters = {"MaxPollsPerDriver": "4" if task == "Hand Over" else "100"}
    plan = ONE_APPROVAL if task == "Wait For A Decision" else ONE_SERVER
    plan = plan | ({"Cleanup": "IMMEDIATE"} if task == "Clean Up Drill" else {})
    execution_type = "RECOVERY" if task == "Protect Instances" else "DRILL"
    with fresh(simulator), second_engine(simulator, **parameters) as engine:
        simulator.use_profile("fast-mode")
        engine.orchestrator.add_servers(WEB)
        engine.break_function(task)
        driver = f"{engine.orchestrator.start(plan, execution_type)}-g1"
        engine.run()
        history = engine.history(driver)
    with fresh(simulator):
        orchestrator = Orchestrator(simulator, **parameters)
        simulator.use_profile("fast-mode")
        orchestrator.add_servers(WEB)
        driver = f"{orchestrator.start(plan, execution_type)}-g1"
        course = walked(orchestrator, driver, broken=function_of(states()[task]))

    assert course.entered == states_entered(history)
    assert course.failures == sum(event["type"] == "TaskFailed" for event in history)
    assert course.end == End("Driver Lost", succeeded=False)

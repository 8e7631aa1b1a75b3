"""The shipped definition and handlers on a second interpreter: outcomes and the order of states."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.steer_execution import approve
from tests.helpers.history import replacement
from tests.helpers.orchestrator import CALLER
from tests.helpers.simulator import SimulatorControl
from tests.statemachine.paths import (
    CLEAN_UP,
    DATABASE,
    ONE_APPROVAL,
    ONE_SERVER,
    PATHS,
    TRANSITION,
    TWO_WAVES,
    WEB,
    Path,
    follows_the_graph,
    states_entered,
    steps,
    tasks,
)
from tests.statemachine.reading import EVENTS, states
from tests.statemachine.second_engine import SecondEngine, second_engine

EngineOf = Callable[..., SecondEngine]


@pytest.fixture
def engine_with(no_aws: None, simulator: SimulatorControl) -> Iterator[EngineOf]:
    """An engine whose template parameters are the test's."""
    with ExitStack() as stack:
        yield lambda **parameters: stack.enter_context(second_engine(simulator, **parameters))


@pytest.fixture
def engine(engine_with: EngineOf) -> SecondEngine:
    return engine_with()


def order_of(engine: SecondEngine, driver: str) -> tuple[str, ...]:
    return steps(states_entered(engine.history(driver)))


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_path_ends_as_expected_and_takes_its_states_in_order(path: Path, engine: SecondEngine) -> None:
    orchestrator = engine.orchestrator
    path.arrange(orchestrator.simulator)
    execution_id = orchestrator.start(path.plan, path.execution_type)
    for decide in path.operator(orchestrator.app, execution_id):
        engine.at_the_next_pause(decide)
    engine.run()
    history = engine.history(f"{execution_id}-g1")
    entered = states_entered(history)
    judges = {"DRILL": "Has Every Drill Server Launched", "RECOVERY": "Has Every Launch Action Ended"}

    assert orchestrator.show(execution_id)["Status"] == path.status
    assert engine.outcome(f"{execution_id}-g1")[0] == path.machine
    assert steps(entered) == path.order
    assert follows_the_graph(entered)
    assert set(judges.values()) & set(entered) <= {judges[path.execution_type]}


def test_a_driver_leaves_as_many_events_as_the_history_limit_is_reckoned_with(engine: SecondEngine) -> None:
    engine.orchestrator.simulator.use_profile("fast-mode")
    engine.orchestrator.add_servers(WEB)
    driver = f"{engine.orchestrator.start(ONE_SERVER)}-g1"
    engine.run()
    history = engine.history(driver)

    assert len(history) == 1 + sum(EVENTS[states()[name]["Type"]] for name in states_entered(history))


def test_each_wait_lasts_as_long_as_the_template_says(engine: SecondEngine) -> None:
    # The launch begins 204 s before a poll, so that the next is 30 s later: 36 s are left of the shortest there is.
    engine.orchestrator.simulator.use_profile({"name": "ten seconds later", "conversion_start": 62.0})
    engine.orchestrator.add_servers(WEB)
    driver = f"{engine.orchestrator.start(ONE_SERVER)}-g1"
    engine.run()
    waits = [name for name in states_entered(engine.history(driver)) if name in states("Wait")]

    assert set(zip(waits, engine.waited, strict=True)) == {
        ("Wait While Pending", 45),
        ("Wait Around Transition", 15),
        ("Wait While In Progress", 30),
    }


def test_a_clean_up_waits_for_its_time(engine: SecondEngine) -> None:
    engine.orchestrator.add_servers(WEB)
    execution_id = engine.orchestrator.start(ONE_SERVER | {"PlanId": "later", "Cleanup": 90})
    engine.run()
    entered = states_entered(engine.history(f"{execution_id}-g1"))

    assert "Wait Before Clean-Up" in entered
    assert 90 * 60 in engine.waited
    assert engine.orchestrator.show(execution_id)["CleanUp"]["Status"] == "CLEANED_UP"


def test_a_clean_up_that_is_asked_for_has_a_driver_of_its_own(engine: SecondEngine) -> None:
    engine.orchestrator.add_servers(WEB)
    execution_id = engine.orchestrator.start(ONE_SERVER)
    engine.run()
    request_clean_up(engine.orchestrator.app, execution_id, None, CALLER)
    engine.run()

    assert order_of(engine, f"{execution_id}-g2") == (
        "Prepare Execution",
        "Finish Execution",
        *CLEAN_UP,
        "Execution Completed",
    )
    assert engine.orchestrator.show(execution_id)["CleanUp"]["Status"] == "CLEANED_UP"


class TestDrivers:
    """What becomes of an execution whose driver is replaced, fails, or hands over."""

    def test_a_replaced_driver_stops_quietly_and_nothing_is_launched_again(self, engine: SecondEngine) -> None:
        orchestrator = engine.orchestrator
        orchestrator.add_servers(WEB)
        app = orchestrator.app

        def replace() -> None:
            execution = app.executions.get(execution_id)
            assert execution
            app.executions.take_over(execution, replacement(app.clock()))

        engine.at_the_next_wait(replace)
        execution_id = orchestrator.start(ONE_SERVER)
        engine.run()
        assert order_of(engine, f"{execution_id}-g1") == (
            "Prepare Execution",
            "Launch Ready Waves",
            *TRANSITION,
            "Driver Superseded",
        )
        assert engine.outcome(f"{execution_id}-g1") == ("SUCCEEDED", None)

        assert reconcile_executions(app)["STARTED"] == 1
        engine.run()

        assert orchestrator.show(execution_id)["Status"] == "COMPLETED"
        assert len(orchestrator.simulator.calls("StartRecovery")) == 1

    @pytest.mark.parametrize("task", states("Task"))
    def test_a_task_that_keeps_failing_loses_the_driver_but_not_the_execution(
        self, engine_with: EngineOf, task: str
    ) -> None:
        engine = engine_with(MaxPollsPerDriver="4" if task == "Hand Over" else "100")
        orchestrator = engine.orchestrator
        orchestrator.simulator.use_profile("fast-mode")
        orchestrator.add_servers(WEB)
        engine.break_function(task)
        decides = task == "Wait For A Decision"
        cleans = {"Cleanup": "IMMEDIATE"} if task == "Clean Up Drill" else {}
        execution_type = "RECOVERY" if task == "Protect Instances" else "DRILL"
        execution_id = orchestrator.start((ONE_APPROVAL if decides else ONE_SERVER) | cleans, execution_type)
        engine.run()
        attempts = [event for event in engine.history(f"{execution_id}-g1") if event["type"] == "TaskFailed"]

        assert order_of(engine, f"{execution_id}-g1")[-2:] == (task, "Driver Lost")
        assert engine.outcome(f"{execution_id}-g1") == ("FAILED", "DriverLost")
        assert len(attempts) == 1 + states()[task]["Retry"][-1]["MaxAttempts"]

        engine.broken.clear()
        assert reconcile_executions(orchestrator.app, execution_id)["REPLACED"] == 1
        if decides:
            engine.at_the_next_pause(lambda: approve(orchestrator.app, execution_id, None, "operator"))
        engine.run()

        assert engine.outcome(f"{execution_id}-g2") == ("SUCCEEDED", None)
        assert orchestrator.show(execution_id)["Status"] == "COMPLETED"
        assert len(orchestrator.simulator.calls("StartRecovery")) == 1

    def test_a_driver_hands_over_and_its_successors_launch_nothing_again(self, engine_with: EngineOf) -> None:
        engine = engine_with(MaxPollsPerDriver="8")
        orchestrator = engine.orchestrator
        orchestrator.simulator.use_profile("fast-mode")
        orchestrator.add_servers(DATABASE, WEB)
        execution_id = orchestrator.start(TWO_WAVES)
        engine.run()
        document = orchestrator.show(execution_id)
        drivers = [f"{execution_id}-g{generation}" for generation in range(1, document["Generation"] + 1)]
        orders = [order_of(engine, driver) for driver in drivers]

        assert document["Status"] == "COMPLETED"
        assert len(drivers) > 2
        assert {order[-2:] for order in orders[:-1]} == {("Hand Over", "Handed Over")}
        assert orders[-1][-2:] == ("Finish Execution", "Execution Completed")
        assert all(states_entered(engine.history(driver)).count("Check DRS") <= 8 for driver in drivers)
        assert len(orchestrator.simulator.calls("StartRecovery")) == 2

    def test_a_driver_can_hand_over_while_its_launch_is_held_back(self, engine_with: EngineOf) -> None:
        """A quota that stays reached makes a loop without polls, which has to end before the history limit, too."""
        engine = engine_with(MaxPollsPerDriver="3")
        orchestrator = engine.orchestrator
        orchestrator.add_servers(WEB)
        orchestrator.simulator.add_fault("throttle", operation="StartRecovery", count=4)
        execution_id = orchestrator.start(ONE_SERVER)
        engine.run()

        assert tasks(order_of(engine, f"{execution_id}-g1")) == (
            "Prepare Execution",
            "Launch Ready Waves",
            "Hand Over",
            "Handed Over",
        )
        assert orchestrator.show(execution_id)["Status"] == "COMPLETED"

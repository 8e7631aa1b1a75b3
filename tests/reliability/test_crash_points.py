"""A task that dies anywhere loses nothing and launches nothing twice."""

from collections.abc import Iterable

import pytest

from tests.reliability.crash_points import (
    SCENARIOS,
    SMALL,
    Crash,
    Scenario,
    double_crashes,
    points_of,
    run,
    single_crashes,
)
from tests.reliability.soak import sample

OTHERS = [scenario for scenario in SCENARIOS if scenario is not SMALL]


def _assert_all_end_right(scenario: Scenario, crashes: Iterable[Crash]) -> None:
    ran = 0
    for crash in crashes:
        ran += 1
        world, faults = run(scenario, crash)
        if faults:
            called = [world.points[point] for point, _ in crash.kills if point < len(world.points)]
            number = SCENARIOS.index(scenario)
            replay = f"python -m tests.reliability.replay crash {number} {crash}"
            pytest.fail(f"{scenario.name}: killed at {called}: {faults}\nreplay: {replay}")
    assert ran > 0


def test_every_write_and_every_call_of_drs_and_step_functions_is_a_point() -> None:
    points = points_of(SMALL)

    for wanted in (
        "ApiFunction: dynamodb PutItem",
        "ApiFunction: dynamodb TransactWriteItems",
        "ApiFunction: stepfunctions StartExecution",
        "PrepareExecutionFunction: dynamodb PutItem",
        "LaunchWavesFunction: dynamodb TransactWriteItems",
        "LaunchWavesFunction: drs StartRecovery",
        "CheckDrsFunction: drs DescribeJobs",
        "CheckDrsFunction: dynamodb UpdateItem",
        "FinishExecutionFunction: dynamodb TransactWriteItems",
        "PrepareExecutionFunction: events PutEvents",
        "FinishExecutionFunction: events PutEvents",
    ):
        assert wanted in points


def test_what_operators_ask_for_and_a_clean_up_does_are_points() -> None:
    called = {point for scenario in OTHERS for point in points_of(scenario)}

    for wanted in (
        "ApiFunction: stepfunctions SendTaskSuccess",
        "WaitForDecisionFunction: dynamodb UpdateItem",
        "CleanUpDrillFunction: drs TerminateRecoveryInstances",
        "CleanUpDrillFunction: dynamodb PutItem",
        "CleanUpDrillFunction: dynamodb TransactWriteItems",
        "CleanUpDrillFunction: events PutEvents",
    ):
        assert wanted in called


def test_a_death_at_any_point_of_a_drill_is_survived() -> None:
    _assert_all_end_right(SMALL, single_crashes(points_of(SMALL)))


@pytest.mark.parametrize("scenario", OTHERS, ids=lambda scenario: scenario.name)
def test_a_death_at_any_point_is_survived(scenario: Scenario) -> None:
    _assert_all_end_right(scenario, sample(single_crashes(points_of(scenario)), 5))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("distance", [1, 2, 5])
def test_a_second_death_while_the_first_is_repaired_is_survived(scenario: Scenario, distance: int) -> None:
    _assert_all_end_right(scenario, sample(double_crashes(points_of(scenario), distance), 61))

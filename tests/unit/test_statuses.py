"""Which status may follow which: forward only, and a final status is never left."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.domain.statuses import (
    ExecutionStatus,
    LaunchActionsStatus,
    ServerStatus,
    WaveStatus,
    may_follow,
    predecessors,
)

FAMILIES = (ExecutionStatus, WaveStatus, ServerStatus)
TERMINAL = {
    ExecutionStatus.COMPLETED,
    ExecutionStatus.PARTIAL,
    ExecutionStatus.FAILED,
    ExecutionStatus.CANCELLED,
    WaveStatus.COMPLETED,
    WaveStatus.PARTIAL,
    WaveStatus.FAILED,
    WaveStatus.SKIPPED,
    ServerStatus.FAILED,
    ServerStatus.SKIPPED,
}


@pytest.mark.parametrize(
    ("old", "followers"),
    [
        (ExecutionStatus.PENDING, {"POLLING", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED"}),
        (ExecutionStatus.POLLING, {"PAUSED", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED"}),
        (ExecutionStatus.PAUSED, {"POLLING"}),
        (WaveStatus.PENDING, {"QUEUED", "LAUNCHING", "SKIPPED"}),
        (WaveStatus.QUEUED, {"LAUNCHING", "SKIPPED"}),
        (WaveStatus.LAUNCHING, {"COMPLETED", "PARTIAL", "FAILED", "SKIPPED"}),
        (ServerStatus.PENDING, {"STARTED", "IN_PROGRESS", "LAUNCHED", "FAILED", "SKIPPED"}),
        (ServerStatus.STARTED, {"IN_PROGRESS", "LAUNCHED", "FAILED"}),
        (ServerStatus.IN_PROGRESS, {"LAUNCHED", "FAILED"}),
        (ServerStatus.LAUNCHED, {"FAILED"}),
    ],
)
def test_a_status_is_followed_by_these_and_no_others(
    old: ExecutionStatus | WaveStatus | ServerStatus, followers: set[str]
) -> None:
    assert {new.value for new in type(old) if may_follow(old, new)} == followers


@given(st.sampled_from(FAMILIES).flatmap(lambda family: st.lists(st.sampled_from(list(family)), min_size=1)))
def test_no_path_leaves_a_terminal_status_or_comes_back(
    wanted: list[ExecutionStatus] | list[WaveStatus] | list[ServerStatus],
) -> None:
    """Whatever writers want in whatever order, what is let through is a path without return."""
    status = wanted[0]
    path = [status]
    for new in wanted[1:]:
        if may_follow(status, new):
            assert status not in TERMINAL
            status = new
            path.append(status)
    # Only a pause is left for where the execution was before it.
    unpaused = [each for each, after in pairwise([*path, None]) if after is not ExecutionStatus.PAUSED]
    unpaused = [each for each in unpaused if each is not ExecutionStatus.PAUSED]
    assert len(unpaused) == len(set(unpaused))


def test_a_status_never_follows_one_of_another_family_even_where_the_words_are_equal() -> None:
    for one, other in product(FAMILIES, FAMILIES):
        if one is not other:
            assert not any(may_follow(old, new) for old, new in product(one, other))


def test_predecessors_are_the_statuses_a_conditional_write_has_to_find() -> None:
    for family in FAMILIES:
        for new in family:
            assert set(predecessors(new)) == {old for old in family if may_follow(old, new)}


def test_only_running_launch_actions_are_not_final() -> None:
    assert [status.value for status in LaunchActionsStatus if not status.is_final] == ["IN_PROGRESS"]


def test_unfinished_executions_and_waves_are_those_somebody_still_has_to_drive() -> None:
    assert [status.value for status in ExecutionStatus if not status.is_final] == ["PENDING", "POLLING", "PAUSED"]
    assert [status.value for status in WaveStatus if not status.is_final] == ["PENDING", "QUEUED", "LAUNCHING"]

"""Suite 2, adaptive polling: 45 s while all is PENDING, 15 s around a transition, 30 s in progress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.domain.polling import (
    Intervals,
    PollingPhase,
    detect_execution_phase,
    is_poll_due,
    phase_after_poll,
)
from drs_orchestrator.domain.statuses import ServerStatus

PENDING, STARTED, IN_PROGRESS = PollingPhase


def wave(status: str, *servers: str) -> dict[str, object]:
    return {"WaveName": "w", "Status": status, "Servers": [{"Status": each} for each in servers]}


@pytest.mark.parametrize(
    ("waves", "phase", "seconds"),
    [
        pytest.param([wave("LAUNCHING", "PENDING", "PENDING")], PENDING, 45, id="all pending"),
        pytest.param([wave("LAUNCHING", "PENDING", "STARTED")], STARTED, 15, id="any started wins"),
        pytest.param([wave("LAUNCHING", "LAUNCHED", "STARTED", "IN_PROGRESS")], STARTED, 15, id="over all others"),
        pytest.param([wave("LAUNCHING", "IN_PROGRESS")], IN_PROGRESS, 30, id="in progress"),
        pytest.param([wave("LAUNCHING", "PENDING", "IN_PROGRESS")], IN_PROGRESS, 30, id="mixed"),
        pytest.param([wave("LAUNCHING", "PENDING", "LAUNCHED")], IN_PROGRESS, 30, id="some done already"),
        pytest.param([wave("LAUNCHING", "LAUNCHED")], IN_PROGRESS, 30, id="launched, actions running"),
        pytest.param(
            [wave("COMPLETED", "LAUNCHED"), wave("LAUNCHING", "IN_PROGRESS")],
            IN_PROGRESS,
            30,
            id="one wave done",
        ),
        pytest.param(
            [wave("COMPLETED", "LAUNCHED"), wave("LAUNCHING", "PENDING")], PENDING, 45, id="finished waves don't count"
        ),
        pytest.param(
            [wave("FAILED", "STARTED"), wave("LAUNCHING", "PENDING")], PENDING, 45, id="nor what is left in them"
        ),
        pytest.param(
            [wave("LAUNCHING", "PENDING"), wave("LAUNCHING", "STARTED")], STARTED, 15, id="one of two waves started"
        ),
        pytest.param([], IN_PROGRESS, 30, id="nothing to launch"),
    ],
)
def test_detect_execution_phase(waves: list[dict[str, object]], phase: PollingPhase, seconds: int) -> None:
    assert detect_execution_phase(waves) is phase
    assert Intervals().of(phase) == seconds


def test_a_poll_that_saw_something_move_is_followed_by_the_short_interval() -> None:
    assert phase_after_poll([ServerStatus.PENDING], moved=True) is STARTED
    assert phase_after_poll([ServerStatus.IN_PROGRESS], moved=True) is STARTED


def test_a_job_that_converts_for_minutes_is_not_polled_as_if_something_were_about_to_happen() -> None:
    """DRS leaves launchStatus PENDING through conversion: STARTED alone is no transition."""
    assert phase_after_poll([ServerStatus.STARTED, ServerStatus.STARTED], moved=False) is PENDING
    assert phase_after_poll([ServerStatus.STARTED, ServerStatus.IN_PROGRESS], moved=False) is IN_PROGRESS


@pytest.mark.parametrize("phase", PollingPhase)
def test_a_poll_is_due_exactly_when_its_interval_is_over(phase: PollingPhase) -> None:
    intervals = Intervals(pending=45, transition=15, progress=30)
    due = 1_000 + intervals.of(phase)

    assert not is_poll_due(1_000, phase, due - 1, intervals)
    assert is_poll_due(1_000, phase, due, intervals)


def test_an_execution_that_was_never_polled_is_due() -> None:
    assert is_poll_due(None, PENDING, 0, Intervals())


@given(st.lists(st.sampled_from(list(ServerStatus)), max_size=6))
def test_the_order_of_servers_never_matters(statuses: list[ServerStatus]) -> None:
    forwards = detect_execution_phase([wave("LAUNCHING", *statuses)])

    assert detect_execution_phase([wave("LAUNCHING", *reversed(statuses))]) is forwards
    assert (forwards is STARTED) == ("STARTED" in statuses)

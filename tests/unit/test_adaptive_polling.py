"""Suite 2, adaptive polling: the phase of an execution, and the wait of 45, 30 or 15 s that follows a poll."""

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


@pytest.mark.parametrize(
    ("seconds_left", "phase"),
    [
        pytest.param([240], PENDING, id="DRS converts"),
        pytest.param([45], PENDING, id="may end just when the wait of 45 s is over"),
        pytest.param([44], IN_PROGRESS, id="45 s might be too long"),
        pytest.param([30], IN_PROGRESS, id="may end just when the wait of 30 s is over"),
        pytest.param([29], STARTED, id="30 s might be too long"),
        pytest.param([0], STARTED, id="may end any moment"),
        pytest.param([240, 0, 35], STARTED, id="the wave that may end first decides"),
        pytest.param([], IN_PROGRESS, id="no wave is under way"),
    ],
)
def test_the_wait_is_the_longest_that_no_wave_can_end_in(seconds_left: list[int], phase: PollingPhase) -> None:
    assert phase_after_poll(seconds_left, Intervals()) is phase


@given(st.lists(st.integers(0, 100_000), max_size=4))
def test_no_forecast_makes_a_wait_longer_than_the_longest_step(seconds_left: list[int]) -> None:
    intervals = Intervals()
    wait = intervals.of(phase_after_poll(seconds_left, intervals))

    assert wait <= 45
    assert wait <= max(15, min(seconds_left, default=45))


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

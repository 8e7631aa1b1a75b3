"""How long a wave is certain to go on, from its jobs' logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.domain.forecast import LATEST_ACTIONS, LATEST_LAUNCH, SHORTEST_LAUNCH, seconds_left
from drs_orchestrator.domain.job import JobObservation, LogEvent
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus

NOW = 10_000
UNKNOWN = 30
PENDING, STARTED, IN_PROGRESS, LAUNCHED, FAILED, SKIPPED = ServerStatus


def in_status(status: ServerStatus, launched: int | None = None, *, detailed: bool = False) -> ServerProgress:
    return ServerProgress(status, launched_time=launched, detailed=detailed)


def job(*servers: ServerProgress, wave: int = 0, chunk: int = 0, end_time: int | None = None) -> Job:
    named = {f"s-{number}": server for number, server in enumerate(servers)}
    return Job(JobKey(wave, chunk), f"wave-{wave}", "us-east-1", None, named, job_id="drsjob-1", end_time=end_time)


def launches(*seconds_ago: int | None) -> list[LogEvent]:
    """A log in which the launch of each server began so many seconds ago; None: it has not."""
    return [
        LogEvent("LAUNCH_START", NOW - ago, f"s-{number}") for number, ago in enumerate(seconds_ago) if ago is not None
    ]


def left(*jobs: tuple[Job, list[LogEvent] | None], execution_type: ExecutionType = ExecutionType.DRILL) -> list[int]:
    seen = {each.key: JobObservation(None, log) for each, log in jobs}
    return seconds_left([each for each, _ in jobs], seen, execution_type, NOW, UNKNOWN)


@pytest.mark.parametrize(
    ("server", "began", "seconds"),
    [
        pytest.param(in_status(PENDING), None, SHORTEST_LAUNCH, id="not begun"),
        pytest.param(in_status(STARTED), None, SHORTEST_LAUNCH, id="converts: a whole launch is to come"),
        pytest.param(in_status(IN_PROGRESS), 0, SHORTEST_LAUNCH, id="launch begins"),
        pytest.param(in_status(IN_PROGRESS), 200, SHORTEST_LAUNCH - 200, id="launch lasts"),
        pytest.param(in_status(IN_PROGRESS), SHORTEST_LAUNCH, 0, id="may have launched any moment"),
        pytest.param(in_status(IN_PROGRESS), LATEST_LAUNCH, 0, id="may still fail late"),
        pytest.param(in_status(IN_PROGRESS), LATEST_LAUNCH + 1, UNKNOWN, id="overdue"),
        pytest.param(in_status(IN_PROGRESS), None, UNKNOWN, id="in launch, and the log does not say since when"),
        pytest.param(in_status(FAILED), None, 0, id="only the reason is missing"),
        pytest.param(in_status(LAUNCHED, NOW - 1), 300, 0, id="only its instance is missing"),
        pytest.param(in_status(LAUNCHED, NOW - LATEST_ACTIONS - 1), 9_000, UNKNOWN, id="missing for long"),
    ],
)
def test_what_is_left_of_a_server(server: ServerProgress, began: int | None, seconds: int) -> None:
    assert left((job(server), launches(began))) == [seconds]


def test_a_wave_does_not_end_before_its_last_server() -> None:
    converting = job(in_status(IN_PROGRESS), in_status(STARTED))
    launching = job(in_status(IN_PROGRESS), in_status(IN_PROGRESS))

    assert left((converting, launches(SHORTEST_LAUNCH, None))) == [SHORTEST_LAUNCH]
    assert left((launching, launches(SHORTEST_LAUNCH, 140))) == [SHORTEST_LAUNCH - 140]


def test_all_jobs_of_a_wave_count_and_each_wave_for_itself() -> None:
    first = (job(in_status(IN_PROGRESS)), launches(SHORTEST_LAUNCH))
    second = (job(in_status(STARTED), chunk=1), launches(None))
    other = (job(in_status(IN_PROGRESS), wave=1), launches(200))

    assert left(first, second, other) == [SHORTEST_LAUNCH, SHORTEST_LAUNCH - 200]


def test_servers_that_are_settled_are_waited_for_no_more() -> None:
    servers = (in_status(LAUNCHED, NOW - 300, detailed=True), in_status(IN_PROGRESS))

    assert left((job(*servers), launches(600, 230))) == [SHORTEST_LAUNCH - 230]


def test_a_server_that_tells_nothing_does_not_hide_one_that_may_end_the_wave() -> None:
    """One launched long ago and waits for the job's end, or its launch takes for ever: the other decides."""
    waits, overdue = in_status(LAUNCHED, NOW - LATEST_ACTIONS - 1), in_status(IN_PROGRESS)
    other = in_status(IN_PROGRESS)

    assert left((job(waits, other), launches(3600, 240)), execution_type=ExecutionType.RECOVERY) == [0]
    assert left((job(overdue, other), launches(LATEST_LAUNCH + 1, 240))) == [0]
    assert left((job(overdue, other), launches(LATEST_LAUNCH + 1, 100))) == [SHORTEST_LAUNCH - 100]


def test_launch_actions_may_end_any_moment_until_they_are_overdue() -> None:
    recovery = ExecutionType.RECOVERY
    soon, late = in_status(LAUNCHED, NOW - LATEST_ACTIONS), in_status(LAUNCHED, NOW - LATEST_ACTIONS - 1)

    assert left((job(soon), launches(600)), execution_type=recovery) == [0]
    assert left((job(late), launches(3600)), execution_type=recovery) == [UNKNOWN]


def test_a_job_that_has_ended_settles_its_servers_soon() -> None:
    assert left((job(in_status(STARTED), end_time=NOW - 5), launches(None))) == [0]


def test_without_a_log_a_launch_is_unknown_and_what_comes_before_is_not() -> None:
    assert left((job(in_status(IN_PROGRESS)), None)) == [UNKNOWN]
    assert left((job(in_status(STARTED)), None)) == [SHORTEST_LAUNCH]


def test_a_job_that_could_not_be_asked_about_counts_as_one_without_a_log() -> None:
    assert seconds_left([job(in_status(IN_PROGRESS))], {}, ExecutionType.DRILL, NOW, UNKNOWN) == [UNKNOWN]


@given(
    st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["s-0", "s-1", "s-9", None])), max_size=6),
    st.sampled_from([PENDING, STARTED, IN_PROGRESS]),
)
def test_words_nobody_knows_change_nothing(events: list[tuple[str, str | None]], status: ServerStatus) -> None:
    strange = [LogEvent(f"X{word}", NOW - 900, server) for word, server in events]
    known = launches(100, 150)
    servers = (in_status(status), in_status(status))

    assert left((job(*servers), [*strange, *known])) == left((job(*servers), known))

"""Waves: which may launch, which are skipped, how one ends, and what the execution comes to."""

from dataclasses import replace

import pytest

from drs_orchestrator.domain.plan import Impact
from drs_orchestrator.domain.records import Execution, ServerProgress, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType, ServerStatus, WaveStatus
from drs_orchestrator.domain.waves import ended_wave, execution_outcome, next_waves


def wave(name: str, *depends_on: str, status: WaveStatus = WaveStatus.PENDING, stops_plan: bool = False) -> Wave:
    return Wave(0, name, depends_on, "us-east-1", None, 1, 1, status=status, stops_plan=stops_plan)


def server(status: ServerStatus, impact: Impact = Impact.CRITICAL) -> ServerProgress:
    return ServerProgress(status=status, impact=impact, detailed=True)


EXECUTION = Execution("exec-1", "shop", "Web shop", ExecutionType.DRILL, ExecutionStatus.POLLING, 0, 1)
LAUNCHED = server(ServerStatus.LAUNCHED)
FAILED = server(ServerStatus.FAILED)
FAILED_OPTIONAL = server(ServerStatus.FAILED, Impact.OPTIONAL)


def names(waves: tuple[Wave, ...]) -> list[str]:
    return [each.name for each in waves]


def test_only_waves_without_open_dependencies_are_ready() -> None:
    waves = [wave("database"), wave("application", "database"), wave("monitoring"), wave("web", "application")]

    assert names(next_waves(waves, EXECUTION).ready) == ["database", "monitoring"]


@pytest.mark.parametrize("ended", [WaveStatus.COMPLETED, WaveStatus.PARTIAL])
def test_a_wave_is_ready_once_all_it_depends_on_has_ended(ended: WaveStatus) -> None:
    database, cache = wave("database", status=ended), wave("cache", status=WaveStatus.LAUNCHING)
    web = wave("web", "database", "cache")

    assert names(next_waves([database, cache, web], EXECUTION).ready) == []
    assert names(next_waves([database, replace(cache, status=ended), web], EXECUTION).ready) == ["web"]


def test_a_wave_that_lost_a_critical_server_skips_every_wave_not_launched_yet() -> None:
    waves = [
        wave("database", status=WaveStatus.FAILED, stops_plan=True),
        wave("monitoring", status=WaveStatus.LAUNCHING),
        wave("web", "database"),
        wave("unrelated"),
    ]
    following = next_waves(waves, EXECUTION)

    assert names(following.ready) == []
    assert names(following.skipped) == ["web", "unrelated"]
    assert {each.status for each in following.skipped} == {WaveStatus.SKIPPED}
    assert all("database" in (each.status_reason or "") for each in following.skipped)


@pytest.mark.parametrize(
    ("servers", "status", "stops_plan"),
    [
        ([LAUNCHED, LAUNCHED], WaveStatus.COMPLETED, False),
        ([LAUNCHED, FAILED], WaveStatus.PARTIAL, True),
        ([LAUNCHED, FAILED_OPTIONAL], WaveStatus.PARTIAL, False),
        ([FAILED, FAILED], WaveStatus.FAILED, True),
        ([FAILED, FAILED_OPTIONAL], WaveStatus.FAILED, True),
        ([FAILED_OPTIONAL], WaveStatus.PARTIAL, False),
    ],
)
def test_a_wave_ends_by_what_became_of_its_servers(
    servers: list[ServerProgress], status: WaveStatus, stops_plan: bool
) -> None:
    ended = ended_wave(wave("w", status=WaveStatus.LAUNCHING), servers, now=77)

    assert (ended.status, ended.stops_plan, ended.end_time) == (status, stops_plan, 77)
    assert ended.launched_count + ended.failed_count == len(servers)


def test_a_wave_with_failures_says_how_many() -> None:
    ended = ended_wave(wave("w", status=WaveStatus.LAUNCHING), [LAUNCHED, FAILED, FAILED], now=1)

    assert ended.status_reason == "2 of 3 servers failed"
    assert ended_wave(wave("w", status=WaveStatus.LAUNCHING), [LAUNCHED], now=1).status_reason is None


def ended(status: WaveStatus, launched: int) -> Wave:
    return replace(wave(f"{status}-{launched}", status=status), launched_count=launched)


@pytest.mark.parametrize(
    ("waves", "outcome"),
    [
        ([ended(WaveStatus.COMPLETED, 2), ended(WaveStatus.COMPLETED, 1)], ExecutionStatus.COMPLETED),
        ([ended(WaveStatus.COMPLETED, 2), ended(WaveStatus.PARTIAL, 1)], ExecutionStatus.PARTIAL),
        ([ended(WaveStatus.COMPLETED, 2), ended(WaveStatus.FAILED, 0)], ExecutionStatus.PARTIAL),
        ([ended(WaveStatus.PARTIAL, 1), ended(WaveStatus.SKIPPED, 0)], ExecutionStatus.PARTIAL),
        ([ended(WaveStatus.FAILED, 0), ended(WaveStatus.SKIPPED, 0)], ExecutionStatus.FAILED),
        ([ended(WaveStatus.PARTIAL, 0)], ExecutionStatus.FAILED),
    ],
)
def test_the_execution_is_completed_failed_or_partial_by_its_waves(waves: list[Wave], outcome: ExecutionStatus) -> None:
    assert execution_outcome(waves, EXECUTION) is outcome


def test_nothing_is_concluded_while_a_wave_is_open() -> None:
    with pytest.raises(ValueError, match="waves still open: web"):
        execution_outcome([ended(WaveStatus.COMPLETED, 1), wave("web", status=WaveStatus.LAUNCHING)], EXECUTION)

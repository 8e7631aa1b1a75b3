"""Waves: which may launch, which are skipped, how one ends, and what the execution comes to."""

from dataclasses import replace

import pytest

from drs_orchestrator.domain.choices import Impact, OnFailure
from drs_orchestrator.domain.records import Execution, ServerProgress, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType, ServerStatus, WaveStatus
from drs_orchestrator.domain.steering import PauseRequest, QuestionKind, Stop, StopKind
from drs_orchestrator.domain.waves import ended_wave, execution_outcome, next_waves


def wave(name: str, *depends_on: str, status: WaveStatus = WaveStatus.PENDING, stops_plan: bool = False) -> Wave:
    return Wave(0, name, depends_on, "us-east-1", None, 1, 1, status=status, stops_plan=stops_plan)


def server(status: ServerStatus, impact: Impact = Impact.CRITICAL) -> ServerProgress:
    return ServerProgress(status=status, impact=impact, detailed=True)


EXECUTION = Execution("exec-1", "shop", "Web shop", ExecutionType.DRILL, ExecutionStatus.POLLING, 0, 1)
LAUNCHED = server(ServerStatus.LAUNCHED)
FAILED = server(ServerStatus.FAILED)
SKIPPED = server(ServerStatus.SKIPPED)
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


@pytest.mark.parametrize(
    ("servers", "minimum", "status"),
    [
        ([LAUNCHED, LAUNCHED, FAILED], 2, WaveStatus.COMPLETED),
        ([LAUNCHED, FAILED, FAILED], 2, WaveStatus.PARTIAL),
        ([LAUNCHED, FAILED_OPTIONAL, FAILED_OPTIONAL], 2, WaveStatus.PARTIAL),
        ([FAILED, FAILED, FAILED], 1, WaveStatus.FAILED),
    ],
)
def test_a_wave_that_reaches_its_minimum_is_a_success_whatever_became_of_the_others(
    servers: list[ServerProgress], minimum: int, status: WaveStatus
) -> None:
    launching = replace(wave("w", status=WaveStatus.LAUNCHING), minimum_launched=minimum)

    assert ended_wave(launching, servers, now=1).status is status


@pytest.mark.parametrize("on_failure", list(OnFailure))
@pytest.mark.parametrize(
    ("servers", "minimum", "is_failure"),
    [
        ([LAUNCHED, LAUNCHED], None, False),
        ([LAUNCHED, FAILED], None, True),
        ([LAUNCHED, SKIPPED], None, True),
        ([LAUNCHED, FAILED_OPTIONAL], None, False),
        ([FAILED_OPTIONAL, FAILED_OPTIONAL], None, False),
        ([LAUNCHED, FAILED], 1, False),
        ([LAUNCHED, FAILED], 2, True),
    ],
)
def test_only_a_failure_of_critical_servers_below_the_minimum_stops_or_pauses_the_plan_as_it_says(
    servers: list[ServerProgress], minimum: int | None, is_failure: bool, on_failure: OnFailure
) -> None:
    launching = replace(
        wave("w", status=WaveStatus.LAUNCHING), minimum_launched=minimum, on_failure=on_failure, server_count=2
    )
    ended = ended_wave(launching, servers, now=1)

    assert ended.stops_plan is (is_failure and on_failure is OnFailure.STOP)
    assert ended.pauses_plan is (is_failure and on_failure is OnFailure.PAUSE)


def test_a_wave_none_of_whose_servers_was_launched_is_skipped_and_still_no_success() -> None:
    ended = ended_wave(wave("w", status=WaveStatus.LAUNCHING), [SKIPPED, SKIPPED], now=1)

    assert (ended.status, ended.stops_plan, ended.status_reason) == (
        WaveStatus.SKIPPED,
        True,
        "2 of 2 servers skipped",
    )


def test_a_wave_that_an_operator_had_skipped_stops_nothing_but_a_server_of_it_that_failed_does() -> None:
    skipped = replace(wave("w", status=WaveStatus.QUEUED), skip_reason="skipped by jane")

    assert ended_wave(skipped, [SKIPPED, SKIPPED], now=1).stops_plan is False
    assert ended_wave(skipped, [FAILED, SKIPPED], now=1).stops_plan is True


def test_skipped_servers_are_counted_beside_the_failed_ones() -> None:
    ended = ended_wave(wave("w", status=WaveStatus.LAUNCHING), [LAUNCHED, FAILED, SKIPPED], now=1)

    assert ended.status_reason == "1 of 3 servers failed, 1 skipped"


FAILED_WAVE = replace(wave("database", status=WaveStatus.FAILED), pauses_plan=True)


class TestOperators:
    def test_a_wave_that_asks_for_approval_is_held_until_it_has_it_or_nobody_is_asked(self) -> None:
        web = replace(wave("web"), index=1, approval_before=True)
        held = next_waves([web], EXECUTION)

        assert (names(held.ready), names(held.held), held.held_by) == ([], ["web"], QuestionKind.APPROVAL)
        for execution in (
            replace(EXECUTION, approved_waves=frozenset({1})),
            replace(EXECUTION, skip_approvals=True),
        ):
            assert names(next_waves([web], execution).ready) == ["web"]

    def test_an_approval_holds_nobody_else(self) -> None:
        waves = [replace(wave("web"), index=1, approval_before=True), replace(wave("site"), index=2)]
        following = next_waves(waves, EXECUTION)

        assert (names(following.ready), names(following.held)) == (["site"], ["web"])

    def test_an_approval_is_asked_for_only_when_the_wave_s_turn_has_come(self) -> None:
        waves = [wave("database"), replace(wave("web", "database"), index=1, approval_before=True)]

        assert next_waves(waves, EXECUTION).held == ()

    def test_a_failure_that_pauses_holds_every_wave_until_it_is_accepted(self) -> None:
        waves = [FAILED_WAVE, replace(wave("web", "database"), index=1), replace(wave("site"), index=2)]
        held = next_waves(waves, EXECUTION)
        accepted = next_waves(waves, replace(EXECUTION, accepted_waves=frozenset({0})))
        approved = next_waves(waves, replace(EXECUTION, approved_waves=frozenset({0})))

        assert (names(held.held), held.held_by) == (["web", "site"], QuestionKind.FAILURE)
        assert approved == held, "who approved its launch has not accepted its failure"
        assert names(accepted.ready) == ["web", "site"]

    def test_a_failure_that_pauses_asks_nothing_when_nothing_is_left_to_launch(self) -> None:
        assert next_waves([FAILED_WAVE], EXECUTION).held_by is None

    def test_a_pause_comes_before_every_other_question(self) -> None:
        paused = replace(EXECUTION, pause=PauseRequest("jane", 1))
        waves = [FAILED_WAVE, replace(wave("web"), index=1, approval_before=True)]

        assert next_waves(waves, paused).held_by is QuestionKind.PAUSE

    def test_a_stop_skips_whatever_has_not_begun_and_says_who_and_why(self) -> None:
        stopped = replace(EXECUTION, stop=Stop(StopKind.CANCEL, "jane", 1, "wrong plan"))
        waves = [wave("database", status=WaveStatus.LAUNCHING), wave("web", "database"), FAILED_WAVE]
        following = next_waves(waves, stopped)

        assert [(each.name, each.status_reason) for each in following.skipped] == [
            ("web", "not launched: cancelled by jane: wrong plan")
        ]
        assert following.held_by is None

    def test_a_wave_that_is_skipped_counts_as_ended_for_those_that_depend_on_it(self) -> None:
        waves = [replace(wave("database"), skip_reason="skipped by jane"), wave("web", "database")]
        following = next_waves(waves, EXECUTION)

        assert [(each.name, each.status_reason) for each in following.skipped] == [("database", "skipped by jane")]
        assert names(following.ready) == ["web"]

    def test_an_execution_that_was_stopped_is_cancelled_whatever_its_waves_came_to(self) -> None:
        stopped = replace(EXECUTION, stop=Stop(StopKind.REJECT, "jane", 1))

        assert execution_outcome([ended(WaveStatus.COMPLETED, 2)], stopped) is ExecutionStatus.CANCELLED


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

"""How drctl paces its looks at an execution, how long it is patient, and what it expects the next poll to be."""

from collections.abc import Callable
from typing import Any

import pytest

from drctl.outcome import CliError, ExitCode, PassingFailure
from drctl.watching import PollClock, Sight, follow
from drctl.wording import clean, duration, progress

NOW = 1_790_000_000


class ScriptedApi:
    """Answers with a script of documents and failures; when it is used up, with its last entry again."""

    def __init__(self, *script: dict[str, Any] | CliError) -> None:
        self._script = list(script)

    def execution(self, _: str) -> dict[str, Any]:
        entry = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(entry, CliError):
            raise entry
        return entry


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def document(poll: int = 0, status: str = "POLLING") -> dict[str, Any]:
    return {"Status": status, "PollCount": poll}


def polled(seconds: int, count: int, phase: str = "PENDING") -> dict[str, Any]:
    return {"Status": "POLLING", "LastPolledTime": NOW + seconds, "PollCount": count, "PollingPhase": phase}


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def look(time: Time) -> Callable[..., list[Sight]]:
    def run(*script: dict[str, Any] | CliError, known_to_exist: bool = False) -> list[Sight]:
        api: Any = ScriptedApi(*script)
        return list(follow(api, "exec-1", known_to_exist=known_to_exist, sleep=time.sleep, clock=time.clock))

    return run


def busy() -> PassingFailure:
    return PassingFailure("The API is busy.", ExitCode.NO_ANSWER)


def test_looks_become_rarer_while_nothing_moves_and_frequent_again_when_something_does(
    look: Callable[..., list[Sight]], time: Time
) -> None:
    look(*[document()] * 7, document(1), document(1), document(2, "COMPLETED"))

    assert time.pauses == [1.0, 1.5, 2.25, 3.375, 5.0, 5.0, 5.0, 1.0, 1.5]


def test_a_passing_failure_is_shown_with_the_last_document_and_tried_again(look: Callable[..., list[Sight]]) -> None:
    first, last = document(), document(1, "COMPLETED")
    failure = busy()

    assert look(first, failure, last) == [Sight(first), Sight(first, failure), Sight(last)]


def test_a_failure_at_the_first_look_is_raised_unless_the_execution_was_just_started(
    look: Callable[..., list[Sight]],
) -> None:
    with pytest.raises(PassingFailure):
        look(busy(), document(1, "COMPLETED"))

    sights = look(busy(), document(1, "COMPLETED"), known_to_exist=True)
    assert [sight.document is None for sight in sights] == [True, False]


def test_a_failure_that_does_not_pass_is_given_up_after_a_quarter_of_an_hour(
    look: Callable[..., list[Sight]], time: Time
) -> None:
    with pytest.raises(PassingFailure):
        look(document(), busy())

    assert 900 <= time.now < 910


def test_an_answer_that_will_not_change_ends_the_watch_at_once(look: Callable[..., list[Sight]], time: Time) -> None:
    with pytest.raises(CliError, match="expired"):
        look(document(), CliError("Your AWS credentials have expired.", ExitCode.NO_ANSWER))

    assert time.pauses == [1.0]


def test_the_next_poll_is_expected_after_the_usual_interval_until_another_one_was_seen() -> None:
    clock = PollClock()

    assert clock.next_poll({"Status": "PENDING", "PollCount": 0}) is None
    assert clock.next_poll(polled(0, 1)) == NOW + 45
    assert clock.next_poll(polled(6, 3)) == NOW + 6 + 3
    assert clock.next_poll(polled(8, 4, "STARTED")) == NOW + 8 + 15
    assert clock.next_poll(polled(20, 5, "PENDING")) == NOW + 20 + 3


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0s"), (0.9, "0s"), (59, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (3660, "1h 01m")]
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_bar_never_goes_back_on_the_way_through_a_launch() -> None:
    way = [
        {"Status": "PENDING"},
        {"Status": "STARTED"},
        {"Status": "STARTED", "Phase": "CONVERSION"},
        {"Status": "IN_PROGRESS", "Phase": "LAUNCH"},
        {"Status": "LAUNCHED", "PostLaunchActionsStatus": "IN_PROGRESS", "Phase": "LAUNCH_ACTIONS"},
        {"Status": "LAUNCHED", "PostLaunchActionsStatus": "COMPLETED"},
    ]
    shares = [progress(step) for step in way]

    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_what_a_terminal_would_obey_becomes_blank() -> None:
    assert clean("a\x1b[2Jb\nc\u202ed\ud800") == "a [2Jb c d "

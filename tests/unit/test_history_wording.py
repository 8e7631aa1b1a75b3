"""What drctl makes of a history's entries: words for every kind that is written, and never a crash."""

import re
from typing import Any

import pytest

from drctl.history_wording import told
from tests.helpers.every_kind import histories_of_every_kind
from tests.helpers.orchestrator import Orchestrator


def entry(kind: str, **data: Any) -> dict[str, Any]:
    return {"Kind": kind, "Data": data}


def test_every_entry_of_every_kind_is_told_in_words(orchestrator: Orchestrator) -> None:
    histories = histories_of_every_kind(orchestrator)
    supervised, unanswered, rejected, cancelled, stuck, cleaned_up, guarded, replacing, moot = (
        [told(each) for each in one] for one in histories
    )
    everything = [(each["Kind"], told(each)) for one in histories for each in one]

    assert [text for kind, text in everything if text.startswith(kind)] == []
    assert "DRILL of supervised started; skipped by pre-flight: s-00000000000000002 (" in supervised[0]
    assert "wave database: DRS is asked to launch 1 server" in supervised
    assert any(text.startswith("wave database: DRS launches 1 server in drsjob-") for text in supervised)
    assert "wave database: s-00000000000000001 STARTED" in supervised
    assert "wave database: FAILED, 0 of 2 servers launched (1 of 2 servers failed, 1 skipped)" in supervised
    assert "wave report is not to be launched" in supervised
    assert "asked for a pause" in supervised
    assert "resumed" in supervised
    assert "resumed: database" in supervised
    assert "approved: web" in supervised
    assert "driver 2 takes over, before the limit of the one before it" in supervised
    assert "driver 3 takes over: the driver had ended before everything was done" in supervised
    assert "not approved in time: web: REJECT" in unanswered
    assert "no longer asked about: report" in moot
    assert "rejected: web" in rejected
    assert "cancelled" in cancelled
    assert any(re.match(r"nothing has moved for \d+ minutes, since 2", text) for text in stuck)
    assert "asked for the clean-up" in cleaned_up
    assert any(text.startswith("clean-up INSTANCES_LEFT: 0 instances terminated; left: i-") for text in cleaned_up)
    assert cleaned_up[-1] == "clean-up CLEANED_UP: 1 instance terminated"
    assert any(text.startswith("wave web: s-00000000000000003 (not launched: the launch would") for text in guarded)
    assert any(text.startswith("wave web: the launch removes s-00000000000000003 (i-") for text in replacing)
    assert replacing[0] == (
        "RECOVERY of replacing started; its waves wait for no approvals; living instances of earlier recoveries may be "
        "removed"
    )
    assert any(text.endswith(", post-launch actions NOT_CONFIGURED") for text in replacing)
    assert replacing[-2:] == ["wave web: 1 instance protected from termination", "execution COMPLETED"]


@pytest.mark.parametrize(
    ("strange", "text"),
    [
        (
            entry(
                "InstancesProtected",
                WaveName="web",
                Protected=0,
                Unprotected=[{"InstanceId": "i-1", "Reason": "InternalError: no message"}],
            ),
            "wave web: 0 instances protected from termination; not protected: i-1 (InternalError: no message)",
        ),
        (
            entry(
                "CleanUpFinished",
                Status="INSTANCES_LEFT",
                Terminated=6,
                LeftCount=3,
                Left=[{"InstanceId": "i-1", "SourceServerId": "s-1", "Region": "eu-west-1", "Reason": "protected"}],
            ),
            "clean-up INSTANCES_LEFT: 6 instances terminated; left: i-1 of s-1 (protected) and 2 more",
        ),
        (
            entry("RocketLaunched", Pad="39A", Crew=[{"Name": "a"}, {"Name": "b"}]),
            "RocketLaunched: Pad 39A, Crew Name a; Name b",
        ),
        (entry("RocketLaunched"), "RocketLaunched"),
        (entry("ServersGuarded", WaveName="web", Servers="none"), "ServersGuarded: WaveName web, Servers none"),
        (entry("ServersChanged", WaveName="web"), "ServersChanged: WaveName web"),
        (entry("PauseRequested\x1b[2J"), "PauseRequested [2J"),
    ],
)
def test_what_has_no_words_is_shown_as_it_is_and_steers_no_terminal(strange: dict[str, Any], text: str) -> None:
    assert told(strange) == text

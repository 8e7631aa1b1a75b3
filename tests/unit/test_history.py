"""A history's chain: what is changed, removed, inserted or cut off later is found, at the place where it was done."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.domain.history import NO_HASH, NO_HISTORY, Event, Head, Kind, entry_hash, find_break, seal

ID = "exec-1"
OPERATOR = "arn:aws:sts::123456789012:assumed-role/operator/jane"

type Entry = dict[str, Any]

EVENTS = (
    Event(Kind.EXECUTION_STARTED, 100, OPERATOR, "a test", {"PlanId": "shop", "RetryOf": None}),
    Event(Kind.QUESTION_ASKED, 110, data={"Waves": ["web"], "Text": "Launch wave web (1 server)?"}),
    Event(Kind.APPROVED, 120, OPERATOR, data={"Waves": ["web"]}),
    Event(Kind.EXECUTION_FINISHED, 130, data={"Status": "COMPLETED"}),
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DATA = st.dictionaries(
    TEXTS, st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3))
)
CHAINS = st.lists(
    st.builds(Event, st.sampled_from(Kind), st.integers(0, 2**40), TEXTS, st.none() | TEXTS, DATA),
    min_size=1,
    max_size=6,
)


def written(events: Sequence[Event]) -> tuple[list[Entry], Head]:
    """The entries of these events and the head in the execution's header."""
    head, entries = NO_HISTORY, []
    for event in events:
        entries.append(seal(ID, head, event))
        head = Head(entries[-1]["Number"], entries[-1]["Hash"])
    return entries, head


def test_entries_are_numbered_and_carry_the_hash_of_the_one_before() -> None:
    entries, head = written(EVENTS)

    assert [entry["Number"] for entry in entries] == [1, 2, 3, 4]
    assert [entry["PreviousHash"] for entry in entries] == [NO_HASH, *(entry["Hash"] for entry in entries[:-1])]
    assert head == Head(4, entries[-1]["Hash"])


def test_what_is_not_known_is_absent_from_an_entry() -> None:
    entries, _ = written(EVENTS)

    assert entries[0]["Data"] == {"PlanId": "shop"}
    assert "Reason" not in entries[1]


def test_the_hash_is_that_of_the_documented_canonical_json() -> None:
    [entry, *_], _ = written(EVENTS)
    # What docs/history.md says, put together by hand and given to `sha256sum`.
    by_hand = (
        '{"By":"arn:aws:sts::123456789012:assumed-role/operator/jane","Data":{"PlanId":"shop"},"ExecutionId":"exec-1",'
        '"Kind":"ExecutionStarted","Number":1,"PreviousHash":"' + "0" * 64 + '","Reason":"a test","Time":100}'
    )

    assert hashlib.sha256(by_hand.encode()).hexdigest() == entry["Hash"]
    assert entry["Hash"] == "692f6ab360d1794574cda9fe1bc765e7a594cb9029687c43c922df448afd37a6"


def test_an_untouched_history_is_whole() -> None:
    entries, head = written(EVENTS)

    assert find_break(ID, entries, head) is None
    assert find_break(ID, [], NO_HISTORY) is None


def test_a_history_is_that_of_one_execution() -> None:
    entries, head = written(EVENTS)

    assert find_break("exec-2", entries, head) == ("entry 1 was changed: its content does not have the hash it carries")


def change(entries: list[Entry]) -> None:
    entries[1]["Data"] = {"Waves": ["web"], "Text": "Launch everything?"}


def change_and_hash_anew(entries: list[Entry]) -> None:
    change(entries)
    entries[1]["Hash"] = entry_hash(ID, entries[1])


def add_a_reason(entries: list[Entry]) -> None:
    entries[2]["Reason"] = "looked good"


def take_a_field(entries: list[Entry]) -> None:
    del entries[1]["By"]


def remove(entries: list[Entry]) -> None:
    del entries[1]


def remove_the_first(entries: list[Entry]) -> None:
    del entries[0]


def insert(entries: list[Entry]) -> None:
    entries.insert(2, seal(ID, Head(2, entries[1]["Hash"]), Event(Kind.PAUSE_REQUESTED, 115, OPERATOR)))


def repeat(entries: list[Entry]) -> None:
    entries.insert(2, entries[1])


def swap(entries: list[Entry]) -> None:
    entries[1], entries[2] = entries[2], entries[1]


def cut_off(entries: list[Entry]) -> None:
    del entries[3]


def cut_off_all(entries: list[Entry]) -> None:
    entries.clear()


def append(entries: list[Entry]) -> None:
    entries.append(seal(ID, Head(4, entries[3]["Hash"]), Event(Kind.CANCEL_REQUESTED, 140, OPERATOR)))


def write_the_last_anew(entries: list[Entry]) -> None:
    entries[3] = seal(ID, Head(3, entries[2]["Hash"]), Event(Kind.EXECUTION_FINISHED, 130, data={"Status": "FAILED"}))


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (change, "entry 2 was changed: its content does not have the hash it carries"),
        (change_and_hash_anew, "entry 3 does not carry the hash of the entry before it"),
        (add_a_reason, "entry 3 was changed: its content does not have the hash it carries"),
        (take_a_field, "entry 2 has no By"),
        (remove, "entry 2 is missing: entry 3 follows on entry 1"),
        (remove_the_first, "entry 1 is missing: entry 2 follows on entry 0"),
        (insert, "entry 4 is missing: entry 3 follows on entry 3"),
        (repeat, "entry 3 is missing: entry 2 follows on entry 2"),
        (swap, "entry 2 is missing: entry 3 follows on entry 1"),
        (cut_off, "entries are missing at the end: the record counts 4, the history has 3"),
        (cut_off_all, "entries are missing at the end: the record counts 4, the history has 0"),
        (append, "the history ends at entry 5, whose hash is not the one in the execution's record"),
        (write_the_last_anew, "the history ends at entry 4, whose hash is not the one in the execution's record"),
    ],
)
def test_the_place_of_a_break_is_named(tamper: Callable[[list[Entry]], None], place: str) -> None:
    entries, head = written(EVENTS)
    tamper(entries)

    assert find_break(ID, entries, head) == place


@given(events=CHAINS)
def test_any_history_is_whole_after_its_way_through_json(events: list[Event]) -> None:
    entries, head = written(events)

    assert find_break(ID, json.loads(json.dumps(entries)), head) is None


@given(events=CHAINS, choice=st.data())
def test_no_change_of_any_field_of_any_entry_goes_unnoticed(events: list[Event], choice: st.DataObject) -> None:
    entries, head = written(events)
    entry = choice.draw(st.sampled_from(entries))
    name = choice.draw(st.sampled_from(sorted(entry)))
    other = choice.draw(TEXTS.filter(lambda text: text != entry[name]))
    entry[name] = other

    assert find_break(ID, entries, head) is not None


@given(events=CHAINS, choice=st.data())
def test_no_missing_entry_goes_unnoticed(events: list[Event], choice: st.DataObject) -> None:
    entries, head = written(events)
    del entries[choice.draw(st.integers(0, len(entries) - 1))]

    assert find_break(ID, entries, head) is not None

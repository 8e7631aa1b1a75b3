"""The adapter of EventBridge's PutEvents: how events are sent, and what becomes of those that are not taken."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from drs_orchestrator.adapters.event_bus import Delivery, EventBus
from drs_orchestrator.domain.notices import Notice, NoticeType
from tests.helpers.orchestrator import START, aws


def notice(number: int, text: str = "") -> Notice:
    detail = {"id": f"exec-1/{number}", "text": text}
    return Notice(number, NoticeType.WAVE_UP, START, detail)


@pytest.fixture
def bus() -> Iterator[EventBus]:
    with aws():
        yield EventBus("announcements")


def taking(count: int, *refused: str) -> dict[str, Any]:
    """EventBridge's answer to a request: so many are taken, the others refused with these codes."""
    entries = [{"EventId": str(number)} for number in range(count)]
    entries += [{"ErrorCode": code, "ErrorMessage": "sorry"} for code in refused]
    return {"FailedEntryCount": len(refused), "Entries": entries}


def sent(bus: EventBus, *answers: dict[str, Any], notices: list[Notice]) -> tuple[Delivery, list[list[str]]]:
    """What came of it, and which ids each request carried."""
    requests: list[list[str]] = []
    bus._client.meta.events.register(
        "provide-client-params.events.PutEvents",
        lambda params, **_: requests.append([json.loads(entry["Detail"])["id"] for entry in params["Entries"]]),
    )
    with Stubber(bus._client) as stubber:
        for answer in answers:
            stubber.add_response("put_events", answer, {"Entries": ANY})
        delivery = bus.put(notices)
        stubber.assert_no_pending_responses()
    return delivery, requests


def test_nothing_to_publish_asks_nobody(bus: EventBus) -> None:
    assert sent(bus, notices=[]) == (Delivery(0), [])


def test_a_request_carries_ten_events_at_most(bus: EventBus) -> None:
    notices = [notice(number) for number in range(1, 24)]
    delivery, requests = sent(bus, taking(10), taking(10), taking(3), notices=notices)

    assert delivery == Delivery(23)
    assert [len(request) for request in requests] == [10, 10, 3]
    assert [each for request in requests for each in request] == [f"exec-1/{number}" for number in range(1, 24)]


def test_a_request_carries_256_kilobytes_at_most(bus: EventBus) -> None:
    """Counted in bytes: each of these letters has two."""
    notices = [notice(number, "ä" * 50_000) for number in range(1, 5)]
    delivery, requests = sent(bus, taking(2), taking(2), notices=notices)

    assert delivery == Delivery(4)
    assert [len(request) for request in requests] == [2, 2]


def test_an_event_is_addressed_typed_and_timed(bus: EventBus) -> None:
    with Stubber(bus._client) as stubber:
        entry = {
            "EventBusName": "announcements",
            "Source": "drs-orchestrator",
            "DetailType": "Wave Up",
            "Time": ANY,
            "Detail": '{"id": "exec-1/7", "text": "größer"}',
        }
        stubber.add_response("put_events", taking(1), {"Entries": [entry]})
        assert bus.put([notice(7, "größer")]) == Delivery(1)


def test_what_comes_after_the_first_refused_event_counts_as_not_taken(bus: EventBus) -> None:
    """EventBridge may take the third and not the second; who publishes later begins with the second."""
    answer = taking(1, "ThrottlingException") | {"FailedEntryCount": 1}
    answer["Entries"].append({"EventId": "third"})
    delivery, _ = sent(bus, answer, notices=[notice(1), notice(2), notice(3)])

    assert delivery == Delivery(1, "ThrottlingException: sorry")


def test_what_an_earlier_request_carried_is_taken_when_a_later_one_fails(bus: EventBus) -> None:
    with Stubber(bus._client) as stubber:
        stubber.add_response("put_events", taking(10), {"Entries": ANY})
        stubber.add_client_error("put_events", "InternalException", "try later")
        delivery = bus.put([notice(number) for number in range(1, 13)])

    assert delivery.taken == 10
    assert delivery.trouble
    assert "InternalException" in delivery.trouble


def test_a_bus_that_never_answers_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        began = time.monotonic()
        delivery = EventBus("announcements").put([notice(1)])

    assert delivery.taken == 0
    assert delivery.trouble
    assert time.monotonic() - began < 10

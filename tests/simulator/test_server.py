"""The application around the wire: mistakes of the simulator itself, and the socket."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from drs_simulator import Simulator
from drs_simulator.operations import OPERATIONS
from drs_simulator.server import create_app, listen

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20221207/us-east-1/drs/aws4_request, Signature=0"}


def ask(simulator: Simulator, method: str, path: str, **request: Any) -> httpx.Response:
    """One request to the application, without a socket."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(simulator), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://drs") as client:
            return await client.request(method, path, **request)

    return asyncio.run(send())


def test_even_a_mistake_of_the_simulator_is_answered_in_the_services_form(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(_: Any) -> Any:
        raise RuntimeError("out of cheese")

    monkeypatch.setitem(OPERATIONS, "DescribeJobs", mistaken)

    response = ask(simulator, "POST", "/DescribeJobs", headers=SIGNED, json={})

    assert response.status_code == 500
    assert response.headers["x-amzn-errortype"] == "InternalServerException"
    assert "out of cheese" in response.json()["message"]


def test_an_answer_that_breaks_the_model_is_logged(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(OPERATIONS, "DescribeJobs", lambda _: {"items": 5})

    with caplog.at_level(logging.ERROR):
        response = ask(simulator, "POST", "/DescribeJobs", headers=SIGNED, json={})

    assert response.status_code == 500
    assert "does not fit the service model" in caplog.text


def test_a_tagged_arn_travels_percent_encoded_in_the_path(simulator: Simulator) -> None:
    (server,) = simulator.add_servers([{"tags": {"a": "b"}, "name": "db"}])
    arn = f"arn%3Aaws%3Adrs%3Aus-east-1%3A000000000000%3Asource-server%2F{server.id}"

    assert ask(simulator, "GET", f"/tags/{arn}", headers=SIGNED).json() == {"tags": {"a": "b", "Name": "db"}}
    assert ask(simulator, "DELETE", f"/tags/{arn}?tagKeys=a&tagKeys=Name", headers=SIGNED).status_code == 200
    assert ask(simulator, "GET", f"/tags/{arn}", headers=SIGNED).json() == {"tags": {}}


def test_a_control_path_that_does_not_exist_is_not_taken_for_the_services(simulator: Simulator) -> None:
    assert ask(simulator, "GET", "/_sim/nothing").status_code == 404
    assert simulator.calls.listed() == []


def test_port_zero_takes_a_free_port() -> None:
    with listen(0) as first, listen(0) as second:
        assert first.getsockname()[1] != second.getsockname()[1]

"""EventBridge events: the service's form, sent to a bus, best effort."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import boto3
import pytest

from drs_simulator import Simulator
from tests.simulator import captures

Launch = Callable[..., str]
Servers = Callable[..., list[str]]


class Bus:
    """An HTTP server that takes PutEvents and keeps the entries."""

    def __init__(self) -> None:
        self.entries: Queue[dict[str, Any]] = Queue()
        self.refuses_aws_sources = False
        entries, bus = self.entries, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                assert self.headers["x-amz-target"] == "AWSEvents.PutEvents"
                (entry,) = body["Entries"]
                if bus.refuses_aws_sources and entry["Source"].startswith("aws."):
                    answer = b'{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "NotAuthorizedForSourceException"}]}'
                else:
                    entries.put(entry)
                    answer = b'{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}'
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Keep the tests' output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> dict[str, Any]:
        return self.entries.get(timeout=20)


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    ("drill", "fault", "state", "is_drill"),
    [
        (True, None, "RECOVERY_LAUNCH_SUCCEEDED", "TRUE"),
        (False, None, "RECOVERY_LAUNCH_SUCCEEDED", "FALSE"),
        (False, "launch-failure", "RECOVERY_LAUNCH_FAILED", "FALSE"),
        (False, "conversion-failure", "RECOVERY_LAUNCH_FAILED", "FALSE"),
    ],
)
def test_every_launch_result_is_an_event(
    simulator: Simulator,
    servers: Servers,
    launch: Launch,
    bus: Bus,
    drill: bool,
    fault: str | None,
    state: str,
    is_drill: str,
) -> None:
    simulator.events.use(bus.url)
    if fault:
        simulator.add_fault({"fault": fault})
    (server,) = servers(1)
    job_id = launch([server], drill)
    simulator.push_jobs("COMPLETED")

    entry = bus.next()
    assert (entry["Source"], entry["DetailType"]) == ("aws.drs", "DRS Source Server Launch Result")
    assert entry["Resources"] == [f"arn:aws:drs:us-east-1:000000000000:source-server/{server}"]
    assert json.loads(entry["Detail"]) == {"state": state, "job-id": job_id, "is-drill": is_drill}


@pytest.mark.parametrize("path", captures.files_of("events"), ids=lambda path: path.stem)
def test_an_event_has_the_form_of_the_documented_one(
    simulator: Simulator, servers: Servers, launch: Launch, bus: Bus, path: Path
) -> None:
    simulator.events.use(bus.url)
    documented = {event["detail"]["state"]: event for event in captures.read(path)["events"]}
    good, bad = servers(2)
    simulator.add_fault({"fault": "launch-failure", "sourceServerIDs": [bad]})
    launch([good, bad], drill=False)
    simulator.push_jobs("COMPLETED")

    for entry in (bus.next(), bus.next()):
        detail = json.loads(entry["Detail"])
        event = documented[detail["state"]]
        assert (entry["Source"], entry["DetailType"]) == (event["source"], event["detail-type"])
        assert set(detail) == set(event["detail"])
        assert detail["is-drill"] == event["detail"]["is-drill"]
        assert entry["Resources"][0].partition("/")[0].rpartition(":")[2] == "source-server"


def test_a_server_that_stalls_and_recovers_is_an_event_each_time(
    simulator: Simulator, servers: Servers, bus: Bus
) -> None:
    simulator.events.use(bus.url, "dr-bus")
    (server,) = servers(1)

    for replication_state in ("STALLED", "STALLED", "CONTINUOUS", "PAUSED"):
        simulator.set_replication("000000000000", "us-east-1", [server], replication_state)

    entries = [bus.next(), bus.next()]
    assert [json.loads(entry["Detail"])["state"] for entry in entries] == ["STALLED", "NOT_STALLED"]
    assert {entry["DetailType"] for entry in entries} == {"DRS Source Server Data Replication Stalled Change"}
    assert {entry["EventBusName"] for entry in entries} == {"dr-bus"}


def test_a_bus_that_takes_events_of_aws_from_aws_only_gets_them_under_another_source(
    simulator: Simulator, servers: Servers, launch: Launch, bus: Bus
) -> None:
    bus.refuses_aws_sources = True
    simulator.events.use(bus.url)
    launch(servers(1))
    simulator.push_jobs("COMPLETED")

    entry = bus.next()
    assert entry["Source"] == "simulated.aws.drs"
    assert entry["DetailType"] == "DRS Source Server Launch Result"


def test_events_are_off_until_a_bus_is_named_and_can_be_switched_off_again(
    simulator: Simulator, servers: Servers, launch: Launch, bus: Bus
) -> None:
    launch(servers(1))
    simulator.push_jobs("COMPLETED")
    simulator.events.use(bus.url)
    simulator.events.use(None)
    launch(servers(1))
    simulator.push_jobs("COMPLETED")

    with pytest.raises(Empty):
        bus.entries.get_nowait()


def test_a_bus_that_cannot_be_reached_hinders_nobody(
    simulator: Simulator, servers: Servers, launch: Launch, statuses_of: Callable[[str], dict[str, str]]
) -> None:
    simulator.events.use("http://127.0.0.1:9")
    ids = servers(3)
    job_id = launch(ids)
    simulator.push_jobs("COMPLETED")

    assert set(statuses_of(job_id).values()) == {"LAUNCHED"}


def test_events_go_out_as_their_time_comes_though_nobody_calls(bus: Bus) -> None:
    command = [sys.executable, "-m", "drs_simulator", "--scenario", "three-tier", "--speed", "3600"]
    with subprocess.Popen([*command, "--bus-endpoint", bus.url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        client = boto3.client(
            "drs",
            endpoint_url=process.stdout.readline().strip(),
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.start_recovery(sourceServers=[{"sourceServerID": "s-3a7e0000000000001"}])
        try:
            entry = bus.next()
        finally:
            process.terminate()

    assert json.loads(entry["Detail"])["state"] == "RECOVERY_LAUNCH_SUCCEEDED"

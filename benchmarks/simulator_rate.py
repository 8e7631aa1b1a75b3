"""Does the DRS simulator keep up with 10,000 calls a minute while 3,000 servers fail over, on one core?

The simulator is a process of its own, held to one core where the system allows it. All servers of the scenario
`region-failover` (six worlds of 500) are launched; then calls are made at fixed times, whether or not earlier ones have
been answered, as orchestrators polling their jobs would. Kept up means: when the last call is due, less than a second's
worth of calls is unanswered, none was refused, and in the end every server has launched.

Afterwards the same calls are made as fast as they are answered, for the highest rate.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from benchmarks.page import Section, about, table

SCENARIO = Path(__file__).parents[1] / "local" / "scenarios" / "region-failover.yaml"
# Of a hundred calls: mostly jobs and their logs, now and then what an orchestrator asks once a launch or a start.
MIX = {
    "DescribeJobs": 48,
    "DescribeJobLogItems": 43,
    "GetLaunchConfiguration": 5,
    "DescribeRecoveryInstances": 2,
    "DescribeSourceServers": 2,
}
SERVERS_A_JOB = 100
# The scenario's jobs take 1,726 s: at this speed they begin and end within the minute that is measured.
SPEED = 40


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured: servers per world (of six), calls a minute, for how many seconds; then the highest rate, for
    `flat_out` seconds. A timeline runs `speed` times faster than DRS's."""

    servers_a_world: int = 500
    calls_a_minute: int = 10_000
    seconds: float = 60.0
    flat_out: float = 10.0
    speed: float = SPEED
    connections: int = 8


@dataclass(frozen=True, slots=True)
class World:
    """An account and Region with the servers launched there and the jobs that do it."""

    account: str
    region: str
    servers: tuple[str, ...]
    jobs: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        scope = f"{self.account}/20260101/{self.region}/drs/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        return {"authorization": signed, "content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    operation: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds on the monotonic clock."""

    operation: str
    status: int
    due: float
    answered: float


class Client:
    """One connection to the simulator."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def send(self, request: Request) -> tuple[int, bytes]:
        self._connection.request("POST", f"/{request.operation}", request.body, request.headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def ask(self, world: World, operation: str, **parameters: Any) -> dict[str, Any]:
        status, body = self.send(Request(operation, world.headers, json.dumps(parameters).encode()))
        answer: dict[str, Any] = json.loads(body)
        if status >= 300:
            raise RuntimeError(f"{operation} was answered {status}: {answer}")
        return answer

    def control(self, path: str, document: dict[str, Any]) -> None:
        self._connection.request("POST", f"/_sim/{path}", json.dumps(document), {"content-type": "application/json"})
        response = self._connection.getresponse()
        if response.status >= 300:
            raise RuntimeError(f"the simulator refused /_sim/{path}: {response.read().decode()}")
        response.read()


def measure(load: Load) -> dict[str, Any]:
    """Run the load; the result's names end in their units. Raises RuntimeError when the simulator does not start."""
    with _simulator() as (url, core):
        with closing(Client(url)) as client:
            worlds = [_launch(client, world) for world in _fleet(client, load)]
        answers, unanswered = _offer(url, _requests(worlds), load)
        lasted = max(answer.answered for answer in answers) - min(answer.due for answer in answers)
        with closing(Client(url)) as client:
            _until_completed(client, worlds)
            launched = sum(_launched(client, world) for world in worlds)
        most = _flat_out(url, _requests(worlds), load)
    late = sorted(answer.answered - answer.due for answer in answers)
    refused = sum(answer.status >= 300 for answer in answers)
    servers = sum(len(world.servers) for world in worlds)
    kept_up = unanswered < load.calls_a_minute / 60 and not refused and launched == servers
    return {
        "servers": servers,
        "servers launched": launched,
        "jobs": sum(len(world.jobs) for world in worlds),
        "calls offered": len(answers),
        "calls offered a minute": load.calls_a_minute,
        "calls answered": len(answers) - refused,
        "calls answered a minute": round(60 * (len(answers) - refused) / lasted),
        "calls unanswered when the last was due": unanswered,
        "answered after, median ms": round(1000 * late[len(late) // 2], 1),
        "answered after, 99 of 100 ms": round(1000 * late[len(late) * 99 // 100], 1),
        "answered after, longest ms": round(1000 * late[-1], 1),
        "highest rate, calls a minute": most,
        "highest rate : offered rate": round(most / load.calls_a_minute, 1),
        "core": core,
        "calls by operation": dict(Counter(answer.operation for answer in answers)),
        "kept up": kept_up,
    }


def versions() -> dict[str, str]:
    """What the figures hold for."""
    packages = ("drs-orchestrator", "botocore", "starlette", "uvicorn", "httptools")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return {"Python": platform.python_version(), "machine": machine} | {name: version(name) for name in packages}


@contextmanager
def _simulator() -> Iterator[tuple[str, str]]:
    """A simulator process; its URL, and the core it is held to."""
    command = [sys.executable, "-m", "drs_simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            core = "any one (a single thread of Python)"
            if hasattr(os, "sched_setaffinity"):
                number = max(os.sched_getaffinity(0))
                os.sched_setaffinity(process.pid, {number})
                core = f"number {number} only"
            url = process.stdout.readline().strip() if process.stdout else ""
            if not url:
                raise RuntimeError("the simulator did not start; its own words are above")
            yield url, core
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def _fleet(client: Client, load: Load) -> list[World]:
    """The scenario's worlds with as many servers each as the load says."""
    scenario = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))
    for world in scenario["worlds"]:
        for fleet in world["fleets"]:
            fleet["count"] = load.servers_a_world // len(world["fleets"])
    client.control("scenario", scenario | {"speed": load.speed})
    worlds = [World(world["account"], world["region"], ()) for world in scenario["worlds"]]
    return [World(world.account, world.region, tuple(_server_ids(client, world))) for world in worlds]


def _server_ids(client: Client, world: World) -> Iterator[str]:
    page: dict[str, Any] = {}
    while True:
        token = {"nextToken": page["nextToken"]} if page.get("nextToken") else {}
        page = client.ask(world, "DescribeSourceServers", filters={}, maxResults=200, **token)
        yield from (item["sourceServerID"] for item in page["items"])
        if not page.get("nextToken"):
            return


def _launch(client: Client, world: World) -> World:
    jobs = []
    for start in range(0, len(world.servers), SERVERS_A_JOB):
        wanted = [{"sourceServerID": server} for server in world.servers[start : start + SERVERS_A_JOB]]
        jobs.append(client.ask(world, "StartRecovery", sourceServers=wanted, isDrill=True)["job"]["jobID"])
    return World(world.account, world.region, world.servers, tuple(jobs))


def _requests(worlds: Sequence[World]) -> Iterator[Request]:
    """Calls of every kind in the proportions of MIX, going round worlds, jobs and servers; without end."""
    # Spread evenly: each kind comes at the places that its share of a hundred gives it.
    order = sorted((place / share, operation) for operation, share in MIX.items() for place in range(share))
    for number in count():
        _, operation = order[number % len(order)]
        world = worlds[number % len(worlds)]
        turn = number // len(worlds)
        job, server = world.jobs[turn % len(world.jobs)], world.servers[turn % len(world.servers)]
        parameters: dict[str, dict[str, Any]] = {
            "DescribeJobs": {"filters": {"jobIDs": [job]}},
            "DescribeJobLogItems": {"jobID": job},
            "GetLaunchConfiguration": {"sourceServerID": server},
            "DescribeRecoveryInstances": {"filters": {"sourceServerIDs": list(world.servers[:SERVERS_A_JOB])}},
            "DescribeSourceServers": {"filters": {"sourceServerIDs": list(world.servers[:SERVERS_A_JOB])}},
        }
        yield Request(operation, world.headers, json.dumps(parameters[operation]).encode())


def _offer(url: str, requests: Iterator[Request], load: Load) -> tuple[list[Answer], int]:
    """Make every call at its time; the answers, and how many were still to come when the last was due."""
    total = round(load.calls_a_minute * load.seconds / 60)
    planned = [next(requests) for _ in range(total)]
    pause = 60 / load.calls_a_minute
    begin = time.monotonic() + 0.2

    def one_connection(first: int) -> list[Answer]:
        answers = []
        with closing(Client(url)) as client:
            for number in range(first, total, load.connections):
                due = begin + number * pause
                time.sleep(max(0.0, due - time.monotonic()))
                status, _ = client.send(planned[number])
                answers.append(Answer(planned[number].operation, status, due, time.monotonic()))
        return answers

    with ThreadPoolExecutor(load.connections) as pool:
        parts = list(pool.map(one_connection, range(load.connections)))
    answers = [answer for part in parts for answer in part]
    end = begin + (total - 1) * pause
    # The last few calls are on their way when the last one is due: a call counts as unanswered a moment later.
    return answers, sum(answer.answered > end + 0.1 for answer in answers)


def _flat_out(url: str, requests: Iterator[Request], load: Load) -> int:
    """Calls a minute when every connection asks again as soon as it has its answer."""
    planned = [next(requests) for _ in range(1200)]
    begin = time.monotonic()

    def one_connection(first: int) -> int:
        made = 0
        with closing(Client(url)) as client:
            while time.monotonic() - begin < load.flat_out:
                client.send(planned[(first + made * load.connections) % len(planned)])
                made += 1
        return made

    with ThreadPoolExecutor(load.connections) as pool:
        made = sum(pool.map(one_connection, range(load.connections)))
    return round(60 * made / (time.monotonic() - begin))


def _until_completed(client: Client, worlds: Sequence[World]) -> None:
    """Let every job come to its end. Raises RuntimeError when one does not in ten minutes."""
    deadline = time.monotonic() + 600
    for world in worlds:
        while {job["status"] for job in _jobs(client, world)} != {"COMPLETED"}:
            if time.monotonic() > deadline:
                raise RuntimeError("the jobs did not end")
            time.sleep(0.2)


def _launched(client: Client, world: World) -> int:
    participants = [server for job in _jobs(client, world) for server in job["participatingServers"]]
    return sum(server["launchStatus"] == "LAUNCHED" for server in participants)


def _jobs(client: Client, world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.ask(world, "DescribeJobs", filters={"jobIDs": list(world.jobs)})["items"]
    return items


def section() -> Section:
    """What docs/performance.md says of it."""
    result = measure(Load())
    rows = [{"figure": name, "value": value} for name, value in (versions() | result).items()]
    return Section(
        name="simulator_rate",
        title="The simulator's rate",
        basis="Wall clock, one run.",
        text=f"{about(__doc__)}\n\n{table(rows)}",
        good=bool(result["kept up"]),
    )


def main() -> int:
    """Measure and print; 0 when the simulator kept up."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator_rate", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long calls are made at the fixed rate")
    parser.add_argument("--rate", type=int, default=10_000, help="calls a minute")
    options = parser.parse_args()
    result = measure(Load(calls_a_minute=options.rate, seconds=options.seconds))
    for name, value in (versions() | result).items():
        print(f"{name:46} {value}")
    return 0 if result["kept up"] else 1


if __name__ == "__main__":
    sys.exit(main())

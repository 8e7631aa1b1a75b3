"""How much memory does each function need for the largest plan there may be, and how much of the processor?

Three thousand servers in six Regions, five hundred each, are drilled: every run of a function is a fresh process that
imports the shipped handler, is given its event and answers, as the state machine would have it. DynamoDB is in memory,
Step Functions, EventBridge and SNS are moto's, DRS is the simulator, all reached over HTTP and outside of what is
measured. All servers move between two checks, so no check has more to do. What is taken down is the most memory that
was resident (VmHWM of Linux's /proc) and the processor's time (user and system), start and compiling included.

Lambda gives a function a share of the processor in proportion to its memory, a whole one at 1,769 MB: so the time is
also given as that share would take, on a processor such as this one.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from benchmarks.cold_start import environment
from benchmarks.page import Section, about, print_section, table
from tests.helpers.dynamodb import DynamoDb
from tests.helpers.simulator import SimulatorControl, running_simulator
from tests.helpers.template import PROJECT_ROOT, template
from tests.statemachine.functions import functions

REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1")
SERVERS_A_REGION = 500
# Of a function's memory and time; the rest is for the runtime, for waiting on AWS's services, and for growth.
WANTED = 0.5
# MB, by Lambda's documentation on configuring a function's memory.
WHOLE_PROCESSOR = 1769

_EXECUTION_TABLE, _PLAN_TABLE, _BUS, _NAME = "executions", "plans", "announcements", "drs-orchestrator-recovery"
_DEFINITION = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
_SAMPLES = PROJECT_ROOT / "events"

# The last line it prints is ours; functions print metrics and log lines of their own.
_RUN = """
import importlib, json, re, sys, time
from pathlib import Path
from types import SimpleNamespace
context = SimpleNamespace(function_name="f", memory_limit_in_mb=512, invoked_function_arn="a", aws_request_id="r")
result = importlib.import_module(sys.argv[1]).handler(json.load(sys.stdin), context)
[peak] = re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print()
print(json.dumps([int(peak), time.process_time(), result]))
"""


@dataclass(slots=True)
class Functions:
    """The functions, each run in a process of its own; of each the most it took: kB, and seconds of the processor with
    what took them."""

    variables: dict[str, str]
    peaks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[str, tuple[float, str]] = field(default_factory=lambda: defaultdict(lambda: (0.0, "")))

    def run(self, name: str, event: dict[str, Any], what: str = "") -> Any:
        """The result. Raises CalledProcessError when the handler raises, RuntimeError when it had nothing to do."""
        module = functions()[name]["Handler"].rpartition(".")[0]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, module],
            env={"PATH": os.environ["PATH"], **self.variables},
            input=json.dumps(event),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        peak, seconds, result = json.loads(done.stdout.splitlines()[-1])
        if result.get("outcome") == "SUPERSEDED":
            raise RuntimeError(f"{name} was superseded")
        self.peaks[name] = max(self.peaks[name], peak)
        self.seconds[name] = max(self.seconds[name], (seconds, what))
        return result

    def api(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> Any:
        """The parsed body of the answer. Raises RuntimeError when it is an error."""
        event = json.loads((_SAMPLES / "api.get_plan.json").read_text())
        event |= {"httpMethod": method, "path": path, "resource": path, "queryStringParameters": query}
        event |= {"body": None if body is None else json.dumps(body)}
        answer = self.run("ApiFunction", event, f"{method} {path.rpartition('/')[2] if query else path[:12]}")
        if answer["statusCode"] >= 300:
            raise RuntimeError(f"{method} {path} was answered {answer['statusCode']}: {answer['body'][:500]}")
        return json.loads(answer["body"]) if answer["body"].startswith("{") else answer["body"]


@contextmanager
def _tables() -> Iterator[str]:
    """DynamoDB in memory behind HTTP, with the template's tables; its URL. An emulation's server would copy all items
    for each transaction, of which there are thousands."""
    tables, one_at_a_time = DynamoDb(), Lock()
    for name, logical_id in ((_EXECUTION_TABLE, "ExecutionTable"), (_PLAN_TABLE, "PlanTable")):
        tables.create_table(name, template()["Resources"][logical_id]["Properties"])

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave as they are written; waiting to send them together takes 40 ms a call.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            params = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                with one_at_a_time:
                    status, answer = 200, tables.call(self.headers["X-Amz-Target"].rpartition(".")[2], params)
            except ClientError as error:
                status, answer = 400, {"__type": error.response["Error"]["Code"]} | dict(error.response)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Some ten thousand calls need no line each."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _services() -> Iterator[tuple[Functions, SimulatorControl, Any]]:
    """The functions on tables in memory, moto's server and a simulator; and a client of Step Functions there."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    aws = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    aws.start()
    try:
        url = "http://{}:{}".format(*aws.get_host_and_port())
        key = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}

        def client(service: str) -> Any:
            return boto3.client(service, region_name=REGIONS[0], endpoint_url=url, **key)  # type: ignore[call-overload]

        client("events").create_event_bus(Name=_BUS)
        topic = client("sns").create_topic(Name="mail")["TopicArn"]
        role = "arn:aws:iam::123456789012:role/any"
        machine = client("stepfunctions").create_state_machine(name=_NAME, definition=_DEFINITION, roleArn=role)
        with _tables() as tables, running_simulator() as drs, closing(SimulatorControl(drs)) as control:
            variables = environment() | {
                "AWS_ENDPOINT_URL": url,
                "AWS_ENDPOINT_URL_DYNAMODB": tables,
                "DRS_ENDPOINT_URL": drs,
                "EXECUTION_TABLE_NAME": _EXECUTION_TABLE,
                "PLAN_TABLE_NAME": _PLAN_TABLE,
                "EVENT_BUS_NAME": _BUS,
                "NOTIFICATION_TOPIC_ARN": topic,
                "STATE_MACHINE_ARN": machine["stateMachineArn"],
                # The jobs are over when we say so, and nothing waits for second thoughts.
                "COMPLETION_GRACE_SECONDS": "0",
            }
            yield Functions(variables), control, client("stepfunctions")
    finally:
        aws.stop()


def measure(servers_a_region: int = SERVERS_A_REGION) -> list[dict[str, Any]]:
    """A row for each function."""
    with _services() as (fleet, control, steps):
        _drill(fleet, control, steps, servers_a_region)
    return [_row(name, fleet) for name in functions() if name in fleet.peaks]


def _row(name: str, fleet: Functions) -> dict[str, Any]:
    properties = functions()[name]
    size, (seconds, what) = properties["MemorySize"], fleet.seconds[name]
    return {
        "function": name,
        "MemorySize": size,
        "most resident, MB": round(fleet.peaks[name] / 1024),
        "Timeout, s": properties["Timeout"],
        "processor, s": round(seconds, 1),
        "at its share, s": round(seconds * WHOLE_PROCESSOR / size, 1),
        "in": what,
    }


def _drill(fleet: Functions, control: SimulatorControl, steps: Any, servers: int) -> None:
    """One drill from its plan to its clean-up, each function with the most it may have to do."""
    control.hold(True)
    waves = []
    for number, region in enumerate(REGIONS):
        ids = [f"s-{number:05x}{server:012x}" for server in range(servers)]
        control.add_servers([{"sourceServerID": each} for each in ids], region=region)
        wave = {"WaveName": region, "Region": region, "Servers": [{"SourceServerId": each} for each in ids]}
        waves.append(wave | {"DependsOn": []})
    fleet.api("PUT", "/plans/load", {"PlanId": "load", "Name": "Load", "Waves": waves})
    started = fleet.api("POST", "/executions", {"PlanId": "load", "ExecutionType": "DRILL"})
    execution = {"executionId": started["executionId"], "generation": 1}
    fleet.run("PrepareExecutionFunction", execution, "all records")
    while fleet.run("LaunchWavesFunction", execution, "all jobs")["jobsWaiting"]:
        pass
    fleet.run("CheckDrsFunction", execution, "the first")
    for stage in ("LAUNCHED", "COMPLETED"):
        control.push_jobs(stage)
        waves_open = fleet.run("CheckDrsFunction", execution, f"servers are {stage}")["wavesOpen"]
    while waves_open:
        waves_open = fleet.run("CheckDrsFunction", execution, "the last")["wavesOpen"]
    fleet.api("GET", f"/executions/{started['executionId']}")
    fleet.api("GET", f"/executions/{started['executionId']}/report", query={"format": "html"})
    fleet.run("ReconcilerFunction", {}, "a sweep")
    fleet.run("FinishExecutionFunction", execution, "the end")
    fleet.api("POST", f"/executions/{started['executionId']}/cleanup")
    fleet.run("CleanUpDrillFunction", execution | {"generation": _generation(steps, fleet)}, "all jobs")


def _generation(steps: Any, fleet: Functions) -> int:
    drivers = steps.list_executions(stateMachineArn=fleet.variables["STATE_MACHINE_ARN"])["executions"]
    return max(int(driver["name"].rpartition("-g")[2]) for driver in drivers)


def within(row: dict[str, Any]) -> bool:
    """Whether half of the function's memory and time is enough."""
    enough = row["most resident, MB"] <= WANTED * row["MemorySize"]
    return bool(enough and row["at its share, s"] <= WANTED * row["Timeout, s"])


def section(servers_a_region: int = SERVERS_A_REGION) -> Section:
    """What docs/performance.md says of it."""
    rows = measure(servers_a_region)
    return Section(
        name="memory",
        title="Memory",
        basis="Measured, one run.",
        text="\n\n".join([about(__doc__, 3), table(rows), _WORDS]),
        good=all(within(row) for row in rows),
    )


_WORDS = """\
Wanted: at most half of a function's `MemorySize`, and at most half of its `Timeout` for the processor's part.

Memory decides nothing here, the share of the processor that comes with it does. Starting an execution, which locks
each server by a conditional write of its own, has to be over before API Gateway stops waiting at 29 s: hence a whole
processor for the API. The others keep 512 MB, at which the busiest check is over in a fifth of its time.

Not measured on AWS: its processors and its runtime's own memory are others, and what waiting for its services takes is
in no figure."""


def main() -> int:
    """Measure and print; 0 when no function needs more than half of what it has."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--servers", type=int, default=SERVERS_A_REGION, help="in each of the six Regions")
    return print_section(section(parser.parse_args().servers))


if __name__ == "__main__":
    sys.exit(main())

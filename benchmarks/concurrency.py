"""How many polls a second do many executions get out of the embedded engine, and how many would it give at all?

On an embedded stack of its own, with a cap on the Lambda workers, so many executions of one server each poll DRS at
the same time, twenty in a Region, as many as DRS takes; DRS holds their jobs, and for some seconds the polls are
counted in the state machine executions' histories. Then the jobs end, and every execution has to reach COMPLETED.

The yardstick is the same state machine on the same engine with as many executions and the same waits, its functions
replaced by one that does nothing: it prints a line, as ours do, and answers what keeps the loop going. What that loop
makes is the engine's own limit, or what its waits let so few executions ask for.
"""

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from benchmarks.page import Section, about, print_section, table
from tests.helpers import stack
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.functions import functions

COUNTS = (10, 50, 100, 200)
WINDOW = 30.0
WANTED = 0.6
# A cap that two cores can feed, and real seconds a second of a Wait takes: 15 s between two polls are 0.75.
WORKERS = 8
WAIT_SCALE = 0.05
SECONDS_BETWEEN_POLLS = 15

REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1"),
)
JOBS_A_REGION = 20
_CLIENTS = 8
_PATIENCE = 900.0

# Its executions' id says until when they go on.
_NOTHING = f"""
import json, time

def handler(event, context):
    over = time.time() > float(event["executionId"].split("_")[1])
    print(json.dumps({{"executionId": event["executionId"]}}))
    return {{
        "outcome": "READY", "intervals": dict.fromkeys(("pending", "transition", "progress"), {SECONDS_BETWEEN_POLLS}),
        "jobsLaunched": 1, "jobsActive": 1, "jobsWaiting": 0, "retryAfterSeconds": 0, "handOver": False,
        "awaitsDecision": False, "stopping": False, "phase": "IN_PROGRESS", "wavesOpen": 0 if over else 1,
        "wavesReady": 0, "serversLaunching": 1, "serversInLaunchActions": 0, "trouble": "", "status": "COMPLETED",
        "cleanUp": False, "cleanUpDelaySeconds": 0,
    }}
"""


def measure(counts: Sequence[int] = COUNTS, window: float = WINDOW, workers: int = WORKERS) -> list[dict[str, Any]]:
    """A row for each number of executions. Raises RuntimeError when an execution does not complete."""
    with _stack(workers):
        for number in range(max(workers, *counts)):
            stack.control().add_servers([{"sourceServerID": _server(number)}], region=_region(number))
        nothing = _deploy_nothing()
        # Workers are started, which takes seconds, before anything is counted.
        _orchestrate(workers, 1.0)
        _do_nothing(nothing, workers, 1.0)
        return [_row(count, _orchestrate(count, window), _do_nothing(nothing, count, window)) for count in counts]


def _row(count: int, ours: float, limit: float) -> dict[str, Any]:
    return {
        "executions": count,
        "completed": count,
        "polls a second": round(ours, 1),
        "empty loop, polls a second": round(limit, 1),
        "ratio": round(ours / limit, 2),
    }


@contextmanager
def _stack(workers: int) -> Iterator[None]:
    steps = ("Pending", "Transition", "Progress")
    always = {f"{step}IntervalSeconds": str(SECONDS_BETWEEN_POLLS) for step in steps}
    # As on AWS: a driver that waits its turn at a busy engine is not dead.
    always |= {"DriverSilenceSeconds": "900"}
    with (
        TemporaryDirectory() as folder,
        stack.embedded_stack(
            Path(folder), wait_scale=WAIT_SCALE, speed=300, lambda_concurrency=workers, parameters=always
        ),
    ):
        yield


def _orchestrate(count: int, window: float) -> float:
    """So many executions poll and then complete; the polls a second in between."""
    simulator = stack.control()
    simulator.hold(True)
    plans = [_plan(number) for number in range(count)]
    simulator.clear_calls()

    def start(plan: dict[str, Any]) -> str:
        _expect("PUT", f"/plans/{plan['PlanId']}", plan)
        answer = _expect("POST", "/executions", {"PlanId": plan["PlanId"], "ExecutionType": "DRILL"})
        return str(answer["executionId"])

    with ThreadPoolExecutor(_CLIENTS) as pool:
        executions = list(pool.map(start, plans))
    _until(lambda: sum(call["tookEffect"] for call in simulator.calls("StartRecovery")) == count, "launched")
    began, ended = _pass(window)
    simulator.hold(False)
    simulator.push_jobs("COMPLETED")
    drivers = [stack.driver_arn(execution) for execution in executions]
    for driver in drivers:
        _until_succeeded(driver)
    for execution in executions:
        if (status := _expect("GET", f"/executions/{execution}")["Status"]) != "COMPLETED":
            raise RuntimeError(f"{execution} is {status}")
    return _polls(drivers, began, ended) / window


def _plan(number: int) -> dict[str, Any]:
    wave = {"WaveName": "only", "Region": _region(number), "Servers": [{"SourceServerId": _server(number)}]}
    return {"PlanId": f"concurrency-{number}", "Name": f"Concurrency {number}", "Waves": [wave]}


def _server(number: int) -> str:
    return f"s-{number:017x}"


def _region(number: int) -> str:
    return REGIONS[number // JOBS_A_REGION]


def _deploy_nothing() -> str:
    """The state machine with functions that do nothing; its ARN."""
    archive = io.BytesIO()
    with ZipFile(archive, "w") as package:
        package.writestr("nothing.py", _NOTHING)
    role = _role()
    function = stack.client("lambda").create_function(
        FunctionName="nothing",
        Runtime="python3.12",
        Role=role,
        Handler="nothing.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    definition = (PROJECT_ROOT / "statemachine" / "recovery.asl.json").read_text()
    for name in functions():
        definition = definition.replace(f"${{{name}}}", function["FunctionArn"])
    machine = stack.client("stepfunctions").create_state_machine(name="nothing", definition=definition, roleArn=role)
    return str(machine["stateMachineArn"])


def _role() -> str:
    """A role for function and state machine, which the engine asks for as AWS does; its ARN."""
    iam = stack.client("iam")
    services = {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}
    trust = [{"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"}]
    role = iam.create_role(RoleName="nothing", AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    invoke = [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}]
    iam.put_role_policy(RoleName="nothing", PolicyName="invoke", PolicyDocument=_policy(invoke))
    return str(role)


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _do_nothing(machine: str, count: int, window: float) -> float:
    """The polls a second of so many executions of the empty loop."""
    steps = stack.client("stepfunctions")
    over = time.time() + 15 + count / 10 + window

    def start(number: int) -> str:
        name = f"nothing_{over}_{number}"
        state = {"executionId": name, "executionType": "DRILL", "generation": 1}
        started = steps.start_execution(stateMachineArn=machine, name=name, input=json.dumps(state))
        return str(started["executionArn"])

    with ThreadPoolExecutor(_CLIENTS) as pool:
        drivers = list(pool.map(start, range(count)))
    time.sleep(2)
    began, ended = _pass(window)
    if ended > over:
        raise RuntimeError("the empty loop took so long to start that it ended before it was measured")
    for driver in drivers:
        _until_succeeded(driver)
    return _polls(drivers, began, ended) / window


def _pass(window: float) -> tuple[float, float]:
    began = time.time()
    time.sleep(window)
    return began, began + window


def _polls(drivers: Sequence[str], began: float, ended: float) -> int:
    """How often the state Check DRS was entered in this time."""
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    return sum(
        event.get("stateEnteredEventDetails", {}).get("name") == "Check DRS"
        and began <= event["timestamp"].timestamp() < ended
        for driver in drivers
        for page in pages.paginate(executionArn=driver, maxResults=1000)
        for event in page["events"]
    )


def _expect(method: str, path: str, body: object = None) -> dict[str, Any]:
    answer = stack.call_api(method, path, body)
    if answer.is_error:
        raise RuntimeError(f"{method} {path} was answered {answer.status_code}: {answer.text}")
    document: dict[str, Any] = answer.json()
    return document


def _until_succeeded(driver: str) -> None:
    steps = stack.client("stepfunctions")
    _until(lambda: steps.describe_execution(executionArn=driver)["status"] != "RUNNING", driver)
    if (status := steps.describe_execution(executionArn=driver)["status"]) != "SUCCEEDED":
        raise RuntimeError(f"{driver} is {status}")


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {_PATIENCE:g} s: {what}")
        time.sleep(0.5)


def section(counts: Sequence[int] = COUNTS, window: float = WINDOW) -> Section:
    """What docs/performance.md says of it."""
    rows = measure(counts, window)
    return Section(
        name="concurrency",
        title="Many executions at once",
        basis=f"Wall clock, one run, polls counted for {window:g} s, at most {WORKERS} Lambda workers.",
        text="\n\n".join([about(__doc__, 3), table(rows), _WORDS]),
        good=True,
        missed="" if all(row["ratio"] >= WANTED for row in rows) else "for the larger numbers",
    )


_WORDS = """\
Wanted: every execution completes, with at least 0.6 of the polls that the empty loop makes. As long as the two keep
pace, the waits are the limit, for both. Beyond that the machine is: the embedded engine is one process that runs the
state machines and answers the two calls of DynamoDB that a poll makes, the simulator those of DRS, and the empty loop
makes none. On AWS each is served elsewhere, see [scaling.md](scaling.md)."""


def main() -> int:
    """Measure and print; 0 when every execution completes, however often they poll."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.concurrency", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--executions", type=int, nargs="+", default=COUNTS, help="how many at once, one after the other"
    )
    parser.add_argument("--seconds", type=float, default=WINDOW, help="how long polls are counted")
    options = parser.parse_args()
    return print_section(section(options.executions, options.seconds))


if __name__ == "__main__":
    sys.exit(main())

"""`make demo`: the product at work, from the deployment to a summary a person likes to read."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedded.errors import EmbeddedError
from embedded.stack import PROJECT_ROOT, Stack, load_scenario

PLAN_FILE = PROJECT_ROOT / "plans" / "three-tier.yaml"
PLAN_ID = "three-tier"
SCENARIO_FILE = PROJECT_ROOT / "local" / "scenarios" / "three-tier.yaml"
# What runs on each server once it is up; the RECOVERY waits for it.
LAUNCH_ACTIONS = [
    {"name": "Check disk space", "seconds": 120},
    {"name": "Register with the load balancer", "seconds": 240},
]
# A job of ten minutes takes two seconds, a wait of 45 seconds less than one.
SPEED = 300.0
WAIT_SCALE = 0.015

STYLES = {"COMPLETED": "green", "LAUNCHED": "green", "PARTIAL": "yellow", "FAILED": "red", "TIMED_OUT": "red"}


def run(say: Callable[[str], None]) -> int:
    """Deploy, run a DRILL and a RECOVERY of the sample plan and show both; 0 when both ended COMPLETED.

    The stack has a folder of its own, so one that is up already is neither used nor disturbed.
    """
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="drs-demo-") as folder,
        Stack(Path(folder), wait_scale=WAIT_SCALE, speed=SPEED, report=say) as stack,
    ):
        load_scenario(stack.env["DRS_SIMULATOR_URL"], _scenario_with_launch_actions())
        environment = {**os.environ, **stack.env}
        _drctl("plan", "put", str(PLAN_FILE), env=environment)
        for kind, meaning in (
            ("drill", "launch drill instances of every server, wave after wave"),
            ("recovery", "the real thing: also wait for each server's post-launch actions"),
        ):
            say(f"\n{kind.upper()}: {meaning}")
            _drctl("start", PLAN_ID, f"--{kind}", "--watch", env=environment, may_fail=True)
        executions = _executions(environment)
        calls = _start_recovery_calls(stack.env["DRS_SIMULATOR_URL"])
        _show(executions, calls)
    say(f"everything is stopped; the demo took {time.monotonic() - began:.0f} s")
    surprises = _surprises(executions, calls)
    for surprise in surprises:
        say(f"not as expected: {surprise}")
    return 1 if surprises else 0


def _scenario_with_launch_actions() -> dict[str, Any]:
    scenario: dict[str, Any] = yaml.safe_load(SCENARIO_FILE.read_text())
    for world in scenario["worlds"]:
        for server in world["servers"]:
            server["launchActions"] = LAUNCH_ACTIONS
    return scenario


def _drctl(*arguments: str, env: Mapping[str, str], may_fail: bool = False) -> None:
    print(f"$ drctl {' '.join(_short(argument) for argument in arguments)}", flush=True)
    code = subprocess.run([_program("drctl"), *arguments], env=env, check=False).returncode
    if code != 0 and not may_fail:
        raise EmbeddedError(f"`drctl {' '.join(arguments)}` ended with exit code {code}; its own words stand above.")


def _drctl_json(*arguments: str, env: Mapping[str, str]) -> dict[str, Any]:
    answer = subprocess.run(
        [_program("drctl"), *arguments, "--json"], env=env, check=False, capture_output=True, text=True
    )
    try:
        document: dict[str, Any] = json.loads(answer.stdout)
    except ValueError:
        raise EmbeddedError(f"`drctl {' '.join(arguments)} --json` gave no answer: {answer.stderr.strip()}") from None
    return document


def _executions(env: Mapping[str, str]) -> list[dict[str, Any]]:
    """The documents of the executions, the oldest first."""
    listed = _drctl_json("list", env=env)["executions"]
    documents = [_drctl_json("status", execution["ExecutionId"], env=env) for execution in listed]
    return sorted(documents, key=lambda document: int(document["StartTime"]))


def _start_recovery_calls(simulator_url: str) -> dict[str, int]:
    """How often the simulator was really asked to launch, by execution type."""
    answer = httpx.get(
        f"{simulator_url}/_sim/calls", params={"operation": "StartRecovery"}, timeout=10.0, trust_env=False
    )
    drills = [bool(call["request"].get("isDrill")) for call in answer.raise_for_status().json()["calls"]]
    return {"DRILL": drills.count(True), "RECOVERY": drills.count(False)}


def _surprises(executions: Sequence[Mapping[str, Any]], calls: Mapping[str, int]) -> list[str]:
    """Whatever differs from a drill and a recovery that both went well, a sentence each."""
    found = []
    kinds = [execution["ExecutionType"] for execution in executions]
    if kinds != ["DRILL", "RECOVERY"]:
        found.append(f"the executions are {kinds or 'none'}, not a DRILL and a RECOVERY")
    for execution in executions:
        kind = execution["ExecutionType"]
        if execution["Status"] != "COMPLETED":
            found.append(f"the {kind} ended {execution['Status']}, not COMPLETED")
        if calls[kind] != _jobs(execution):
            found.append(f"the {kind} has {_jobs(execution)} jobs, but StartRecovery was called {calls[kind]} times")
        for server in (server for wave in execution["Waves"] for server in wave["Servers"]):
            actions = server.get("PostLaunchActionsStatus")
            if kind == "RECOVERY" and actions != "COMPLETED":
                name = server.get("Name", server["SourceServerId"])
                found.append(f"{name}'s post-launch actions are {actions}, not COMPLETED")
    return found


def _jobs(execution: Mapping[str, Any]) -> int:
    return sum(len(wave["Jobs"]) for wave in execution["Waves"])


def _show(executions: Sequence[Mapping[str, Any]], calls: Mapping[str, int]) -> None:
    console = Console(highlight=False)
    for execution in executions:
        kind = execution["ExecutionType"]
        console.print()
        console.print(_title(execution))
        console.print(_table(execution))
        console.print(
            f"{_jobs(execution)} DRS jobs, {calls[kind]} StartRecovery calls counted by the simulator, "
            f"{execution['PollCount']} polls"
        )
    console.print()
    console.print(
        "Try it yourself:\n"
        "  make up                                   the same stack, to stay\n"
        "  . .local/env.sh\n"
        f"  .venv/bin/drctl plan put {_short(str(PLAN_FILE))}\n"
        f"  .venv/bin/drctl start {PLAN_ID} --drill --watch\n"
        "  make down\n"
    )


def _title(execution: Mapping[str, Any]) -> Text:
    return Text.assemble(
        f"{execution['ExecutionType']} of {execution['PlanName']}: ",
        _styled(execution["Status"]),
        f" in {_duration(execution, 'StartTime', 'EndTime')}" if "EndTime" in execution else "",
        style="bold",
    )


def _table(execution: Mapping[str, Any]) -> Table:
    """One execution: its waves one under the other, each server with its instance and how long it took."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Wave", "Server", "Outcome", "Instance", "Actions"):
        table.add_column(heading)
    for wave in execution["Waves"]:
        for position, server in enumerate(wave["Servers"]):
            table.add_row(
                f"{wave['WaveName']} {_duration(wave, 'StartTime', 'EndTime')}" if position == 0 else "",
                server.get("Name") or server["SourceServerId"],
                Text.assemble(_styled(server["Status"]), " ", _duration(server, "LaunchTime", "LaunchedTime")),
                server.get("InstanceId", "-"),
                _styled(server.get("PostLaunchActionsStatus", "-")),
            )
    return table


def _duration(document: Mapping[str, Any], start: str, end: str) -> str:
    return f"{document[end] - document[start]} s" if start in document and end in document else ""


def _styled(status: str) -> Text:
    return Text(status, style=STYLES.get(status, ""))


def _program(name: str) -> str:
    return str(Path(sys.prefix) / "bin" / name)


def _short(argument: str) -> str:
    path = Path(argument)
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else argument

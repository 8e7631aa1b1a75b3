"""Answers of the real service, and the same question put to the simulator.

They lie in the folder that DRS_CAPTURED_ANSWERS names. A captured file is JSON: the parsed answer of one operation,
members whose name begins with ``_`` being notes about it. Which operation it is from follows from its content, so a new
file needs no new test. ``reproduce`` rebuilds in a simulator the situation the answer describes, asks again, and
returns both answers with ids and times made comparable.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from drs_simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.in_process import connect
from drs_simulator.profiles import from_log

FOLDER = Path(os.environ.get("DRS_CAPTURED_ANSWERS") or Path(__file__).parents[3] / "shared" / "facts" / "captured")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00")
ID = re.compile(r"\b(drsjob|pit|snap|vol|i)-[0-9a-f]{8,17}\b")
GIBIBYTE = 1 << 30
# Members that hold an id or a time in a form of their own.
FORMS = {
    "macAddress": re.compile(r"\d+|([0-9a-f]{2}:){5}[0-9a-f]{2}"),
    "elapsedReplicationDuration": re.compile(r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"),
}

Document = dict[str, Any]


NOWHERE = Path("no-captured-answers")


def files_of(*kinds: str) -> list[Path]:
    """The captured answers of these operations; just NOWHERE if this machine has none."""
    return [path for path in sorted(FOLDER.glob("*.json")) if kind_of(read(path)) in kinds] or [NOWHERE]


def read(path: Path) -> Document:
    """A captured answer; skips the test if there is none."""
    if path == NOWHERE:
        pytest.skip(f"there are no captured answers of this kind in {FOLDER.parent.name}/{FOLDER.name}")
    document = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in document.items() if not name.startswith("_")}


def kind_of(answer: Document) -> str:
    """The operation an answer is from; ``events`` for a list of EventBridge events."""
    if "events" in answer:
        return "events"
    if "job" in answer:
        return "StartRecovery"
    first = answer["items"][0]
    if "event" in first:
        return "DescribeJobLogItems"
    return "DescribeJobs" if "participatingServers" in first else "DescribeSourceServers"


def reproduce(answer: Document) -> Iterator[tuple[Document, Document]]:
    """Pairs of (real item, simulated item) for every item of the answer, ids and times made comparable."""
    kind = kind_of(answer)
    if kind == "StartRecovery":
        yield comparable(answer["job"]), comparable(_simulated_job(answer["job"]))
    elif kind == "DescribeJobs":
        for job in answer["items"]:
            yield comparable(job), comparable(_simulated_job(job))
    elif kind == "DescribeJobLogItems":
        yield comparable(answer), comparable({"items": simulated_log(answer["items"])})
    else:
        for server in answer["items"]:
            yield comparable(server), comparable(_simulated_server(server))


def comparable(document: Document) -> Document:
    """The document with every id replaced by its number of appearance and every time by its form."""
    seen: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        return seen.setdefault(match[0], f"{match[1]}-#{sum(key.startswith(match[1]) for key in seen) + 1}")

    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: walk(value[key], key) for key in sorted(value)}
        if isinstance(value, list):
            return [walk(item, name) for item in value]
        if isinstance(value, str) and name in FORMS and FORMS[name].fullmatch(value):
            return f"<{name}>"
        if isinstance(value, str):
            return ID.sub(replace, TIME.sub("<time>", value))
        return value

    return dict(walk(document))


def seconds_into(log: list[Document]) -> list[float]:
    """How long after the log's first item each one was written."""
    moments = [datetime.fromisoformat(item["logDateTime"]).timestamp() for item in log]
    return [moment - moments[0] for moment in moments]


def stepped(answer: Document | None = None) -> Simulator:
    """An empty simulator in stepped time; its jobs have the fields of the year the answer is from."""
    clock = Clock()
    clock.step(1_670_440_538.846723)
    simulator = Simulator(clock=clock)
    recent = answer is None or "participatingResources" in answer or "replicationDirection" in answer
    simulator.set_switches({"apiShape": "2024" if recent else "2022"})
    return simulator


def _simulated_job(real: Document) -> Document:
    account, region = _account_and_region(real["arn"])
    participants = real["participatingServers"]
    simulator = stepped(real)
    simulator.set_switches(
        {
            "resourceArnTag": "resourceArn" in real["tags"],
            "recoveryInstanceIdInJob": any("recoveryInstanceID" in item for item in participants),
        }
    )
    ids = [item["sourceServerID"] for item in participants]
    simulator.add_servers([{"sourceServerID": server_id} for server_id in ids], account, region)
    for item in participants:
        if item["launchStatus"] == "FAILED":
            simulator.add_fault({"fault": "launch-failure", "sourceServerIDs": [item["sourceServerID"]]})
    simulator.set_hold(True)
    drs = connect(simulator, account, region)
    job = drs.start_recovery(
        sourceServers=[{"sourceServerID": server_id} for server_id in ids],
        isDrill=real["initiatedBy"] == "START_DRILL",
        tags={key: value for key, value in real["tags"].items() if key != "resourceArn"},
    )["job"]
    if real["status"] == "PENDING":
        return dict(job)
    simulator.clock.advance(0.000001)
    simulator.push_jobs("COMPLETED" if real["status"] == "COMPLETED" else "STARTED")
    return dict(drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"][0])


def simulated_log(real: list[Document]) -> list[Document]:
    lines = [
        (
            datetime.fromisoformat(item["logDateTime"]).timestamp(),
            item["event"],
            item["eventData"].get("sourceServerID"),
            item["eventData"].get("rawError"),
        )
        for item in real
    ]
    simulator = stepped()
    # JOB_END is written about 26 ms after the job's end, JOB_START about 0.36 s after its beginning.
    profile = from_log("captured", lines[0][0] - 0.36, lines[-1][0] - 0.026, lines)
    simulator.use_profile(profile.to_document())
    ids = list(dict.fromkeys(server for _, _, server, _ in lines if server))
    simulator.add_servers([{"sourceServerID": server_id} for server_id in ids])
    drs = connect(simulator)
    job = drs.start_recovery(sourceServers=[{"sourceServerID": server_id} for server_id in ids], isDrill=True)["job"]
    simulator.clock.advance(lines[-1][0] - lines[0][0] + 60)
    pages = drs.get_paginator("describe_job_log_items").paginate(jobID=job["jobID"])
    return [item for page in pages for item in page["items"]]


def _simulated_server(real: Document) -> Document:
    account, region = _account_and_region(real["arn"])
    simulator = stepped(real)
    properties = real["sourceProperties"]
    replication = real["dataReplicationInfo"]
    steps = replication["dataReplicationInitiation"]["steps"]
    simulator.add_servers(
        [
            {
                "sourceServerID": real["sourceServerID"],
                "sourceInstanceID": properties["identificationHints"].get("awsInstanceID"),
                "tags": real["tags"],
                "hostname": properties["identificationHints"]["hostname"],
                "os": properties["os"]["fullString"],
                "diskGiB": properties["disks"][0]["bytes"] / GIBIBYTE,
                "ramGiB": properties["ramBytes"] / GIBIBYTE,
                "cores": len(properties["cpus"]),
                "instanceType": properties["recommendedInstanceType"],
                "replicationState": replication["dataReplicationState"],
                "lag": replication["lagDuration"],
                "skippedInitiationSteps": [step["name"] for step in steps if step["status"] == "SKIPPED"],
            }
        ],
        account,
        region,
    )
    return dict(connect(simulator, account, region).describe_source_servers()["items"][0])


def _account_and_region(arn: str) -> tuple[str, str]:
    _, _, _, region, account, _ = arn.split(":", 5)
    return account, region

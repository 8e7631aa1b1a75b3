"""Answers of the real service, and the same question put to the simulator.

They lie in the folder that DRS_CAPTURED_ANSWERS names. A captured file is JSON: the parsed answer of one operation,
members whose name begins with ``_`` being notes about it. Which operation it is from follows from its content, so a new
file needs no new test. ``reproduce`` rebuilds in a simulator the situation the answer describes, asks again, and
returns both answers with ids and times made comparable. What only the account's owner decides is taken from the answer:
names, tags, launch actions and what became of a launch; a machine has one disk and one network interface here.
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
from drs_simulator.timeline import LaunchAction

FOLDER = Path(os.environ.get("DRS_CAPTURED_ANSWERS") or Path(__file__).parents[3] / "shared" / "facts" / "captured")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00")
ID = re.compile(r"\b(drsjob|pit|snap|vol|i)-[0-9a-f]{8,17}\b")
GIBIBYTE = 1 << 30
# Members that hold an id or a time in a form of their own.
FORMS = {
    "macAddress": re.compile(r"\d+|([0-9a-f]{2}:){5}[0-9a-f]{2}"),
    "elapsedReplicationDuration": re.compile(r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"),
    "runId": re.compile(r"[0-9a-f-]{36}"),
    "agentVersion": re.compile(r"[\d.]+"),
    "ebsVolumeID": re.compile(r"vol-[0-9a-f]+"),
}

Document = dict[str, Any]


NOWHERE = Path("no-captured-answers")
UNKNOWN = "unknown"
# A member that only the items of this operation's answer have; the first that is there decides.
MEMBERS = {
    "event": "DescribeJobLogItems",
    "ec2InstanceID": "DescribeRecoveryInstances",
    "sourceProperties": "DescribeSourceServers",
    "jobID": "DescribeJobs",
}
BEGINNING, ENDS = ("LAUNCH_START",), ("LAUNCH_END", "LAUNCH_FAILED")
# Longer than any launch, launch action or termination takes.
UNTIL_ALL_IS_OVER = 7200.0


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
    """The operation an answer is from; ``events`` for a list of EventBridge events, UNKNOWN for everything else."""
    if "events" in answer:
        return "events"
    if "job" in answer:
        return "StartRecovery"
    first = next(iter(answer.get("items") or ()), {})
    return next((operation for member, operation in MEMBERS.items() if member in first), UNKNOWN)


def reproduce(answer: Document) -> Iterator[tuple[Document, Document]]:
    """Pairs of (real item, simulated item) for every item of the answer, ids and times made comparable."""
    match kind_of(answer):
        case "StartRecovery":
            yield comparable(answer["job"]), comparable(_simulated_job(answer["job"]))
        case "DescribeJobs":
            for job in answer["items"]:
                yield comparable(job), comparable(_simulated_job(job))
        case "DescribeJobLogItems":
            yield comparable(answer), comparable({"items": simulated_log(answer["items"])})
        case "DescribeSourceServers":
            for server in answer["items"]:
                yield comparable(server), comparable(_simulated_server(server))
        case "DescribeRecoveryInstances":
            for instance in answer["items"]:
                yield comparable(instance), comparable(_simulated_instance(instance))
        case _:
            pytest.fail("nothing here tells which operation this is the answer of: see MEMBERS and reproduce")


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
    """The job as the answer shows it; which operation it is from is told by its type and status."""
    account, region = _account_and_region(real["arn"])
    participants = real["participatingServers"]
    terminates = real["type"] == "TERMINATE"
    simulator = stepped(real)
    simulator.set_switches(
        {
            "resourceArnTag": "resourceArn" in real["tags"],
            "recoveryInstanceIdInJob": any("recoveryInstanceID" in item for item in participants),
            "participatingServersEmptyAfterTerminate": not participants,
            # What is still under way will not come to its end while we look.
            "completionGraceSeconds": None if real["status"] == "COMPLETED" else 2 * UNTIL_ALL_IS_OVER,
        }
    )
    ids = [item["sourceServerID"] for item in participants] or ["s-" + "0" * 17]
    simulator.add_servers([{"sourceServerID": server_id} for server_id in ids], account, region)
    drs = connect(simulator, account, region)
    if terminates:
        job = _terminated(simulator, drs, real, ids)
    else:
        for item in participants:
            _foretell(simulator, account, region, item, is_over=real["status"] == "COMPLETED")
        job = drs.start_recovery(
            sourceServers=[{"sourceServerID": server_id} for server_id in ids],
            isDrill=real["initiatedBy"] == "START_DRILL",
            tags={key: value for key, value in real["tags"].items() if key != "resourceArn"},
        )["job"]
    if real["status"] == "PENDING":
        return dict(job)
    simulator.clock.advance(1 if terminates and real["status"] == "STARTED" else UNTIL_ALL_IS_OVER)
    return dict(drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"][0])


def _foretell(simulator: Simulator, account: str, region: str, participant: Document, *, is_over: bool) -> None:
    """Make the server's launch and its launch actions come to what the answer says of them."""
    server_id = participant["sourceServerID"]
    status = participant["launchStatus"]
    fault: Document | None = None
    if status == "FAILED":
        fault = {"fault": "launch-failure"}
    elif status in ("PENDING", "IN_PROGRESS"):
        phase = "conversion" if status == "PENDING" else "launch"
        fault = {"fault": "left-behind", "status": status} if is_over else {"fault": "stuck", "phase": phase}
    if fault:
        simulator.add_fault({**fault, "sourceServerIDs": [server_id], "account": account, "region": region})
    if runs := participant.get("launchActionsStatus", {}).get("runs"):
        server = simulator.world(account, region).servers[server_id]
        server.post_launch_enabled = True
        server.launch_actions = [
            LaunchAction(
                dict(run["action"]),
                status="NEVER" if run["status"] == "IN_PROGRESS" else run["status"],
                failure_reason=run.get("failureReason"),
            )
            for run in runs
        ]


def _terminated(simulator: Simulator, drs: Any, real: Document, ids: list[str]) -> Document:
    """The job that terminates an instance of each server; one that has outlived it is protected."""
    drs.start_recovery(sourceServers=[{"sourceServerID": server_id} for server_id in ids], isDrill=True)
    simulator.push_jobs("COMPLETED")
    instances = {item["sourceServerID"]: item for item in drs.describe_recovery_instances()["items"]}
    for item in real["participatingServers"]:
        if item["launchStatus"] == "FAILED":
            simulator.protect(instances[item["sourceServerID"]]["recoveryInstanceID"], True)
    doomed = [instances[server_id]["recoveryInstanceID"] for server_id in ids]
    return dict(drs.terminate_recovery_instances(recoveryInstanceIDs=doomed)["job"])


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
    # JOB_END is written about 26 ms after the job's end, JOB_START about 0.36 s after its beginning.
    created, ended = lines[0][0] - 0.36, lines[-1][0] - 0.026
    ids = list(dict.fromkeys(server for _, _, server, _ in lines if server))
    simulator = stepped()
    simulator.add_servers([{"sourceServerID": server_id} for server_id in ids])
    drs = connect(simulator)
    wanted = [{"sourceServerID": server_id} for server_id in ids]
    if any(event.startswith("CLEANUP") for _, event, _, _ in lines):
        # There were instances of an earlier job to remove.
        drs.start_recovery(sourceServers=wanted, isDrill=True)
        simulator.push_jobs("COMPLETED")
    begun, told = ({server for _, event, server, _ in lines if event in events} for events in (BEGINNING, ENDS))
    if silent := begun - told:
        simulator.set_switches({"launchEndInLog": False})
        lines[-1:-1] = [(ended, "LAUNCH_END", server, None) for server in ids if server in silent]
    simulator.use_profile(from_log("captured", created, ended, lines).to_document())
    job = drs.start_recovery(sourceServers=wanted, isDrill=True)["job"]
    simulator.clock.advance(lines[-1][0] - lines[0][0] + 60)
    pages = drs.get_paginator("describe_job_log_items").paginate(jobID=job["jobID"])
    return [item for page in pages for item in page["items"]]


def _hardware(properties: Document) -> Document:
    """What the simulator is told of a machine, by what DRS says of a source server or a recovery instance."""
    return {
        "hostname": properties["identificationHints"]["hostname"],
        "os": properties["os"]["fullString"],
        "diskGiB": properties["disks"][0]["bytes"] / GIBIBYTE,
        "ramGiB": properties["ramBytes"] / GIBIBYTE,
        "cores": len(properties["cpus"]),
    }


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
                **_hardware(properties),
                "instanceType": properties["recommendedInstanceType"],
                "replicationState": replication["dataReplicationState"],
                "lag": replication["lagDuration"],
                "skippedInitiationSteps": [step["name"] for step in steps if step["status"] == "SKIPPED"],
                "stagingAccountID": real.get("stagingArea", {}).get("stagingAccountID"),
            }
        ],
        account,
        region,
    )
    drs = connect(simulator, account, region)
    last = real["lifeCycle"]["lastLaunch"]
    if "jobID" in last["initiated"]:
        participant = {"sourceServerID": real["sourceServerID"], "launchStatus": last.get("status", "LAUNCHED")}
        _foretell(simulator, account, region, participant, is_over=False)
        drs.start_recovery(
            sourceServers=[{"sourceServerID": real["sourceServerID"]}], isDrill=last["initiated"]["type"] == "DRILL"
        )
        simulator.clock.advance(UNTIL_ALL_IS_OVER)
    living = [item["recoveryInstanceID"] for item in drs.describe_recovery_instances()["items"]]
    if living and "recoveryInstanceId" not in real:
        drs.terminate_recovery_instances(recoveryInstanceIDs=living)
        simulator.clock.advance(UNTIL_ALL_IS_OVER)
    return dict(drs.describe_source_servers()["items"][0])


def _simulated_instance(real: Document) -> Document:
    account, region = _account_and_region(real["arn"])
    properties = real["recoveryInstanceProperties"]
    simulator = stepped()
    simulator.add_servers(
        [
            {
                "sourceServerID": real["sourceServerID"],
                **_hardware(properties),
                "launchDisposition": "STOPPED" if real["ec2InstanceState"] == "STOPPED" else "STARTED",
            }
        ],
        account,
        region,
    )
    drs = connect(simulator, account, region)
    drs.start_recovery(sourceServers=[{"sourceServerID": real["sourceServerID"]}], isDrill=real["isDrill"])
    simulator.clock.advance(UNTIL_ALL_IS_OVER)
    [instance] = drs.describe_recovery_instances()["items"]
    if real["tags"]:
        drs.tag_resource(resourceArn=instance["arn"], tags=real["tags"])
    return dict(drs.describe_recovery_instances()["items"][0])


def _account_and_region(arn: str) -> tuple[str, str]:
    _, _, _, region, account, _ = arn.split(":", 5)
    return account, region

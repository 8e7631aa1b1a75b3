"""What DRS did, by the simulator's own state and its record of calls, against what the orchestrator says of it."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

from tests.helpers import get_execution_from_dynamodb
from tests.helpers.stack import start_recovery_calls

Document = dict[str, Any]

_TAGS = [f"drs-orchestrator:{name}" for name in ("execution-id", "wave", "chunk")]


def differences(execution_ids: Iterable[str]) -> list[str]:
    """Every way in which ended executions differ from what DRS did, a sentence each; none is how it must be.

    Each (execution, wave, chunk) has exactly one DRS job and it is the one the document names; each server's status
    and instance are those it has in that job; waves and execution have the status their servers give them. For plans
    of which every wave is launched.
    """
    jobs = _launches()
    return [f"{each}: {found}" for each in execution_ids for found in _differences(each, jobs)]


def launch_order() -> list[Document]:
    """The StartRecovery calls that took effect, in order."""
    return [call for call in _control("/calls?operation=StartRecovery")["calls"] if call["tookEffect"]]


def _launches() -> dict[tuple[str, ...], list[Document]]:
    """The simulator's launch jobs by (execution, wave, chunk), as their tags say it."""
    found = defaultdict(list)
    for world in _control("/state")["worlds"]:
        for job in world["jobs"].values():
            if job["type"] == "LAUNCH":
                found[tuple(job["tags"].get(tag, "") for tag in _TAGS)].append(job)
    return found


def _differences(execution_id: str, jobs: Mapping[tuple[str, ...], list[Document]]) -> Iterator[str]:
    document = get_execution_from_dynamodb(execution_id)
    calls = Counter(
        tuple(call["request"]["tags"][tag] for tag in _TAGS)
        for call in start_recovery_calls(execution_id)
        if call["tookEffect"]
    )
    known = set()
    for index, wave in enumerate(document["Waves"]):
        expected = []
        for chunk, said in enumerate(wave["Jobs"]):
            key = (execution_id, str(index), str(chunk))
            known.add(key)
            launched = jobs.get(key, [])
            if len(launched) != 1 or calls[key] != 1:
                yield f"wave {index} chunk {chunk} has {len(launched)} jobs, by {calls[key]} calls"
                continue
            [job] = launched
            if said.get("RecoveryJobId") != job["id"]:
                yield f"wave {index} chunk {chunk} is {job['id']}, the document says {said.get('RecoveryJobId')}"
            expected += [_server(job, participant) for participant in job["participants"].values()]
        shown = [
            (server.get("RecoveryJobId"), server["SourceServerId"], server["Status"], server.get("InstanceId"))
            for server in wave["Servers"]
        ]
        if sorted(shown, key=str) != sorted(expected, key=str):
            yield f"wave {index} has the servers {expected}, the document says {shown}"
        if wave["Status"] != _outcome(server[2] for server in expected):
            yield f"wave {index} is {wave['Status']}"
        for server in wave["Servers"]:
            yield from _history(server)
    if document["Status"] != _outcome(server["Status"] for wave in document["Waves"] for server in wave["Servers"]):
        yield f"it is {document['Status']}"
    others = {key for key in jobs if key[0] == execution_id} - known
    if others:
        yield f"DRS has jobs nobody knows of: {others}"


def _server(job: Document, participant: Document) -> tuple[str, str, str, str | None]:
    return job["id"], participant["server_id"], participant["status"][-1][1], participant["instance_id"]


def _outcome(statuses: Iterable[str]) -> str:
    seen = set(statuses)
    if seen == {"LAUNCHED"}:
        return "COMPLETED"
    return "PARTIAL" if "LAUNCHED" in seen else "FAILED"


def _history(server: Document) -> Iterator[str]:
    steps = server["TransitionHistory"]
    chain = ["PENDING", *(step["To"] for step in steps)]
    if [step["From"] for step in steps] != chain[:-1] or chain[-1] != server["Status"] or len(set(chain)) < len(chain):
        yield f"{server['SourceServerId']}'s history is {steps}"


def _control(path: str) -> Document:
    answer = httpx.get(f"{os.environ['DRS_SIMULATOR_URL']}/_sim{path}", timeout=30.0, trust_env=False)
    document: Document = answer.raise_for_status().json()
    return document

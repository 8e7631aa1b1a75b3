"""What must be true of every history, judged by the simulator's own state and by what was written to the tables.

Nothing here asks the orchestrator how it came to its conclusions: the truth about a server is what the simulator did
with it, and the waves' and the execution's statuses are worked out again from that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from drs_simulator.worlds import Job as DrsJob
from drs_simulator.worlds import Participant
from tests.reliability.world import ACCOUNT, EXECUTION_TABLE, RANK, World

FINAL = ("COMPLETED", "PARTIAL", "FAILED")
EXECUTION_TAG, WAVE_TAG, CHUNK_TAG = (f"drs-orchestrator:{name}" for name in ("execution-id", "wave", "chunk"))
_MAY_BE_TRIED_AGAIN = (
    "ConflictException",
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "InternalServerException",
)


@dataclass(frozen=True, slots=True)
class Started:
    """An execution the API accepted: the plan as it was at that moment."""

    execution_id: str
    execution_type: str
    plan: dict[str, Any]


def all_ended(world: World, started: list[Started]) -> bool:
    return all(world.records.executions.get(each.execution_id, [""])[-1] in FINAL for each in started)


def faults_of(world: World, started: list[Started]) -> list[str]:
    """Every way in which the world's history is not as it must be; empty when all is well."""
    world.simulator.settle()
    faults = list(world.records.faults)
    for each in started:
        faults += _Judge(world, each).faults()
    faults += _locks(world)
    faults += _shared_servers(world, started)
    return faults


def _shared_servers(world: World, started: list[Started]) -> Iterator[str]:
    """A server belongs to one execution at a time."""
    held: dict[tuple[str, str, str], list[tuple[float, float, str]]] = defaultdict(list)
    for each in started:
        document = world.show(each.execution_id)
        for wave in document["Waves"]:
            for server in wave["Servers"]:
                key = (wave.get("AccountId", ACCOUNT), wave["Region"], server["SourceServerId"])
                life = world.records.lives[each.execution_id]
                held[key].append((life[0], life[-1], each.execution_id))
    for (_, _, server_id), times in held.items():
        for earlier, later in pairwise(sorted(times)):
            if later[0] < earlier[1]:
                yield f"{server_id} was in {earlier[2]} and {later[2]} at once"


def _locks(world: World) -> Iterator[str]:
    """No lock may bind a server to an execution that goes on owning it after its end."""
    for item in world.dynamodb.tables[EXECUTION_TABLE].items.values():
        partition = item["ExecutionId"]["S"]
        if partition.startswith("LOCK#"):
            owner = item["Owner"]["S"]
            statuses = world.records.executions.get(owner)
            if statuses and statuses[-1] not in FINAL:
                yield f"{partition} is held by {owner}, which is {statuses[-1]}"


class _Judge:
    def __init__(self, world: World, started: Started) -> None:
        self.world = world
        self.started = started
        self.document = world.show(started.execution_id)
        self.jobs: dict[tuple[int, int], list[DrsJob]] = defaultdict(list)
        for each in world.simulator.worlds.values():
            for job in each.jobs.values():
                if job.type == "LAUNCH" and job.tags.get(EXECUTION_TAG) == started.execution_id:
                    self.jobs[int(job.tags[WAVE_TAG]), int(job.tags[CHUNK_TAG])].append(job)

    def faults(self) -> list[str]:
        found = [
            *self._launched_twice(),
            *self._adopted_wrongly(),
            *(fault for wave in range(len(self.document["Waves"])) for fault in self._wave(wave)),
            *self._order(),
            *self._execution(),
            *self._announcements(),
        ]
        return [f"{self.started.execution_id}: {fault}" for fault in found]

    def _launched_twice(self) -> Iterator[str]:
        for (wave, chunk), jobs in self.jobs.items():
            if len(jobs) > 1:
                yield f"wave {wave} chunk {chunk} was launched {len(jobs)} times"
        launches = Counter(server for jobs in self.jobs.values() for job in jobs for server in job.participants)
        yield from (f"{server} was launched {count} times" for server, count in launches.items() if count > 1)

    def _adopted_wrongly(self) -> Iterator[str]:
        own = {job.id for jobs in self.jobs.values() for job in jobs}
        for wave in self.document["Waves"]:
            for job in wave["Jobs"]:
                if job.get("RecoveryJobId", None) not in {None, *own}:
                    yield f"wave {wave['WaveName']} has the job {job['RecoveryJobId']}, which is not its own"

    def _wave(self, index: int) -> Iterator[str]:
        wave, planned = self.document["Waves"][index], self.started.plan["Waves"][index]
        expected: list[tuple[str, str]] = []
        if [server["SourceServerId"] for server in wave["Servers"]] != sorted(
            server["SourceServerId"] for server in planned["Servers"]
        ):
            yield f"wave {wave['WaveName']} has other servers than its plan"
            return
        impacts = {server["SourceServerId"]: server.get("Impact", "CRITICAL") for server in planned["Servers"]}
        for server in wave["Servers"]:
            status, actions = self._truth(index, server["SourceServerId"], wave["Status"])
            expected.append((status, impacts[server["SourceServerId"]]))
            yield from self._server(server, status, actions)
        status = _wave_status(expected)
        if wave["Status"] != status:
            yield f"wave {wave['WaveName']} is {wave['Status']}, its servers make it {status}"

    def _truth(self, wave: int, server_id: str, wave_status: str) -> tuple[str, str | None]:
        """What DRS did with the server in the end: its status, and that of its launch actions in a RECOVERY."""
        for (of_wave, _), jobs in self.jobs.items():
            if of_wave == wave and jobs and server_id in jobs[0].participants:
                return self._launched(jobs[0].participants[server_id])
        if self._was_refused(wave, server_id):
            return "FAILED", None
        return "SKIPPED" if wave_status == "SKIPPED" else "never launched", None

    def _launched(self, participant: Participant) -> tuple[str, str | None]:
        if participant.status[-1][1] != "LAUNCHED":
            return "FAILED", None
        if self.started.execution_type == "DRILL":
            return "LAUNCHED", None
        runs = [(run.status[-1][1], run.action["optional"]) for run in participant.runs]
        bad = [optional for status, optional in runs if status != "SUCCEEDED"]
        actions = "COMPLETED" if runs else "NOT_CONFIGURED"
        if bad:
            actions = "TIMED_OUT" if any(status == "IN_PROGRESS" for status, _ in runs) else "FAILED"
        return ("FAILED" if any(not optional for optional in bad) else "LAUNCHED"), actions

    def _was_refused(self, wave: int, server_id: str) -> bool:
        """Whether DRS's last word to the launch of this server was a definite no."""
        answers = [
            call.error_code
            for call in self.world.simulator.calls.listed("StartRecovery")
            if call.request.get("tags", {}).get(EXECUTION_TAG) == self.started.execution_id
            and call.request["tags"][WAVE_TAG] == str(wave)
            and server_id in {server["sourceServerID"] for server in call.request["sourceServers"]}
        ]
        return bool(answers and answers[-1] and answers[-1] not in _MAY_BE_TRIED_AGAIN)

    def _server(self, server: dict[str, Any], status: str, actions: str | None) -> Iterator[str]:
        name, history = server["SourceServerId"], server["TransitionHistory"]
        if server["Status"] != status:
            yield f"{name} is {server['Status']}, DRS made it {status} ({server.get('Error')})"
        if actions and server.get("PostLaunchActionsStatus") != actions:
            yield f"{name}'s launch actions are {server.get('PostLaunchActionsStatus')}, in DRS they are {actions}"
        if status == "LAUNCHED" and not server.get("InstanceId") and self._instance_exists(name):
            yield f"{name} was launched and has no InstanceId"
        if status == "FAILED" and not server.get("Error"):
            yield f"{name} failed and has no Error"
        steps = ["PENDING"]
        for step in history:
            if step["From"] != steps[-1] or RANK[step["To"]] <= RANK[step["From"]]:
                yield f"{name}'s history goes from {steps[-1]} by {step['From']} to {step['To']}"
            steps.append(step["To"])
        written = self.world.records.servers[self.started.execution_id, name]
        if steps != written:
            yield f"{name}'s history is {steps}, written was {written}"
        if [step["Time"] for step in history] != sorted(step["Time"] for step in history):
            yield f"{name}'s history runs backwards in time"

    def _instance_exists(self, server_id: str) -> bool:
        """False when somebody has terminated or replaced it before it could be asked for."""
        own = {job.id for jobs in self.jobs.values() for job in jobs}
        instances = [each for world in self.world.simulator.worlds.values() for each in world.instances_of(server_id)]
        return any(instance.job_id in own for instance in instances)

    def _order(self) -> Iterator[str]:
        """A wave is launched after the waves it depends on have ended in DRS, and never after one stopped the plan."""
        waves = self.document["Waves"]
        begun: dict[int, float] = {}
        for (index, _), jobs in self.jobs.items():
            begun[index] = min([begun.get(index, jobs[0].created), *(job.created for job in jobs)])
        names = {wave["WaveName"]: index for index, wave in enumerate(waves)}
        for index, wave in enumerate(waves):
            for dependency in wave["DependsOn"]:
                before = waves[names[dependency]]
                if index in begun and before["Status"] in ("FAILED", "SKIPPED"):
                    yield f"wave {wave['WaveName']} was launched although {dependency} is {before['Status']}"
                ends = [
                    participant.status[-1][0]
                    for (of_wave, _), jobs in self.jobs.items()
                    for job in jobs
                    if of_wave == names[dependency]
                    for participant in job.participants.values()
                ]
                if index in begun and ends and begun[index] < max(ends):
                    yield f"wave {wave['WaveName']} was launched before {dependency} had ended"

    def _execution(self) -> Iterator[str]:
        statuses = [wave["Status"] for wave in self.document["Waves"]]
        launched = sum(server["Status"] == "LAUNCHED" for wave in self.document["Waves"] for server in wave["Servers"])
        expected = "PARTIAL" if launched else "FAILED"
        if all(status == "COMPLETED" for status in statuses):
            expected = "COMPLETED"
        if self.document["Status"] != expected:
            yield f"it is {self.document['Status']}, its waves {statuses} make it {expected}"
        written = self.world.records.executions[self.started.execution_id]
        if written not in (["PENDING", "POLLING", expected], ["PENDING", "POLLING", self.document["Status"]]):
            yield f"its status went {written}"

    def _announcements(self) -> Iterator[str]:
        """Whatever the history says is announced at least once, for the first time in order, and as what it is."""
        execution_id = self.started.execution_id
        told: dict[int, str] = {}
        for number, kind, _ in self.world.records.announced.get(execution_id, []):
            told.setdefault(number, kind)
        items = self.world.dynamodb.tables[EXECUTION_TABLE].items
        records = sorted(record for of, record in items if of == execution_id and record.startswith("HISTORY#"))
        expected = {}
        for record in records:
            entry = items[execution_id, record]
            if kind := _announced_as(entry["Kind"]["S"], entry["Data"]["M"].get("Status", {}).get("S", "")):
                expected[int(entry["Number"]["N"])] = kind
        if list(told.items()) != list(expected.items()):
            yield f"announced was {told}, the history says {expected}"
        ended = [wave for wave in self.document["Waves"] if wave["Status"] != "SKIPPED"]
        kinds = Counter(expected.values())
        if (kinds["Execution Started"], kinds["Execution Finished"]) != (1, 1):
            yield f"its start and its end were announced as {kinds}"
        if kinds["Wave Up"] + kinds["Wave Failed"] != len(ended):
            yield f"{len(ended)} waves ended, announced were {kinds}"
        if (execution_id, "OUTBOX") in items:
            yield "its outbox was left open"


def _announced_as(kind: str, status: str) -> str | None:
    """As what an entry of the history is to be announced."""
    if kind == "WaveChanged":
        return {"COMPLETED": "Wave Up", "PARTIAL": "Wave Failed", "FAILED": "Wave Failed"}.get(status)
    return {
        "ExecutionStarted": "Execution Started",
        "QuestionAsked": "Approval Needed",
        "ExecutionFinished": "Execution Finished",
        "DriverReplaced": "Execution Stuck",
        "StoodStill": "Execution Stuck",
    }.get(kind)


def _wave_status(servers: list[tuple[str, str]]) -> str:
    """`servers`: (status, impact) of each."""
    statuses = [status for status, _ in servers]
    if all(status == "SKIPPED" for status in statuses):
        return "SKIPPED"
    if all(status == "LAUNCHED" for status in statuses):
        return "COMPLETED"
    critical = any(status == "FAILED" and impact == "CRITICAL" for status, impact in servers)
    return "FAILED" if critical and "LAUNCHED" not in statuses else "PARTIAL"

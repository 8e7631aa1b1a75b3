"""What must be true of every history, judged by the simulator's own state and by what was written to the tables.

Nothing here asks the orchestrator how it came to its conclusions: the truth about a server is what the simulator did
with it, and the waves' and the execution's statuses are worked out again from that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, inf
from typing import Any

from drs_orchestrator.domain.history import Head, find_break
from drs_simulator.worlds import Job as DrsJob
from drs_simulator.worlds import Participant, value_at
from tests.reliability.world import ACCOUNT, EXECUTION_TABLE, RANK, World

FINAL = ("COMPLETED", "PARTIAL", "FAILED", "CANCELLED")
EXECUTION_TAG, WAVE_TAG, CHUNK_TAG = (f"drs-orchestrator:{name}" for name in ("execution-id", "wave", "chunk"))
_MAY_BE_TRIED_AGAIN = (
    "ConflictException",
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "InternalServerException",
    # Temporary credentials that ran out under way: nothing was carried out.
    "ExpiredTokenException",
)
# What the history says of an operator's word, by what was asked of the API.
_WORDS = {
    "approve": "Approved",
    "resume": "Resumed",
    "reject": "Rejected",
    "pause": "PauseRequested",
    "cancel": "CancelRequested",
    "skip-wave": "WaveSkipRequested",
    "cleanup": "CleanUpRequested",
}
# How old an answer of DRS's may be (the fault `stale`), and how long a start may take from its request to its record.
_STALE_SECONDS = 60.0
_LAUNCH_ACTIONS_SECONDS = 3600.0
_ACTION_ENDS = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True, slots=True)
class Started:
    """An execution the API accepted: the plan as it was at that moment."""

    execution_id: str
    execution_type: str
    plan: dict[str, Any]
    retry_of: str | None = None


def all_ended(world: World, started: list[Started]) -> bool:
    """Whether every execution has its final status, and no clean-up is due or under way."""
    ended = all(world.records.executions.get(each.execution_id, [""])[-1] in FINAL for each in started)
    return ended and all(clean_up_of(world, each.execution_id) != "CLEANING_UP" for each in started)


def clean_up_of(world: World, execution_id: str) -> str | None:
    """The status of its clean-up; None when there is none."""
    record = world.dynamodb.tables[EXECUTION_TABLE].items.get((execution_id, "CLEANUP"))
    return record["Status"]["S"] if record else None


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
    """A server belongs to one execution at a time; one that is skipped from the start belongs to none."""
    held: dict[tuple[str, str, str], list[tuple[float, float, str]]] = defaultdict(list)
    for each in started:
        life = world.records.lives[each.execution_id]
        for wave in each.plan["Waves"]:
            for server in wave["Servers"]:
                if "SkipReason" not in server:
                    key = (wave.get("AccountId", ACCOUNT), wave["Region"], server["SourceServerId"])
                    held[key].append((life[0], life[-1], each.execution_id))
    for (_, _, server_id), times in held.items():
        for earlier, later in pairwise(sorted(times)):
            if later[0] < earlier[1]:
                yield f"{server_id} was in {earlier[2]} and {later[2]} at once"


def _locks(world: World) -> Iterator[str]:
    """A lock stays after its owner's end; before it, nobody takes it away."""
    for partition, owners in world.records.locks.items():
        for (_, owner), (until, other) in pairwise(owners):
            if owner in world.records.lives and other != owner and until < _end_of(world, owner):
                yield f"{partition} was taken from {owner}, which had not ended"


def _end_of(world: World, execution_id: str) -> float:
    statuses = world.records.executions[execution_id]
    return world.records.lives[execution_id][-1] if statuses[-1] in FINAL else inf


@dataclass(frozen=True, slots=True)
class _Truth:
    """What a server may be recorded as; `actions`: what its launch actions may be, None where they don't matter."""

    statuses: frozenset[str]
    actions: frozenset[str] | None = None


class _Judge:
    def __init__(self, world: World, started: Started) -> None:
        self.world = world
        self.records = world.records
        self.started = started
        self.id = started.execution_id
        self.document = world.show(self.id)
        self.ended = self.records.lives[self.id][-1]
        self.history = self.records.history[self.id]
        self.jobs: dict[tuple[int, int], list[DrsJob]] = defaultdict(list)
        for each in world.simulator.worlds.values():
            for job in each.jobs.values():
                if job.type == "LAUNCH" and job.tags.get(EXECUTION_TAG) == self.id:
                    self.jobs[int(job.tags[WAVE_TAG]), int(job.tags[CHUNK_TAG])].append(job)
        self.own = {job.id for jobs in self.jobs.values() for job in jobs}
        self.begun = {wave for wave, _ in self.jobs}

    def faults(self) -> list[str]:
        found = [
            *self._launched_twice(),
            *self._adopted_wrongly(),
            *(fault for wave in range(len(self.document["Waves"])) for fault in self._wave(wave)),
            *self._order(),
            *(fault for key, jobs in self.jobs.items() for job in jobs for fault in self._launch(key, job)),
            *self._execution(),
            *self._announcements(),
            *self._stop(),
            *self._clean_up(),
            *self._history(),
            *self._retry(),
        ]
        return [f"{self.id}: {fault}" for fault in found]

    def _launched_twice(self) -> Iterator[str]:
        for (wave, chunk), jobs in self.jobs.items():
            if len(jobs) > 1:
                yield f"wave {wave} chunk {chunk} was launched {len(jobs)} times"
        launches = Counter(server for jobs in self.jobs.values() for job in jobs for server in job.participants)
        yield from (f"{server} was launched {count} times" for server, count in launches.items() if count > 1)

    def _adopted_wrongly(self) -> Iterator[str]:
        for wave in self.document["Waves"]:
            for job in wave["Jobs"]:
                if job.get("RecoveryJobId", None) not in {None, *self.own}:
                    yield f"wave {wave['WaveName']} has the job {job['RecoveryJobId']}, which is not its own"

    # -- servers and waves ---------------------------------------------------------------------------------------------

    def _wave(self, index: int) -> Iterator[str]:
        wave, planned = self.document["Waves"][index], self.started.plan["Waves"][index]
        if [server["SourceServerId"] for server in wave["Servers"]] != sorted(
            server["SourceServerId"] for server in planned["Servers"]
        ):
            yield f"wave {wave['WaveName']} has other servers than its plan"
            return
        plans = {server["SourceServerId"]: server for server in planned["Servers"]}
        for server in wave["Servers"]:
            yield from self._server(server, self._truth(index, plans[server["SourceServerId"]]))
        status = _wave_status(self._fates(index), _minimum(planned))
        if wave["Status"] != status:
            yield f"wave {wave['WaveName']} is {wave['Status']}, its servers make it {status}"

    def _fates(self, index: int) -> list[tuple[str, str]]:
        """(status, impact) of each server of the wave; the statuses are judged one by one elsewhere."""
        impacts = {
            server["SourceServerId"]: server.get("Impact", "CRITICAL")
            for server in self.started.plan["Waves"][index]["Servers"]
        }
        servers = self.document["Waves"][index]["Servers"]
        return [(server["Status"], impacts[server["SourceServerId"]]) for server in servers]

    def _truth(self, wave: int, planned: dict[str, Any]) -> _Truth:
        """What became of the server, by what DRS did with it and by what kept it from being launched."""
        server_id = planned["SourceServerId"]
        for (of_wave, _), jobs in self.jobs.items():
            if of_wave == wave and jobs and server_id in jobs[0].participants:
                return self._launched(jobs[0].participants[server_id])
        skipped = frozenset({"SKIPPED"})
        if "SkipReason" in planned:
            may_be = planned.get("Impact") == "OPTIONAL" and self._hindered_at_start(wave, server_id)
            return _Truth(skipped if may_be else frozenset({"never launched, for no reason before the start"}))
        stopped = self._is_called_off(wave)
        if self._was_refused(wave, server_id):
            # Whoever heard the refusal may have died before it could be recorded.
            return _Truth(frozenset({"FAILED"}) | (skipped if stopped else frozenset()))
        if stopped or self._lives_on(wave, server_id, self.records.asked[self.id], self._skipped_at(server_id)):
            return _Truth(skipped)
        return _Truth(frozenset({"never launched"}))

    def _launched(self, participant: Participant) -> _Truth:
        if participant.status[-1][1] != "LAUNCHED":
            return _Truth(frozenset({"FAILED"}))
        if self.started.execution_type == "DRILL":
            return _Truth(frozenset({"LAUNCHED"}))
        bad = [run for run in participant.runs if value_at(run.status, self.ended) != "SUCCEEDED"]
        actions = {"COMPLETED" if participant.runs else "NOT_CONFIGURED"}
        if bad:
            # One that did not end in time has timed out, whatever became of it after that.
            # Whoever does not know a status can't take it for an end.
            late = any(value_at(run.status, run.began + _LAUNCH_ACTIONS_SECONDS) not in _ACTION_ENDS for run in bad)
            still = any(value_at(run.status, self.ended) not in _ACTION_ENDS for run in bad)
            actions = {"TIMED_OUT"} if still else {"TIMED_OUT", "FAILED"} if late else {"FAILED"}
        failed = any(not run.action["optional"] for run in bad)
        return _Truth(frozenset({"FAILED" if failed else "LAUNCHED"}), frozenset(actions))

    def _was_refused(self, wave: int, server_id: str) -> bool:
        """Whether DRS's last word to the launch of this server was a definite no."""
        answers = [
            call.error_code
            for call in self.world.simulator.calls.listed("StartRecovery")
            if call.request.get("tags", {}).get(EXECUTION_TAG) == self.id
            and call.request["tags"][WAVE_TAG] == str(wave)
            and server_id in {server["sourceServerID"] for server in call.request["sourceServers"]}
        ]
        return bool(answers and answers[-1] and answers[-1] not in _MAY_BE_TRIED_AGAIN)

    def _skipped_at(self, server_id: str) -> float:
        return self.records.skipped.get((self.id, server_id), -inf)

    def _hindered_at_start(self, wave: int, server_id: str) -> bool:
        """Whether another execution held the server when this one was started, or it lived on a recovery instance."""
        since, until = self.records.asked[self.id], self.records.lives[self.id][0]
        planned = self.started.plan["Waves"][wave]
        partition = f"LOCK#{planned.get('AccountId', ACCOUNT)}#{planned['Region']}#{server_id}"
        owners = self.records.locks.get(partition, [])
        for (begin, owner), (end, _) in pairwise([*owners, (inf, None)]):
            if owner in self.records.lives:
                end = min(end, _end_of(self.world, owner))
            if owner not in (None, self.id) and begin <= until and since <= end:
                return True
        return self._lives_on(wave, server_id, since, until)

    def _lives_on(self, wave: int, server_id: str, since: float, until: float) -> bool:
        """Whether DRS could say, between these times, that the server lives on an instance of somebody's recovery."""
        if "ReplaceLive" in self._header():
            return False
        planned = self.started.plan["Waves"][wave]
        place = self.world.simulator.worlds[planned.get("AccountId", ACCOUNT), planned["Region"]]
        for job in place.jobs.values():
            launched = job.participants.get(server_id)
            if launched is None or launched.launched_at is None or job.is_drill or job.id in self.own:
                continue
            gone = min(
                (
                    item.at
                    for other in place.jobs.values()
                    if other is not job and (other.type == "LAUNCH" or launched.instance_id in other.doomed)
                    for item in other.log
                    if item.event == "CLEANUP_END" and item.data.get("sourceServerID") == server_id
                    if item.at > launched.launched_at
                ),
                default=inf,
            )
            if launched.launched_at <= until and since - _STALE_SECONDS <= gone:
                return True
        return False

    def _header(self) -> dict[str, Any]:
        return self.world.dynamodb.tables[EXECUTION_TABLE].items[self.id, "EXECUTION"]

    def _is_called_off(self, wave: int) -> bool:
        """Whether there is a reason for not launching the wave at all: an operator's word, or another's failure."""
        waves = self.started.plan["Waves"]
        stoppers = [
            index
            for index, planned in enumerate(waves)
            if index != wave and planned.get("OnFailure", "STOP") == "STOP" and self._failed(index)
        ]
        return self.id in self.records.stops or (self.id, wave) in self.records.skips or bool(stoppers)

    def _failed(self, wave: int) -> bool:
        """Whether the wave was tried and missed its aim: a CRITICAL server of it is not up, nor enough others."""
        fates, minimum = self._fates(wave), _minimum(self.started.plan["Waves"][wave])
        if _launched_count(fates) >= minimum or not any(
            impact == "CRITICAL" and status != "LAUNCHED" for status, impact in fates
        ):
            return False
        if any(status in ("LAUNCHED", "FAILED") for status, _ in fates):
            return True
        # All SKIPPED: it failed only if each was spared because it lives, and nobody had called the wave off.
        called_off = self.id in self.records.stops or (self.id, wave) in self.records.skips
        asked = self.records.asked[self.id]
        return not called_off and any(
            self._lives_on(wave, server["SourceServerId"], asked, self._skipped_at(server["SourceServerId"]))
            for server in self.started.plan["Waves"][wave]["Servers"]
            if server.get("Impact", "CRITICAL") == "CRITICAL"
        )

    def _server(self, server: dict[str, Any], truth: _Truth) -> Iterator[str]:
        name, history = server["SourceServerId"], server["TransitionHistory"]
        status = server["Status"]
        if status not in truth.statuses:
            yield f"{name} is {status}, the truth is {sorted(truth.statuses)} ({server.get('Error')})"
        if truth.actions and server.get("PostLaunchActionsStatus") not in truth.actions:
            yield (
                f"{name}'s launch actions are {server.get('PostLaunchActionsStatus')}, in DRS they are "
                f"{sorted(truth.actions)}"
            )
        if status == "LAUNCHED" and not server.get("InstanceId") and self._instance_exists(name):
            yield f"{name} was launched and has no InstanceId"
        if status in ("FAILED", "SKIPPED") and not server.get("Error"):
            yield f"{name} is {status} and has no Error"
        written = self.records.servers[self.id, name]
        steps = ["SKIPPED" if written == ["SKIPPED"] else "PENDING"]
        for step in history:
            if step["From"] != steps[-1] or RANK[step["To"]] <= RANK[step["From"]]:
                yield f"{name}'s history goes from {steps[-1]} by {step['From']} to {step['To']}"
            steps.append(step["To"])
        if steps != written:
            yield f"{name}'s history is {steps}, written was {written}"
        if [step["Time"] for step in history] != sorted(step["Time"] for step in history):
            yield f"{name}'s history runs backwards in time"

    def _instance_exists(self, server_id: str) -> bool:
        """False when somebody has terminated or replaced it before it could be asked for."""
        instances = [each for world in self.world.simulator.worlds.values() for each in world.instances_of(server_id)]
        return any(instance.job_id in self.own for instance in instances)

    # -- what was launched when ----------------------------------------------------------------------------------------

    def _order(self) -> Iterator[str]:
        """A wave is launched after the waves it depends on have ended in DRS."""
        waves = self.document["Waves"]
        begun: dict[int, float] = {}
        for (index, _), jobs in self.jobs.items():
            begun[index] = min([begun.get(index, jobs[0].created), *(job.created for job in jobs)])
        names = {wave["WaveName"]: index for index, wave in enumerate(waves)}
        for index, wave in enumerate(waves):
            for dependency in wave["DependsOn"]:
                ends = [
                    participant.status[-1][0]
                    for (of_wave, _), jobs in self.jobs.items()
                    for job in jobs
                    if of_wave == names[dependency]
                    for participant in job.participants.values()
                ]
                if index in begun and ends and begun[index] < max(ends):
                    yield f"wave {wave['WaveName']} was launched before {dependency} had ended"

    def _launch(self, key: tuple[int, int], job: DrsJob) -> Iterator[str]:
        """Whether the launch was allowed when it was intended: after that it can't be taken back."""
        wave, chunk = key
        planned = self.started.plan["Waves"][wave]
        name = planned["WaveName"]
        intents = [
            time for time in self.records.intents.get((self.id, f"{wave:04d}#{chunk:04d}"), ()) if time <= job.created
        ]
        if not intents:
            yield f"wave {name} was launched without an intent"
            return
        intended = intents[-1]
        if intended > self.records.stops.get(self.id, inf):
            yield f"wave {name} was launched after the execution was stopped"
        if intended > self.records.skips.get((self.id, wave), inf):
            yield f"wave {name} was launched after an operator had it skipped"
        paused = [is_paused for time, is_paused in self.records.pauses.get(self.id, ()) if time < intended]
        if paused and paused[-1]:
            yield f"wave {name} was launched in a pause"
        has_to_ask = planned.get("ApprovalBefore") and "SkipApprovals" not in self._header()
        if has_to_ask and not self._is_granted(name, intended, "Approved", "ApprovalTimedOut"):
            yield f"wave {name} was launched without approval"
        for index, other in enumerate(self.started.plan["Waves"]):
            failed_at = self.records.ended_waves[self.id, index]
            if index == wave or not self._failed(index) or failed_at >= intended:
                continue
            # A wave's failure does not stop another half-way.
            if self.records.begun_waves.get((self.id, wave), inf) <= failed_at:
                continue
            on_failure = other.get("OnFailure", "STOP")
            if on_failure == "STOP":
                yield f"wave {name} was launched although {other['WaveName']} had failed"
            if on_failure == "PAUSE" and not self._is_granted(other["WaveName"], intended, "Resumed"):
                yield f"wave {name} was launched before anybody accepted that {other['WaveName']} had failed"

    def _is_granted(self, wave: str, by: float, *kinds: str) -> bool:
        """Whether the history had a yes about the wave at that time, an operator's or a time-out's."""
        return any(
            time <= by
            and entry["Kind"] in kinds
            and wave in entry["Data"].get("Waves", ())
            and entry["Data"].get("Decision", "CONTINUE") == "CONTINUE"
            for time, entry in self.history
        )

    # -- the execution -------------------------------------------------------------------------------------------------

    def _execution(self) -> Iterator[str]:
        statuses = [wave["Status"] for wave in self.document["Waves"]]
        launched = sum(server["Status"] == "LAUNCHED" for wave in self.document["Waves"] for server in wave["Servers"])
        expected = "PARTIAL" if launched else "FAILED"
        if self.id in self.records.stops:
            expected = "CANCELLED"
        elif all(status == "COMPLETED" for status in statuses):
            expected = "COMPLETED"
        if self.document["Status"] != expected:
            yield f"it is {self.document['Status']}, its waves {statuses} make it {expected}"
        written = self.records.executions[self.id]
        middle = written[1:-1]
        alternating = middle == ["POLLING", "PAUSED"] * (len(middle) // 2) + ["POLLING"]
        if written[0] != "PENDING" or not alternating or written[-1] not in FINAL:
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

    def _stop(self) -> Iterator[str]:
        """Only an operator's word stops an execution, or an approval that nobody gave in the plan's time."""
        if self.id not in self.records.stops:
            return
        kinds = {entry["Kind"] for _, entry in self.history}
        if kinds & {"CancelRequested", "Rejected"}:
            return
        minutes = self.started.plan.get("ApprovalTimeoutMinutes", inf)
        # By the time that people were told; the write may have come later.
        asked = [entry["Time"] for _, entry in self.history if entry["Kind"] == "QuestionAsked"]
        stopped = self.records.stops[self.id]
        in_time = "ApprovalTimedOut" in kinds and stopped - max(asked) >= minutes * 60 - 1
        if not in_time or self.started.plan.get("OnApprovalTimeout", "REJECT") != "REJECT":
            yield "it was stopped, and nobody had said so"

    def _clean_up(self) -> Iterator[str]:
        """A drill is cleaned up when its plan or an operator says so, and nothing else ever is."""
        clean_up = clean_up_of(self.world, self.id)
        is_drill = self.started.execution_type == "DRILL"
        wanted = self.started.plan.get("Cleanup", "MANUAL") != "MANUAL"
        if clean_up and not is_drill:
            yield "it is a RECOVERY and was cleaned up"
        if is_drill and wanted and clean_up is None:
            yield "its plan wants it cleaned up, and it was not"
        asked = any(entry["Kind"] == "CleanUpRequested" for _, entry in self.history)
        if clean_up and not wanted and not asked:
            yield "it was cleaned up, and nobody had asked for that"

    def _history(self) -> Iterator[str]:
        """The chain is whole, is what was written, and holds every word of an operator that was acknowledged."""
        entries = self.world.history_of(self.id)
        head = Head(self.document["HistoryCount"], self.document["HistoryHash"])
        if broken := find_break(self.id, entries, head):
            yield f"its history is broken: {broken}"
        if entries != [entry for _, entry in self.history]:
            yield "its history is not what was written"
        yield from self._news(entries)
        found = Counter(entry["Kind"] for entry in entries)
        for action, kind in _WORDS.items():
            answers = [
                each.status for each in self.records.requests if (each.execution_id, each.action) == (self.id, action)
            ]
            acknowledged, unknown = answers.count(202), sum(status >= 500 for status in answers)
            if not acknowledged <= found[kind] <= acknowledged + unknown:
                yield f"{action} was acknowledged {acknowledged} times, its history has it {found[kind]} times"

    def _news(self, entries: list[dict[str, Any]]) -> Iterator[str]:
        """What became of each server stands there once, and before its wave's end."""
        told: dict[str, list[str]] = defaultdict(list)
        ended: set[str] = set()
        for entry in entries:
            data = entry["Data"]
            if entry["Kind"] == "WaveChanged" and data["Status"] in ("COMPLETED", "PARTIAL", "FAILED"):
                ended.add(data["WaveName"])
            elif entry["Kind"] == "ServersChanged":
                if data["WaveName"] in ended:
                    yield f"its history tells of servers of wave {data['WaveName']} after the wave's end"
                for server in data["Servers"]:
                    told[server["SourceServerId"]] += [server["Status"]] if "Status" in server else []
        for wave in self.document["Waves"]:
            for server in wave["Servers"]:
                name, status = server["SourceServerId"], server["Status"]
                if len(set(told[name])) < len(told[name]):
                    yield f"its history tells of {name} more than once: {told[name]}"
                if status in ("LAUNCHED", "FAILED") and told[name][-1:] != [status]:
                    yield f"{name} is {status}, its history last tells {told[name]}"

    def _retry(self) -> Iterator[str]:
        """A retry is about the servers of the first execution that are not up, all of them and no others."""
        if self.started.retry_of is None:
            return
        left = {
            server["SourceServerId"]
            for wave in self.world.show(self.started.retry_of)["Waves"]
            for server in wave["Servers"]
            if server["Status"] != "LAUNCHED"
        }
        servers = {server["SourceServerId"] for wave in self.started.plan["Waves"] for server in wave["Servers"]}
        if servers != left:
            yield f"it retries {sorted(servers)}, not up were {sorted(left)}"


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
        "CleanUpFinished": "Clean-Up Finished",
    }.get(kind)


def _minimum(planned: dict[str, Any]) -> float:
    """How many launched servers make the wave a success; infinite when that is not said."""
    minimum = planned.get("MinimumLaunched", inf)
    if isinstance(minimum, str):
        return ceil(Fraction(int(minimum.rstrip("%")), 100) * len(planned["Servers"]))
    return float(minimum)


def _launched_count(servers: list[tuple[str, str]]) -> int:
    return sum(status == "LAUNCHED" for status, _ in servers)


def _wave_status(servers: list[tuple[str, str]], minimum: float) -> str:
    """`servers`: (status, impact) of each."""
    launched = _launched_count(servers)
    if launched == len(servers) or launched >= minimum:
        return "COMPLETED"
    if all(status == "SKIPPED" for status, _ in servers):
        return "SKIPPED"
    critical = any(status != "LAUNCHED" and impact == "CRITICAL" for status, impact in servers)
    return "FAILED" if critical and not launched else "PARTIAL"

"""Random histories: plans, timelines, faults of every service, deaths, races and operators, all drawn from one seed.

Trouble lasts for the first hours of a history. After that everything works again, and every execution has to come to
its end, with the outcome that the simulator's own state says it has.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError, ConnectionClosedError

from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from drs_simulator import limits
from drs_simulator.errors import ConnectionDropped, DrsError
from drs_simulator.simulator import Caller
from tests.reliability.crash_points import server_id
from tests.reliability.oracle import FINAL, Started, all_ended, faults_of
from tests.reliability.world import ACCOUNT, EXECUTION_TABLE, PLAN_TABLE, REGION, AwsCall, Interference, World

HOUR = 3600.0
PLACES = [(ACCOUNT, REGION), (ACCOUNT, "eu-west-1"), ("111111111111", REGION)]
_OPERATIONS = ("StartRecovery", "DescribeJobs", "DescribeJobLogItems", "DescribeRecoveryInstances")
_LONGEST_INTERRUPTION = 60.0
_LONGEST_HANG = 200.0
# A ticket lapses when its owner has been silent for as long as a driver may be.
_TICKET_SECONDS = 900.0
_QUEUE_CHECK_SECONDS = 1200.0
# How often somebody looks, once the trouble is over, whether an execution waits for an answer.
_ATTENTION_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely each trouble is at a call, from 0 to 1, while trouble lasts."""

    death: float
    lost_before: float
    lost_after: float
    repeated: float
    delay: float
    driver_dies: float
    given_up: float

    @staticmethod
    def draw(random: Random) -> "Odds":
        """Each history has its own climate: most have some troubles, few have all."""

        def odds(most: float) -> float:
            return random.choice([0.0, most / 10, most])

        return Odds(
            odds(0.03), odds(0.05), odds(0.03), odds(0.05), odds(0.05), random.choice([0.0, 0.5, 1.0]), odds(0.01)
        )


class Trouble(Interference):
    """Kills tasks, loses calls before or after their effect, repeats them as an SDK does, and lets time pass."""

    def __init__(self, random: Random, odds: Odds, until: float) -> None:
        self._random = random
        self._odds = odds
        self._until = until
        self.world: World | None = None

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        world = self.world
        assert world is not None
        if call.invocation is None or world.now > self._until:
            return perform()
        if self._happens(self._odds.delay):
            self._interrupt(world, call)
        if self._happens(self._odds.given_up):
            self._give_up(world, call)
        if self._happens(self._odds.death):
            world.kill(call)
        if call.service != "drs" and self._happens(self._odds.lost_before):
            raise self._loss(call)
        answer = perform()
        if call.service == "dynamodb" and call.operation != "TransactWriteItems" and self._happens(self._odds.repeated):
            # The answer is lost and the SDK sends the call again; a transaction carries a token against that.
            answer = perform()
        if call.service != "drs" and self._happens(self._odds.lost_after):
            raise self._loss(call)
        if self._happens(self._odds.death):
            world.kill(call)
        return answer

    def death_of_driver(self, world: World, name: str) -> bool:
        return self._happens(self._odds.driver_dies)

    def _happens(self, odds: float) -> bool:
        return odds > 0 and self._random.random() < odds

    def _interrupt(self, world: World, call: AwsCall) -> None:
        """Let time pass while the call is under way: other tasks run in the middle of this one."""
        invocation = call.invocation
        assert invocation is not None
        seconds = self._random.uniform(0, 20)
        if invocation.interrupted + seconds < _LONGEST_INTERRUPTION and len(world.invoked) < 4:
            invocation.interrupted += seconds
            world.run(seconds)

    def _give_up(self, world: World, call: AwsCall) -> None:
        """The call hangs so long that the state machine gives its task up and tries it again beside it; then the call
        is carried out, and the first task goes on unless its function's time is over. A StartRecovery call does not
        hang: its client gives it up earlier."""
        invocation = call.invocation
        assert invocation is not None
        if call.operation != "StartRecovery" and invocation.driver and len(world.invoked) < 4:
            seconds = self._random.uniform(0, _LONGEST_HANG)
            invocation.interrupted += seconds
            world.give_up(invocation)
            world.run(seconds)

    def _loss(self, call: AwsCall) -> Exception:
        code = self._random.choice(["ThrottlingException", "InternalServerError", ""])
        if not code:
            return ConnectionClosedError(endpoint_url=f"https://{call.service}")
        return ClientError({"Error": {"Code": code, "Message": "trouble"}}, call.operation)


@dataclass(slots=True)
class History:
    """One seed's history, ready to `run`."""

    seed: int
    random: Random = field(init=False)
    world: World = field(init=False)
    trouble: float = field(init=False)
    clients: list["_Starter"] = field(default_factory=list)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[int, tuple[str, str]] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)
    idle_tickets: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = Random(f"history/{self.seed}")
        self.trouble = self.random.choice([0.3, 1.0, 3.0]) * HOUR
        interference = Trouble(Random(f"trouble/{self.seed}"), Odds.draw(self.random), 1e12)
        parameters = {"MaxPollsPerDriver": self.random.choice(["2", "7", "900", "900"])}
        self.world = World(interference, self.seed, **parameters)
        interference.world = self.world
        interference._until = self.world.now + self.trouble
        self.world.dynamodb.index_lag = self.random.choice([0.0, 0.0, 1.0, 20.0, 120.0])

    def run(self) -> list[str]:
        """What is wrong with the history; empty when all is well."""
        quota = self.random.choice([1, 2, 20, 20])
        with mock.patch.object(limits, "MAX_JOBS", quota):
            return self._run()

    def _run(self) -> list[str]:
        world = self.world
        odds = world.interference._odds  # type: ignore[attr-defined]
        self._say(f"trouble for {self.trouble:.0f} s: {odds}, StatusIndex {world.dynamodb.index_lag:.0f} s behind")
        self._make_servers()
        for number in range(self.random.choice([1, 1, 2, 3])):
            self._make_plan(f"plan-{number}")
        for number in range(self.random.choice([1, 1, 2, 3])):
            world.at(self.random.uniform(0, self.trouble / 3), lambda number=number: self._start(number))  # type: ignore[misc]
        for _ in range(self.random.choice([0, 1, 3, 6])):
            world.at(self.random.uniform(0, self.trouble), self._add_fault)
        for _ in range(self.random.choice([0, 2, 5, 12])):
            world.at(self.random.uniform(0, self.trouble), self._act)
        for _ in range(self.random.choice([0, 2, 5, 12])):
            world.at(self.random.uniform(0, self.trouble), self._steer)
        world.at(self.trouble, self._end_of_trouble)
        world.at(_QUEUE_CHECK_SECONDS, self._check_queue)
        world.run(self.trouble + 1)
        if not world.run(12 * HOUR, self._is_over):
            return [f"still running 12 hours after the trouble: {world.records.executions}"]
        started = self.started()
        documents = [world.show(each.execution_id) for each in started]
        world.run(1200)
        faults = [*faults_of(world, started), *self._kept_locked()]
        if lost := {client.accepted for client in self.clients} - {None, *world.records.executions}:
            faults.append(f"accepted and not recorded: {lost}")
        if documents != [world.show(each.execution_id) for each in started]:
            faults.append("a document changed after the end")
        if world.running_drivers():
            # One that waits for a decision, and whose token a rogue driver's has replaced, looks again after a day.
            world.reconciler_enabled = False
            world.run(24 * HOUR)
        if running := world.running_drivers():
            faults.append(f"drivers still running: {running}")
        return faults

    def _is_over(self) -> bool:
        if not all(client.is_done for client in self.clients):
            return False
        ended = all(statuses[-1] in FINAL for statuses in self.world.records.executions.values())
        return ended and all_ended(self.world, self.started())

    def _kept_locked(self) -> Iterator[str]:
        """Once all have ended, whatever plan is started next finds its servers free."""
        for [plan_id] in self.world.dynamodb.tables[PLAN_TABLE].items:
            status, answer = self.world.api("POST", f"/plans/{plan_id}/preflight", query={"type": "DRILL"})
            assert status == 200, answer
            yield from (each["Message"] for each in answer["Findings"] if each["Check"] == "Lock")

    def started(self) -> list[Started]:
        """Every execution there is, with the plan as it was taken."""
        items = self.world.dynamodb.tables[EXECUTION_TABLE].items
        found = []
        for execution_id in self.world.records.executions:
            header = items[execution_id, "EXECUTION"]
            pieces = sorted(record for of, record in items if of == execution_id and record.startswith("PLAN#"))
            plan = json.loads("".join(items[execution_id, piece]["Text"]["S"] for piece in pieces))
            retry_of = header.get("RetryOf", {}).get("S")
            found.append(Started(execution_id, header["ExecutionType"]["S"], plan, retry_of))
        return found

    def _say(self, what: str) -> None:
        self.events.append((self.world.now, what))

    # -- what there is -------------------------------------------------------------------------------------------------

    def _make_servers(self) -> None:
        chance = self.random
        for number in range(chance.randint(2, 8)):
            self.places[number] = chance.choice(PLACES[: chance.choice([1, 1, 2, 3])])
        for number, (account, region) in self.places.items():
            actions = [
                {
                    "name": f"action-{position}",
                    "optional": chance.random() < 0.5,
                    "seconds": chance.choice([5, 60, 600]),
                    "status": chance.choice(["SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "NEVER"]),
                }
                for position in range(chance.choice([0, 0, 1, 2]))
            ]
            document = {"sourceServerID": server_id(number), "launchActions": actions}
            self.world.simulator.add_servers([document], account, region)
        profile = {
            "name": "drawn",
            "pending": chance.uniform(0.1, 60),
            "conversion_start": chance.uniform(1, 180),
            "conversion": sorted(chance.uniform(1, 800) for _ in range(2)),
            "launch": sorted(chance.uniform(1, 390) for _ in range(2)),
            "completion": chance.choice([0.1, 3.0, 30.0]),
        }
        simulator = self.world.simulator
        simulator.use_profile(chance.choice(["missing-permission", "fast-mode", profile, profile, profile, profile]))
        simulator.switches = simulator.switches.changed(
            {
                "completedWaitsForLaunchActions": chance.random() < 0.5,
                "recoveryInstanceIdInJob": chance.random() < 0.5,
                "launchEndInLog": chance.random() < 0.7,
                "launchActionRuns": chance.choice(["together", "one-by-one"]),
                "ssmDiscoverySeconds": chance.choice([1.0, 20.0, 200.0]),
                "resourceArnTag": chance.random() < 0.2,
            }
        )

    def _make_plan(self, plan_id: str) -> None:
        """A random plan over the servers there are; put again it is an edit."""
        chance = self.random
        numbers = chance.sample(sorted(self.places), chance.randint(1, len(self.places)))
        waves: list[dict[str, Any]] = []
        while numbers:
            account, region = self.places[numbers[0]]
            here = [number for number in numbers if self.places[number] == (account, region)]
            members = here[: chance.randint(1, 3)]
            numbers = [number for number in numbers if number not in members]
            wave: dict[str, Any] = {
                "WaveName": f"wave-{len(waves)}",
                "Region": region,
                "Servers": [
                    {"SourceServerId": server_id(number)} | chance.choice([{}, {}, {"Impact": "OPTIONAL"}])
                    for number in members
                ],
            }
            if account != ACCOUNT:
                wave["AccountId"] = account
            if chance.random() < 0.5:
                names = [earlier["WaveName"] for earlier in waves]
                wave["DependsOn"] = chance.sample(names, chance.randint(0, len(names)))
            wave |= chance.choice([{}, {}, {}, {"ApprovalBefore": True}])
            wave |= chance.choice([{}, {}, {"OnFailure": "CONTINUE"}, {"OnFailure": "PAUSE"}])
            wave |= {"MinimumLaunched": minimum} if (minimum := chance.choice([None, None, None, 1, "60%"])) else {}
            waves.append(wave)
        plan = {"PlanId": plan_id, "Name": f"Drawn {self.random.random()}", "Waves": waves}
        plan |= chance.choice([{}, {}, {"Cleanup": "IMMEDIATE"}, {"Cleanup": chance.choice([1, 20])}])
        if chance.random() < 0.4:
            plan["ApprovalTimeoutMinutes"] = chance.choice([1, 10, 60])
            plan["OnApprovalTimeout"] = chance.choice(["REJECT", "CONTINUE"])
        status, answer = self.world.api("PUT", f"/plans/{plan_id}", plan)
        self._say(f"PUT {plan_id}: {status}")
        if status in (200, 201):
            self.plans[plan_id] = plan
        elif status < 500:
            raise AssertionError(f"a drawn plan was refused: {answer}")

    # -- what is done --------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        if self.plans:
            plan = self.plans[self.random.choice(sorted(self.plans))]
            execution_type = self.random.choice(["DRILL", "RECOVERY"])
            request: dict[str, Any] = {"PlanId": plan["PlanId"], "ExecutionType": execution_type}
            request["ClientToken"] = f"token-{number}"
            if execution_type == "RECOVERY" and self.random.random() < 0.2:
                request["ReplaceLive"] = plan["PlanId"]
            if execution_type == "RECOVERY" and self.random.random() < 0.2:
                request |= {"SkipApprovals": True, "Reason": "drawn"}
            self._say(f"start {number}: {request}")
            self._ask(STARTS[ExecutionType(execution_type)], request)

    def _ask(self, path: str, request: dict[str, Any]) -> None:
        self.clients.append(_Starter(self.world, path, request))
        self.clients[-1].ask()

    def _steer(self) -> None:
        """An operator decides something about an execution, sensible at the time or not, and perhaps says it twice."""
        if not self.world.records.executions:
            return
        chance = self.random
        execution_id = chance.choice(sorted(self.world.records.executions))
        actions = ["approve", "approve", "resume", "resume", "reject", "pause", "pause", "cancel"]
        action = chance.choice([*actions, "skip-wave", "skip-wave", "cleanup", "cleanup", "retry"])
        if action == "retry":
            self._say(f"retry {execution_id}")
            self._ask(self.world.path_of(execution_id, action), {"ClientToken": f"token-{len(self.clients)}-again"})
            return
        body: dict[str, Any] | None = chance.choice([None, {"Reason": "drawn"}, {"Reason": "drawn"}])
        if action == "skip-wave":
            body = {"WaveName": f"wave-{chance.randint(0, 3)}"}
        for _ in range(chance.choice([1, 1, 2])):
            status, answer = self.world.api("POST", self.world.path_of(execution_id, action), body)
            self._say(f"{action} {execution_id} {body}: {status} {answer}")

    def _attend(self) -> None:
        """Somebody answers every question that is open, and takes every pause back."""
        self.world.at(_ATTENTION_SECONDS, self._attend)
        for execution_id, statuses in self.world.records.executions.items():
            if statuses[-1] in FINAL:
                continue
            document = self.world.show(execution_id)
            if question := document.get("Question"):
                action = "approve" if question["Kind"] == "APPROVAL" else "resume"
                action = self.random.choice([action, action, action, "reject"])
            elif "PauseRequested" in document:
                action = "resume"
            else:
                continue
            status, _ = self.world.api("POST", self.world.path_of(execution_id, action), {"Reason": "attended to"})
            self._say(f"{action} {execution_id}: {status}")

    def _act(self) -> None:
        actions = [
            self._stop_a_driver,
            self._pause_the_reconciler,
            self._reconcile_at_once,
            self._repeat_a_task,
            self._start_a_rogue_driver,
            self._edit_a_plan,
            self._delete_a_plan,
            self._launch_from_the_console,
            self._terminate_from_the_console,
            self._look,
        ]
        self.random.choice(actions)()

    def _stop_a_driver(self) -> None:
        if running := self.world.running_drivers():
            name = self.random.choice(running)
            self._say(f"stop {name}")
            self.world.stop_driver(name)

    def _pause_the_reconciler(self) -> None:
        self._say("reconciler off")
        self.world.reconciler_enabled = False
        self.world.status_events = self.random.random() < 0.5
        self.world.at(self.random.uniform(60, 1800), self._resume_the_reconciler)

    def _resume_the_reconciler(self) -> None:
        self.world.reconciler_enabled = self.world.status_events = True

    def _reconcile_at_once(self) -> None:
        self._say("reconcile twice")
        self.world.reconcile()
        self.world.reconcile()

    def _payload(self) -> dict[str, Any] | None:
        """What a driver of now or of earlier days passes to its tasks."""
        drivers = list(self.world.drivers.values())
        return dict(self.random.choice(drivers).state) if drivers else None

    def _repeat_a_task(self) -> None:
        """Lambda may deliver an event twice, and late."""
        names = ("PrepareExecution", "LaunchWaves", "CheckDrs", "FinishExecution", "HandOverExecution", "CleanUpDrill")
        payload = self._payload()
        if payload:
            function = f"{self.random.choice(names)}Function"
            self._say(f"once more {function} {payload}")
            self.world.try_invoke(function, payload)

    def _start_a_rogue_driver(self) -> None:
        """Somebody starts the state machine by hand, with the input of a driver there is or was."""
        payload = self._payload()
        if payload:
            self._say(f"rogue driver {payload}")
            self.world.start_driver(f"rogue-{len(self.world.drivers)}", payload)

    def _edit_a_plan(self) -> None:
        if self.plans:
            self._make_plan(self.random.choice(sorted(self.plans)))

    def _delete_a_plan(self) -> None:
        if self.plans:
            plan_id = self.random.choice(sorted(self.plans))
            status, _ = self.world.api("DELETE", f"/plans/{plan_id}")
            self._say(f"DELETE {plan_id}: {status}")
            if status == 204:
                del self.plans[plan_id]

    def _launch_from_the_console(self) -> None:
        """Somebody else launches some of the servers."""
        place = self.random.choice(sorted(set(self.places.values())))
        here = [number for number in self.places if self.places[number] == place]
        chosen = self.random.sample(here, self.random.randint(1, len(here)))
        request = {
            "sourceServers": [{"sourceServerID": server_id(number)} for number in chosen],
            "isDrill": self.random.random() < 0.5,
        }
        if not self._passes_for_ours(request):
            self._from_the_console("StartRecovery", request, place)

    def _passes_for_ours(self, request: dict[str, Any]) -> bool:
        """Whether the job could not be told from one of ours that lost its tags: the very servers of a launch that may
        be under way, and of its type. What is adopted then is nobody's fault."""
        servers = {each["sourceServerID"] for each in request["sourceServers"]}
        items = self.world.dynamodb.tables[EXECUTION_TABLE].items
        return any(
            record.startswith("JOB#")
            and record.endswith("#SERVERS")
            and "RecoveryJobId" not in items.get((owner, record.removesuffix("#SERVERS")), {})
            and {each["S"] for each in item["SourceServerIds"]["L"]} == servers
            and (items[owner, "EXECUTION"]["ExecutionType"]["S"] == "DRILL") == request["isDrill"]
            for (owner, record), item in items.items()
        )

    def _terminate_from_the_console(self) -> None:
        place = self.random.choice(sorted(set(self.places.values())))
        instances = sorted(self.world.simulator.world(*place).instances)
        if instances:
            request = {"recoveryInstanceIDs": [self.random.choice(instances)]}
            self._from_the_console("TerminateRecoveryInstances", request, place)

    def _from_the_console(self, operation: str, request: dict[str, Any], place: tuple[str, str]) -> None:
        try:
            self.world.simulator.call(operation, request, Caller(*place))
        except (DrsError, ConnectionDropped) as error:
            self._say(f"console {operation} {request}: {error}")
        else:
            self._say(f"console {operation} {request}")

    def _look(self) -> None:
        for execution_id in self.world.records.executions:
            self.world.show(execution_id)

    # -- DRS's troubles ------------------------------------------------------------------------------------------------

    def _add_fault(self) -> None:
        chance = self.random
        seconds = chance.choice([30.0, 300.0, 2400.0])
        calls = chance.choice(
            ["StartRecovery", "DescribeJobs", "DescribeJobLogItems", "DescribeRecoveryInstances", None]
        )
        call_fault = {"operation": calls, "forSeconds": seconds, "probability": chance.choice([0.3, 1.0])}
        some = chance.sample(sorted(self.places), chance.randint(1, len(self.places)))
        servers = {"sourceServerIDs": [server_id(number) for number in some]}
        fault = chance.choice(
            [
                {"fault": "throttle", "retryAfterSeconds": chance.choice(["1", "40"])} | call_fault,
                {"fault": "server-error", "afterEffect": chance.random() < 0.5} | call_fault,
                {"fault": "reset-before"} | call_fault,
                {"fault": "reset-after"} | call_fault,
                {"fault": "slow", "seconds": chance.choice([1.0, 30.0, 74.0])}
                | call_fault
                | {"operation": "StartRecovery"},
                {"fault": "stale", "seconds": chance.uniform(1, 60)} | call_fault,
                call_fault | {"fault": "empty", "operation": "DescribeRecoveryInstances", "forSeconds": 30.0},
                call_fault | {"fault": "empty", "operation": "DescribeJobs"},
                {"fault": "error", "code": "AccessDeniedException", "operation": "StartRecovery", "count": 1},
                {"fault": "error", "code": "ExpiredTokenException", "operation": "StartRecovery", "count": 2},
                {"fault": "launch-failure"} | servers,
                {"fault": "late-failure"} | servers,
                {"fault": "conversion-failure"} | servers,
                {"fault": "snapshot-failure"} | servers,
                {"fault": "snapshot-fallback"} | servers,
                {"fault": "capacity"} | servers,
                {"fault": "stuck", "phase": chance.choice(["snapshot", "conversion", "launch"])} | servers,
                {"fault": "left-behind", "status": chance.choice(["PENDING", "IN_PROGRESS"])} | servers,
                {"fault": "unknown-event"} | servers,
                {"fault": "unknown-status"} | servers,
                {"fault": "unknown-job-status"} | servers,
                {"fault": "unknown-action-status"} | servers,
                {"fault": "launch-action", "status": chance.choice(["FAILED", "NEVER"])} | servers,
            ]
        )
        fault = {name: value for name, value in fault.items() if value is not None}
        self._say(f"DRS: {fault}")
        self.world.simulator.add_fault(fault)

    def _end_of_trouble(self) -> None:
        self._say("end of trouble")
        self.world.simulator.faults.remove()
        self.world.dynamodb.index_lag = 0.0
        self._resume_the_reconciler()
        self.world.at(HOUR, self._give_up_stuck_jobs)
        self.world.at(_ATTENTION_SECONDS, self._attend)

    def _give_up_stuck_jobs(self) -> None:
        """DRS comes to an end even with the launches that were stuck: they have failed."""
        self.world.at(HOUR, self._give_up_stuck_jobs)
        for world in self.world.simulator.worlds.values():
            self.world.simulator.engine.settle(world)
            for job in world.running_jobs():
                if job.created < self.world.now - HOUR and not job.steps[job.done :]:
                    for participant in job.participants.values():
                        if participant.status[-1][1] not in ("LAUNCHED", "FAILED"):
                            participant.status.append((self.world.now, "FAILED"))
                        world.busy.pop(participant.server_id, None)
                    job.status.append((self.world.now, "COMPLETED"))
                    job.ended = self.world.now

    def _check_queue(self) -> None:
        """Nobody keeps a place in the queue that it does not wait in: the others would wait behind it."""
        self.world.at(_QUEUE_CHECK_SECONDS, self._check_queue)
        items = self.world.dynamodb.tables[EXECUTION_TABLE].items
        idle = set()
        for (partition, _), ticket in items.items():
            owner = ticket.get("WaitingExecutionId", {}).get("S", "")
            lapsed = ticket and int(ticket.get("RenewedTime", {"N": "0"})["N"]) < self.world.now - _TICKET_SECONDS
            if owner and not lapsed and self.world.records.executions[owner][-1] not in FINAL:
                jobs = [item for (of, record), item in items.items() if of == owner and record.startswith("JOB#")]
                if not any(job.get("Queued", {}).get("BOOL") for job in jobs):
                    idle.add(f"{owner} in {partition}")
        if left := idle & self.idle_tickets:
            self.world.records.faults.append(f"kept in the queue without waiting: {sorted(left)}")
        self.idle_tickets = idle


@dataclass(slots=True)
class _Starter:
    """A client that repeats its request for a start until it is answered, and gives up in the end: another execution
    may hold its servers. `accepted`: the execution it was promised."""

    world: World
    path: str
    request: dict[str, Any]
    accepted: str | None = None
    is_done: bool = False
    tries: int = 0

    def ask(self) -> None:
        self.tries += 1
        status, answer = self.world.api("POST", self.path, self.request)
        if status == 202:
            self.accepted = answer["executionId"]
        if status in (202, 400, 404) or self.tries >= 30:
            self.is_done = True
        else:
            self.world.at(30.0, self.ask)

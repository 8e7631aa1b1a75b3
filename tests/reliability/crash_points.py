"""Kill a task before or after each of its side effects, one run a point, and see whether everything ends right.

The points are not listed anywhere: an undisturbed run of the scenario counts the calls that leave the tasks (every
DynamoDB write, every call of DRS, Step Functions or a service that is added one day), and each is a point.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from tests.reliability.oracle import FINAL, Started, all_ended, clean_up_of, faults_of
from tests.reliability.world import REGION, AwsCall, Interference, World

HOURS = 3600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """`start` puts servers, plans and clients into a world and returns the list that accepted starts are noted in;
    `is_over`: whether nothing more is to come."""

    name: str
    start: Callable[[World], list[Started]]
    parameters: dict[str, str] = field(default_factory=dict)
    is_over: Callable[[World, list[Started]], bool] = all_ended


@dataclass(frozen=True, slots=True)
class Crash:
    """Kill at each point of `kills`, (number, before or after its effect). The driver retries, or dies as well."""

    kills: tuple[tuple[int, str], ...]
    driver_dies: bool

    def __str__(self) -> str:
        kills = ",".join(f"{when}:{point}" for point, when in self.kills)
        return f"{kills} {'driver-dies' if self.driver_dies else 'driver-retries'}"

    @staticmethod
    def parse(kills: str, driver: str) -> "Crash":
        """The reverse of `str`."""
        pairs = (each.split(":") for each in kills.split(","))
        return Crash(tuple((int(point), when) for when, point in pairs), driver == "driver-dies")


class CrashAt(Interference):
    """Kills where a `Crash` says."""

    def __init__(self, crash: Crash) -> None:
        self._left = dict(crash.kills)
        self._driver_dies = crash.driver_dies
        self.world: World | None = None

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        assert self.world is not None
        when = self._left.pop(call.point, None) if call.point is not None else None
        if when == "before":
            self.world.kill(call)
        answer: Any = None
        try:
            answer = perform()
        finally:
            if when == "after":
                self.world.kill(call)
        return answer

    def death_of_driver(self, world: World, name: str) -> bool:
        return self._driver_dies


def run(scenario: Scenario, crash: Crash) -> tuple[World, list[str]]:
    """The world after the scenario with this crash, and what is wrong with it."""
    interference = CrashAt(crash)
    world = World(interference, **scenario.parameters)
    interference.world = world
    started = scenario.start(world)
    if not world.run(12 * HOURS, lambda: bool(started) and scenario.is_over(world, started)):
        return world, [f"still running after 12 hours: {world.records.executions}"]
    # Whoever was superseded or comes late may still act; nothing of what is recorded may change.
    documents = [world.show(each.execution_id) for each in started]
    world.run(600)
    faults = faults_of(world, started)
    after = [world.show(each.execution_id) for each in started]
    if documents != after:
        faults.append("the document changed after the end")
    if running := world.running_drivers():
        faults.append(f"drivers still running: {running}")
    return world, faults


def points_of(scenario: Scenario) -> list[str]:
    """What is called at each point of an undisturbed run."""
    world, faults = run(scenario, Crash((), driver_dies=False))
    assert not faults, f"{scenario.name} goes wrong by itself: {faults}"
    return world.points


def single_crashes(points: Sequence[str]) -> Iterator[Crash]:
    for point in range(len(points)):
        for when in ("before", "after"):
            yield from (Crash(((point, when),), driver_dies) for driver_dies in (False, True))


def double_crashes(points: Sequence[str], distance: int = 1) -> Iterator[Crash]:
    """Two deaths: at a point, and `distance` calls later, when whoever repairs the first one is at work."""
    for point in range(len(points)):
        for first in ("before", "after"):
            for second in ("before", "after"):
                for driver_dies in (False, True):
                    yield Crash(((point, first), (point + distance, second)), driver_dies)


# -- scenarios ---------------------------------------------------------------------------------------------------------

BRISK: dict[str, Any] = {
    "name": "brisk",
    "pending": 5.0,
    "snapshot_start": [0.4, 0.5],
    "conversion_start": 20.0,
    "conversion": 30.0,
    "launch": [30.0, 40.0],
}


def server_id(number: int) -> str:
    return f"s-{number:017x}"


def wave(name: str, *servers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"WaveName": name, "Region": REGION, "Servers": list(servers), **fields}


def server(number: int, **fields: Any) -> dict[str, Any]:
    return {"SourceServerId": server_id(number), **fields}


@dataclass(slots=True)
class Client:
    """Somebody who wants a plan started: repeats the request, with the same ClientToken, until it is answered."""

    world: World
    plan: dict[str, Any]
    execution_type: str
    token: str
    started: list[Started]
    tries: int = 0

    def ask(self) -> None:
        self.tries += 1
        request = {"PlanId": self.plan["PlanId"], "ExecutionType": self.execution_type, "ClientToken": self.token}
        status, answer = self.world.api("POST", STARTS[ExecutionType(self.execution_type)], request)
        if status == 202:
            accepted = Started(answer["executionId"], self.execution_type, self.plan)
            if accepted not in self.started:
                self.started.append(accepted)
        elif status == 409:
            # Nobody else wants these servers: only an earlier request of this client's can be in the way.
            self.world.records.faults.append(f"the request was refused: {answer}")
        elif self.tries < 60:
            self.world.at(10.0, self.ask)


@dataclass(slots=True)
class Operator:
    """Somebody who wants one thing done to an execution once its document is as `when` says, and asks until it is."""

    world: World
    started: list[Started]
    action: str
    when: Callable[[dict[str, Any]], bool]

    def look(self) -> None:
        self.world.at(20.0, self.look)
        for each in self.started:
            if self.when(self.world.show(each.execution_id)):
                body = {"Reason": "the scenario says so"}
                self.world.api("POST", self.world.path_of(each.execution_id, self.action), body)


def _with(world: World, plan: dict[str, Any], execution_type: str, **servers: Any) -> list[Started]:
    numbers = [each["SourceServerId"] for each_wave in plan["Waves"] for each in each_wave["Servers"]]
    world.simulator.use_profile(BRISK)
    world.simulator.add_servers([{"sourceServerID": number, **servers} for number in numbers])
    status, answer = world.api("PUT", f"/plans/{plan['PlanId']}", plan)
    while status == 599:
        status, answer = world.api("PUT", f"/plans/{plan['PlanId']}", plan)
    assert status in (200, 201), answer
    started: list[Started] = []
    world.at(0.0, Client(world, plan, execution_type, "once", started).ask)
    return started


def _drill(world: World) -> list[Started]:
    plan = {
        "PlanId": "drill",
        "Name": "Two waves, one server fails",
        "Waves": [wave("database", server(1), server(2, Impact="OPTIONAL")), wave("web", server(3))],
    }
    world.simulator.add_fault({"fault": "launch-failure", "sourceServerIDs": [server_id(2)]})
    return _with(world, plan, "DRILL")


def _recovery(world: World) -> list[Started]:
    plan = {"PlanId": "recovery", "Name": "Launch actions", "Waves": [wave("all", server(1), server(2))]}
    actions = [
        {"name": "check", "seconds": 40},
        {"name": "report", "optional": True, "seconds": 10, "status": "FAILED"},
    ]
    return _with(world, plan, "RECOVERY", launchActions=actions)


def _stopped_plan(world: World) -> list[Started]:
    """Three waves at once; one is busy in somebody else's job at first, one fails and stops the plan."""
    waves = [wave("first", server(1)), wave("beside", server(2), DependsOn=[]), wave("last", server(3))]
    plan = {"PlanId": "stopped", "Name": "A critical server fails", "Waves": waves}
    world.simulator.add_fault({"fault": "launch-failure", "sourceServerIDs": [server_id(1)]})
    started = _with(world, plan, "DRILL")
    # The console's own drill of the second server: the wave beside has to wait for its end.
    world.simulator.call("StartRecovery", {"sourceServers": [{"sourceServerID": server_id(2)}], "isDrill": False})
    return started


def _abandoned(world: World) -> list[Started]:
    """As above, but the failure comes late, and for a while nobody looks after drivers that died."""
    started = _stopped_plan(world)
    world.simulator.faults.remove()
    world.simulator.add_fault({"fault": "late-failure", "seconds": 100.0, "sourceServerIDs": [server_id(1)]})
    world.reconciler_enabled = world.status_events = False

    def resume() -> None:
        world.reconciler_enabled = world.status_events = True

    world.at(600.0, resume)
    return started


def _refused(world: World) -> list[Started]:
    """DRS says no to the launch of the first wave, and would have said yes the second time."""
    plan = {
        "PlanId": "refused",
        "Name": "Refused once",
        "Waves": [wave("a", server(1), server(2)), wave("b", server(3))],
    }
    world.simulator.add_fault(
        {"fault": "error", "code": "AccessDeniedException", "operation": "StartRecovery", "count": 1}
    )
    return _with(world, plan, "DRILL")


def _handed_over(world: World) -> list[Started]:
    plan = {"PlanId": "long", "Name": "Handed over again and again", "Waves": [wave("only", server(1))]}
    return _with(world, plan, "DRILL")


def _approved(world: World) -> list[Started]:
    """Two waves, the second waits for approval."""
    waves = [wave("database", server(1)), wave("web", server(2), ApprovalBefore=True)]
    started = _with(world, {"PlanId": "approved", "Name": "Approved", "Waves": waves}, "RECOVERY")
    world.at(30.0, Operator(world, started, "approve", lambda document: "Question" in document).look)
    return started


def _cancelled(world: World) -> list[Started]:
    """Stopped while the first of two waves is in flight."""
    waves = [wave("database", server(1)), wave("web", server(2))]
    started = _with(world, {"PlanId": "cancelled", "Name": "Cancelled", "Waves": waves}, "DRILL")

    def is_in_flight(document: dict[str, Any]) -> bool:
        return document["Waves"][0]["Status"] == "LAUNCHING" and "Stop" not in document

    world.at(15.0, Operator(world, started, "cancel", is_in_flight).look)
    return started


def _cleaned_up(world: World) -> list[Started]:
    waves = [wave("all", server(1), server(2)), wave("beside", server(3), DependsOn=[])]
    plan = {"PlanId": "cleaned-up", "Name": "Cleaned up at once", "Cleanup": "IMMEDIATE", "Waves": waves}
    return _with(world, plan, "DRILL")


def _cleaned_up_by_hand(world: World) -> list[Started]:
    plan = {"PlanId": "by-hand", "Name": "Cleaned up by hand", "Waves": [wave("all", server(1), server(2))]}
    started = _with(world, plan, "DRILL")

    def is_left(document: dict[str, Any]) -> bool:
        return document["Status"] in FINAL and "CleanUp" not in document

    world.at(60.0, Operator(world, started, "cleanup", is_left).look)
    return started


def _all_cleaned_up(world: World, started: list[Started]) -> bool:
    return all(clean_up_of(world, each.execution_id) == "CLEANED_UP" for each in started)


SMALL = Scenario("drill of two waves, one server fails", _drill)
SCENARIOS = [
    SMALL,
    Scenario("recovery with launch actions", _recovery),
    Scenario("a critical server stops the plan", _stopped_plan),
    Scenario("the same, and the reconciler comes late", _abandoned),
    Scenario("DRS refuses a launch once", _refused),
    Scenario("handed over every second poll", _handed_over, {"MaxPollsPerDriver": "2"}),
    Scenario("a wave waits for approval", _approved),
    Scenario("cancelled with a job in flight", _cancelled),
    Scenario("a drill that cleans up at once", _cleaned_up, is_over=_all_cleaned_up),
    Scenario("a drill cleaned up by hand", _cleaned_up_by_hand, is_over=_all_cleaned_up),
]

"""Ways through the state machine as data: what DRS is told to do, and the order of states that must come of it.

Every path runs on both engines. On the second engine time is exact, so the whole order counts (`steps`); an engine
that waits for real may find DRS a poll further on, so there the `tasks` of both sides are compared.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.tasks import steer_execution
from tests.helpers.orchestrator import CALLER, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl
from tests.statemachine.reading import definition, states
from tools.state_graph import edges

DATABASE, WEB, AUDIT = server_id(0xD1), server_id(0xE1), server_id(0xA1)

TRANSITION = ("Wait Around Transition", "Check DRS")
PENDING = ("Wait While Pending", "Check DRS")
PROGRESS = ("Wait While In Progress", "Check DRS")
UNANSWERED = ("Wait For DRS To Answer", "Check DRS")
DECIDED = ("Launch Ready Waves", "Wait For A Decision")
CLEAN_UP = ("Clean Up Drill", "Wait For Termination", "Clean Up Drill")
UNPROTECTED = ("Protect Instances", "Wait For EC2", "Protect Instances")
HELD_BACK = ("Wait For DRS Capacity", "Launch Ready Waves")
# From StartRecovery on: the job begins; nothing can end while snapshots are taken, disks converted and launches have
# just begun; then the end may come any moment.
BEGINS = ("Launch Ready Waves", *TRANSITION)
GOES_ON = (*PENDING, *TRANSITION)
LAUNCH = (*BEGINS, *GOES_ON)


@dataclass(frozen=True, slots=True)
class Path:
    """`servers` and `faults` are documents of the simulator's control API, `plan` is a plan document. `decisions` are
    what an operator says at each pause: the names of the API's routes.

    `status` is the execution's in the end, `machine` that of the state machine execution, `order` its `steps`.
    """

    title: str
    plan: Mapping[str, Any]
    order: tuple[str, ...]
    execution_type: str = "DRILL"
    status: str = "COMPLETED"
    machine: str = "SUCCEEDED"
    servers: tuple[Mapping[str, Any], ...] = ({"sourceServerID": DATABASE}, {"sourceServerID": WEB})
    faults: tuple[Mapping[str, Any], ...] = field(default=())
    decisions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.title

    def operator(self, app: App, execution_id: str) -> list[Callable[[], object]]:
        """What is to be done at each pause, by calling the tasks behind the routes."""
        return [
            partial(getattr(steer_execution, decision), app, execution_id, {"Reason": "a test"}, CALLER)
            for decision in self.decisions
        ]

    def arrange(self, simulator: SimulatorControl) -> None:
        """Bring DRS to where the path begins; it has to be new, with no servers and faults of others."""
        simulator.add_servers([dict(server) for server in self.servers])
        for fault in self.faults:
            simulator.add_fault(**fault)


TWO_WAVES = plan(wave("database", DATABASE), wave("web", WEB), plan_id="two-waves")
ONE_WAVE = plan(wave("web", DATABASE, WEB), plan_id="one-wave")
ONE_SERVER = plan(wave("web", WEB), plan_id="one-server")
ONE_APPROVAL = plan(wave("web", WEB, ApprovalBefore=True), plan_id="one-approval")

PATHS = (
    Path(
        "a drill of two waves",
        TWO_WAVES,
        ("Prepare Execution", *LAUNCH, *LAUNCH, "Finish Execution", "Execution Completed"),
    ),
    Path(
        "a recovery with launch actions",
        ONE_WAVE,
        (
            *("Prepare Execution", *LAUNCH),
            *("Protect Instances", "Finish Execution", "Execution Completed"),
        ),
        execution_type="RECOVERY",
        servers=tuple(
            {"sourceServerID": server, "launchActions": [{"name": "verify", "optional": False, "seconds": 120}]}
            for server in (DATABASE, WEB)
        ),
    ),
    Path(
        "a drill that never waits for launch actions",
        ONE_SERVER,
        ("Prepare Execution", *LAUNCH, "Finish Execution", "Execution Completed"),
        servers=({"sourceServerID": WEB, "launchActions": [{"name": "audit", "status": "NEVER"}]},),
    ),
    Path(
        "a server that fails stops the next wave",
        plan(wave("database", DATABASE, WEB), wave("audit", AUDIT), plan_id="partial"),
        ("Prepare Execution", *LAUNCH, "Finish Execution", "Execution Completed In Part"),
        status="PARTIAL",
        servers=tuple({"sourceServerID": server} for server in (DATABASE, WEB, AUDIT)),
        faults=({"fault": "launch-failure", "sourceServerIDs": [DATABASE]},),
    ),
    Path(
        "no server is up",
        ONE_SERVER,
        ("Prepare Execution", *LAUNCH, "Finish Execution", "Execution Failed"),
        status="FAILED",
        machine="FAILED",
        faults=({"fault": "launch-failure"},),
    ),
    Path(
        "an approved wave",
        plan(wave("database", DATABASE), wave("web", WEB, ApprovalBefore=True), plan_id="approved"),
        ("Prepare Execution", *LAUNCH, *DECIDED, *LAUNCH, "Finish Execution", "Execution Completed"),
        decisions=("approve",),
    ),
    Path(
        "a rejected wave",
        plan(wave("database", DATABASE), wave("web", WEB, ApprovalBefore=True), plan_id="rejected"),
        ("Prepare Execution", *LAUNCH, *DECIDED, "Launch Ready Waves", "Finish Execution", "Execution Cancelled"),
        status="CANCELLED",
        decisions=("reject",),
    ),
    Path(
        "a wave that fails and pauses the rest",
        plan(wave("database", DATABASE, OnFailure="PAUSE"), wave("web", WEB), plan_id="pausing"),
        ("Prepare Execution", *LAUNCH, *DECIDED, *LAUNCH, "Finish Execution", "Execution Completed In Part"),
        status="PARTIAL",
        faults=({"fault": "launch-failure", "sourceServerIDs": [DATABASE]},),
        decisions=("resume",),
    ),
    Path(
        "a drill that is cleaned up",
        ONE_SERVER | {"PlanId": "tidy", "Cleanup": "IMMEDIATE"},
        ("Prepare Execution", *LAUNCH, "Finish Execution", *CLEAN_UP, "Execution Completed"),
    ),
    Path(
        "a drill that is cleaned up a minute later",
        ONE_SERVER | {"PlanId": "tidy-later", "Cleanup": 1},
        (
            *("Prepare Execution", *LAUNCH, "Finish Execution", "Wait Before Clean-Up"),
            *(*CLEAN_UP, "Execution Completed"),
        ),
    ),
    Path(
        "a recovery that DRS refuses",
        ONE_SERVER,
        ("Prepare Execution", "Launch Ready Waves", "Protect Instances", "Finish Execution", "Execution Failed"),
        execution_type="RECOVERY",
        status="FAILED",
        machine="FAILED",
        faults=({"fault": "error", "operation": "StartRecovery", "code": "AccessDeniedException"},),
    ),
    Path(
        "DRS throttles the launch",
        ONE_SERVER,
        (
            "Prepare Execution",
            "Launch Ready Waves",
            *HELD_BACK,
            *TRANSITION,
            *GOES_ON,
            "Finish Execution",
            "Execution Completed",
        ),
        faults=({"fault": "throttle", "operation": "StartRecovery", "count": 2},),
    ),
    Path(
        "DRS throttles the polls",
        ONE_SERVER,
        (
            *("Prepare Execution", *BEGINS, *UNANSWERED, *GOES_ON),
            *("Finish Execution", "Execution Completed"),
        ),
        # Two of them meet pre-flight, which starts all the same; the rest are the first check's attempts.
        faults=({"fault": "throttle", "operation": "DescribeJobs", "count": 6},),
    ),
    Path(
        "a launch of which the log tells nothing",
        ONE_SERVER,
        ("Prepare Execution", *BEGINS, *PENDING, *PROGRESS, "Finish Execution", "Execution Completed"),
        faults=({"fault": "error", "operation": "DescribeJobLogItems", "code": "AccessDeniedException"},),
    ),
    Path(
        "DRS refuses the launch",
        ONE_SERVER,
        ("Prepare Execution", "Launch Ready Waves", "Finish Execution", "Execution Failed"),
        status="FAILED",
        machine="FAILED",
        faults=({"fault": "error", "operation": "StartRecovery", "code": "AccessDeniedException"},),
    ),
)


def states_entered(history: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the states, in order, from GetExecutionHistory's events."""
    return [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]


def follows_the_graph(entered: Sequence[str]) -> bool:
    """Whether the states begin where the definition begins, and each follows on the one before by one of its ways."""
    ways = {(way.source, way.target) for way in edges(definition())}
    return entered[0] == definition()["StartAt"] and all(step in ways for step in pairwise(entered))


def steps(entered: Iterable[str]) -> tuple[str, ...]:
    """The order without decisions, a wait and the task it leads to only once however often they are repeated."""
    order: list[str] = []
    for name in entered:
        if states()[name]["Type"] == "Choice":
            continue
        order.append(name)
        if order[-2:] == order[-4:-2]:
            del order[-2:]
    return tuple(order)


def tasks(entered: Iterable[str]) -> tuple[str, ...]:
    """The order without decisions and waits, however long was waited: each task once in a row, and the end."""
    kept = (name for name in entered if states()[name]["Type"] not in ("Choice", "Wait"))
    return tuple(name for name, _ in groupby(kept))

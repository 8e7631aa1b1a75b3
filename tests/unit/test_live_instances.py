"""Whatever is asked of the orchestrator, in whatever order: it terminates no instance that a recovery launched."""

from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drs_orchestrator.errors import OrchestratorError
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.retry_execution import read_retry_request
from drs_orchestrator.tasks.start_execution import start_execution
from tests.helpers.orchestrator import CALLER, Orchestrator, aws, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl
from tests.reliability.soak import SOAK

RECOVERED, OTHER, THIRD = server_id(1), server_id(2), server_id(3)
PLANS = [
    plan(
        wave("all", RECOVERED, OTHER, THIRD),
        plan_id="all",
    )
    | {"Cleanup": "IMMEDIATE"},
    plan(
        wave("some", {"SourceServerId": RECOVERED, "Impact": "OPTIONAL"}, OTHER, MinimumLaunched=1),
        wave("rest", THIRD),
        plan_id="some",
    )
    | {"Cleanup": 10},
    plan(wave("two", OTHER, THIRD), plan_id="two"),
]

# Which execution, counted from the newest; which way a draw leans decides whether much comes to its end.
_NEWEST = st.sampled_from([0, 0, 0, 1, 2])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from([0, 1, 1, 2]), st.sampled_from(["DRILL", "DRILL", "RECOVERY"])),
        st.tuples(st.just("drive"), _NEWEST, st.sampled_from([1, 30, 30])),
        st.tuples(st.just("drive"), _NEWEST, st.just(30)),
        st.tuples(st.just("ask for a clean-up"), _NEWEST, st.just(0)),
        st.tuples(st.just("clean up"), _NEWEST, st.sampled_from([1, 10])),
        st.tuples(st.just("clean up"), _NEWEST, st.just(10)),
        st.tuples(st.just("retry"), _NEWEST, st.just(0)),
        st.tuples(st.just("reconcile"), st.just(0), st.just(0)),
        st.tuples(st.just("launch from the console"), st.sampled_from([0, 1]), st.booleans()),
    ),
    min_size=4,
    max_size=12,
)


class Night:
    """Steps over a plan's servers, one of which lives on what a failover launched; a drill has been beside it."""

    def __init__(self, simulator: SimulatorControl) -> None:
        self.orchestrator = Orchestrator(simulator)
        simulator.use_profile("fast-mode")
        self.orchestrator.add_servers(RECOVERED, OTHER, THIRD)
        failover = self.orchestrator.start(plan(wave("site", RECOVERED), plan_id="failover"), "RECOVERY")
        assert self.orchestrator.drive(failover)["Status"] == "COMPLETED"
        self.executions = [failover]
        [self.live] = [each["recoveryInstanceID"] for each in self.instances()]
        self.executions.append(self.orchestrator.start(PLANS[1], "DRILL"))
        assert self.orchestrator.drive(self.executions[-1])["Status"] == "COMPLETED"

    def instances(self) -> list[dict[str, Any]]:
        drs = self.orchestrator.app.drs.at(None, "us-east-1")
        pages = drs._read.get_paginator("describe_recovery_instances").paginate(filters={})
        return [item for page in pages for item in page["items"]]

    def drills(self) -> set[str]:
        """The ids of the instances that a drill launched."""
        return {each["recoveryInstanceID"] for each in self.instances() if each["isDrill"]}

    def take(self, step: tuple[str, Any, Any]) -> None:
        name, which, how = step
        execution_id = self.executions[-1 - which % len(self.executions)]
        try:
            match name:
                case "start":
                    self.executions.append(self.orchestrator.start(PLANS[which], how))
                case "retry":
                    request = read_retry_request(self.orchestrator.app, execution_id, None)
                    self.executions.append(start_execution(self.orchestrator.app, request, CALLER)["executionId"])
                case "drive":
                    self._drive(execution_id, how)
                case "clean up":
                    self._clean_up(execution_id, how)
                case "ask for a clean-up":
                    request_clean_up(self.orchestrator.app, execution_id, None, CALLER)
                case "reconcile":
                    reconcile_executions(self.orchestrator.app)
                case _:
                    self._launch_from_the_console([OTHER, THIRD][which], is_drill=how)
        except OrchestratorError:
            pass  # refused, which is an answer too

    def _drive(self, execution_id: str, polls: int) -> None:
        # It may need longer than it is given here, or another driver may have it.
        with suppress(AssertionError, KeyError, ValueError):
            self.orchestrator.drive(execution_id, self._generation(execution_id), polls=polls)

    def _clean_up(self, execution_id: str, rounds: int) -> None:
        with suppress(AssertionError):
            self.orchestrator.clean_up(execution_id, self._generation(execution_id), rounds=rounds)

    def _generation(self, execution_id: str) -> int:
        execution = self.orchestrator.app.executions.get(execution_id)
        assert execution
        return execution.generation

    def _launch_from_the_console(self, server: str, *, is_drill: bool) -> None:
        drs = self.orchestrator.app.drs.at(None, "us-east-1")
        drs.start_recovery({server: None}, is_drill=is_drill, tags={})
        self.orchestrator.let_pass(60)


@settings(
    max_examples=60 if SOAK else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(steps=STEPS)
def test_no_sequence_of_calls_terminates_what_a_recovery_launched(
    simulator: SimulatorControl, steps: list[tuple[str, Any, Any]]
) -> None:
    simulator.reset()
    simulator.run()
    with aws():
        night = Night(simulator)
        drills = night.drills()
        for step in steps:
            night.take(step)
            drills |= night.drills()
        calls = simulator.calls("TerminateRecoveryInstances")
        terminated = {each for call in calls for each in call["request"]["recoveryInstanceIDs"]}
        states = {each["recoveryInstanceID"]: each["ec2InstanceState"] for each in night.instances()}

        assert terminated <= drills
        assert states[night.live] == "RUNNING"

"""No sequence of calls breaks what DRS guarantees."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drs_simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.errors import DrsError
from drs_simulator.faults import LAUNCH_FAULTS
from drs_simulator.in_process import connect
from drs_simulator.limits import MAX_JOBS, MAX_SERVERS_IN_JOBS, MAX_SERVERS_PER_JOB
from drs_simulator.timeline import STAGES

JOB_ORDER = ["PENDING", "STARTED", "COMPLETED"]
LAUNCH_ORDER = ["PENDING", "IN_PROGRESS", "LAUNCHED", "FAILED", "TERMINATED"]
FINAL = {"LAUNCHED", "FAILED", "TERMINATED"}
SERVERS = 650


class AnyOrchestrator(RuleBasedStateMachine):
    """Somebody calls the API in any order, while time passes and things go wrong."""

    def __init__(self) -> None:
        super().__init__()
        clock = Clock()
        clock.step(1_670_440_538.0)
        self.simulator = Simulator(clock=clock)
        self.servers: list[str] = []
        self.job_statuses: dict[str, str] = {}
        self.launch_statuses: dict[tuple[str, str], str] = {}
        self.log_lengths: dict[str, int] = {}
        self.launched_by: dict[str, str] = {}

    @initialize()
    def fleet(self) -> None:
        actions = [{"name": "Check", "optional": False}]
        self.servers = [
            server.id
            for server in self.simulator.add_servers(
                [{"launchActions": actions if number % 7 == 0 else []} for number in range(SERVERS)]
            )
        ]

    @rule(first=st.integers(0, SERVERS - 1), count=st.sampled_from([1, 2, 25, 99, 100, 101]), drill=st.booleans())
    def start(self, first: int, count: int, drill: bool) -> None:
        wanted = (self.servers + self.servers)[first : first + count]
        busy = {server for job in self._running() for server in job.participants}
        running = len(self._running())
        params = {"sourceServers": [{"sourceServerID": server} for server in wanted], "isDrill": drill}
        try:
            self.simulator.call("StartRecovery", params)
            refused = None
        except DrsError as error:
            refused = error.name
        if busy & set(wanted):
            assert refused == "ConflictException"
        elif count > MAX_SERVERS_PER_JOB or running >= MAX_JOBS or len(busy) + count > MAX_SERVERS_IN_JOBS:
            assert refused == "ServiceQuotaExceededException"
        else:
            assert refused is None

    @rule(first=st.integers(0, 600), count=st.integers(1, 30))
    @precondition(lambda self: any(world.instances for world in self.simulator.worlds.values()))
    def terminate(self, first: int, count: int) -> None:
        instances = list(self.simulator.world().instances)
        wanted = instances[first % len(instances) :][:count]
        try:
            self.simulator.call("TerminateRecoveryInstances", {"recoveryInstanceIDs": wanted})
        except DrsError as error:
            assert error.name in ("ConflictException", "ServiceQuotaExceededException")  # noqa: PT017 - half the point

    @rule(seconds=st.sampled_from([0.1, 1, 55, 200, 300, 900]))
    def wait(self, seconds: float) -> None:
        self.simulator.clock.advance(seconds)

    @rule(stage=st.sampled_from(STAGES))
    def push(self, stage: str) -> None:
        self.simulator.push_jobs(stage)

    @rule(hold=st.booleans())
    def hold(self, hold: bool) -> None:
        self.simulator.set_hold(hold)

    @rule(
        fault=st.sampled_from(sorted(LAUNCH_FAULTS)), probability=st.sampled_from([0.1, 0.5]), count=st.integers(1, 50)
    )
    def trouble(self, fault: str, probability: float, count: int) -> None:
        self.simulator.add_fault({"fault": fault, "probability": probability, "count": count})

    @rule()
    def calm(self) -> None:
        self.simulator.faults.remove()

    @rule(protected=st.booleans(), index=st.integers(0, 600))
    @precondition(lambda self: any(world.instances for world in self.simulator.worlds.values()))
    def protect(self, protected: bool, index: int) -> None:
        instances = list(self.simulator.world().instances)
        self.simulator.protect(instances[index % len(instances)], protected)

    @invariant()
    def quotas_hold(self) -> None:
        running = self._running()
        assert len(running) <= MAX_JOBS
        assert sum(len(job.participants) for job in running) <= MAX_SERVERS_IN_JOBS
        assert all(len(job.participants) <= MAX_SERVERS_PER_JOB for job in running)

    @invariant()
    def a_server_is_in_one_running_job(self) -> None:
        servers = [server for job in self._running() for server in job.participants]
        assert len(servers) == len(set(servers))

    @invariant()
    def an_instance_belongs_to_one_job_for_ever(self) -> None:
        world = self.simulator.world()
        for instance in world.instances.values():
            assert self.launched_by.setdefault(instance.id, instance.job_id) == instance.job_id
            assert world.jobs[instance.job_id].participants[instance.server_id].instance_id == instance.id
            assert world.jobs[instance.job_id].is_drill == instance.is_drill

    @invariant()
    def statuses_only_move_forward(self) -> None:
        for job in self.simulator.world().jobs.values():
            known = [word for _, word in job.status if word in JOB_ORDER]
            assert JOB_ORDER.index(known[-1]) >= JOB_ORDER.index(self.job_statuses.get(job.id, "PENDING"))
            assert job.is_running == (job.status[-1][1] != "COMPLETED")
            self.job_statuses[job.id] = known[-1]
            for participant in job.participants.values():
                self._moves_forward((job.id, participant.server_id), participant.status[-1][1])

    @invariant()
    def logs_only_grow_and_are_in_order(self) -> None:
        for job in self.simulator.world().jobs.values():
            assert len(job.log) >= self.log_lengths.get(job.id, 0)
            self.log_lengths[job.id] = len(job.log)
            moments = [item.at for item in job.log]
            assert moments == sorted(moments)

    def _moves_forward(self, key: tuple[str, str], status: str) -> None:
        before = self.launch_statuses.get(key, "PENDING")
        if before in FINAL:
            assert status == before
        elif status in LAUNCH_ORDER and before in LAUNCH_ORDER:
            assert LAUNCH_ORDER.index(status) >= LAUNCH_ORDER.index(before)
        self.launch_statuses[key] = status

    def _running(self) -> list[Any]:
        return [job for job in self.simulator.world().jobs.values() if job.status[-1][1] != "COMPLETED"]


TestAnyOrchestrator = AnyOrchestrator.TestCase
TestAnyOrchestrator.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_every_answer_of_a_bad_run_fits_the_service_model() -> None:
    """The in-process client goes through the wire, which refuses to send what breaks the model."""
    clock = Clock()
    clock.step(1_670_440_538.0)
    simulator = Simulator(clock=clock)
    ids = [server.id for server in simulator.add_servers([{"launchActions": [{}]} for _ in LAUNCH_FAULTS])]
    for fault, server in zip(sorted(LAUNCH_FAULTS), ids, strict=True):
        simulator.add_fault({"fault": fault, "sourceServerIDs": [server]})
    drs = connect(simulator)
    job_id = drs.start_recovery(sourceServers=[{"sourceServerID": server} for server in ids])["job"]["jobID"]

    for _ in range(40):
        simulator.clock.advance(60)
        drs.describe_jobs()
        drs.describe_job_log_items(jobID=job_id)
        drs.describe_source_servers()
        drs.describe_recovery_instances()

    assert {call.status for call in simulator.calls.listed()} == {200, 202}

"""What the functions tell CloudWatch: read from what their handlers print while the simulator makes things happen."""

import pytest

from tests.helpers.observed import Datum, ObservedOrchestrator, data
from tests.helpers.orchestrator import EXECUTION_TABLE, REGION, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl
from tests.helpers.template import template

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
OTHERS = [server_id(n) for n in range(100, 120)]

# The template's StuckAfterSeconds.
STUCK_AFTER_SECONDS = int(template()["Parameters"]["StuckAfterSeconds"]["Default"])

DRILL = (("ExecutionType", "DRILL"),)


@pytest.fixture
def observed(no_aws: None, simulator: SimulatorControl) -> ObservedOrchestrator:
    orchestrator = ObservedOrchestrator(simulator)
    orchestrator.add_servers(ONE, TWO, THREE)
    return orchestrator


def named(observed: ObservedOrchestrator, metric: str) -> list[Datum]:
    return [datum for datum in data(observed.lines) if datum.metric == metric]


def total(observed: ObservedOrchestrator, metric: str) -> float:
    return sum(value for datum in named(observed, metric) for value in datum.values)


def last(observed: ObservedOrchestrator, metric: str) -> float:
    return named(observed, metric)[-1].values[-1]


class TestPolling:
    def test_a_poll_prints_one_line_with_its_duration_by_phase_and_the_execution_by_type(
        self, observed: ObservedOrchestrator
    ) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.lines.clear()
        observed.check(execution_id)

        [line] = [line for line in observed.lines if line.is_metrics]
        by_metric = {datum.metric: datum for datum in data([line])}
        assert set(by_metric) == {"PollingDuration", "ActivePollingExecutions"}
        duration, active = by_metric["PollingDuration"], by_metric["ActivePollingExecutions"]
        assert (duration.unit, duration.dimensions) == ("Milliseconds", (("ExecutionPhase", "PENDING"),))
        assert duration.values[0] > 0
        assert (active.unit, active.dimensions, active.values) == ("Count", DRILL, (1.0,))

    def test_every_phase_of_a_drill_is_seen(self, observed: ObservedOrchestrator) -> None:
        observed.drive(observed.start(plan(wave("web", ONE))), every=30)
        phases = {dict(datum.dimensions)["ExecutionPhase"] for datum in named(observed, "PollingDuration")}

        assert phases == {"PENDING", "STARTED", "IN_PROGRESS"}

    def test_a_poll_of_a_driver_that_was_replaced_counts_for_nothing(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.lines.clear()
        observed.check(execution_id, generation=7)

        assert data(observed.lines) == []

    def test_metrics_of_a_task_that_failed_are_printed_all_the_same(
        self, observed: ObservedOrchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.simulator.add_fault("throttle", operation="DescribeJobs")
        monkeypatch.setattr(observed.app.executions, "heartbeat", None)
        with pytest.raises(TypeError):
            observed.check(execution_id)

        assert total(observed, "DrsUnavailable") == 1
        assert observed.lines[-2].document["message"] == "the task failed"
        assert observed.lines[-2].document["execution_id"] == execution_id


class TestEnds:
    def test_what_became_of_servers_waves_and_execution_is_counted_once(self, observed: ObservedOrchestrator) -> None:
        observed.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        document = observed.drive(observed.start(plan(wave("web", ONE, TWO), wave("last", THREE))), every=60)
        assert document["Status"] == "PARTIAL"

        assert total(observed, "ExecutionsStarted") == 1
        assert total(observed, "JobsLaunched") == 1
        assert total(observed, "ServersLaunched") == 1
        assert total(observed, "ServersFailed") == 1
        [finished] = named(observed, "ExecutionsFinished")
        assert finished.dimensions == (*DRILL, ("ExecutionStatus", "PARTIAL"))
        assert last(observed, "ExecutionDuration") == document["EndTime"] - document["StartTime"]
        web = document["Waves"][0]
        # The other wave was skipped: it took no time.
        assert [datum.values for datum in named(observed, "WaveDuration")] == [(web["EndTime"] - web["StartTime"],)]

    def test_the_lag_is_the_time_from_drs_end_of_the_job_to_the_poll_that_saw_it(
        self, observed: ObservedOrchestrator
    ) -> None:
        document = observed.drive(observed.start(plan(wave("web", ONE))), every=45)
        [ended] = observed.app.executions.jobs(document["ExecutionId"])

        assert ended.end_time is not None
        assert last(observed, "CompletionLag") == document["EndTime"] - ended.end_time
        assert 0 <= last(observed, "CompletionLag") <= 45

    def test_the_lag_at_launch_is_the_age_of_each_server_s_recovery_point_when_its_job_began(
        self, observed: ObservedOrchestrator
    ) -> None:
        document = observed.drive(observed.start(plan(wave("web", ONE, TWO)), "RECOVERY"), every=45)
        servers = document["Waves"][0]["Servers"]
        told = named(observed, "LagAtLaunch")

        assert {datum.dimensions for datum in told} == {(("ExecutionType", "RECOVERY"),)}
        assert sorted(value for datum in told for value in datum.values) == sorted(
            server["LaunchTime"] - server["RecoveryPointTime"] for server in servers
        )

    def test_a_repeated_end_counts_once(self, observed: ObservedOrchestrator) -> None:
        document = observed.drive(observed.start(plan(wave("web", ONE))))
        observed.finish(document["ExecutionId"])

        assert total(observed, "ExecutionsFinished") == 1

    def test_a_repeated_start_counts_once(self, observed: ObservedOrchestrator) -> None:
        observed.start(plan(wave("web", ONE)), ClientToken="again")
        observed.request("shop", ClientToken="again")

        assert total(observed, "ExecutionsStarted") == 1


class TestHeldUp:
    def test_throttling_is_told_from_other_silence(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        throttle = observed.simulator.add_fault("throttle", operation="DescribeJobs")
        observed.check(execution_id)
        observed.simulator.remove_faults(throttle)
        observed.simulator.add_fault("server-error", operation="DescribeJobs")
        observed.check(execution_id)

        causes = [datum.dimensions for datum in named(observed, "DrsUnavailable")]
        assert causes == [(("Cause", "THROTTLING"),), (("Cause", "OTHER"),)]

    def test_the_queue_tells_its_length_and_how_long_it_was_waited_in(self, observed: ObservedOrchestrator) -> None:
        observed.add_servers(*OTHERS)
        drs = observed.app.drs.at(None, REGION)
        for server in OTHERS:
            drs.start_recovery({server: None}, is_drill=True, tags={})
        first = observed.begin(plan(wave("web", ONE), plan_id="first"))
        observed.let_pass(5)
        second = observed.begin(plan(wave("web", TWO), plan_id="second"))
        assert [datum.values for datum in named(observed, "QueueLength")] == [(1.0,), (2.0,)]

        observed.let_pass(1800)
        observed.launch(first)
        observed.launch(second)
        assert [datum.values for datum in named(observed, "QueueWait")] == [(1805.0,), (1800.0,)]

    def test_a_job_that_never_waited_for_room_tells_of_no_wait(self, observed: ObservedOrchestrator) -> None:
        observed.begin(plan(wave("web", ONE)))

        assert named(observed, "QueueWait") == []


class TestReconciler:
    def test_without_any_execution_it_tells_zeros_in_one_line(self, observed: ObservedOrchestrator) -> None:
        observed.reconcile()

        [_] = observed.lines
        assert {datum.metric: datum.values for datum in data(observed.lines)} == {
            "ReconcilerSweeps": (1.0,),
            "ExecutionsInPolling": (0.0,),
            "OldestExecutionAge": (0.0,),
            "ExecutionsStuck": (0.0,),
            "ExecutionsReconciled": (0.0,),
            "ExecutionsNotReconciled": (0.0,),
            "ExecutionsLeft": (0.0,),
        }

    def test_it_tells_how_many_are_polled_and_since_when(self, observed: ObservedOrchestrator) -> None:
        observed.begin(plan(wave("web", ONE), plan_id="older"))
        observed.let_pass(100)
        observed.begin(plan(wave("web", TWO), plan_id="younger"))
        observed.let_pass(20)
        observed.reconcile()

        assert last(observed, "ExecutionsInPolling") == 2
        assert last(observed, "OldestExecutionAge") == 120

    def test_a_driver_that_is_replaced_is_counted(self, observed: ObservedOrchestrator) -> None:
        observed.begin(plan(wave("web", ONE)))
        observed.let_pass(1000)
        observed.reconcile()

        assert last(observed, "ExecutionsReconciled") == 1

    def test_a_record_that_cannot_be_read_is_counted(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.dynamodb.update_item(
            TableName=EXECUTION_TABLE,
            Key={"ExecutionId": {"S": execution_id}, "Record": {"S": "EXECUTION"}},
            UpdateExpression="REMOVE Generation",
        )
        observed.reconcile()

        assert last(observed, "ExecutionsNotReconciled") == 1
        assert last(observed, "ReconcilerSweeps") == 1

    def test_it_tells_how_many_it_leaves_to_its_next_run(
        self, observed: ObservedOrchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("drs_orchestrator.tasks.reconcile_executions._LOOKS_A_RUN", 1)
        for server in (ONE, TWO, THREE):
            observed.begin(plan(wave("web", server), plan_id=server))
        observed.let_pass(3600)
        observed.reconcile()

        assert last(observed, "ExecutionsLeft") == 2

    def test_the_end_of_one_driver_is_no_sweep(self, observed: ObservedOrchestrator) -> None:
        execution_id = observed.begin(plan(wave("web", ONE)))
        observed.lines.clear()
        observed.invoke("ReconcilerFunction", {"detail": {"name": f"{execution_id}-g1"}})

        assert {datum.metric for datum in data(observed.lines)} == {"ExecutionsReconciled", "ExecutionsNotReconciled"}

    def test_days_are_counted_from_the_last_drill_that_completed(
        self, observed: ObservedOrchestrator, simulator: SimulatorControl
    ) -> None:
        observed.drive(observed.start(plan(wave("web", ONE), plan_id="good")))
        observed.let_pass(24 * 3600)
        observed.drive(observed.start(plan(wave("web", ONE), plan_id="real"), "RECOVERY"))
        simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        observed.drive(observed.start(plan(wave("web", TWO), plan_id="bad")))
        observed.let_pass(24 * 3600)
        observed.reconcile()

        assert 2 < last(observed, "DaysSinceSuccessfulDrill") < 2.1
        observed.drive(observed.start(plan(wave("web", THREE), plan_id="good-again")))
        observed.reconcile()
        assert last(observed, "DaysSinceSuccessfulDrill") == 0


class TestStuck:
    def test_an_execution_that_moves_is_not_stuck_however_long_it_takes(self, observed: ObservedOrchestrator) -> None:
        servers = [server_id(n) for n in range(10, 15)]
        observed.add_servers(*servers)
        waves = [wave(f"wave-{n}", server) for n, server in enumerate(servers)]
        execution_id = observed.begin(plan(*waves))
        began = observed.now
        while observed.check(execution_id, after=300)["wavesOpen"]:
            observed.launch(execution_id)
            observed.reconcile()

        assert observed.now - began > STUCK_AFTER_SECONDS
        assert total(observed, "ExecutionsStuck") == 0

    def test_one_that_drs_does_not_go_on_with_is_stuck(self, observed: ObservedOrchestrator) -> None:
        observed.simulator.hold(True)
        execution_id = observed.begin(plan(wave("web", ONE)))
        for _ in range(STUCK_AFTER_SECONDS // 300):
            observed.check(execution_id, after=300)
        assert observed.server(execution_id, ONE)["TimeoutDetected"]
        observed.reconcile()
        assert last(observed, "ExecutionsStuck") == 0

        observed.check(execution_id, after=1)
        observed.reconcile()
        assert last(observed, "ExecutionsStuck") == 1

    def test_one_that_waits_for_an_operator_is_not_stuck_nor_is_it_when_it_goes_on(
        self, observed: ObservedOrchestrator
    ) -> None:
        execution_id = observed.start(plan(wave("web", ONE, ApprovalBefore=True)))
        observed.prepare(execution_id)
        assert observed.launch(execution_id)["awaitsDecision"]
        observed.wait_for_decision(execution_id, "token-of-the-driver")
        observed.let_pass(24 * 3600)
        observed.reconcile()
        assert observed.steer(execution_id, "approve") == 202
        observed.reconcile()

        assert total(observed, "ExecutionsStuck") == 0
        assert last(observed, "ExecutionsInPolling") == 1

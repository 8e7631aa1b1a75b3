"""docs/metrics.md is true: its table is what the code declares, and what the functions really print."""

import re
from collections.abc import Iterator

import pytest

from drs_orchestrator.adapters.metrics import NAMESPACE, Metric
from drs_orchestrator.domain.statuses import ExecutionType
from tests.helpers import observed as emf
from tests.helpers.observed import ObservedOrchestrator, data
from tests.helpers.orchestrator import EXECUTION_TABLE, REGION, aws, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.functions import functions

DOCUMENT = (PROJECT_ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
OTHERS = [server_id(n) for n in range(100, 120)]

# What an id, a name or a token would look like as a dimension's value.
BOUNDED = {
    "ExecutionPhase": {"PENDING", "STARTED", "IN_PROGRESS"},
    "ExecutionType": {"DRILL", "RECOVERY"},
    "ExecutionStatus": {"COMPLETED", "PARTIAL", "FAILED", "CANCELLED"},
    "Cause": {"THROTTLING", "OTHER"},
}


def documented() -> dict[str, tuple[str, tuple[str, ...], set[str]]]:
    """Each row of the table: name → unit, dimensions, the functions that emit it."""
    table = DOCUMENT.split("<!-- metrics:begin -->")[1].split("<!-- metrics:end -->")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.strip().splitlines()[2:]]
    return {
        name.strip("`"): (unit, tuple(re.findall(r"`(\w+)`", dimensions)), set(re.findall(r"`(\w+)`", emitted)))
        for name, unit, dimensions, emitted, _ in rows
    }


def live(observed: ObservedOrchestrator) -> None:
    """Everything there is a metric for happens once to somebody."""
    simulator = observed.simulator
    observed.add_servers(*(server_id(n) for n in range(1, 20)), *OTHERS)

    # Drills and recoveries that succeed, in part and not at all.
    observed.drive(observed.start(plan(wave("web", server_id(1)), plan_id="good")), every=30)
    observed.drive(observed.start(plan(wave("web", server_id(1)), plan_id="real"), "RECOVERY"), every=30)
    simulator.add_fault("launch-failure", sourceServerIDs=[server_id(3)])
    observed.drive(observed.start(plan(wave("web", server_id(2), server_id(3)), plan_id="partial")))
    refusal = simulator.add_fault("error", operation="StartRecovery", code="AccessDeniedException")
    observed.drive(observed.start(plan(wave("web", server_id(4)), plan_id="refused")))
    simulator.remove_faults(refusal)
    cancelled = observed.begin(plan(wave("web", server_id(5)), wave("last", server_id(6)), plan_id="cancelled"))
    assert observed.steer(cancelled, "cancel") == 202
    observed.drive(cancelled)

    # DRS is asked too often, by everybody who asks.
    throttled = observed.start(plan(wave("web", server_id(7)), plan_id="throttled"))
    throttle = simulator.add_fault("throttle")
    observed.prepare(throttled)
    observed.launch(throttled)
    simulator.remove_faults(throttle)
    observed.launch(throttled)
    simulator.add_fault("server-error", operation="DescribeJobs", count=3)
    observed.check(throttled)

    # No room in DRS.
    drs = observed.app.drs.at(None, REGION)
    for server in OTHERS[:-1]:
        drs.start_recovery({server: None}, is_drill=True, tags={})
    queued = observed.begin(plan(wave("web", server_id(8)), plan_id="queued"))
    observed.let_pass(600)
    observed.launch(queued)

    # The reconciler takes over from silent drivers: what has ended meanwhile, and what DRS does not tell.
    simulator.add_fault("launch-failure", sourceServerIDs=[server_id(10)])
    observed.begin(plan(wave("web", server_id(9), server_id(10)), plan_id="silent"))
    observed.let_pass(3600)
    unknown = simulator.add_fault("throttle", operation="DescribeJobLogItems")
    observed.reconcile()
    simulator.remove_faults(unknown)
    broken = observed.begin(plan(wave("web", server_id(11)), plan_id="broken"))
    key = {"ExecutionId": {"S": broken}, "Record": {"S": "EXECUTION"}}
    observed.dynamodb.update_item(TableName=EXECUTION_TABLE, Key=key, UpdateExpression="REMOVE Generation")
    observed.reconcile()


@pytest.fixture(scope="module")
def printed(simulator_control: SimulatorControl) -> Iterator[list[emf.Datum]]:
    with aws():
        simulator_control.reset()
        simulator_control.run()
        observed = ObservedOrchestrator(simulator_control)
        live(observed)
        yield data(observed.lines)


def test_the_table_is_what_the_code_declares() -> None:
    declared = {metric.title: (metric.unit.value, metric.dimensions) for metric in Metric}

    assert {name: (unit, dimensions) for name, (unit, dimensions, _) in documented().items()} == declared


def test_every_metric_that_is_printed_is_in_the_table_as_it_is_printed(printed: list[emf.Datum]) -> None:
    table = documented()
    for datum in printed:
        unit, dimensions, emitters = table[datum.metric]
        assert (datum.unit, datum.dimension_names) == (unit, dimensions), datum
        assert datum.function in emitters, datum


def test_every_row_of_the_table_is_printed_by_every_function_it_names(printed: list[emf.Datum]) -> None:
    rows = {(name, emitter) for name, (_, _, emitters) in documented().items() for emitter in emitters}

    assert rows == {(datum.metric, datum.function) for datum in printed}
    assert {emitter for _, emitter in rows} <= set(functions())


def test_no_dimension_is_unbounded(printed: list[emf.Datum]) -> None:
    for datum in printed:
        for name, value in datum.dimensions:
            assert value in BOUNDED[name], datum
    assert {name for metric in Metric for name in metric.dimensions} == set(BOUNDED)
    assert BOUNDED["ExecutionType"] == {*ExecutionType}


def test_the_namespace_is_the_one_the_table_is_headed_with() -> None:
    assert f"`{NAMESPACE}`" in DOCUMENT
    assert NAMESPACE == emf.NAMESPACE

"""When each phase of a server's launch began, in its record once the server is settled."""

from typing import Any

import pytest

from drs_orchestrator.adapters.execution_items import server_key
from drs_orchestrator.domain.records import JobKey
from tests.helpers.orchestrator import EXECUTION_TABLE, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO = server_id(1), server_id(2)
BEGINNINGS = {"SNAPSHOT_START": "SNAPSHOT", "CONVERSION_START": "CONVERSION", "LAUNCH_START": "LAUNCH"}


def phases(server: dict[str, Any]) -> dict[str, int]:
    """The phases of a server in their order; none may come twice."""
    listed = [(phase["Phase"], phase["Time"]) for phase in server["Phases"]]
    assert len(dict(listed)) == len(listed)
    return dict(listed)


def logged(orchestrator: Orchestrator, server: dict[str, Any]) -> dict[str, int]:
    """The same, read from DRS itself."""
    log = orchestrator.app.drs.at(None, "us-east-1").job_log(server["RecoveryJobId"])
    return {
        BEGINNINGS[event.event]: int(event.time)
        for event in log
        if event.source_server_id == server["SourceServerId"] and event.event in BEGINNINGS
    }


def test_the_phases_of_a_launch_are_those_of_the_job_log_in_order(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO)
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE, TWO))))

    for server in document["Waves"][0]["Servers"]:
        assert list(phases(server)) == ["SNAPSHOT", "CONVERSION", "LAUNCH"]
        assert phases(server) == logged(orchestrator, server)
        assert server["LaunchTime"] <= phases(server)["SNAPSHOT"]
        assert phases(server)["LAUNCH"] <= server["LaunchedTime"]


def test_launch_actions_begin_when_drs_found_the_agent(orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
    simulator.switch(ssmDiscoverySeconds=75)
    orchestrator.add_servers(ONE, launchActions=[{"name": "audit", "seconds": 600}])
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE)), "RECOVERY"))
    [server] = document["Waves"][0]["Servers"]

    assert list(phases(server)) == ["SNAPSHOT", "CONVERSION", "LAUNCH", "LAUNCH_ACTIONS"]
    assert phases(server)["LAUNCH_ACTIONS"] - server["LaunchedTime"] in (74, 75, 76)


def test_a_failed_server_has_the_phases_it_came_to(orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
    orchestrator.add_servers(ONE, TWO)
    simulator.add_fault("conversion-failure", sourceServerIDs=[ONE])
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE, TWO))))
    failed, fine = document["Waves"][0]["Servers"]

    assert (failed["Status"], list(phases(failed))) == ("FAILED", ["SNAPSHOT", "CONVERSION"])
    assert list(phases(fine)) == ["SNAPSHOT", "CONVERSION", "LAUNCH"]


def test_fast_recovery_has_no_conversion(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, recoveryMode="FAST")
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE))))

    assert list(phases(document["Waves"][0]["Servers"][0])) == ["SNAPSHOT", "LAUNCH"]


def test_phases_that_drs_did_not_tell_of_are_absent(orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
    """The log can't be read while the server is settled: the instance is known from the job, the times are not."""
    simulator.switch(recoveryInstanceIdInJob=True)
    orchestrator.add_servers(ONE)
    simulator.add_fault("server-error", operation="DescribeJobLogItems")
    document = orchestrator.drive(orchestrator.start(plan(wave("web", ONE))))
    [server] = document["Waves"][0]["Servers"]

    assert server["Status"] == "LAUNCHED"
    assert "Phases" not in server


def test_the_phases_come_with_the_settlement_and_cost_no_write_of_their_own(
    orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    orchestrator.add_servers(ONE)
    written: list[dict[str, Any]] = []
    original = orchestrator.app.executions._dynamodb.update_item

    def update_item(**arguments: Any) -> Any:
        written.append(arguments)
        return original(**arguments)

    monkeypatch.setattr(orchestrator.app.executions._dynamodb, "update_item", update_item)
    execution_id = orchestrator.start(plan(wave("web", ONE)))
    orchestrator.drive(execution_id)

    ours = server_key(execution_id, JobKey(0, 0), ONE)["Record"]
    updates = [each for each in written if each["Key"]["Record"]["S"] == ours]
    assert all(each["TableName"] == EXECUTION_TABLE for each in updates)
    assert ["#Phases" in each["ExpressionAttributeNames"] for each in updates] == [False] * (len(updates) - 1) + [True]
    assert updates[-1]["ExpressionAttributeValues"][":to"] == {"S": "LAUNCHED"}

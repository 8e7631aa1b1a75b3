"""plans/supervised.yaml, rehearsed: what its fields promise is what happens to the servers of its scenario."""

from typing import Any

import pytest
import yaml

from drs_orchestrator.tasks.steer_execution import approve, resume
from tests.helpers.orchestrator import CALLER, Orchestrator
from tests.helpers.template import PROJECT_ROOT

PLAN = yaml.safe_load((PROJECT_ROOT / "plans" / "supervised.yaml").read_text(encoding="utf-8"))
DATABASE, APPLICATION, WEB = ([server["SourceServerId"] for server in wave["Servers"]] for wave in PLAN["Waves"])


@pytest.fixture(autouse=True)
def scenario(orchestrator: Orchestrator) -> None:
    orchestrator.simulator.load_scenario("three-tier")
    orchestrator.simulator.step(orchestrator.now)


def statuses(document: dict[str, Any]) -> list[str]:
    return [wave["Status"] for wave in document["Waves"]]


def test_when_all_goes_well_only_the_web_tier_is_asked_about(orchestrator: Orchestrator) -> None:
    execution_id = orchestrator.begin(PLAN)
    asked = orchestrator.until_asked(execution_id)
    approve(orchestrator.app, execution_id, None, CALLER)
    document = orchestrator.drive(execution_id)

    assert (asked["Question"]["Kind"], asked["Question"]["Waves"]) == ("APPROVAL", ["web"])
    assert asked["Question"]["Deadline"] == asked["Question"]["AskedTime"] + 3600
    assert (document["Status"], statuses(document)) == ("COMPLETED", ["COMPLETED"] * 3)


def test_one_server_of_each_tier_may_fail_and_an_operator_decides_about_the_database(
    orchestrator: Orchestrator,
) -> None:
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[DATABASE[0], APPLICATION[0], WEB[1]])
    execution_id = orchestrator.begin(PLAN)
    failed = orchestrator.until_asked(execution_id)
    resume(orchestrator.app, execution_id, {"Reason": "the other one will do"}, CALLER)
    asked = orchestrator.until_asked(execution_id)
    approve(orchestrator.app, execution_id, None, CALLER)
    document = orchestrator.drive(execution_id)

    assert (failed["Question"]["Kind"], failed["Question"]["Waves"]) == ("FAILURE", ["database"])
    assert asked["Question"]["Kind"] == "APPROVAL"
    assert (document["Status"], statuses(document)) == ("PARTIAL", ["PARTIAL", "COMPLETED", "PARTIAL"])


def test_nobody_approves_within_the_hour_and_the_web_tier_stays_down(orchestrator: Orchestrator) -> None:
    execution_id = orchestrator.begin(PLAN)
    orchestrator.until_asked(execution_id)
    orchestrator.let_pass(3600)
    document = orchestrator.drive(execution_id)

    assert (document["Status"], statuses(document)) == ("CANCELLED", ["COMPLETED", "COMPLETED", "SKIPPED"])

"""plans/quarterly-drill.yaml, rehearsed: what its fields promise is what happens to the servers of its scenario."""

import pytest
import yaml

from drs_orchestrator.tasks.show_report import show_report
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.template import PROJECT_ROOT

PLAN = yaml.safe_load((PROJECT_ROOT / "plans" / "quarterly-drill.yaml").read_text(encoding="utf-8"))
APPLICATION = [server["SourceServerId"] for server in PLAN["Waves"][1]["Servers"]]


@pytest.fixture(autouse=True)
def scenario(orchestrator: Orchestrator) -> None:
    orchestrator.simulator.load_scenario("three-tier")
    orchestrator.simulator.step(orchestrator.now)


def test_it_is_measured_against_both_objectives_and_cleaned_up_an_hour_later(orchestrator: Orchestrator) -> None:
    execution_id = orchestrator.start(PLAN)
    assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
    report = show_report(orchestrator.app, execution_id)
    waits = orchestrator.finish(execution_id)["cleanUpDelaySeconds"]
    orchestrator.let_pass(waits)
    orchestrator.clean_up(execution_id)
    clean_up = orchestrator.show(execution_id)["CleanUp"]

    assert (report["RecoveryTime"]["Verdict"], report["RecoveryPoint"]["Verdict"]) == ("MET", "MET")
    assert waits == 3600
    assert (clean_up["Status"], len(clean_up["Instances"])) == ("CLEANED_UP", 6)


def test_an_application_tier_that_fails_keeps_the_web_tier_from_nothing(orchestrator: Orchestrator) -> None:
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=APPLICATION)
    document = orchestrator.drive(orchestrator.start(PLAN))

    assert document["Status"] == "PARTIAL"
    assert [wave["Status"] for wave in document["Waves"]] == ["COMPLETED", "FAILED", "COMPLETED"]

"""What the API shows of an execution on its way is what docs/openapi.yaml says, poll by poll."""

import pytest

from tests.helpers.api_document import documented
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)


@pytest.mark.parametrize("execution_type", ["DRILL", "RECOVERY"])
def test_every_document_on_the_way_is_as_the_api_documents_it(
    orchestrator: Orchestrator, simulator: SimulatorControl, execution_type: str
) -> None:
    orchestrator.add_servers(THREE)
    orchestrator.add_servers(ONE, TWO, launchActions=[{"name": "audit", "seconds": 300}])
    simulator.add_fault("unknown-event", sourceServerIDs=[ONE])
    simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
    execution_id = orchestrator.begin(plan(wave("web", ONE, TWO), wave("last", THREE)), execution_type)

    for _ in range(20):
        assert list(documented("Execution").iter_errors(orchestrator.show(execution_id))) == []
        orchestrator.check(execution_id, after=60)
    document = orchestrator.drive(execution_id)

    assert list(documented("Execution").iter_errors(document)) == []
    assert document["Status"] == "PARTIAL"
    assert document["Waves"][0]["Servers"][0]["Phases"]
    assert document["Waves"][0]["Jobs"][0]["UnknownWords"]

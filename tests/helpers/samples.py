"""The samples in events/, the function each belongs to, and a deployment in which they make sense."""

import json
from typing import Any

from drs_orchestrator.domain.plan import plan_from_document
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from tests.helpers.history import STARTED
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.functions import functions, handler_module, shipped_functions

FOLDER = PROJECT_ROOT / "events"
EVENTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}

# What the state machine's definition of each release gives its tasks and selects from their results, by version. An
# execution goes on with the definition it was started with, whatever has been deployed since.
RELEASES: dict[str, dict[str, Any]] = {
    path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("v*/tasks.json"))
}

PLAN = json.loads(EVENTS["api.put_plan"]["body"])
EXECUTION_ID = EVENTS["check_drs"]["executionId"]

# The function a sample belongs to, by the folder of its handler.
FUNCTIONS = {handler_module(name).partition(".")[0]: name for name in functions()}


def folder_of(sample: str) -> str:
    return sample.partition(".")[0]


def invoke(orchestrator: Orchestrator, sample: str) -> Any:
    """What the sample's function answers, called in this process."""
    with shipped_functions(orchestrator.app) as call:
        return call(FUNCTIONS[folder_of(sample)], EVENTS[sample])


def request(orchestrator: Orchestrator, sample: str) -> tuple[int, Any]:
    """The status code and the parsed body of the API's answer."""
    answer = invoke(orchestrator, sample)
    return answer["statusCode"], json.loads(answer["body"] or "null")


def seed(orchestrator: Orchestrator, execution_type: ExecutionType = ExecutionType.DRILL) -> None:
    """Store the plan of the samples and start their execution: PENDING, with its first driver."""
    orchestrator.add_servers(*(server["SourceServerId"] for wave in PLAN["Waves"] for server in wave["Servers"]))
    assert request(orchestrator, "api.put_plan")[0] == 201
    execution = Execution(
        execution_id=EXECUTION_ID,
        plan_id=PLAN["PlanId"],
        plan_name=PLAN["Name"],
        execution_type=execution_type,
        status=ExecutionStatus.PENDING,
        start_time=orchestrator.now,
        generation=1,
        driver_started=orchestrator.now,
    )
    assert orchestrator.app.executions.create(execution, plan_from_document(PLAN), None, STARTED)
    orchestrator.app.drivers.start(execution)

"""The orchestrator through its shipped handlers, and what each invocation printed: log lines and metrics, as CloudWatch
Logs would get them."""

import copy
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.observability import logger
from tests.helpers.orchestrator import CALLER, Orchestrator
from tests.helpers.simulator import SimulatorControl
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.functions import shipped_functions

NAMESPACE = "DRS-Orchestration"

_START = json.loads((PROJECT_ROOT / "events" / "api.start_execution.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Line:
    """One printed line and the function that printed it."""

    function: str
    text: str

    @property
    def document(self) -> dict[str, Any]:
        """Raises ValueError for a line that is no JSON: nothing but JSON belongs into these logs."""
        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def is_metrics(self) -> bool:
        return "_aws" in self.document


@dataclass(frozen=True)
class Datum:
    """What CloudWatch makes of one metric of a line, for one set of dimensions."""

    function: str
    metric: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    values: tuple[float, ...]

    @property
    def dimension_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.dimensions)


def data(lines: list[Line]) -> list[Datum]:
    """The metrics of the lines, read as the specification of the embedded metric format says."""
    found = []
    for line in lines:
        if not line.is_metrics:
            continue
        document = line.document
        assert isinstance(document["_aws"]["Timestamp"], int)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == NAMESPACE
            for names in directive["Dimensions"]:
                dimensions = tuple((name, document[name]) for name in names)
                found += [
                    Datum(line.function, each["Name"], each["Unit"], dimensions, tuple(document[each["Name"]]))
                    for each in directive["Metrics"]
                ]
    return found


class ObservedOrchestrator(Orchestrator):
    """Every task goes through its function's handler; `lines` holds what they printed, in order."""

    def __init__(self, simulator: SimulatorControl, **parameters: str) -> None:
        super().__init__(simulator, **parameters)
        self.lines: list[Line] = []

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Raises what the handler raises; what it printed before is kept."""
        with printed() as output, shipped_functions(self.app) as call:
            try:
                return call(function, event)
            finally:
                self.lines += [Line(function, text) for text in output.getvalue().splitlines()]

    def call_api(self, method: str, path: str, resource: str = "", body: Any = None, **parameters: str) -> Any:
        """The API's answer, as API Gateway gets it; `resource` is the path with its parameters' names."""
        event = copy.deepcopy(_START)
        event |= {
            "httpMethod": method,
            "path": path,
            "resource": resource or path,
            "pathParameters": parameters or None,
        }
        event["body"] = body if isinstance(body, str) or body is None else json.dumps(body)
        event["requestContext"] |= {"httpMethod": method, "resourcePath": resource or path}
        event["requestContext"]["identity"]["userArn"] = CALLER
        return self.invoke("ApiFunction", event)

    def request(self, plan_id: str, execution_type: str = "DRILL", **fields: Any) -> dict[str, str]:
        path = STARTS[ExecutionType(execution_type)]
        answer = self.call_api("POST", path, body={"PlanId": plan_id, "ExecutionType": execution_type, **fields})
        assert answer["statusCode"] == 202, answer["body"]
        body: dict[str, str] = json.loads(answer["body"])
        return body

    def steer(self, execution_id: str, action: str, body: Any = None) -> int:
        """Approve, reject, pause, … a drill: the status code of the answer."""
        path, resource = f"/executions/{execution_id}/{action}", f"/executions/{{ExecutionId}}/{action}"
        answer = self.call_api("POST", path, resource, body, ExecutionId=execution_id)
        return int(answer["statusCode"])

    def prepare(self, execution_id: str, generation: int = 1) -> dict[str, Any]:
        return self._task("PrepareExecutionFunction", execution_id, generation)

    def launch(self, execution_id: str, generation: int = 1) -> dict[str, Any]:
        return self._task("LaunchWavesFunction", execution_id, generation)

    def check(self, execution_id: str, generation: int = 1, *, after: int = 0) -> dict[str, Any]:
        if after:
            self.let_pass(after)
        return self._task("CheckDrsFunction", execution_id, generation)

    def finish(self, execution_id: str, generation: int = 1) -> dict[str, Any]:
        return self._task("FinishExecutionFunction", execution_id, generation)

    def wait_for_decision(self, execution_id: str, token: str, generation: int = 1) -> dict[str, Any]:
        return self._task("WaitForDecisionFunction", execution_id, generation, taskToken=token)

    def reconcile(self) -> dict[str, int]:
        """One sweep of the reconciler's schedule."""
        counts: dict[str, int] = self.invoke("ReconcilerFunction", {"detail": {}})
        return counts

    def _task(self, function: str, execution_id: str, generation: int, **fields: Any) -> dict[str, Any]:
        event = {"executionId": execution_id, "executionType": "DRILL", "generation": generation, **fields}
        answer: dict[str, Any] = self.invoke(function, event)
        return answer


@contextmanager
def printed() -> Iterator[io.StringIO]:
    """What is printed in the block, the logger's lines among it."""
    output = io.StringIO()
    [handler] = [each for each in logger.handlers if hasattr(each, "setStream")]
    before = handler.setStream(output)
    try:
        with redirect_stdout(output):
            yield output
    finally:
        if before is not None:
            handler.setStream(before)

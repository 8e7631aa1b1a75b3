"""moto's Step Functions interpreter as a second engine: the shipped definition and handlers, in this process.

It is stricter than the embedded engine: it fails on a path that selects nothing, and it knows Retry with MaxDelay and
jitter, time-outs and a complete history. Waits and the pauses between retries take no time here: they let time
pass on the orchestrator's clock and in DRS, so the template's own intervals are used.
"""

import io
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor

from drs_orchestrator.domain.statuses import ExecutionStatus
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.simulator import SimulatorControl
from tests.statemachine.functions import Call, shipped_functions
from tests.statemachine.reading import SUBSTITUTION, function_of, states
from tools.state_graph import DEFINITION

# Real seconds: generous, for nothing here waits for real.
_PATIENCE = 60

Hook = Callable[[], None]


class SecondEngine:
    """Runs executions of the state machine. To be made by `second_engine`."""

    def __init__(self, orchestrator: Orchestrator, call: Call) -> None:
        self.orchestrator = orchestrator
        self._call = call
        self.broken: set[str] = set()
        self.waited: list[int] = []
        self._before_waits: list[Hook] = []
        self._decisions: list[Hook] = []
        self._client: Any = orchestrator.stepfunctions
        self._machine = orchestrator.environment["STATE_MACHINE_ARN"]
        definition = SUBSTITUTION.sub(lambda match: match[1], DEFINITION.read_text(encoding="utf-8"))
        self._client.update_state_machine(stateMachineArn=self._machine, definition=definition)

    def break_function(self, task: str) -> None:
        """From now on the function behind the state `task` fails whenever it is invoked."""
        self.broken.add(function_of(states()[task]))

    def at_the_next_wait(self, hook: Hook) -> None:
        """Do something while a driver waits."""
        self._before_waits.append(hook)

    def at_the_next_pause(self, hook: Hook) -> None:
        """Do something, such as deciding, once an execution is PAUSED."""
        self._decisions.append(hook)

    def run(self) -> None:
        """Until no driver runs any more, those included that others start meanwhile."""
        deadline = time.monotonic() + _PATIENCE
        executions = self.orchestrator.app.executions
        while running := self._drivers("RUNNING"):
            if self._decisions and executions.page_by_status(ExecutionStatus.PAUSED, 1, None)[0]:
                self._decisions.pop(0)()
            assert time.monotonic() < deadline, f"still running: {running}"
            # Looking takes the interpreter's time, which runs in a thread of this process.
            time.sleep(0.05)

    def outcome(self, driver: str) -> tuple[str, str | None]:
        """(status, error name) of the state machine execution."""
        described = self._client.describe_execution(executionArn=self._arn(driver))
        return described["status"], described.get("error")

    def history(self, driver: str) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("get_execution_history").paginate(executionArn=self._arn(driver))
        return [event for page in pages for event in page["events"]]

    def let_pass(self, seconds: float) -> None:
        self.orchestrator.let_pass(math.ceil(seconds))

    def wait(self, seconds: int) -> None:
        self.waited.append(seconds)
        if self._before_waits:
            self._before_waits.pop(0)()
        self.let_pass(seconds)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        """Lambda's Invoke, as far as the interpreter uses it: JSON in, JSON out, an exception as FunctionError."""
        if FunctionName in self.broken:
            return _failure(RuntimeError("broken by the test"))
        try:
            return _answer(self._call(FunctionName, json.loads(Payload)))
        except Exception as error:  # noqa: BLE001 - Lambda reports whatever a function raises
            return _failure(error)

    def _drivers(self, status: str) -> list[str]:
        listed = self._client.list_executions(stateMachineArn=self._machine, statusFilter=status)
        return [each["name"] for each in listed["executions"]]

    def _arn(self, driver: str) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{driver}"


@contextmanager
def second_engine(simulator: SimulatorControl, **parameters: str) -> Iterator[SecondEngine]:
    """To be used inside `aws()`; `parameters` replace the template's defaults."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(default_user_config, {"stepfunctions": {"execute_state_machine": True}}))
        orchestrator = Orchestrator(simulator, **parameters)
        engine = SecondEngine(orchestrator, stack.enter_context(shipped_functions(orchestrator.app)))

        def wait(_function: WaitFunction, env: object, wait_seconds: int) -> None:
            engine.wait(wait_seconds)

        for target, name, replacement in (
            (lambda_eval_utils, "boto_client_for", mock.Mock(return_value=engine)),
            (WaitFunction, "_wait_interval", wait),
            (retrier_decl, "time", SimpleNamespace(sleep=engine.let_pass)),
            (AmazonStateLanguageParser, "parse", _program),
        ):
            stack.enter_context(mock.patch.object(target, name, replacement))
        yield engine


def _program(definition: str) -> tuple[Any, Any]:
    """moto's own parse, whose slow half, the grammar, is gone through once for each definition."""
    tree = _tree(definition)
    return Preprocessor().visit(tree), tree


_parse = AmazonStateLanguageParser.parse


@cache
def _tree(definition: str) -> Any:
    return _parse(definition)[1]


def _answer(payload: object, **fields: str) -> dict[str, Any]:
    return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(payload).encode()), **fields}


def _failure(error: Exception) -> dict[str, Any]:
    return _answer({"errorType": type(error).__name__, "errorMessage": str(error)}, FunctionError="Unhandled")

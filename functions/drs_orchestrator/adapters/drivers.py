"""The state machine executions that drive our executions: one a generation, named after both.

The name makes starting idempotent: StartExecution with a name that is in use never starts a second driver.
"""

import json
from enum import StrEnum
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from drs_orchestrator.domain.records import Execution

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 5})


class DriverState(StrEnum):
    RUNNING = "RUNNING"
    ENDED = "ENDED"
    ABSENT = "ABSENT"


def driver_name(execution: Execution) -> str:
    return f"{execution.execution_id}-g{execution.generation}"


def execution_id_of(name: str) -> str:
    """The execution that the driver of this name drives."""
    return name.rpartition("-g")[0]


class Drivers:
    def __init__(self, state_machine_arn: str) -> None:
        self._state_machine_arn = state_machine_arn
        self._client: Any = boto3.client("stepfunctions", config=_CONFIG)

    def start(self, execution: Execution) -> None:
        """Start the driver of the execution's generation; one that was started before is left alone."""
        state = {
            "executionId": execution.execution_id,
            "executionType": execution.execution_type.value,
            "generation": execution.generation,
        }
        try:
            self._client.start_execution(
                stateMachineArn=self._state_machine_arn, name=driver_name(execution), input=json.dumps(state)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def state(self, execution: Execution) -> DriverState:
        try:
            answer = self._client.describe_execution(executionArn=self._arn(execution))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return DriverState.ABSENT
            raise
        return DriverState.RUNNING if answer["status"] == "RUNNING" else DriverState.ENDED

    def stop(self, execution: Execution, cause: str) -> None:
        """Stop the driver; one that has ended already is left alone."""
        self._client.stop_execution(executionArn=self._arn(execution), error="DriverReplaced", cause=cause)

    def wake(self, token: str) -> bool:
        """Let the driver that waits with this callback token go on; False when none waits with it any more."""
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            if error.response["Error"]["Code"] in ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken"):
                return False
            raise
        return True

    def _arn(self, execution: Execution) -> str:
        return f"{self._state_machine_arn.replace(':stateMachine:', ':execution:')}:{driver_name(execution)}"

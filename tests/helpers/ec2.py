"""EC2 as far as the orchestrator asks it. What a simulated DRS launched exists nowhere but there, so the simulator
answers, unless a test says that EC2 fails."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from tests.helpers.simulator import SimulatorControl

NOT_FOUND = "InvalidInstanceID.NotFound"


@dataclass(slots=True)
class _Trouble:
    code: str
    message: str
    status: int
    instance_id: str | None
    left: int | None

    def meets(self, instance_id: str) -> bool:
        return self.left != 0 and self.instance_id in (None, instance_id)


class Ec2:
    """EC2 of every account and Region. `asked`: the instances it was asked to protect, in order."""

    def __init__(self, simulator: SimulatorControl) -> None:
        self._simulator = simulator
        self._troubles: list[_Trouble] = []
        self.asked: list[str] = []

    def fail(
        self,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        instance_id: str | None = None,
        count: int | None = None,
    ) -> None:
        """From now on answer with this error: about one instance or all, so many times or always. The code
        EndpointConnectionError stands for an EC2 that can't be reached."""
        self._troubles.append(_Trouble(code, message, status, instance_id, count))

    def recover(self) -> None:
        """Fail no more."""
        self._troubles.clear()

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """What a client of EC2 is answered. Raises what the client raises."""
        if operation != "ModifyInstanceAttribute" or parameters["DisableApiTermination"] != {"Value": True}:
            raise AssertionError(f"nobody expected EC2 to be asked for {operation} {parameters}")
        instance_id = parameters["InstanceId"]
        self.asked.append(instance_id)
        trouble = next((each for each in self._troubles if each.meets(instance_id)), None)
        if trouble:
            trouble.left = None if trouble.left is None else trouble.left - 1
            if trouble.code == "EndpointConnectionError":
                raise EndpointConnectionError(endpoint_url="https://ec2.us-east-1.amazonaws.com/")
            raise _error(trouble.code, trouble.message, trouble.status)
        try:
            self._simulator.protect(instance_id)
        except AssertionError:
            raise _error(NOT_FOUND, f"The instance ID '{instance_id}' does not exist", 400) from None
        return {}


def _error(code: str, message: str, status: int) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, "ModifyInstanceAttribute")

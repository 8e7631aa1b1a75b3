"""The record of every call received, for counting: a test of an orchestrator is often a question about it."""

from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `status` is the HTTP status answered, None if the connection was cut instead."""

    operation: str
    time: float
    account: str
    region: str
    status: int | None
    request: dict[str, Any]
    error_code: str | None = None
    faults: tuple[str, ...] = ()
    took_effect: bool = True

    def to_document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "operation": self.operation,
            "time": self.time,
            "account": self.account,
            "region": self.region,
            "status": self.status,
            "tookEffect": self.took_effect,
            "request": self.request,
        }
        if self.error_code:
            document["errorCode"] = self.error_code
        if self.faults:
            document["faults"] = list(self.faults)
        return document


class CallLog:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)

    def add(self, call: Call) -> None:
        self._calls.append(call)

    def clear(self) -> None:
        self._calls.clear()

    def listed(self, operation: str | None = None) -> list[Call]:
        return [call for call in self._calls if operation in (None, call.operation)]

"""What can go wrong, as a tree. Expected outcomes (busy, quota, conflict, refused) are data in a result, not errors.

OrchestratorError
├── InvalidRequest          400  the caller's input; carries every fault
├── NotFound                404
├── Conflict                409
├── PayloadTooLarge         413
└── ServiceBusy             503  AWS throttles or is unavailable; the same request may be sent again
"""

from collections.abc import Sequence


class OrchestratorError(Exception):
    """The root: `code` is the machine-readable name in an API error, `status` its HTTP status."""

    code = "InternalError"
    status = 500

    def __init__(self, message: str, details: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)


class InvalidRequest(OrchestratorError):
    code = "InvalidRequest"
    status = 400


class NotFound(OrchestratorError):
    code = "NotFound"
    status = 404


class Conflict(OrchestratorError):
    code = "Conflict"
    status = 409


class PayloadTooLarge(OrchestratorError):
    code = "PayloadTooLarge"
    status = 413


class ServiceBusy(OrchestratorError):
    code = "ServiceBusy"
    status = 503

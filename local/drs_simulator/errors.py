"""What the service answers when it does not do as asked.

DrsError              an error the service returns: a shape's name, a message and the shape's members
ControlError          a request to the control API that cannot be met; the message says what to do
ConnectionDropped     no answer at all: the connection is cut (a fault rule asked for it)
"""

from typing import Any

BUSY_SERVERS = "One or more of the Source Servers included in API call are currently being processed by a Job"


class DrsError(Exception):
    """An error of the service. `name` is an error shape of the botocore model, `members` its members."""

    def __init__(self, name: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.name = name
        self.members: dict[str, Any] = {"message": message, **members}


class ControlError(ValueError):
    """A control request that names something unknown or malformed."""


class ConnectionDropped(Exception):
    """The caller gets no answer; whether the call took effect is the fault rule's business."""


def conflict(resource_id: str, resource_type: str = "SOURCE_SERVER", message: str = BUSY_SERVERS) -> DrsError:
    """409: the resource is part of a running job."""
    return DrsError("ConflictException", message, code="CONFLICT", resourceId=resource_id, resourceType=resource_type)


def quota_exceeded(message: str, resource_id: str, resource_type: str, quota_code: str) -> DrsError:
    """402: one of the account's DRS quotas in this Region would be exceeded."""
    return DrsError(
        "ServiceQuotaExceededException",
        message,
        code="QUOTA_EXCEEDED",
        resourceId=resource_id,
        resourceType=resource_type,
        serviceCode="drs",
        quotaCode=quota_code,
    )


def throttled(retry_after_seconds: str = "1") -> DrsError:
    """429: `retryAfterSeconds` travels in a header, and as a string."""
    return DrsError("ThrottlingException", "Rate exceeded", serviceCode="drs", retryAfterSeconds=retry_after_seconds)


def internal(message: str = "Internal server error", retry_after_seconds: int = 1) -> DrsError:
    """500: `retryAfterSeconds` travels in a header, as an integer."""
    return DrsError("InternalServerException", message, retryAfterSeconds=retry_after_seconds)


def not_found(resource_id: str, resource_type: str) -> DrsError:
    """404 for a resource of this account and Region that does not exist."""
    return DrsError(
        "ResourceNotFoundException",
        f"{resource_type} {resource_id} not found",
        code="NOT_FOUND",
        resourceId=resource_id,
        resourceType=resource_type,
    )


def invalid(message: str, reason: str = "other", fields: list[dict[str, str]] | None = None) -> DrsError:
    """400 for a request the service does not accept; `fields` holds {name, message} of each faulty member."""
    return DrsError("ValidationException", message, code="VALIDATION", reason=reason, fieldList=fields or [])


def uninitialized(account: str, region: str) -> DrsError:
    """400: DRS has never been set up in this Region of the account."""
    return DrsError(
        "UninitializedAccountException",
        f"Account {account} has not been initialized for use with Elastic Disaster Recovery in {region}",
        code="UNINITIALIZED_ACCOUNT",
    )

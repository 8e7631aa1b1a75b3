"""Who asks for something, and why: the request body that every operator's decision has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drs_orchestrator.errors import InvalidRequest
from drs_orchestrator.tasks.reasons import REASON_FAULT, is_reason


@dataclass(frozen=True, slots=True)
class Operator:
    """Who decides, and why."""

    by: str
    reason: str | None = None


def read_operator(
    request: object, by: str, *, reason_required: bool = False, fields: Sequence[str] = ("Reason",)
) -> Operator:
    """Raises InvalidRequest with every fault of the request's body; an empty body is one without fields."""
    request = {} if request is None else request
    if not isinstance(request, Mapping):
        raise InvalidRequest(f"The body must be a JSON object with {' and '.join(fields)}, or empty.")
    unknown = f"Unknown field; known are {', '.join(fields)}."
    details = [fault(f"/{name}", unknown) for name in request if name not in fields]
    reason = request.get("Reason")
    if reason is not None and not is_reason(reason):
        details.append(fault("/Reason", REASON_FAULT))
    if reason is None and reason_required:
        details.append(fault("/Reason", "Reason is required: say why, in a sentence."))
    if details:
        raise InvalidRequest("The request has faults; each is listed in details.", details)
    return Operator(by, reason if isinstance(reason, str) else None)


def fault(pointer: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "message": message}

"""Who asks for something, and why: the request body that every operator's decision has, and what is wrong with one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drs_orchestrator.errors import InvalidRequest
from drs_orchestrator.tasks.reasons import REASON_FAULT, is_reason

_LISTED_FIELDS = 100
"""A megabyte has room for more unknown fields than an answer has for a fault of each."""
_SHOWN_CHARACTERS = 64


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
    details = unknown_fields(request, fields)
    reason = request.get("Reason")
    if reason is not None and not is_reason(reason):
        details.append(fault("/Reason", REASON_FAULT))
    if reason is None and reason_required:
        details.append(fault("/Reason", "Reason is required: say why, in a sentence."))
    if details:
        raise InvalidRequest("The request has faults; each is listed in details.", details)
    return Operator(by, reason if isinstance(reason, str) else None)


def unknown_fields(body: Iterable[str], known: Sequence[str]) -> list[dict[str, str]]:
    """A fault for each of the first fields that are not known, and one that says how many more there are."""
    unknown = [name for name in body if name not in known]
    message = f"Unknown field; known are {', '.join(known)}."
    faults = [fault(f"/{name[:_SHOWN_CHARACTERS]}", message) for name in unknown[:_LISTED_FIELDS]]
    if more := len(unknown) - len(faults):
        faults.append(fault("", f"{more} more unknown field{'' if more == 1 else 's'}; only the first are listed."))
    return faults


def fault(pointer: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "message": message}

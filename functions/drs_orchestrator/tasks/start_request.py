"""What a caller of POST /executions asks for, read and checked."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.errors import InvalidRequest
from drs_orchestrator.tasks.operators import fault, unknown_fields
from drs_orchestrator.tasks.reasons import REASON_FAULT, is_reason

_PLAN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
_FIELDS = ("PlanId", "ExecutionType", "ClientToken", "Reason", "ReplaceLive", "SkipApprovals", "DryRun")


@dataclass(frozen=True, slots=True)
class StartRequest:
    """`replace_live`: the plan's id was typed, so living instances of earlier recoveries may be removed.
    `skip_approvals`: a recovery for which nobody is to be asked; there is a `reason` then. `retry_of`: the execution
    whose plan is started once more, for the servers that are not up."""

    plan_id: str
    execution_type: ExecutionType
    client_token: str | None = None
    reason: str | None = None
    replace_live: bool = False
    skip_approvals: bool = False
    dry_run: bool = False
    retry_of: str | None = None

    @property
    def digest(self) -> str:
        """Equal for requests that mean the same: what a ClientToken was first used for."""
        more = {
            "Reason": self.reason,
            "ReplaceLive": self.replace_live or None,
            "SkipApprovals": self.skip_approvals or None,
            "RetryOf": self.retry_of,
        }
        extras = {name: value for name, value in more.items() if value is not None}
        meaning: list[Any] = [self.plan_id, self.execution_type.value]
        # Without extras as it always was: a token may be older than they are.
        return hashlib.sha256(json.dumps(meaning + ([extras] if extras else [])).encode()).hexdigest()


def read_start_request(body: object, retry_of: str | None = None) -> StartRequest:
    """Raises InvalidRequest with every fault of the body."""
    if not isinstance(body, Mapping):
        raise InvalidRequest("The body must be a JSON object with PlanId and ExecutionType.")
    details = unknown_fields(body, _FIELDS)
    plan_id, execution_type, token, reason, replaced, skipped, dry_run = (body.get(name) for name in _FIELDS)
    if not isinstance(plan_id, str) or not _PLAN_ID.fullmatch(plan_id):
        details.append(fault("/PlanId", "PlanId is required: the id of a stored plan."))
    if not isinstance(execution_type, str) or execution_type not in ExecutionType.__members__:
        details.append(fault("/ExecutionType", "ExecutionType is required: DRILL or RECOVERY."))
    if "ClientToken" in body and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        details.append(fault("/ClientToken", "ClientToken must be 1 to 64 printable ASCII characters without spaces."))
    if "Reason" in body and not is_reason(reason):
        details.append(fault("/Reason", REASON_FAULT))
    if "ReplaceLive" in body and execution_type == ExecutionType.DRILL:
        details.append(fault("/ReplaceLive", "A DRILL never replaces what a recovery launched: leave ReplaceLive out."))
    elif "ReplaceLive" in body and replaced != plan_id:
        details.append(fault("/ReplaceLive", f"ReplaceLive must repeat the plan's id, {_shown(plan_id)}, to allow it."))
    if "SkipApprovals" in body and not isinstance(skipped, bool):
        details.append(fault("/SkipApprovals", "SkipApprovals must be true or false."))
    elif skipped and execution_type == ExecutionType.DRILL:
        details.append(fault("/SkipApprovals", "A DRILL waits for its approvals: leave SkipApprovals out."))
    elif skipped and "Reason" not in body:
        details.append(fault("/Reason", "Reason is required with SkipApprovals: say why nobody is to be asked."))
    if "DryRun" in body and not isinstance(dry_run, bool):
        details.append(fault("/DryRun", "DryRun must be true or false."))
    if details:
        raise InvalidRequest("The request has faults; each is listed in details.", details)
    return StartRequest(
        plan_id=str(plan_id),
        execution_type=ExecutionType(str(execution_type)),
        client_token=token,
        reason=reason,
        replace_live="ReplaceLive" in body,
        skip_approvals=skipped is True,
        dry_run=dry_run is True,
        retry_of=retry_of,
    )


def _shown(plan_id: object) -> str:
    return plan_id if isinstance(plan_id, str) and _PLAN_ID.fullmatch(plan_id) else "PlanId"

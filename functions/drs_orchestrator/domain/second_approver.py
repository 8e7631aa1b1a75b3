"""A RECOVERY that needs two people: who starts it, and who approves it before anything is launched."""

from dataclasses import replace

from drs_orchestrator.domain.choices import OnApprovalTimeout
from drs_orchestrator.domain.plan import Plan

# IAM Identity Center names the session after the user, and nobody else may assume its roles.
_IDENTITY_CENTER_ROLE = "AWSReservedSSO_"


def with_second_approver(plan: Plan) -> Plan:
    """The plan with an approval before its first waves, and with silence meaning no.

    A wave that comes first only because those are skipped waits, too: see `waves.needs_approval`.
    """
    waves = tuple(wave if wave.depends_on else replace(wave, approval_before=True) for wave in plan.waves)
    return replace(plan, waves=waves, on_approval_timeout=OnApprovalTimeout.REJECT)


def are_two_people(one: str, other: str) -> bool:
    """Whether two callers, given by their ARNs, are certainly not the same person."""
    people = _person(one), _person(other)
    return None not in people and people[0] != people[1]


def _person(arn: str) -> str | None:
    """What tells a caller from others; None when the ARN proves nothing.

    Whoever assumes a role, or asks for a federation token, chooses the session's name: a second name is no second
    person. In Identity Center it is the user's, under whatever permission set.
    """
    kind, _, name = arn.rpartition(":")[2].partition("/")
    role, _, session = name.partition("/")
    if kind == "assumed-role" and session:
        return session.lower() if role.startswith(_IDENTITY_CENTER_ROLE) else arn.removesuffix(f"/{session}")
    return arn if kind in ("user", "root") else None

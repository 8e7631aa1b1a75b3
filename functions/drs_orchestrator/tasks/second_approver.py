"""Hold a RECOVERY to two people, where the deployment asks for it (SecondApproverForRecovery)."""

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.plan import Plan
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.second_approver import are_two_people, with_second_approver
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.errors import Conflict
from drs_orchestrator.tasks.start_request import StartRequest


def needs_second_approver(app: App, execution_type: ExecutionType) -> bool:
    return app.settings.second_approver_for_recovery and execution_type is ExecutionType.RECOVERY


def plan_to_approve(app: App, plan: Plan, request: StartRequest) -> Plan:
    """The plan as it may be started. Raises Conflict when the request wants nobody to be asked."""
    if not needs_second_approver(app, request.execution_type):
        return plan
    if request.skip_approvals:
        raise Conflict(
            "SkipApprovals is switched off here: the stack's SecondApproverForRecovery asks for a second person's "
            "approval of every RECOVERY."
        )
    return with_second_approver(plan)


def check_approver(app: App, execution: Execution, by: str) -> None:
    """Raises Conflict when who approves may be who started it."""
    if needs_second_approver(app, execution.execution_type) and not are_two_people(execution.started_by, by):
        raise Conflict(
            f"{execution.execution_id} was started by {execution.started_by}; a RECOVERY has to be approved by a "
            f"second person, and {by} may be the same."
        )

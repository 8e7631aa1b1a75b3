"""The service's own recovery plans, as stored data: nothing here executes one."""

from typing import Any

from drs_simulator.errors import DrsError, conflict, invalid, not_found
from drs_simulator.worlds import Plan, PlanStep, World

MAX_STEPS = 20

Document = dict[str, Any]


def create(world: World, params: Document, now: float) -> Plan:
    """A new plan. The same client token gives the plan it gave before."""
    token = params.get("clientToken")
    if token and (arn := world.client_tokens.get(token)) in world.plans:
        return world.plans[arn]
    if any(plan.name == params["name"] for plan in world.plans.values()):
        raise conflict(params["name"], "RECOVERY_PLAN", "A recovery plan with this name already exists")
    plan = Plan(
        arn=world.arn(f"recovery-plan/{world.new_id('rp-')}"),
        name=params["name"],
        description=params.get("description"),
        created=now,
        updated=now,
        tags=dict(params.get("tags") or {}),
    )
    world.plans[plan.arn] = plan
    if token:
        world.client_tokens[token] = plan.arn
    return plan


def find(world: World, arn: str) -> Plan:
    plan = world.plans.get(arn)
    if plan is None:
        raise not_found(arn, "RECOVERY_PLAN")
    return plan


def update(world: World, params: Document, now: float) -> Plan:
    plan = find(world, params["recoveryPlanArn"])
    plan.name = params.get("name") or plan.name
    if params.get("description") is not None:
        plan.description = params["description"]
    plan.updated = now
    return plan


def create_step(world: World, params: Document, now: float) -> PlanStep:
    """A new step, at its stepOrder or at the end; the steps that stood there move on by one."""
    plan = find(world, params["recoveryPlanArn"])
    token = params.get("clientToken")
    if token and (arn := world.client_tokens.get(token)):
        for known in plan.steps:
            if known.arn == arn:
                return known
    configuration = params["configuration"]
    if len([part for part in configuration.values() if part is not None]) != 1:
        raise invalid("A step is either a server step or a wait step", "fieldValidationFailed")
    if len(plan.steps) >= MAX_STEPS:
        raise DrsError(
            "ServiceQuotaExceededException",
            f"A recovery plan has at most {MAX_STEPS} steps",
            code="QUOTA_EXCEEDED",
            resourceId=plan.arn,
            resourceType="RECOVERY_PLAN",
            serviceCode="drs",
            quotaCode="STEPS_PER_PLAN",
        )
    position = min(params.get("stepOrder") or len(plan.steps) + 1, len(plan.steps) + 1)
    step = PlanStep(
        arn=f"{plan.arn}/step/{world.new_id('rps-')}",
        order=position,
        name=params["stepName"],
        configuration=configuration,
        created=now,
        updated=now,
    )
    plan.steps.insert(position - 1, step)
    _renumber(plan)
    plan.updated = now
    if token:
        world.client_tokens[token] = step.arn
    return step


def find_step(world: World, arn: str) -> tuple[Plan, PlanStep]:
    plan = world.plans.get(arn.partition("/step/")[0])
    for step in plan.steps if plan else ():
        if plan and step.arn == arn:
            return plan, step
    raise not_found(arn, "RECOVERY_PLAN_STEP")


def delete_step(world: World, arn: str, now: float) -> PlanStep:
    plan, step = find_step(world, arn)
    plan.steps.remove(step)
    _renumber(plan)
    plan.updated = now
    return step


def _renumber(plan: Plan) -> None:
    for order, step in enumerate(plan.steps, 1):
        step.order = order

"""The simulated operations of the DRS API, one function each: checked parameters in, the wire's document out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from drs_simulator import plans, views
from drs_simulator.engine import Engine
from drs_simulator.errors import DrsError, invalid, not_found
from drs_simulator.faults import CallVerdict, Faults, Occasion
from drs_simulator.fleet import WITHOUT_RECOVERY_POINT
from drs_simulator.limits import check_new_job
from drs_simulator.paging import page
from drs_simulator.profiles import SNAPSHOT_FAILED, Failure, Profile
from drs_simulator.switches import Switches
from drs_simulator.timeline import LaunchAction, ServerLaunch, Twist, fail, snapshot_fallback
from drs_simulator.worlds import Job, Plan, RecoveryInstance, SourceServer, World

Document = dict[str, Any]
STALE_SOURCE = ("PAUSED", "STALLED", "DISCONNECTED")
MAX_TAGS = 50


class Service(Protocol):
    """What an operation may use besides its world."""

    switches: Switches
    faults: Faults
    engine: Engine
    hold: bool

    def now(self) -> float: ...
    def profile_for(self, server: SourceServer) -> Profile: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """A call whose parameters are known to fit the model, and what the fault rules make of it."""

    service: Service
    world: World
    params: Document
    verdict: CallVerdict


Operation = Callable[[Ask], Document]
OPERATIONS: dict[str, Operation] = {}


def operation(function: Operation) -> Operation:
    """Register ``describe_jobs`` as the operation DescribeJobs."""
    OPERATIONS["".join(word.capitalize() for word in function.__name__.split("_"))] = function
    return function


@operation
def start_recovery(ask: Ask) -> Document:
    wanted = ask.params["sourceServers"]
    tags = _checked_tags(ask.params.get("tags") or {})
    ids = [item["sourceServerID"] for item in wanted]
    if len(set(ids)) < len(ids):
        raise invalid("A source server is included more than once", "fieldValidationFailed")
    servers = [_server(ask, server_id) for server_id in ids]
    check_new_job(ask.world, ids)
    points: dict[str, float] = {}
    for item in wanted:
        if snapshot_id := item.get("recoverySnapshotID"):
            points[item["sourceServerID"]] = _point_in_time(ask, item["sourceServerID"], snapshot_id)
    launches = [
        ServerLaunch(
            server=server.id,
            profile=ask.service.profile_for(server),
            takes_snapshot=server.id not in points,
            fast=server.recovery_mode == "FAST",
            actions=tuple(action for action in server.launch_actions if action.action["active"])
            if server.post_launch_enabled
            else (),
        )
        for server in servers
    ]
    job = ask.service.engine.start_launch(
        ask.world,
        launches,
        is_drill=bool(ask.params.get("isDrill", False)),
        tags=tags,
        points_in_time=points,
        twists={server.id: _twists(ask, server, tags, server.id in points) for server in servers},
        held=ask.service.hold,
    )
    return {"job": _job(ask, job)}


@operation
def terminate_recovery_instances(ask: Ask) -> Document:
    instances = [_instance(ask, instance_id) for instance_id in dict.fromkeys(ask.params["recoveryInstanceIDs"])]
    check_new_job(ask.world, {instance.server_id for instance in instances})
    return {"job": _job(ask, ask.service.engine.start_terminate(ask.world, instances, ask.service.hold))}


@operation
def describe_jobs(ask: Ask) -> Document:
    filters = ask.params.get("filters") or {}
    as_of = ask.service.now() - ask.verdict.stale_seconds if ask.verdict.stale_seconds else None
    found: list[Job] = []
    if not ask.verdict.empty:
        if wanted := filters.get("jobIDs"):
            jobs = (ask.world.jobs.get(job_id) for job_id in dict.fromkeys(wanted))
            found = sorted((job for job in jobs if job), key=lambda job: job.created, reverse=True)
        else:
            found = list(reversed(ask.world.jobs.values()))
        found = [job for job in found if _is_between(job.created, filters.get("fromDate"), filters.get("toDate"))]
        if as_of is not None:
            found = [job for job in found if job.created <= as_of]
    chosen, more = _page(ask, found, lambda job: job.id, "DescribeJobs")
    return {"items": [_job(ask, job, as_of) for job in chosen], **more}


@operation
def describe_job_log_items(ask: Ask) -> Document:
    job = ask.world.jobs.get(ask.params["jobID"])
    if job is None or ask.verdict.empty:
        raise not_found(ask.params["jobID"], "JOB")
    as_of = ask.service.now() - ask.verdict.stale_seconds
    lines = [
        (position, item) for position, item in enumerate(job.log) if item.at <= as_of or not ask.verdict.stale_seconds
    ]
    chosen, more = _page(ask, lines, lambda line: str(line[0]), f"DescribeJobLogItems {job.id}")
    return {"items": [views.log_item(item) for _, item in chosen], **more}


@operation
def delete_job(ask: Ask) -> Document:
    job = ask.world.jobs.get(ask.params["jobID"])
    if job is None:
        raise not_found(ask.params["jobID"], "JOB")
    if job.is_running:
        raise DrsError(
            "ConflictException", "The job is in progress", code="CONFLICT", resourceId=job.id, resourceType="JOB"
        )
    del ask.world.jobs[job.id]
    return {}


@operation
def describe_source_servers(ask: Ask) -> Document:
    filters = ask.params.get("filters") or {}
    if wanted := filters.get("sourceServerIDs"):
        found = [ask.world.servers[server_id] for server_id in dict.fromkeys(wanted) if server_id in ask.world.servers]
    else:
        found = list(ask.world.servers.values())
    if hardware := filters.get("hardwareId"):
        found = [server for server in found if hardware in (server.source_instance_id, server.hostname)]
    if accounts := filters.get("stagingAccountIDs"):
        found = [server for server in found if (server.staging_account or ask.world.account) in accounts]
    if ask.verdict.empty:
        found = []
    chosen, more = _page(ask, found, lambda server: server.id, "DescribeSourceServers")
    now, shape = ask.service.now(), ask.service.switches.apiShape
    return {"items": [views.source_server(ask.world, server, now, shape) for server in chosen], **more}


@operation
def describe_recovery_instances(ask: Ask) -> Document:
    filters = ask.params.get("filters") or {}
    found = [] if ask.verdict.empty else list(ask.world.instances.values())
    if wanted := filters.get("recoveryInstanceIDs"):
        found = [instance for instance in found if instance.id in set(wanted)]
    if servers := filters.get("sourceServerIDs"):
        found = [instance for instance in found if instance.server_id in set(servers)]
    chosen, more = _page(ask, found, lambda instance: instance.id, "DescribeRecoveryInstances")
    return {"items": [views.recovery_instance(ask.world, instance, ask.service.now()) for instance in chosen], **more}


@operation
def describe_recovery_snapshots(ask: Ask) -> Document:
    server = _server(ask, ask.params["sourceServerID"])
    filters = ask.params.get("filters") or {}
    found = [
        snapshot
        for snapshot in server.snapshots
        if _is_between(snapshot.expected, filters.get("fromDateTime"), filters.get("toDateTime"))
    ]
    found.sort(key=lambda snapshot: snapshot.expected, reverse=ask.params.get("order") == "DESC")
    scope = f"DescribeRecoverySnapshots {server.id}"
    chosen, more = _page(ask, found, lambda snapshot: snapshot.id, scope)
    return {"items": [views.recovery_snapshot(server.id, snapshot) for snapshot in chosen], **more}


@operation
def get_launch_configuration(ask: Ask) -> Document:
    return views.launch_configuration(_server(ask, ask.params["sourceServerID"]))


@operation
def update_launch_configuration(ask: Ask) -> Document:
    server = _server(ask, ask.params["sourceServerID"])
    server.launch_disposition = ask.params.get("launchDisposition") or server.launch_disposition
    server.recovery_mode = ask.params.get("recoveryMode") or server.recovery_mode
    if ask.params.get("postLaunchEnabled") is not None:
        server.post_launch_enabled = ask.params["postLaunchEnabled"]
    return views.launch_configuration(server)


@operation
def get_replication_configuration(ask: Ask) -> Document:
    return views.replication_configuration(_server(ask, ask.params["sourceServerID"]))


@operation
def list_launch_actions(ask: Ask) -> Document:
    server = _server(ask, ask.params["resourceId"])
    wanted = (ask.params.get("filters") or {}).get("actionIds")
    found = [item.action for item in server.launch_actions if not wanted or item.action["actionId"] in wanted]
    scope = f"ListLaunchActions {server.id}"
    chosen, more = _page(ask, found, lambda action: str(action["actionId"]), scope)
    return {"items": list(chosen), **more}


@operation
def put_launch_action(ask: Ask) -> Document:
    server = _server(ask, ask.params["resourceId"])
    action = {key: value for key, value in ask.params.items() if key != "resourceId"}
    action.setdefault("parameters", {})
    action["type"] = "SSM_AUTOMATION" if "Automation" in action["actionCode"] else "SSM_COMMAND"
    known = {item.action["actionId"]: item for item in server.launch_actions}
    earlier = known.get(action["actionId"])
    known[action["actionId"]] = replace(earlier, action=action) if earlier else LaunchAction(action)
    server.launch_actions = sorted(known.values(), key=lambda item: item.action["order"])
    server.post_launch_enabled = True
    return {"resourceId": server.id, **action}


@operation
def delete_launch_action(ask: Ask) -> Document:
    server = _server(ask, ask.params["resourceId"])
    kept = [item for item in server.launch_actions if item.action["actionId"] != ask.params["actionId"]]
    if len(kept) == len(server.launch_actions):
        raise not_found(ask.params["actionId"], "LAUNCH_ACTION")
    server.launch_actions = kept
    return {}


@operation
def list_tags_for_resource(ask: Ask) -> Document:
    return {"tags": dict(_tagged(ask.world, ask.params["resourceArn"]).tags)}


@operation
def tag_resource(ask: Ask) -> Document:
    resource = _tagged(ask.world, ask.params["resourceArn"])
    resource.tags = _checked_tags({**resource.tags, **ask.params["tags"]})
    return {}


@operation
def untag_resource(ask: Ask) -> Document:
    resource = _tagged(ask.world, ask.params["resourceArn"])
    resource.tags = {key: value for key, value in resource.tags.items() if key not in ask.params["tagKeys"]}
    return {}


@operation
def initialize_service(ask: Ask) -> Document:
    ask.world.initialized = True
    return {}


@operation
def create_recovery_plan(ask: Ask) -> Document:
    return {"recoveryPlan": views.plan(plans.create(ask.world, ask.params, ask.service.now()))}


@operation
def get_recovery_plan(ask: Ask) -> Document:
    return {"recoveryPlan": views.plan(plans.find(ask.world, ask.params["recoveryPlanArn"]))}


@operation
def list_recovery_plans(ask: Ask) -> Document:
    found = list(ask.world.plans.values())
    chosen, more = _page(ask, found, lambda plan: plan.arn, "ListRecoveryPlans")
    return {"recoveryPlans": [views.plan_summary(plan) for plan in chosen], **more}


@operation
def update_recovery_plan(ask: Ask) -> Document:
    return {"recoveryPlan": views.plan(plans.update(ask.world, ask.params, ask.service.now()))}


@operation
def delete_recovery_plan(ask: Ask) -> Document:
    plan = plans.find(ask.world, ask.params["recoveryPlanArn"])
    del ask.world.plans[plan.arn]
    return {"recoveryPlanArn": plan.arn}


@operation
def create_recovery_plan_step(ask: Ask) -> Document:
    return {"recoveryPlanStep": views.plan_step(plans.create_step(ask.world, ask.params, ask.service.now()))}


@operation
def get_recovery_plan_step(ask: Ask) -> Document:
    _plan, step = plans.find_step(ask.world, ask.params["recoveryPlanStepArn"])
    return {"recoveryPlanStep": views.plan_step(step)}


@operation
def list_recovery_plan_steps(ask: Ask) -> Document:
    plan = plans.find(ask.world, ask.params["recoveryPlanArn"])
    scope = f"ListRecoveryPlanSteps {plan.arn}"
    chosen, more = _page(ask, plan.steps, lambda step: step.arn, scope)
    return {"recoveryPlanSteps": [views.plan_step(step) for step in chosen], **more}


@operation
def delete_recovery_plan_step(ask: Ask) -> Document:
    step = plans.delete_step(ask.world, ask.params["recoveryPlanStepArn"], ask.service.now())
    return {"recoveryPlanStepArn": step.arn}


def _job(ask: Ask, job: Job, as_of: float | None = None) -> Document:
    switches = ask.service.switches
    return views.job(
        ask.world,
        job,
        switches.apiShape,
        as_of=as_of,
        instance_ids=switches.recoveryInstanceIdInJob,
        arn_tag=switches.resourceArnTag,
    )


def _server(ask: Ask, server_id: str) -> SourceServer:
    server = ask.world.servers.get(server_id)
    if server is None:
        raise _unknown(ask, server_id, "SOURCE_SERVER")
    return server


def _instance(ask: Ask, instance_id: str) -> RecoveryInstance:
    instance = ask.world.instances.get(instance_id)
    if instance is None:
        raise _unknown(ask, instance_id, "RECOVERY_INSTANCE")
    return instance


def _unknown(ask: Ask, resource_id: str, resource_type: str) -> DrsError:
    if ask.service.switches.unknownResourceError == "ValidationException":
        return invalid(f"{resource_type} {resource_id} not found")
    return not_found(resource_id, resource_type)


def _point_in_time(ask: Ask, server_id: str, snapshot_id: str) -> float:
    for snapshot in ask.world.servers[server_id].snapshots:
        if snapshot.id == snapshot_id and snapshot.taken is not None:
            return snapshot.taken
    raise _unknown(ask, snapshot_id, "RECOVERY_SNAPSHOT")


def _twists(ask: Ask, server: SourceServer, tags: dict[str, str], has_point: bool) -> Sequence[Twist]:
    twists: list[Twist] = []
    if server.replication_state in WITHOUT_RECOVERY_POINT:
        twists.append(fail(Failure("snapshot", SNAPSHOT_FAILED)))
    elif server.replication_state in STALE_SOURCE and not has_point:
        twists.append(snapshot_fallback)
    occasion = Occasion(ask.world.account, ask.world.region, "StartRecovery", frozenset([server.id]), tags)
    return [*twists, *ask.service.faults.twists(occasion)]


def _tagged(world: World, arn: str) -> SourceServer | Job | RecoveryInstance | Plan:
    if arn in world.plans:
        return world.plans[arn]
    kind, _, resource_id = arn.removeprefix(world.arn("")).partition("/")
    collections: dict[str, dict[str, Any]] = {
        "source-server": world.servers,
        "job": world.jobs,
        "recovery-instance": world.instances,
    }
    resource: SourceServer | Job | RecoveryInstance | None = collections.get(kind, {}).get(resource_id)
    if resource is None:
        raise not_found(arn, "RESOURCE")
    return resource


def _page[Item](
    ask: Ask, items: Sequence[Item], key: Callable[[Item], str], scope: str
) -> tuple[Sequence[Item], dict[str, str]]:
    return page(items, key, ask.params, scope, ask.service.switches.defaultPageSize)


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS or any(not key or key.startswith("aws:") for key in tags):
        raise invalid("Invalid request provided: Tags")
    return dict(tags)


def _is_between(moment: float, start: str | None, end: str | None) -> bool:
    return (not start or moment >= _epoch(start)) and (not end or moment <= _epoch(end))


def _epoch(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:  # the model's pattern lets 31 February pass
        raise invalid(f"Invalid date: {text}", "fieldValidationFailed") from error

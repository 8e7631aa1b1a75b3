"""The live-instance guard: what a launch must not remove, and what becomes of a job in which it would. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from drs_orchestrator.domain.records import Job
from drs_orchestrator.domain.source import RecoveryInstance
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus


def living_recoveries(instances: Iterable[RecoveryInstance]) -> tuple[RecoveryInstance, ...]:
    """Those that a new launch of their servers would remove and that no drill launched: they may be production."""
    return tuple(instance for instance in instances if instance.is_living and not instance.is_drill)


def guarded(job: Job, living: Iterable[RecoveryInstance]) -> Job:
    """The job with every server SKIPPED that lives on one of these instances; the reason names them."""
    instances: dict[str, list[str]] = defaultdict(list)
    for instance in living:
        instances[instance.source_server_id].append(instance.instance_id)
    skipped = {
        server_id: replace(
            job.servers[server_id],
            status=ServerStatus.SKIPPED,
            detailed=True,
            skip_reason=f"not launched: the launch would have removed {' and '.join(instances[server_id])}, "
            "which the server was recovered to",
        )
        for server_id in job.to_launch
        if server_id in instances
    }
    return replace(job, servers={**job.servers, **skipped})


def live_instance_remedy(execution_type: ExecutionType, plan_id: str, retry_of: str | None = None) -> str:
    """What to do about a living instance of an earlier recovery. `retry_of`: the execution whose retry launches no
    server that it knows to be up; without it the plan is to be started, which launches all of them."""
    if execution_type is ExecutionType.DRILL:
        return "Leave the server out of drills while it runs recovered; terminate the instance once nobody needs it."
    replaced = "If it may be replaced, with all its data:"
    if retry_of:
        return f"{replaced} drctl retry {retry_of} --replace-live {plan_id}"
    only = "To launch only what is not up, retry the execution that recovered it: drctl retry EXECUTION."
    return f"{only} {replaced} drctl start {plan_id} --recovery --replace-live {plan_id}"

"""The part of an execution's document that tells of its clean-up."""

from collections.abc import Iterable, Mapping
from typing import Any

from drs_orchestrator.adapters import clean_up_items as items
from drs_orchestrator.domain.clean_up import Fate, removal_command
from drs_orchestrator.domain.records import Job


def show_clean_up(records: Mapping[str, Mapping[str, Any]], jobs: Iterable[Job]) -> dict[str, Any] | None:
    """What has become of the drill's instances, those that were left with the command that removes them; None when no
    clean-up was asked for. `records` are the execution's, by key."""
    if items.CLEAN_UP not in records:
        return None
    clean_up = items.read_clean_up(records[items.CLEAN_UP])
    instances = [
        _instance(job, each)
        for job in sorted(jobs, key=lambda job: job.key)
        for each in records.get(f"{items.INSTANCES_PREFIX}{job.key}", {}).get("Instances", {}).items()
    ]
    return _without_none(
        {
            "Status": clean_up.status.value,
            "DueTime": clean_up.due_time,
            "RequestedTime": clean_up.requested_time,
            "RequestedBy": clean_up.requested_by,
            "Reason": clean_up.reason,
            "EndTime": clean_up.end_time,
            "Instances": instances,
        }
    )


def _instance(job: Job, recorded: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    instance_id, each = recorded
    return _without_none(
        {
            "InstanceId": instance_id,
            "SourceServerId": each["SourceServerId"],
            "Region": job.region,
            "AccountId": job.account_id,
            "Status": each["Fate"],
            "RecoveryJobId": each.get("JobId"),
            "Reason": each.get("Reason"),
            "Command": removal_command(instance_id, job.region) if each["Fate"] == Fate.LEFT else None,
        }
    )


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}

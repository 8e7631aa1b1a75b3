"""How the record of a clean-up looks as table items: names of keys and attributes, and nothing else."""

from collections.abc import Mapping
from typing import Any

from drs_orchestrator.domain.clean_up import CleanUp, CleanUpStatus, DrillInstance, Fate, Instances
from drs_orchestrator.domain.records import Execution, JobKey

CLEAN_UP = "CLEANUP"
INSTANCES_PREFIX = "CLEANUP#"


def clean_up_key(execution_id: str) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": CLEAN_UP}


def clean_up(execution: Execution, clean_up: CleanUp) -> dict[str, Any]:
    """A clean-up that is still open: with Status and StartTime it stands in StatusIndex."""
    return clean_up_key(execution.execution_id) | {
        "Status": clean_up.status.value,
        "StartTime": execution.start_time,
        "DueTime": clean_up.due_time,
        "RequestedTime": clean_up.requested_time,
        "RequestedBy": clean_up.requested_by,
        "Reason": clean_up.reason,
        "Rounds": clean_up.rounds,
    }


def read_clean_up(item: Mapping[str, Any]) -> CleanUp:
    return CleanUp(
        due_time=item["DueTime"],
        requested_time=item["RequestedTime"],
        requested_by=item.get("RequestedBy"),
        reason=item.get("Reason"),
        status=CleanUpStatus(item["Status"]),
        rounds=item["Rounds"],
        last_round=item.get("LastRoundTime"),
        end_time=item.get("EndTime"),
        terminated=item.get("Terminated", 0),
        left=item.get("Left", 0),
    )


def instances(execution_id: str, key: JobKey, instances: Instances) -> dict[str, Any]:
    """One item for the instances of a job, a hundred at most."""
    return {
        "ExecutionId": execution_id,
        "Record": f"{INSTANCES_PREFIX}{key}",
        "Instances": {
            instance_id: _plain(
                {
                    "SourceServerId": instance.source_server_id,
                    "Fate": instance.fate.value,
                    "JobId": instance.job_id,
                    "Reason": instance.reason,
                    "MissingSince": instance.missing_since,
                }
            )
            for instance_id, instance in instances.items()
        },
    }


def job_of(item: Mapping[str, Any]) -> JobKey:
    return JobKey.parse(item["Record"].removeprefix(INSTANCES_PREFIX))


def read_instances(item: Mapping[str, Any]) -> dict[str, DrillInstance]:
    return {
        instance_id: DrillInstance(
            instance_id=instance_id,
            source_server_id=each["SourceServerId"],
            fate=Fate(each["Fate"]),
            job_id=each.get("JobId"),
            reason=each.get("Reason"),
            missing_since=each.get("MissingSince"),
        )
        for instance_id, each in item["Instances"].items()
    }


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}

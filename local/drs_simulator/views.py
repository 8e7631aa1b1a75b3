"""State as the service's documents: the field names and forms are the wire's."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from drs_simulator.worlds import (
    History,
    Job,
    LogItem,
    Participant,
    Plan,
    PlanStep,
    RecoveryInstance,
    RecoverySnapshot,
    SourceServer,
    World,
    value_at,
)

Document = dict[str, Any]

CPU_MODEL = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"
AGENT_VERSION = "1.1.31"
GIBIBYTE = 1 << 30
INITIATION_STEPS = (
    "WAIT",
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
    "CREATE_STAGING_DISKS",
    "ATTACH_STAGING_DISKS",
    "PAIR_REPLICATION_SERVER_WITH_AGENT",
    "CONNECT_AGENT_TO_REPLICATION_SERVER",
    "START_DATA_TRANSFER",
)


def timestamp(epoch: float) -> str:
    """ISO 8601 in UTC as the real service writes it: ``+00:00`` where its model says ``Z``, microseconds unless 0."""
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def duration(seconds: float) -> str:
    """An ISO 8601 duration such as ``P2DT1H32M12.136909S``."""
    days, rest = divmod(max(seconds, 0.0), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"P{int(days)}DT{int(hours)}H{int(minutes)}M{rest:.6f}S"


def job(world: World, item: Job, api_shape: str, *, as_of: float | None, instance_ids: bool, arn_tag: bool) -> Document:
    """A job as it is, or as it was at `as_of` (epoch seconds)."""
    arn = world.arn(f"job/{item.id}")
    document: Document = {
        "arn": arn,
        "creationDateTime": timestamp(item.created),
        "initiatedBy": item.initiated_by,
        "jobID": item.id,
        "participatingServers": [
            _participant(participant, api_shape, as_of, instance_ids) for participant in item.participants.values()
        ],
        "status": value_at(item.status, as_of),
        "tags": {**item.tags, "resourceArn": arn} if arn_tag else dict(item.tags),
        "type": item.type,
    }
    if item.ended is not None and (as_of is None or item.ended <= as_of):
        document["endDateTime"] = timestamp(item.ended)
    if api_shape != "2022":
        document["participatingResources"] = []
    return document


def _participant(item: Participant, api_shape: str, as_of: float | None, instance_ids: bool) -> Document:
    document: Document = {"sourceServerID": item.server_id, "launchStatus": value_at(item.status, as_of)}
    if instance_ids and item.instance_id and _has_happened(item.launched_at, as_of):
        document["recoveryInstanceID"] = item.instance_id
    if api_shape != "2022":
        document["launchActionsStatus"] = _launch_actions_status(item, as_of)
    return document


def _launch_actions_status(item: Participant, as_of: float | None) -> Document:
    runs = [
        {"action": run.action, "runId": run.run_id, "status": value_at(run.status, as_of)}
        | ({"failureReason": run.failure_reason} if run.failure_reason and _is_over(run.status, as_of) else {})
        for run in item.runs
        if _has_happened(run.began, as_of)
    ]
    document: Document = {"runs": runs}
    if item.agent_found_at is not None and _has_happened(item.agent_found_at, as_of):
        document["ssmAgentDiscoveryDatetime"] = timestamp(item.agent_found_at)
    return document


def _has_happened(moment: float | None, as_of: float | None) -> bool:
    return as_of is None or (moment is not None and moment <= as_of)


def _is_over(status: History, as_of: float | None) -> bool:
    return value_at(status, as_of) != "IN_PROGRESS"


def log_item(item: LogItem) -> Document:
    return {"event": item.event, "eventData": dict(item.data), "logDateTime": timestamp(item.at)}


def source_server(world: World, item: SourceServer, now: float, api_shape: str) -> Document:
    """A source server. What nobody sets is derived from its id, so it is the same in every answer."""
    document: Document = {
        "arn": world.arn(f"source-server/{item.id}"),
        "dataReplicationInfo": {
            "dataReplicationInitiation": {
                "nextAttemptDateTime": timestamp(item.added // 300 * 300 + 1800),
                "startDateTime": timestamp(item.added),
                "steps": [
                    {"name": name, "status": "SKIPPED" if name in item.skipped_steps else "SUCCEEDED"}
                    for name in INITIATION_STEPS
                ],
            },
            "dataReplicationState": item.replication_state,
            "lagDuration": item.lag,
            "replicatedDisks": [
                {
                    "backloggedStorageBytes": 0,
                    "deviceName": "/dev/nvme0n1",
                    "replicatedStorageBytes": item.disk_bytes,
                    "rescannedStorageBytes": item.disk_bytes,
                    "totalStorageBytes": item.disk_bytes,
                }
            ],
        },
        "lastLaunchResult": item.last_launch_result,
        "lifeCycle": {
            "addedToServiceDateTime": timestamp(item.added),
            "elapsedReplicationDuration": duration(now - item.added),
            "firstByteDateTime": timestamp(item.added + 58),
            "lastLaunch": _last_launch(world, item),
            "lastSeenByServiceDateTime": timestamp(now),
        },
        "sourceProperties": {
            "cpus": [{"cores": 1, "modelName": CPU_MODEL} for _ in range(item.cores)],
            "disks": [{"bytes": item.disk_bytes, "deviceName": "/dev/nvme0n1"}],
            "identificationHints": {
                "awsInstanceID": item.source_instance_id,
                "fqdn": item.hostname,
                "hostname": item.hostname,
            },
            "lastUpdatedDateTime": timestamp(item.added),
            "networkInterfaces": [{"ips": [], "isPrimary": False, "macAddress": item.mac_address}],
            "os": {"fullString": item.operating_system},
            "ramBytes": item.ram_bytes,
            "recommendedInstanceType": item.instance_type,
        },
        "sourceServerID": item.id,
        "tags": dict(item.tags),
    }
    if api_shape != "2022":
        document["agentVersion"] = AGENT_VERSION
        document["replicationDirection"] = "FAILOVER"
        document["stagingArea"] = (
            {"status": "EXTENDED", "stagingAccountID": item.staging_account}
            if item.staging_account
            else {"status": "NOT_EXTENDED"}
        )
        if instances := world.instances_of(item.id):
            document["recoveryInstanceId"] = instances[-1].id
    return document


def _last_launch(world: World, item: SourceServer) -> Document:
    if item.last_launch is None:
        return {"initiated": {}}
    launch = item.last_launch
    document: Document = {
        "initiated": {
            "apiCallDateTime": timestamp(launch.called_at),
            "jobID": launch.job_id,
            "type": "DRILL" if launch.is_drill else "RECOVERY",
        }
    }
    launching_job = world.jobs.get(launch.job_id)
    if launching_job and item.id in launching_job.participants:
        document["status"] = value_at(launching_job.participants[item.id].status, None)
    return document


def recovery_instance(world: World, item: RecoveryInstance, now: float) -> Document:
    """A recovery instance; that of a server that is gone keeps what it needs of it."""
    server = world.servers.get(item.server_id)
    hostname = server.hostname if server else item.id
    disk_bytes = server.disk_bytes if server else 8 * GIBIBYTE
    return {
        "arn": world.arn(f"recovery-instance/{item.id}"),
        "agentVersion": AGENT_VERSION,
        "dataReplicationInfo": {"dataReplicationState": "NOT_STARTED", "replicatedDisks": []},
        "ec2InstanceID": item.id,
        "ec2InstanceState": item.state,
        "failback": {
            "agentLastSeenByServiceDateTime": timestamp(now),
            "failbackToOriginalServer": False,
            "state": "FAILBACK_NOT_STARTED",
        },
        "isDrill": item.is_drill,
        "jobID": item.job_id,
        "originEnvironment": "AWS",
        "pointInTimeSnapshotDateTime": timestamp(item.point_in_time),
        "recoveryInstanceID": item.id,
        "recoveryInstanceProperties": {
            "cpus": [{"cores": 1, "modelName": CPU_MODEL} for _ in range(server.cores if server else 1)],
            "disks": [
                {
                    "bytes": disk_bytes,
                    "ebsVolumeID": stable_id("vol-", item.id)[:12],
                    "internalDeviceName": "/dev/nvme0n1",
                }
            ],
            "identificationHints": {"awsInstanceID": item.id, "fqdn": hostname, "hostname": hostname},
            "lastUpdatedDateTime": timestamp(item.launched),
            "networkInterfaces": [{"ips": [], "isPrimary": True, "macAddress": mac_address(item.id)}],
            "os": {"fullString": server.operating_system if server else ""},
            "ramBytes": server.ram_bytes if server else GIBIBYTE,
        },
        "sourceServerID": item.server_id,
        "tags": dict(item.tags),
    }


def recovery_snapshot(server_id: str, item: RecoverySnapshot) -> Document:
    """A point in time; one still in the making has no timestamp."""
    document: Document = {
        "snapshotID": item.id,
        "sourceServerID": server_id,
        "expectedTimestamp": timestamp(item.expected),
        "ebsSnapshots": list(item.ebs_snapshots),
    }
    if item.taken is not None:
        document["timestamp"] = timestamp(item.taken)
    return document


def launch_configuration(item: SourceServer) -> Document:
    return {
        "sourceServerID": item.id,
        "name": item.name,
        "ec2LaunchTemplateID": stable_id("lt-", item.id),
        "launchDisposition": item.launch_disposition,
        "targetInstanceTypeRightSizingMethod": "BASIC",
        "copyPrivateIp": False,
        "copyTags": True,
        "licensing": {"osByol": False},
        "postLaunchEnabled": item.post_launch_enabled,
        "recoveryMode": item.recovery_mode,
    }


def replication_configuration(item: SourceServer) -> Document:
    return {
        "sourceServerID": item.id,
        "name": item.name,
        "stagingAreaSubnetId": stable_id("subnet-", "staging"),
        "associateDefaultSecurityGroup": True,
        "replicationServersSecurityGroupsIDs": [],
        "replicationServerInstanceType": "t3.small",
        "useDedicatedReplicationServer": False,
        "defaultLargeStagingDiskType": "GP3",
        "replicatedDisks": [
            {
                "deviceName": "/dev/nvme0n1",
                "isBootDisk": True,
                "stagingDiskType": "AUTO",
                "iops": 0,
                "throughput": 0,
                "optimizedStagingDiskType": "STANDARD",
            }
        ],
        "ebsEncryption": "DEFAULT",
        "bandwidthThrottling": 0,
        "dataPlaneRouting": "PRIVATE_IP",
        "createPublicIP": False,
        "stagingAreaTags": {},
        "pitPolicy": [
            {"ruleID": 1, "units": "MINUTE", "interval": 10, "retentionDuration": 60, "enabled": True},
            {"ruleID": 2, "units": "HOUR", "interval": 1, "retentionDuration": 24, "enabled": True},
            {"ruleID": 3, "units": "DAY", "interval": 1, "retentionDuration": 7, "enabled": True},
        ],
        "autoReplicateNewDisks": True,
    }


def plan_summary(item: Plan) -> Document:
    return {
        "recoveryPlanArn": item.arn,
        "name": item.name,
        "status": "ACTIVE",
        "createdAt": timestamp(item.created),
        "updatedAt": timestamp(item.updated),
    }


def plan(item: Plan) -> Document:
    document = {**plan_summary(item), "tags": dict(item.tags)}
    if item.description is not None:
        document["description"] = item.description
    return document


def plan_step(item: PlanStep) -> Document:
    return {
        "recoveryPlanStepArn": item.arn,
        "stepOrder": item.order,
        "stepName": item.name,
        "configuration": item.configuration,
        "createdAt": timestamp(item.created),
        "updatedAt": timestamp(item.updated),
    }


def stable_id(prefix: str, of: str) -> str:
    """An id that is always the same for the same thing."""
    return f"{prefix}{hashlib.sha256(of.encode()).hexdigest()[:17]}"


def mac_address(of: str) -> str:
    """A number like those the service reports as MAC addresses, always the same for the same thing."""
    return str(int(hashlib.sha256(of.encode()).hexdigest()[:10], 16))

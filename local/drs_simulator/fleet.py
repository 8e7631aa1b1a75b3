"""Making source servers out of the few facts somebody gives (a scenario file, the control API)."""

import re
from typing import Any

from drs_simulator import views
from drs_simulator.errors import ControlError
from drs_simulator.timeline import LaunchAction
from drs_simulator.worlds import RecoverySnapshot, SourceServer, World

MAX_SOURCE_SERVERS = 4000
REPLICATION_STATES = (
    "STOPPED",
    "INITIATING",
    "INITIAL_SYNC",
    "BACKLOG",
    "CREATING_SNAPSHOT",
    "CONTINUOUS",
    "PAUSED",
    "RESCAN",
    "STALLED",
    "DISCONNECTED",
)
# Steps of the first replication a server does not need when a replication server for it runs already.
USUALLY_SKIPPED = (
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
)
# StopReplication deletes the points there were.
WITHOUT_RECOVERY_POINT = ("STOPPED", "INITIATING", "INITIAL_SYNC")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")

OPERATING_SYSTEMS = {
    "linux": "Linux version 5.10.226-214.880.amzn2.x86_64 (Amazon Linux 2)",
    "windows": "Microsoft Windows Server 2019 Datacenter 10.0.17763",
}
_DAY = 86400.0
_ACTION_FIELDS = {"name", "optional", "seconds", "status", "failureReason"}


def add_server(world: World, document: dict[str, Any], now: float, profiles: set[str]) -> SourceServer:
    """Create (or replace) a source server.

    Everything is optional: sourceServerID, sourceInstanceID, name, hostname, tags, os (linux, windows or a full text),
    profile, replicationState, lag, recoveryMode, launchDisposition, terminationProtection, stagingAccountID, diskGiB,
    ramGiB, cores, instanceType, addedSecondsAgo, skippedInitiationSteps, recoverySnapshots (how many), launchActions.
    """
    given = dict(document)
    number = len(world.servers) + 1
    server_id = str(given.pop("sourceServerID", None) or world.new_id("s-"))
    if not (server_id.startswith("s-") and len(server_id) == 19 and server_id[2:].isalnum()):
        raise ControlError(f"sourceServerID must be s- and 17 letters or digits, got {server_id!r}")
    if server_id not in world.servers and len(world.servers) >= MAX_SOURCE_SERVERS:
        raise ControlError(f"an account and Region holds at most {MAX_SOURCE_SERVERS} source servers")
    if server_id in world.busy:
        raise ControlError(f"{server_id} is being processed by a job: it cannot be replaced now")
    tags = {str(key): str(value) for key, value in (given.pop("tags", None) or {}).items()}
    name = str(given.pop("name", None) or tags.get("Name") or f"server-{number}")
    tags.setdefault("Name", name)
    actions = given.pop("launchActions", None) or []
    profile = given.pop("profile", None)
    if profile is not None and profile not in profiles:
        raise ControlError(f"unknown profile {profile!r}: choose from {', '.join(sorted(profiles))}")
    system = str(given.pop("os", "linux"))
    server = SourceServer(
        id=server_id,
        name=name,
        hostname=str(given.pop("hostname", None) or f"ip-10-0-{number // 250}-{number % 250 + 1}.ec2.internal"),
        added=now - float(given.pop("addedSecondsAgo", 2 * _DAY)),
        tags=tags,
        operating_system=OPERATING_SYSTEMS.get(system, system),
        disk_bytes=round(float(given.pop("diskGiB", 8)) * views.GIBIBYTE),
        ram_bytes=round(float(given.pop("ramGiB", 1)) * views.GIBIBYTE),
        cores=int(given.pop("cores", 2)),
        instance_type=str(given.pop("instanceType", "c5.large")),
        source_instance_id=str(given.pop("sourceInstanceID", None) or views.stable_id("i-", f"source of {server_id}")),
        mac_address=views.mac_address(server_id),
        skipped_steps=list(given.pop("skippedInitiationSteps", USUALLY_SKIPPED)),
        replication_state=_choice(given, "replicationState", REPLICATION_STATES, "CONTINUOUS"),
        lag=str(given.pop("lag", "P0D")),
        profile=profile,
        recovery_mode=_choice(given, "recoveryMode", ("FAST", "OPTIMAL"), "OPTIMAL"),
        launch_disposition=_choice(given, "launchDisposition", ("STARTED", "STOPPED"), "STARTED"),
        termination_protection=bool(given.pop("terminationProtection", False)),
        staging_account=given.pop("stagingAccountID", None),
        launch_actions=[launch_action(world, action, order) for order, action in enumerate(actions, 2)],
        post_launch_enabled=bool(actions),
    )
    _add_snapshots(server, now, int(given.pop("recoverySnapshots", 3)))
    if given:
        raise ControlError(f"unknown field of a server: {sorted(given)[0]!r}")
    world.servers[server_id] = server
    return server


def launch_action(world: World, document: dict[str, Any], order: int) -> LaunchAction:
    """A launch action and how it will go, from {name, optional, seconds, status, failureReason}."""
    if unknown := set(document) - _ACTION_FIELDS:
        raise ControlError(f"unknown field of a launch action: {sorted(unknown)[0]!r}")
    status = document.get("status", "SUCCEEDED")
    if status not in ("SUCCEEDED", "FAILED", "NEVER"):
        raise ControlError(f"a launch action's status must be SUCCEEDED, FAILED or NEVER, got {status!r}")
    action = {
        "actionId": world.new_uuid(),
        "actionCode": "AWSMigration-ValidateDiskSpace",
        "type": "SSM_COMMAND",
        "name": str(document.get("name", f"Launch action {order - 1}")),
        "active": True,
        "order": order,
        "actionVersion": "$DEFAULT",
        "optional": bool(document.get("optional", False)),
        "parameters": {},
        "description": "",
        "category": "VALIDATION",
    }
    reason = document.get("failureReason")
    if status == "FAILED" and not reason:
        reason = "The command exited with code 1"
    return LaunchAction(action, float(document.get("seconds", 60)), status, reason)


def lag_seconds(lag: str) -> float:
    """The seconds of an ISO 8601 duration; raises ControlError for what is none."""
    found = _DURATION.fullmatch(lag)
    if not found:
        raise ControlError(f"lag must be an ISO 8601 duration such as PT3H, got {lag!r}")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _add_snapshots(server: SourceServer, now: float, count: int) -> None:
    """Points in time ten minutes apart, the newest as far behind as the server's replication is."""
    now -= lag_seconds(server.lag)
    if server.replication_state in WITHOUT_RECOVERY_POINT:
        return
    for position in range(count, -1, -1):
        at = now - position * 600 + 300
        being_made = position == 0
        server.snapshots.append(
            RecoverySnapshot(
                id=views.stable_id("pit-", f"{server.id} {position}"),
                expected=at,
                taken=None if being_made else at + 12,
                ebs_snapshots=[] if being_made else [views.stable_id("snap-", f"{server.id} {position}")],
            )
        )


def _choice(given: dict[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.pop(name, default)
    if value not in allowed:
        raise ControlError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)

"""DRS through boto3: its payloads become domain values, its expected refusals become data.

Clients exist per account and Region. Reads are retried by the SDK; StartRecovery never is, because a repeated call
is a second launch, and it gets a long read time-out, because a launch of 25 servers can take tens of seconds.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import batched
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from drs_orchestrator.adapters.accounts import EXPIRED, KEPT, Accounts, NotEntered, code_of, reason_of, status_of
from drs_orchestrator.domain.job import DrsJob, LaunchActionRun, LogEvent, ParticipatingServer
from drs_orchestrator.domain.source import (
    LastLaunch,
    LaunchConfiguration,
    RecoveryInstance,
    RecoveryPoint,
    RecoveryPoints,
    Refusal,
    SourceServer,
)

# The longest a StartRecovery call may still be waited for, in seconds; LaunchSettleSeconds has to be longer.
START_RECOVERY_CONNECT_SECONDS = 5
START_RECOVERY_READ_SECONDS = 75

_READ_CONFIG = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "max_attempts": 2})
_LAUNCH_CONFIG = Config(
    connect_timeout=START_RECOVERY_CONNECT_SECONDS,
    read_timeout=START_RECOVERY_READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 1},
)

# For somebody who waits for the answer himself: rather no answer than one that comes too late.
_BRIEF_CONFIG = Config(
    connect_timeout=2, read_timeout=4, max_pool_connections=16, retries={"mode": "standard", "total_max_attempts": 2}
)
# Jobs end within hours; whatever occupies DRS now was started within this time.
_JOBS_IN_USE_SECONDS = 2 * 24 * 3600

_JOB_IDS_PER_CALL = 1000
SERVER_IDS_PER_CALL = 200
_POINTS_PER_PAGE = 100

# ISO 8601, as DRS writes it: "P0D", "PT15M", "P2DT1H32M12.136909S". Years and months never occur in a lag.
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")


class DrsUnavailable(Exception):
    """DRS throttles, fails or can't be reached: nothing is known, ask again later; `retry_after` if it said when.

    `refusal` is set where asking again won't help before a person has changed something; `throttled`: DRS itself said
    that it was asked too often.
    """

    def __init__(
        self, reason: str, retry_after: int | None = None, refusal: Refusal | None = None, *, throttled: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.refusal = refusal
        self.throttled = throttled


class StartResult(StrEnum):
    """What came of a StartRecovery or TerminateRecoveryInstances call.

    CONFLICT, QUOTA and BUSY were certainly not carried out and may be tried again; REFUSED never will be carried
    out; UNKNOWN may or may not have taken effect.
    """

    STARTED = "STARTED"
    CONFLICT = "CONFLICT"
    QUOTA = "QUOTA"
    BUSY = "BUSY"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class StartOutcome:
    result: StartResult
    job: DrsJob | None = None
    reason: str = ""
    retry_after: int | None = None
    throttled: bool = False


_THROTTLED = ("ThrottlingException", "TooManyRequestsException")

_RESULTS = {
    "ConflictException": StartResult.CONFLICT,
    "ServiceQuotaExceededException": StartResult.QUOTA,
    "ThrottlingException": StartResult.BUSY,
    "TooManyRequestsException": StartResult.BUSY,
    # Temporary credentials that ran out under way: nothing was carried out, the next call has fresh ones.
    **dict.fromkeys(EXPIRED, StartResult.BUSY),
}


_REFUSALS = {
    "UninitializedAccountException": Refusal.NOT_INITIALISED,
    "AccessDeniedException": Refusal.ACCESS_DENIED,
}


class Drs:
    """DRS of one account and Region."""

    def __init__(self, client_for: Callable[[Config], Any], read_config: Config = _READ_CONFIG) -> None:
        self._client_for = client_for
        self._read_config = read_config
        self._reader: Any = None

    def connect(self) -> None:
        """Make the client for reading now, so that threads may share it. Raises DrsUnavailable."""
        self._read  # noqa: B018 - the property makes it

    @property
    def _read(self) -> Any:
        if self._reader is None:
            self._reader = self._client_for(self._read_config)
        return self._reader

    def start_recovery(
        self,
        servers: Mapping[str, str | None],
        *,
        is_drill: bool,
        tags: Mapping[str, str],
        in_time: Callable[[], bool] = lambda: True,
    ) -> StartOutcome:
        """Launch `servers` (source server id → recovery snapshot id or None). Never raises for what DRS answers.

        `in_time` is asked right before the call, when its account has been entered: False keeps it from being made.
        """
        try:
            client = self._client_for(_LAUNCH_CONFIG)
            if not in_time():
                return StartOutcome(StartResult.BUSY, reason="preparing the call took too long")
            answer = client.start_recovery(
                sourceServers=[
                    {"sourceServerID": server, "recoverySnapshotID": snapshot}
                    if snapshot
                    else {"sourceServerID": server}
                    for server, snapshot in servers.items()
                ],
                isDrill=is_drill,
                tags=dict(tags),
            )
        except ClientError as error:
            throttled = code_of(error) in _THROTTLED
            return StartOutcome(
                _result(error), reason=reason_of(error), retry_after=_retry_after(error), throttled=throttled
            )
        except DrsUnavailable as error:
            return StartOutcome(
                StartResult.BUSY, reason=str(error), retry_after=error.retry_after, throttled=error.throttled
            )
        except ParamValidationError as error:
            return StartOutcome(StartResult.REFUSED, reason=str(error))
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            # No connection, no request: nothing can have been carried out.
            return StartOutcome(StartResult.BUSY, reason=str(error))
        except BotoCoreError as error:
            return StartOutcome(StartResult.UNKNOWN, reason=str(error))
        return StartOutcome(StartResult.STARTED, _job(answer["job"]))

    def terminate(self, instances: Sequence[RecoveryInstance]) -> StartOutcome:
        """Ask DRS to terminate these instances of drills, in one job of its own. Never raises for what DRS answers.

        Raises ValueError when one of them was not launched as a drill: whoever asks for that is broken.
        """
        if wrong := [instance.instance_id for instance in instances if not instance.is_drill]:
            raise ValueError(f"not instances of a drill: {', '.join(wrong)}")
        try:
            client = self._client_for(_LAUNCH_CONFIG)
            ids = [instance.recovery_instance_id for instance in instances]
            answer = client.terminate_recovery_instances(recoveryInstanceIDs=ids)
        except ClientError as error:
            return StartOutcome(_result(error), reason=reason_of(error), retry_after=_retry_after(error))
        except DrsUnavailable as error:
            return StartOutcome(StartResult.BUSY, reason=str(error), retry_after=error.retry_after)
        except BotoCoreError as error:
            return StartOutcome(StartResult.UNKNOWN, reason=str(error))
        return StartOutcome(StartResult.STARTED, _job(answer["job"]))

    def describe_jobs(self, job_ids: Iterable[str]) -> dict[str, DrsJob]:
        """The jobs DRS knows among `job_ids`; an id it doesn't know is absent. Raises DrsUnavailable."""
        found: dict[str, DrsJob] = {}
        for ids in batched(job_ids, _JOB_IDS_PER_CALL):
            for item in self._pages("describe_jobs", filters={"jobIDs": list(ids)}):
                found[item["jobID"]] = _job(item)
        return found

    def jobs_since(self, time: float) -> list[DrsJob]:
        """Every job created since `time` (epoch seconds), newest first. Raises DrsUnavailable."""
        # The service model's pattern accepts a trailing Z only.
        since = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return [_job(item) for item in self._pages("describe_jobs", filters={"fromDate": since})]

    def jobs_in_use(self, now: float) -> list[DrsJob]:
        """The jobs that count against DRS's quotas: those that are not completed. Raises DrsUnavailable."""
        return [job for job in self.jobs_since(now - _JOBS_IN_USE_SECONDS) if not job.is_completed]

    def job_log(self, job_id: str) -> list[LogEvent]:
        """The job's log in order of time. Raises DrsUnavailable."""
        events = [_log_event(item) for item in self._pages("describe_job_log_items", jobID=job_id)]
        return sorted(events, key=lambda event: event.time)

    def has_log(self, job_id: str) -> bool:
        """Whether DRS knows the job's log: of a job it doesn't list, the second opinion. Raises DrsUnavailable."""
        try:
            self._read.describe_job_log_items(jobID=job_id, maxResults=1)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return False
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise DrsUnavailable(str(error)) from error
        return True

    def last_launches(self, server_ids: Iterable[str], since: float) -> dict[str, LastLaunch]:
        """Source server id → its last launch, where that was asked for at or after `since` (epoch seconds).

        Raises DrsUnavailable.
        """
        launches = {}
        for item in self._servers(server_ids):
            initiated = item.get("lifeCycle", {}).get("lastLaunch", {}).get("initiated", {})
            called = _epoch(initiated.get("apiCallDateTime")) or 0.0
            if "jobID" in initiated and called >= since:
                launch = LastLaunch(initiated["jobID"], called, initiated.get("type", ""))
                launches[item["sourceServerID"]] = launch
        return launches

    def instances_of_job(self, job_id: str, server_ids: Iterable[str]) -> dict[str, RecoveryInstance]:
        """Source server id → its recovery instance, for what `job_id` itself launched. Raises DrsUnavailable."""
        instances = self.recovery_instances(server_ids)
        return {each.source_server_id: each for each in instances if each.job_id == job_id}

    def expects_launch_actions(self, server_id: str) -> bool | None:
        """Whether post-launch actions are switched on for the server; None when DRS won't tell.

        Raises DrsUnavailable.
        """
        configuration = self.launch_configuration(server_id)
        return configuration.post_launch_enabled if configuration else None

    def launch_configuration(self, server_id: str) -> LaunchConfiguration | None:
        """None when DRS won't tell. Raises DrsUnavailable."""
        try:
            answer = self._read.get_launch_configuration(sourceServerID=server_id)
        except ClientError as error:
            if _result(error) is StartResult.REFUSED:
                return None
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise DrsUnavailable(str(error)) from error
        return LaunchConfiguration(
            right_sizing=answer.get("targetInstanceTypeRightSizingMethod", ""),
            disposition=answer.get("launchDisposition", ""),
            post_launch_enabled=bool(answer.get("postLaunchEnabled", False)),
        )

    def recovery_instances(self, server_ids: Iterable[str]) -> list[RecoveryInstance]:
        """Every recovery instance of these source servers, gone ones included. Raises DrsUnavailable."""
        return [
            RecoveryInstance(
                instance_id=item.get("ec2InstanceID") or item["recoveryInstanceID"],
                source_server_id=item.get("sourceServerID", ""),
                job_id=item.get("jobID"),
                is_drill=item.get("isDrill") is True,
                state=item.get("ec2InstanceState", ""),
                recovery_instance_id=item["recoveryInstanceID"],
                point_in_time=_epoch(item.get("pointInTimeSnapshotDateTime")),
            )
            for ids in batched(server_ids, SERVER_IDS_PER_CALL)
            for item in self._pages("describe_recovery_instances", filters={"sourceServerIDs": list(ids)})
        ]

    def recovery_points(self, server_id: str, pinned: str | None = None) -> RecoveryPoints:
        """The newest complete point, and the pinned one; read page by page only as far as needed, newest first.

        Raises DrsUnavailable.
        """
        newest = None
        pages = self._pages(
            "describe_recovery_snapshots",
            sourceServerID=server_id,
            order="DESC",
            PaginationConfig={"PageSize": _POINTS_PER_PAGE},
        )
        for item in pages:
            # One that is still being made has no timestamp yet: nothing can be launched from it.
            time = _epoch(item.get("timestamp"))
            if time is None:
                continue
            point = RecoveryPoint(item["snapshotID"], time)
            newest = newest or point
            if pinned in (None, point.snapshot_id):
                return RecoveryPoints(newest, point if pinned else None)
        return RecoveryPoints(newest)

    def describe_source_servers(self, server_ids: Iterable[str]) -> dict[str, SourceServer]:
        """The source servers DRS knows among `server_ids`; one it doesn't know is absent. Raises DrsUnavailable."""
        found = {}
        for item in self._servers(server_ids):
            replication = item.get("dataReplicationInfo", {})
            server = _source_server(item)
            found[server["id"]] = SourceServer(
                source_server_id=server["id"],
                name=server["name"],
                replication_state=replication.get("dataReplicationState", ""),
                lag_seconds=_seconds(replication.get("lagDuration")),
            )
        return found

    def source_servers(self) -> Iterator[dict[str, Any]]:
        """Every source server as `{"id", "tags", "name"}`, page by page. Raises DrsUnavailable."""
        for item in self._pages("describe_source_servers", filters={}):
            yield _source_server(item)

    def names(self, server_ids: Iterable[str]) -> dict[str, str]:
        """Source server id → the name people know it by (tag Name, else host name). Raises DrsUnavailable."""
        return {
            server.source_server_id: server.name
            for server in self.describe_source_servers(server_ids).values()
            if server.name
        }

    def _servers(self, server_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
        for ids in batched(server_ids, SERVER_IDS_PER_CALL):
            yield from self._pages("describe_source_servers", filters={"sourceServerIDs": list(ids)})

    def _pages(self, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        try:
            for page in self._read.get_paginator(operation).paginate(**arguments):
                yield from page.get("items", ())
        except ClientError as error:
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise DrsUnavailable(str(error)) from error

    def _unavailable(self, error: ClientError) -> DrsUnavailable:
        """The error as what it means. Once credentials have run out, the next question enters the account anew."""
        if code_of(error) in EXPIRED:
            self._reader = None
        code = code_of(error)
        return DrsUnavailable(reason_of(error), _retry_after(error), _REFUSALS.get(code), throttled=code in _THROTTLED)


class DrsAccounts:
    """DRS of every account and Region a plan names."""

    def __init__(self, endpoint_url: str | None, accounts: Accounts) -> None:
        self._endpoint_url = endpoint_url
        self._accounts = accounts
        self._kept = lru_cache(KEPT)(self._make)

    def at(self, account_id: str | None, region: str, execution_id: str | None = None) -> Drs:
        """`account_id` None is the account the orchestrator runs in; another is entered in the execution's name."""
        return self._kept(*self._accounts.visit(account_id, execution_id), region)

    def briefly_at(self, account_id: str | None, region: str) -> Drs:
        """The same with little patience, for reads that somebody waits for; never kept, and never to launch with."""
        return Drs(lambda config: self._client(account_id, None, region, config), _BRIEF_CONFIG)

    def _make(self, account_id: str | None, execution_id: str | None, region: str) -> Drs:
        return Drs(lambda config: self._client(account_id, execution_id, region, config))

    def _client(self, account_id: str | None, execution_id: str | None, region: str, config: Config) -> Any:
        """Raises DrsUnavailable when the account can't be entered: that is waited for."""
        settings = {"region_name": region, "endpoint_url": self._endpoint_url, "config": config}
        try:
            return self._accounts.client("drs", account_id, execution_id, **settings)
        except NotEntered as error:
            raise DrsUnavailable(str(error), refusal=error.refusal) from error


def _result(error: ClientError) -> StartResult:
    code = code_of(error)
    if code in _RESULTS:
        return _RESULTS[code]
    return StartResult.REFUSED if 400 <= status_of(error) < 500 else StartResult.UNKNOWN


def _retry_after(error: ClientError) -> int | None:
    """Seconds; on a throttling error DRS sends them as a string, on an internal one as a number."""
    text = str(error.response.get("retryAfterSeconds", ""))
    return int(text) if text.isascii() and text.isdigit() else None


def _epoch(text: str | None) -> float | None:
    """DRS's times are strings, ISO 8601 with microseconds and an offset; Z is accepted too."""
    return datetime.fromisoformat(text).timestamp() if text else None


def _seconds(duration: str | None) -> int | None:
    """Whole seconds of an ISO 8601 duration; None for what is none."""
    found = _DURATION.fullmatch(duration or "")
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _job(item: Mapping[str, Any]) -> DrsJob:
    return DrsJob(
        job_id=item["jobID"],
        type=item.get("type", "LAUNCH"),
        status=item.get("status", "PENDING"),
        initiated_by=item.get("initiatedBy", ""),
        created=_epoch(item.get("creationDateTime")) or 0.0,
        ended=_epoch(item.get("endDateTime")),
        servers=tuple(_participating(server) for server in item.get("participatingServers", ())),
        tags=item.get("tags", {}),
    )


def _participating(item: Mapping[str, Any]) -> ParticipatingServer:
    actions = item.get("launchActionsStatus", {})
    return ParticipatingServer(
        source_server_id=item.get("sourceServerID", ""),
        launch_status=item.get("launchStatus", "PENDING"),
        recovery_instance_id=item.get("recoveryInstanceID"),
        runs=tuple(
            LaunchActionRun(
                name=run.get("action", {}).get("name") or run.get("action", {}).get("actionId", "unnamed"),
                # DRS's `optional` decides whether the launch counts; absent, the strict reading is the safe one.
                optional=bool(run.get("action", {}).get("optional", False)),
                status=run.get("status", "IN_PROGRESS"),
                failure_reason=run.get("failureReason", ""),
            )
            for run in actions.get("runs", ())
        ),
        agent_found=_epoch(actions.get("ssmAgentDiscoveryDatetime")),
    )


def _log_event(item: Mapping[str, Any]) -> LogEvent:
    data = item.get("eventData", {})
    return LogEvent(
        event=item.get("event", ""),
        time=_epoch(item.get("logDateTime")) or 0.0,
        source_server_id=data.get("sourceServerID"),
        target_instance_id=data.get("targetInstanceID"),
        raw_error=data.get("rawError"),
    )


def _source_server(item: Mapping[str, Any]) -> dict[str, Any]:
    tags = item.get("tags", {})
    hints = item.get("sourceProperties", {}).get("identificationHints", {})
    return {"id": item["sourceServerID"], "tags": tags, "name": tags.get("Name") or hints.get("hostname")}

"""DRS through boto3: its payloads become domain values, its expected refusals become data.

Clients exist per account and Region. Reads are retried by the SDK; StartRecovery never is, because a repeated call
is a second launch, and it gets a long read time-out, because a launch of 25 servers can take tens of seconds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import batched
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from drs_orchestrator.domain.job import DrsJob, LaunchActionRun, LogEvent, ParticipatingServer

# The longest a StartRecovery call may still be waited for, in seconds; LaunchSettleSeconds has to be longer.
START_RECOVERY_CONNECT_SECONDS = 5
START_RECOVERY_READ_SECONDS = 75

_READ_CONFIG = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "max_attempts": 2})
_LAUNCH_CONFIG = Config(
    connect_timeout=START_RECOVERY_CONNECT_SECONDS,
    read_timeout=START_RECOVERY_READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 1},
)

# Jobs end within hours; whatever occupies DRS now was started within this time.
_JOBS_IN_USE_SECONDS = 2 * 24 * 3600

_JOB_IDS_PER_CALL = 1000
_SERVER_IDS_PER_CALL = 200


class DrsUnavailable(Exception):
    """DRS throttles, fails or can't be reached: nothing is known, ask again later; `retry_after` if it said when."""

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class StartResult(StrEnum):
    """What came of a StartRecovery call.

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


_EXPIRED = ("ExpiredTokenException", "ExpiredToken")

_RESULTS = {
    "ConflictException": StartResult.CONFLICT,
    "ServiceQuotaExceededException": StartResult.QUOTA,
    "ThrottlingException": StartResult.BUSY,
    "TooManyRequestsException": StartResult.BUSY,
    # Temporary credentials that ran out under way: nothing was carried out, the next call has fresh ones.
    "ExpiredTokenException": StartResult.BUSY,
}


class Drs:
    """DRS of one account and Region."""

    def __init__(self, client_for: Callable[[Config], Any]) -> None:
        self._client_for = client_for
        self._reader: Any = None

    @property
    def _read(self) -> Any:
        if self._reader is None:
            self._reader = self._client_for(_READ_CONFIG)
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
            return StartOutcome(_result(error), reason=_reason(error), retry_after=_retry_after(error))
        except DrsUnavailable as error:
            return StartOutcome(StartResult.BUSY, reason=str(error), retry_after=error.retry_after)
        except ParamValidationError as error:
            return StartOutcome(StartResult.REFUSED, reason=str(error))
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            # No connection, no request: nothing can have been carried out.
            return StartOutcome(StartResult.BUSY, reason=str(error))
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
            if _code(error) == "ResourceNotFoundException":
                return False
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise DrsUnavailable(str(error)) from error
        return True

    def last_launches(self, server_ids: Iterable[str], since: float) -> dict[str, str]:
        """Source server id → the job that DRS says launched it last, where that was asked for at or after `since`
        (epoch seconds). Raises DrsUnavailable."""
        launches = {}
        for item in self._servers(server_ids):
            initiated = item.get("lifeCycle", {}).get("lastLaunch", {}).get("initiated", {})
            if "jobID" in initiated and (_epoch(initiated.get("apiCallDateTime")) or 0.0) >= since:
                launches[item["sourceServerID"]] = initiated["jobID"]
        return launches

    def instances_of_job(self, job_id: str, server_ids: Iterable[str]) -> dict[str, str]:
        """Source server id → EC2 instance id, for what `job_id` itself launched. Raises DrsUnavailable."""
        instances: dict[str, str] = {}
        for ids in batched(server_ids, _SERVER_IDS_PER_CALL):
            for item in self._pages("describe_recovery_instances", filters={"sourceServerIDs": list(ids)}):
                if item.get("jobID") == job_id:
                    instances[item["sourceServerID"]] = item.get("ec2InstanceID") or item["recoveryInstanceID"]
        return instances

    def expects_launch_actions(self, server_id: str) -> bool | None:
        """Whether post-launch actions are switched on for the server; None when DRS won't tell.

        Raises DrsUnavailable.
        """
        try:
            return bool(self._read.get_launch_configuration(sourceServerID=server_id).get("postLaunchEnabled", False))
        except ClientError as error:
            if _result(error) is StartResult.REFUSED:
                return None
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise DrsUnavailable(str(error)) from error

    def source_servers(self) -> Iterator[dict[str, Any]]:
        """Every source server as `{"id", "tags", "name"}`, page by page. Raises DrsUnavailable."""
        for item in self._pages("describe_source_servers", filters={}):
            yield _source_server(item)

    def names(self, server_ids: Iterable[str]) -> dict[str, str]:
        """Source server id → the name people know it by (tag Name, else host name). Raises DrsUnavailable."""
        servers = (_source_server(item) for item in self._servers(server_ids))
        return {server["id"]: server["name"] for server in servers if server["name"]}

    def _servers(self, server_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
        for ids in batched(server_ids, _SERVER_IDS_PER_CALL):
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
        """The error as what it means. Another account's credentials last an hour, a warm Lambda much longer: once they
        have run out, the next question enters the account anew."""
        if _code(error) in _EXPIRED:
            self._reader = None
        return DrsUnavailable(_reason(error), _retry_after(error))


class DrsAccounts:
    """DRS of every account and Region a plan names; other accounts are entered through a role."""

    def __init__(self, endpoint_url: str | None, target_role_name: str) -> None:
        self._endpoint_url = endpoint_url
        self._target_role_name = target_role_name
        self._session = boto3.Session()
        self._known: dict[tuple[str | None, str], Drs] = {}

    def at(self, account_id: str | None, region: str) -> Drs:
        """`account_id` None is the account the orchestrator runs in."""
        key = (account_id, region)
        if key not in self._known:
            self._known[key] = Drs(lambda config: self._client(account_id, region, config))
        return self._known[key]

    def _client(self, account_id: str | None, region: str, config: Config) -> Any:
        session = self._enter(account_id) if account_id else self._session
        return session.client("drs", region_name=region, endpoint_url=self._endpoint_url, config=config)

    def _enter(self, account_id: str) -> boto3.Session:
        """Raises DrsUnavailable when the account's role can't be assumed: an account we can't enter is waited for."""
        try:
            sts = self._session.client("sts", config=_READ_CONFIG)
            me = sts.get_caller_identity()
            if me["Account"] == account_id:
                return self._session
            partition = me["Arn"].split(":")[1]
            role = f"arn:{partition}:iam::{account_id}:role/{self._target_role_name}"
            credentials = sts.assume_role(RoleArn=role, RoleSessionName="drs-orchestrator")["Credentials"]
        except ClientError as error:
            raise DrsUnavailable(f"account {account_id} can't be entered: {_reason(error)}") from error
        except BotoCoreError as error:
            raise DrsUnavailable(f"account {account_id} can't be entered: {error}") from error
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )


def _result(error: ClientError) -> StartResult:
    code = _code(error)
    if code in _RESULTS:
        return _RESULTS[code]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return StartResult.REFUSED if 400 <= status < 500 else StartResult.UNKNOWN


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def _reason(error: ClientError) -> str:
    message = error.response.get("Error", {}).get("Message") or "no message"
    return f"{_code(error)}: {message}"


def _retry_after(error: ClientError) -> int | None:
    """Seconds; on a throttling error DRS sends them as a string, on an internal one as a number."""
    text = str(error.response.get("retryAfterSeconds", ""))
    return int(text) if text.isascii() and text.isdigit() else None


def _epoch(text: str | None) -> float | None:
    """DRS's times are strings, ISO 8601 with microseconds and an offset; Z is accepted too."""
    return datetime.fromisoformat(text).timestamp() if text else None


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
    runs = item.get("launchActionsStatus", {}).get("runs", ())
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
            for run in runs
        ),
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

"""How the records of an execution look as table items: names of keys and attributes, and nothing else. Jobs have a
module of their own, `job_items`."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from drs_orchestrator.adapters import job_items
from drs_orchestrator.domain.choices import OnApprovalTimeout, OnFailure
from drs_orchestrator.domain.history import NO_HASH, Head
from drs_orchestrator.domain.notices import FailedServer
from drs_orchestrator.domain.records import (
    Execution,
    Job,
    JobKey,
    ServerChange,
    ServerProgress,
    Wave,
)
from drs_orchestrator.domain.statuses import (
    ExecutionStatus,
    ExecutionType,
    LaunchActionsStatus,
    ServerStatus,
    WaveStatus,
)
from drs_orchestrator.domain.steering import (
    PauseRequest,
    Question,
    QuestionKind,
    Stop,
    StopKind,
)

HEADER = "EXECUTION"
PLAN_PREFIX = "PLAN#"
WAVE_PREFIX = "WAVE#"
SERVER_PREFIX = "SERVER#"
HISTORY_PREFIX = "HISTORY#"
OUTBOX = "OUTBOX"

_TOLD = "Told_"

# A word in the index beside the executions' statuses: what of an ended execution is still to be announced.
UNPUBLISHED = "UNPUBLISHED"


def laid_out(
    execution_id: str, waves: Sequence[Wave], jobs: Sequence[Job], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The first records of an execution; `names` maps server ids to what people call them. A server that is PENDING has
    no record of its own yet."""
    records = [wave(execution_id, each) for each in waves]
    for job in jobs:
        named = replace(job, servers={key: replace(each, name=names.get(key)) for key, each in job.servers.items()})
        records += [job_items.servers(execution_id, named), job_items.job(execution_id, named)]
        records += [
            new_server(execution_id, job.key, server_id, server)
            for server_id, server in named.servers.items()
            if server.status is not ServerStatus.PENDING
        ]
    return records


# -- header ------------------------------------------------------------------------------------------------------------


def header_key(execution_id: str) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": HEADER}


def header(execution: Execution) -> dict[str, Any]:
    """A new execution's header; later writes change single attributes."""
    return header_key(execution.execution_id) | {
        "PlanId": execution.plan_id,
        "PlanName": execution.plan_name,
        "ExecutionType": execution.execution_type.value,
        "Status": execution.status.value,
        "StartTime": execution.start_time,
        "Generation": execution.generation,
        "DriverStarted": execution.driver_started,
        "DriverRounds": execution.driver_rounds,
        "PollCount": execution.poll_count,
        "Prepared": execution.prepared,
        "LaunchActionsTimeout": execution.launch_actions_timeout,
        "StartedBy": execution.started_by,
        "Reason": execution.reason,
        "ReplaceLive": execution.replace_live or None,
        "SkipApprovals": execution.skip_approvals or None,
        "SecondApprover": execution.second_approver or None,
        "RetryOf": execution.retry_of,
        "MovedTime": execution.start_time,
    }


def read_header(item: Mapping[str, Any]) -> Execution:
    return Execution(
        execution_id=item["ExecutionId"],
        plan_id=item["PlanId"],
        plan_name=item["PlanName"],
        execution_type=ExecutionType(item["ExecutionType"]),
        status=ExecutionStatus(item["Status"]),
        start_time=item["StartTime"],
        generation=item["Generation"],
        prepared=item["Prepared"],
        launch_actions_timeout=item.get("LaunchActionsTimeout"),
        driver_started=item["DriverStarted"],
        driver_rounds=item["DriverRounds"],
        poll_count=item["PollCount"],
        troubles=item.get("Troubles", 0),
        polling_phase=item.get("PollingPhase"),
        last_polled=item.get("LastPolledTime"),
        end_time=item.get("EndTime"),
        status_reason=item.get("StatusReason"),
        active_jobs=frozenset(JobKey.parse(key) for key in item.get("ActiveJobs", ())),
        started_by=item.get("StartedBy", "unknown"),
        reason=item.get("Reason"),
        replace_live=item.get("ReplaceLive", False),
        skip_approvals=item.get("SkipApprovals", False),
        second_approver=item.get("SecondApprover", False),
        retry_of=item.get("RetryOf"),
        question=_read_question(item["QuestionNumber"], item["Question"]) if "Question" in item else None,
        task_token=item.get("TaskToken"),
        pause=_read_pause(item["Pause"]) if "Pause" in item else None,
        stop=_read_stop(item["Stop"]) if "Stop" in item else None,
        approved_waves=frozenset(int(index) for index in item.get("ApprovedWaves", ())),
        accepted_waves=frozenset(int(index) for index in item.get("AcceptedWaves", ())),
        questions=item.get("Questions", 0),
        # An execution that was started before there was a history begins its own where it stands.
        head=Head(item.get("HistoryCount", 0), item.get("HistoryHash", NO_HASH)),
        told=dict(_read_told(item)),
        published=item.get("Published", 0),
        moved_time=item.get("MovedTime", item["StartTime"]),
    )


def told(key: JobKey) -> str:
    """The header's attribute that says up to which version of the job's record the history has its news: one for each
    active job, so that who writes one needs to know of no other."""
    return f"{_TOLD}{key.wave:04d}_{key.chunk:04d}"


def _read_told(item: Mapping[str, Any]) -> Iterator[tuple[JobKey, int]]:
    for name, version in item.items():
        if name.startswith(_TOLD):
            yield JobKey.parse(name.removeprefix(_TOLD).replace("_", "#")), version


def outbox_key(execution_id: str) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": OUTBOX}


def outbox(execution: Execution) -> dict[str, Any]:
    """Stands in the index from the execution's end until all of its history has been announced."""
    return outbox_key(execution.execution_id) | {"Status": UNPUBLISHED, "StartTime": execution.start_time}


def question(question: Question) -> dict[str, Any]:
    return {
        "Kind": question.kind.value,
        "Waves": list(question.waves),
        "WaveNames": list(question.wave_names),
        "AskedTime": question.asked_time,
        "Text": question.text,
        "Deadline": question.deadline,
        "OnTimeout": question.on_timeout.value,
    }


def _read_question(number: int, item: Mapping[str, Any]) -> Question:
    return Question(
        number=number,
        kind=QuestionKind(item["Kind"]),
        waves=tuple(item["Waves"]),
        wave_names=tuple(item["WaveNames"]),
        asked_time=item["AskedTime"],
        text=item["Text"],
        deadline=item.get("Deadline"),
        on_timeout=OnApprovalTimeout(item["OnTimeout"]),
    )


def pause(request: PauseRequest) -> dict[str, Any]:
    return {"By": request.by, "Time": request.time, "Reason": request.reason}


def _read_pause(item: Mapping[str, Any]) -> PauseRequest:
    return PauseRequest(item["By"], item["Time"], item.get("Reason"))


def stop(stop: Stop) -> dict[str, Any]:
    return {"Kind": stop.kind.value, "By": stop.by, "Time": stop.time, "Reason": stop.reason}


def _read_stop(item: Mapping[str, Any]) -> Stop:
    return Stop(StopKind(item["Kind"]), item["By"], item["Time"], item.get("Reason"))


def wave_index(index: int) -> str:
    """A wave's position as a member of a set of texts."""
    return f"{index:04d}"


def history_key(execution_id: str, number: int) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": f"{HISTORY_PREFIX}{number:06d}"}


def history_entry(execution_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**history_key(execution_id, entry["Number"]), **entry}


def news_entry(execution_id: str, entry: Mapping[str, Any], key: JobKey, version: int) -> dict[str, Any]:
    """An entry, and beside it which version of which job's record came with its news."""
    return history_entry(execution_id, entry) | {"JobKey": str(key), "JobVersion": version}


def read_source_of_news(item: Mapping[str, Any]) -> tuple[JobKey, int] | None:
    """Whose news the entry tells, and which; None when it tells something else."""
    return (JobKey.parse(item["JobKey"]), item["JobVersion"]) if "JobKey" in item else None


def read_history_entry(item: Mapping[str, Any]) -> dict[str, Any]:
    beside = ("ExecutionId", "Record", "JobKey", "JobVersion")
    return {name: value for name, value in item.items() if name not in beside}


def summary(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the index carries of an execution."""
    names = ("ExecutionId", "PlanId", "PlanName", "ExecutionType", "Status", "StartTime", "EndTime")
    return {name: item[name] for name in names if name in item}


def plan_piece(execution_id: str, number: int, text: str) -> dict[str, Any]:
    return {"ExecutionId": execution_id, "Record": f"{PLAN_PREFIX}{number:04d}", "Text": text}


def token_record(token: str) -> str:
    """Tokens are stored as digests: they are the caller's, of any length and alphabet."""
    return f"TOKEN#{hashlib.sha256(token.encode()).hexdigest()}"


def token_key(token_record: str) -> dict[str, str]:
    return {"ExecutionId": token_record, "Record": "TOKEN"}


def token(
    token: str, execution_id: str, request_digest: str, expires: int, *, recorded: bool = False
) -> dict[str, Any]:
    return token_key(token_record(token)) | {
        "StartedExecutionId": execution_id,
        "RequestDigest": request_digest,
        "ExpiresAt": expires,
        # Once the execution itself is recorded; until then a later start may take the token.
        "Recorded": recorded or None,
    }


# -- waves -------------------------------------------------------------------------------------------------------------


def wave_key(execution_id: str, index: int) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": f"{WAVE_PREFIX}{index:04d}"}


def wave(execution_id: str, wave: Wave) -> dict[str, Any]:
    return wave_key(execution_id, wave.index) | {
        "WaveName": wave.name,
        "DependsOn": list(wave.depends_on),
        "Region": wave.region,
        "AccountId": wave.account_id,
        "ServerCount": wave.server_count,
        "JobCount": wave.job_count,
        "ApprovalBefore": wave.approval_before or None,
        "OnFailure": wave.on_failure.value,
        "MinimumLaunched": wave.minimum_launched,
        "SkipReason": wave.skip_reason,
        **wave_progress(wave),
    }


def wave_progress(wave: Wave) -> dict[str, Any]:
    """What changes with a wave's status; the rest of its record stays, what an operator wrote there included."""
    return {
        # No record but header and outbox may carry Status and StartTime: together they are the keys of StatusIndex.
        "Status": wave.status.value,
        "LaunchTime": wave.start_time,
        "EndTime": wave.end_time,
        "StatusReason": wave.status_reason,
        "LaunchedCount": wave.launched_count,
        "FailedCount": wave.failed_count,
        "StopsPlan": wave.stops_plan,
        "PausesPlan": wave.pauses_plan or None,
    }


def read_wave(item: Mapping[str, Any]) -> Wave:
    return Wave(
        index=int(item["Record"].removeprefix(WAVE_PREFIX)),
        name=item["WaveName"],
        depends_on=tuple(item["DependsOn"]),
        region=item["Region"],
        account_id=item.get("AccountId"),
        server_count=item["ServerCount"],
        job_count=item["JobCount"],
        status=WaveStatus(item["Status"]),
        start_time=item.get("LaunchTime"),
        end_time=item.get("EndTime"),
        status_reason=item.get("StatusReason"),
        launched_count=item["LaunchedCount"],
        failed_count=item["FailedCount"],
        stops_plan=item["StopsPlan"],
        pauses_plan=item.get("PausesPlan", False),
        approval_before=item.get("ApprovalBefore", False),
        on_failure=OnFailure(item.get("OnFailure", OnFailure.STOP)),
        minimum_launched=item.get("MinimumLaunched"),
        skip_reason=item.get("SkipReason"),
    )


# -- servers -----------------------------------------------------------------------------------------------------------


def server_key(execution_id: str, key: JobKey, server_id: str) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": f"{SERVER_PREFIX}{key}#{server_id}"}


def new_server(execution_id: str, key: JobKey, server_id: str, server: ServerProgress) -> dict[str, Any]:
    """A server's record before anything has happened to it."""
    return server_key(execution_id, key, server_id) | {
        "SourceServerId": server_id,
        "Name": server.name,
        "Impact": server.impact.value,
        "Status": server.status.value,
        "Error": server.skip_reason,
        "TransitionHistory": [],
        "TimeoutDetected": False,
    }


def read_failed_server(item: Mapping[str, Any], wave_name: str) -> FailedServer:
    return FailedServer(
        source_server_id=item["SourceServerId"],
        name=item.get("Name"),
        wave_name=wave_name,
        error=item.get("Error", ""),
        next_step=item.get("NextStep"),
    )


def launch_actions_of(server: Mapping[str, Any]) -> LaunchActionsStatus | None:
    text = server.get("PostLaunchActionsStatus")
    return LaunchActionsStatus(text) if text else None


def changed_server(
    change: ServerChange, first: dict[str, Any], to: ServerStatus | None, poll_attempts: int, now: int
) -> dict[str, Any]:
    """The first record of a server whose `change` is the first thing that happens to it, given its `new_server`."""
    changed = first | {name: value for name, value in _changed(change, poll_attempts, now).items() if value is not None}
    if to:
        step = {"From": first["Status"], "To": to.value, "Time": now}
        changed |= {"Status": to.value, "TransitionHistory": [step]}
    return changed


def server_update(
    change: ServerChange, current: Mapping[str, Any], to: ServerStatus | None, poll_attempts: int, now: int
) -> dict[str, Any]:
    """The arguments of update_item that carry `change`, conditional on the statuses the record has in `current`."""
    names, sets, conditions = {"#Status": "Status"}, [], ["#Status = :current"]
    values: dict[str, Any] = {":current": {"S": current["Status"]}}
    for name, value in _changed(change, poll_attempts, now).items():
        if value is not None:
            names[f"#{name}"] = name
            values[f":{name}"] = _value(value)
            sets.append(f"#{name} = :{name}")
    if to:
        step = {"From": {"S": current["Status"]}, "To": {"S": to.value}, "Time": {"N": str(now)}}
        values |= {":to": {"S": to.value}, ":step": {"L": [{"M": step}]}}
        sets += ["#Status = :to", "TransitionHistory = list_append(TransitionHistory, :step)"]
    if change.launch_actions:
        if before := launch_actions_of(current):
            values[":actions"] = {"S": before.value}
            conditions.append("#PostLaunchActionsStatus = :actions")
        else:
            conditions.append("attribute_not_exists(#PostLaunchActionsStatus)")
    return {
        "UpdateExpression": "SET " + ", ".join(sets),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _changed(change: ServerChange, poll_attempts: int, now: int) -> dict[str, Any]:
    """The attributes the change sets, besides the status; None leaves one as it is."""
    return {
        "RecoveryJobId": change.job_id,
        "InstanceId": change.instance_id,
        "LaunchTime": change.launch_time,
        "LaunchedTime": change.launched_time,
        "RecoveryPointTime": change.recovery_point_time,
        "PostLaunchActionsStatus": change.launch_actions.value if change.launch_actions else None,
        "Error": change.error,
        "NextStep": change.next_step,
        "TimeoutDetected": change.timeout_detected or None,
        "Phases": [{"Phase": phase, "Time": time} for phase, time in change.phases] or None,
        "LastPolledTime": now,
        "Polls": poll_attempts,
    }


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"L": [{"M": {name: _value(each) for name, each in entry.items()}} for entry in value]}
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}

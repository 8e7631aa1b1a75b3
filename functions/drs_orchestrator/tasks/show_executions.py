"""Assemble an execution's document from its records, and list executions by status."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any

from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters import job_items
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.layout import lay_out
from drs_orchestrator.domain.protection import protection_command
from drs_orchestrator.domain.records import Execution, Job, ServerProgress
from drs_orchestrator.domain.statuses import LaunchActionsStatus, ServerStatus
from drs_orchestrator.domain.steering import Question
from drs_orchestrator.errors import NotFound
from drs_orchestrator.tasks.show_clean_up import show_clean_up


def show_execution(app: App, execution_id: str) -> dict[str, Any]:
    """The execution with its waves, jobs and servers; times are epoch seconds. Raises NotFound."""
    records = {record["Record"]: record for record in app.executions.records(execution_id)}
    if items.HEADER not in records:
        raise NotFound(f"There is no execution {execution_id}. GET /executions?status=POLLING lists the running ones.")
    execution = items.read_header(records[items.HEADER])
    if not execution.prepared:
        records |= _records_to_come(app, execution_id)
    jobs: dict[int, list[Job]] = defaultdict(list)
    for job in job_items.read_jobs(records.values()):
        jobs[job.key.wave].append(job)
    waves = [items.read_wave(each) for key, each in sorted(records.items()) if key.startswith(items.WAVE_PREFIX)]
    return _without_none(
        {
            "ExecutionId": execution.execution_id,
            "PlanId": execution.plan_id,
            "PlanName": execution.plan_name,
            "ExecutionType": execution.execution_type.value,
            "Status": execution.status.value,
            "StatusReason": execution.status_reason,
            "StartedBy": execution.started_by,
            "Reason": execution.reason,
            "ReplaceLive": execution.replace_live,
            "SkipApprovals": execution.skip_approvals,
            "RetryOf": execution.retry_of,
            "Question": _question(execution.question) if execution.question else None,
            "PauseRequested": _without_none(items.pause(execution.pause)) if execution.pause else None,
            "Stop": _without_none(items.stop(execution.stop)) if execution.stop else None,
            "StartTime": execution.start_time,
            "EndTime": execution.end_time,
            "LastPolledTime": execution.last_polled,
            "PollCount": execution.poll_count,
            "PollingPhase": execution.polling_phase,
            "Generation": execution.generation,
            "CleanUp": show_clean_up(records, [job for each in jobs.values() for job in each]),
            "HistoryCount": execution.head.count,
            "HistoryHash": execution.head.hash,
            "Waves": [
                _without_none(
                    {
                        "WaveName": wave.name,
                        "Status": wave.status.value,
                        "StatusReason": wave.status_reason or wave.skip_reason or _waiting_for(jobs[wave.index]),
                        "Region": wave.region,
                        "AccountId": wave.account_id,
                        "DependsOn": list(wave.depends_on),
                        "ApprovalBefore": wave.approval_before,
                        "OnFailure": wave.on_failure.value,
                        "MinimumLaunched": wave.minimum_launched,
                        "StartTime": wave.start_time,
                        "EndTime": wave.end_time,
                        "Jobs": [_job(job) for job in jobs[wave.index]],
                        "Servers": [
                            _server(execution, job, record)
                            for job in jobs[wave.index]
                            for record in _servers(execution_id, job, records)
                        ],
                    }
                )
                for wave in waves
            ],
        }
    )


def _records_to_come(app: App, execution_id: str) -> dict[str, dict[str, Any]]:
    """What the state machine's first task is about to write: a document is complete from its first moment."""
    waves, jobs = lay_out(app.executions.plan(execution_id))
    records = items.laid_out(execution_id, waves, jobs, {})
    # As they come out of the table: absent means absent.
    return {record["Record"]: _without_none(record) for record in records}


def _question(question: Question) -> dict[str, Any]:
    """What an operator is asked; the waves by name."""
    document = items.question(question)
    return _without_none(
        {
            "Kind": document["Kind"],
            "Text": document["Text"],
            "Waves": document["WaveNames"],
            "AskedTime": document["AskedTime"],
            "Deadline": document["Deadline"],
            "OnTimeout": document["OnTimeout"] if question.deadline else None,
        }
    )


def _waiting_for(jobs: list[Job]) -> str | None:
    return next((job.status_reason for job in jobs if job.status_reason), None)


def _job(job: Job) -> dict[str, Any]:
    return _without_none(
        {
            "RecoveryJobId": job.job_id,
            "Status": job.drs_status or "NOT_STARTED",
            "ServerCount": len(job.servers),
            "StatusReason": job.status_reason,
            "UnknownWords": [job_items.unknown_word(word) for word in job.unknown_words] or None,
        }
    )


def _servers(execution_id: str, job: Job, records: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of the job's servers by their ids; of one that has none yet, what it would begin with."""
    first = (
        items.new_server(execution_id, job.key, *server) for server in sorted(job.servers.items(), key=itemgetter(0))
    )
    return [records.get(each["Record"], each) for each in first]


def _server(execution: Execution, job: Job, record: dict[str, Any]) -> dict[str, Any]:
    progress = job.servers[record["SourceServerId"]]
    if progress.skip_reason is not None:
        # Its job may have been launched; it was not.
        job = replace(job, job_id=None, launch_time=None, intent_time=None)
    settled = _is_settled(progress)
    polls = record.get("Polls", 0) if settled or execution.status.is_final else execution.poll_count
    return _without_none(
        {
            "SourceServerId": record["SourceServerId"],
            "Name": record.get("Name"),
            "Impact": record["Impact"],
            "RecoveryJobId": job.job_id,
            "Status": record["Status"],
            "Phase": progress.phase if job.job_id and not settled else None,
            "InstanceId": record.get("InstanceId"),
            "LaunchTime": job.launch_time,
            "LaunchedTime": record.get("LaunchedTime"),
            "RecoveryPointTime": record.get("RecoveryPointTime"),
            "LastPolledTime": record.get("LastPolledTime") if settled or not job.job_id else execution.last_polled,
            "PollAttempts": max(0, polls - job.polls_at_launch) if job.intent_time is not None else 0,
            "PostLaunchActionsStatus": record.get("PostLaunchActionsStatus"),
            "Phases": record.get("Phases"),
            "TransitionHistory": record["TransitionHistory"],
            "Error": record.get("Error"),
            "NextStep": record.get("NextStep"),
            "TimeoutDetected": record["TimeoutDetected"],
            **_protection(job, record.get("InstanceId")),
        }
    )


def _protection(job: Job, instance_id: str | None) -> dict[str, Any]:
    """Whether EC2 protects the server's instance, and what to do if not; nothing as long as that is not known."""
    if instance_id is None or instance_id not in job.protection:
        return {}
    reason = job.protection[instance_id]
    if not reason:
        return {"TerminationProtection": True}
    return {
        "TerminationProtection": False,
        "UnprotectedReason": reason,
        "ProtectCommand": protection_command(instance_id, job.region),
    }


def _is_settled(server: ServerProgress) -> bool:
    return server.status in (ServerStatus.LAUNCHED, ServerStatus.FAILED, ServerStatus.SKIPPED) and (
        server.launch_actions is not LaunchActionsStatus.IN_PROGRESS
    )


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    """A field that is not known yet is absent, not null."""
    return {name: value for name, value in document.items() if value is not None}

"""What is announced of an execution: entries of its history, made into events for others to react to.

Each event is described by a schema in docs/events/. `VERSION` changes when a field is removed or means something else;
a new field does not change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from drs_orchestrator.domain.choices import OnFailure
from drs_orchestrator.domain.clean_up import CleanUpStatus
from drs_orchestrator.domain.cutting import cut
from drs_orchestrator.domain.history import Kind
from drs_orchestrator.domain.records import Execution, Wave
from drs_orchestrator.domain.statuses import WaveStatus
from drs_orchestrator.domain.steering import QuestionKind

SOURCE = "drs-orchestrator"
VERSION = "1"

MAX_FAILED_SERVERS = 10
_MAX_LEFT_INSTANCES = 10
_TEXT_BYTES = 1_000

_LAUNCHED = (WaveStatus.COMPLETED, WaveStatus.PARTIAL, WaveStatus.FAILED)


class NoticeType(StrEnum):
    """An event's detail-type.

    WAVE_UP: the wave is COMPLETED. WAVE_FAILED: it is PARTIAL or FAILED, so that some of its servers are not up.
    APPROVAL_NEEDED: nothing more is launched before an operator has answered. EXECUTION_STUCK: nothing has moved for
    long, or its driver was gone. CLEAN_UP_FINISHED: nothing more is terminated, though instances may be left.
    """

    EXECUTION_STARTED = "Execution Started"
    WAVE_UP = "Wave Up"
    WAVE_FAILED = "Wave Failed"
    APPROVAL_NEEDED = "Approval Needed"
    EXECUTION_FINISHED = "Execution Finished"
    EXECUTION_STUCK = "Execution Stuck"
    CLEAN_UP_FINISHED = "Clean-Up Finished"


class StuckCause(StrEnum):
    NO_PROGRESS = "NO_PROGRESS"
    DRIVER_REPLACED = "DRIVER_REPLACED"


@dataclass(frozen=True, slots=True)
class Notice:
    """An event to be published; `number` is that of its entry in the history, `time` in epoch seconds."""

    number: int
    type: NoticeType
    time: int
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FailedServer:
    """A server that failed: its error is DRS's own text."""

    source_server_id: str
    name: str | None
    wave_name: str
    error: str
    next_step: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the record says of the execution besides its history. `failed_servers`: some of each wave's, at most
    MAX_FAILED_SERVERS a wave."""

    execution: Execution
    waves: Sequence[Wave] = ()
    failed_servers: Sequence[FailedServer] = ()


def notice_type(entry: Mapping[str, Any]) -> NoticeType | None:
    """As what the history's entry is announced; None when it is not."""
    match entry["Kind"]:
        case Kind.EXECUTION_STARTED:
            return NoticeType.EXECUTION_STARTED
        case Kind.QUESTION_ASKED:
            return NoticeType.APPROVAL_NEEDED
        case Kind.EXECUTION_FINISHED:
            return NoticeType.EXECUTION_FINISHED
        case Kind.CLEAN_UP_FINISHED:
            return NoticeType.CLEAN_UP_FINISHED
        case Kind.DRIVER_REPLACED | Kind.STOOD_STILL:
            return NoticeType.EXECUTION_STUCK
        case Kind.WAVE_CHANGED if entry["Data"]["Status"] in _LAUNCHED:
            return NoticeType.WAVE_UP if entry["Data"]["Status"] == WaveStatus.COMPLETED else NoticeType.WAVE_FAILED
    return None


def notice(entry: Mapping[str, Any], facts: Facts) -> Notice | None:
    """The event that announces the entry, if anything does. Raises KeyError, ValueError for an entry or facts that are
    not as they were written."""
    kind = notice_type(entry)
    if kind is None:
        return None
    details = {
        NoticeType.EXECUTION_STARTED: _started,
        NoticeType.WAVE_UP: _wave_ended,
        NoticeType.WAVE_FAILED: _wave_ended,
        NoticeType.APPROVAL_NEEDED: _question_asked,
        NoticeType.EXECUTION_FINISHED: _finished,
        NoticeType.EXECUTION_STUCK: _stuck,
        NoticeType.CLEAN_UP_FINISHED: _cleaned_up,
    }
    execution = facts.execution
    detail = {
        "version": VERSION,
        "id": f"{execution.execution_id}/{entry['Number']}",
        "executionId": execution.execution_id,
        "planId": execution.plan_id,
        "planName": execution.plan_name,
        "executionType": execution.execution_type.value,
        "time": _moment(entry["Time"]),
        "by": entry["By"],
        "reason": entry.get("Reason"),
        "skipApprovals": execution.skip_approvals or None,
        "replaceLive": execution.replace_live or None,
        **details[kind](entry, facts),
    }
    return Notice(entry["Number"], kind, entry["Time"], _without_none(detail))


def _started(entry: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    data = entry["Data"]
    return {
        "waves": data["Waves"],
        "servers": data["Servers"],
        "skippedServers": len(data.get("SkippedServers", ())),
        "nextCommand": f"drctl watch {facts.execution.execution_id}",
    }


def _wave_ended(entry: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    data = entry["Data"]
    wave = {wave.name: wave for wave in facts.waves}[data["WaveName"]]
    failed = [server for server in facts.failed_servers if server.wave_name == wave.name]
    return {
        "waveName": wave.name,
        "status": data["Status"],
        "statusReason": _short(data.get("StatusReason")),
        "servers": data["Servers"],
        "launched": data["Launched"],
        "failed": data["Failed"],
        "consequence": _consequence(wave).value,
        "openWaves": [other.name for other in facts.waves if not other.status.is_final],
        "nextCommand": f"drctl status {facts.execution.execution_id}",
        **_failures(failed),
    }


def _consequence(wave: Wave) -> OnFailure:
    """What the wave's end means for the later ones."""
    if wave.stops_plan:
        return OnFailure.STOP
    return OnFailure.PAUSE if wave.pauses_plan else OnFailure.CONTINUE


def _question_asked(entry: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    data, execution_id = entry["Data"], facts.execution.execution_id
    kind = QuestionKind(data["Kind"])
    command = f"drctl {'approve' if kind is QuestionKind.APPROVAL else 'resume'} {execution_id}"
    deadline = data.get("Deadline")
    return {
        "questionNumber": data["Number"],
        "questionKind": kind.value,
        "question": _short(data["Text"]),
        "waveNames": list(data["Waves"]),
        "deadline": _moment(deadline) if deadline is not None else None,
        "onTimeout": data.get("OnTimeout"),
        "nextCommand": command,
        "rejectCommand": f'drctl reject {execution_id} --reason "..."',
    }


def _finished(entry: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    data, execution, waves = entry["Data"], facts.execution, facts.waves
    return {
        "status": data["Status"],
        "statusReason": _short(data.get("StatusReason")),
        "startTime": _moment(execution.start_time),
        "durationSeconds": entry["Time"] - execution.start_time,
        "servers": sum(wave.server_count for wave in waves),
        "launched": sum(wave.launched_count for wave in waves),
        "failed": sum(wave.failed_count for wave in waves),
        "waves": [
            {
                "waveName": wave.name,
                "status": wave.status.value,
                "servers": wave.server_count,
                "launched": wave.launched_count,
                "failed": wave.failed_count,
            }
            for wave in waves
        ],
        "nextCommand": f"drctl status {execution.execution_id}",
        **_failures(facts.failed_servers),
    }


def _stuck(entry: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    data = entry["Data"]
    stood_still = entry["Kind"] == Kind.STOOD_STILL
    return {
        "cause": (StuckCause.NO_PROGRESS if stood_still else StuckCause.DRIVER_REPLACED).value,
        "explanation": _short(data["Verdict"]),
        "quietSince": _moment(data["Since"]) if stood_still else None,
        "openWaves": [wave.name for wave in facts.waves if not wave.status.is_final],
        "nextCommand": f"drctl status {facts.execution.execution_id}",
    }


def _cleaned_up(entry: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    data, execution_id = entry["Data"], facts.execution.execution_id
    left = data.get("Left", ())
    return {
        "status": CleanUpStatus(data["Status"]).value,
        "terminated": data["Terminated"],
        # An entry of an earlier release has no count.
        "left": data.get("LeftCount", len(left)),
        "leftInstances": [
            {
                "instanceId": instance["InstanceId"],
                "sourceServerId": instance["SourceServerId"],
                "region": instance["Region"],
                "reason": _short(instance["Reason"]),
            }
            for instance in left[:_MAX_LEFT_INSTANCES]
        ],
        "nextCommand": f"drctl status {execution_id}",
        "cleanUpCommand": f"drctl cleanup {execution_id}" if left else None,
    }


def _failures(servers: Sequence[FailedServer]) -> dict[str, Any]:
    return {
        "failedServers": [
            _without_none(
                {
                    "sourceServerId": server.source_server_id,
                    "name": server.name,
                    "waveName": server.wave_name,
                    "error": _short(server.error),
                    "nextStep": server.next_step,
                }
            )
            for server in servers[:MAX_FAILED_SERVERS]
        ]
    }


def _moment(time: int) -> str:
    """`2026-11-24T16:00:00Z`"""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _short(text: str | None) -> str | None:
    return None if text is None else cut(text, _TEXT_BYTES)


def _without_none(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}

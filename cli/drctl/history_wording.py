"""Entries of a history (the answer of GET /executions/{id}/history) in words. Pure: no clock, no terminal."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from drctl.wording import Document, clean, counted, moment
from drs_orchestrator.domain.history import Kind

type _Data = Mapping[str, Any]

_UNKNOWN = "?"


def told(entry: Document) -> str:
    """What happened, as the end of "At ten, somebody: ...". An entry that somebody has changed is told as it is."""
    kind, data = entry["Kind"], entry["Data"]
    if kind not in _TOLD:
        # Of a kind that this program doesn't know: it is older than the API.
        return clean(": ".join(filter(None, [kind, _plain(data)])))
    return clean(_TOLD[kind](defaultdict(lambda: _UNKNOWN, data)))


def _started(data: _Data) -> str:
    skipped = data.get("SkippedServers", ())
    more = [
        "its waves wait for no approvals" if data.get("SkipApprovals") else "",
        "living instances of earlier recoveries may be removed" if data.get("ReplaceLive") else "",
        f"it launches again what {data['RetryOf']} did not" if data.get("RetryOf") else "",
        f"skipped by pre-flight: {_servers(skipped, 'Reason')}" if skipped else "",
    ]
    return "; ".join(filter(None, [f"{data['ExecutionType']} of {data['PlanId']} started", *more]))


def _wave(data: _Data) -> str:
    launched = f", {data['Launched']} of {counted(data['Servers'], 'server')} launched" if "Launched" in data else ""
    return f"wave {data['WaveName']}: {data['Status']}{launched}{_because(data)}"


def _servers_changed(data: _Data) -> str:
    names = ("Status", "InstanceId", "PostLaunchActionsStatus", "Error")
    late = {"TimeoutDetected": "takes longer than expected"}
    changes = [
        " ".join(
            [
                server.get("SourceServerId", _UNKNOWN),
                ", ".join(
                    [*(server[name] for name in names if name in server), *(late[n] for n in late if n in server)]
                ),
            ]
        )
        for server in data["Servers"]
    ]
    return f"wave {data['WaveName']}: {'; '.join(changes)}"


def _question(data: _Data) -> str:
    if "Deadline" not in data:
        return f"asked: {data['Text']}"
    return f"asked: {data['Text']} Without an answer by {moment(data['Deadline'])}: {data['OnTimeout']}"


def _replaced(data: _Data) -> str:
    return f"wave {data['WaveName']}: the launch removes {_servers(data['Instances'], 'InstanceId')}"


def _about_waves(word: str) -> Callable[[_Data], str]:
    return lambda data: f"{word}: {', '.join(data['Waves'])}" if "Waves" in data else word


def _servers(servers: Any, name: str) -> str:
    """`s-… (why)`, for each of them."""
    return ", ".join(f"{server.get('SourceServerId', _UNKNOWN)} ({server.get(name, _UNKNOWN)})" for server in servers)


def _because(data: _Data) -> str:
    return f" ({data['StatusReason']})" if data.get("StatusReason") else ""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return "; ".join(map(_plain, value)) if isinstance(value, list) else str(value)


_TOLD: Mapping[str, Callable[[_Data], str]] = {
    Kind.EXECUTION_STARTED: _started,
    Kind.WAVE_CHANGED: _wave,
    Kind.LAUNCH_REQUESTED: lambda data: f"wave {data['WaveName']}: DRS is asked to launch {_count(data)}",
    Kind.LAUNCH_STARTED: lambda data: (
        f"wave {data['WaveName']}: DRS launches {_count(data)} in {data['RecoveryJobId']}"
    ),
    Kind.SERVERS_CHANGED: _servers_changed,
    Kind.QUESTION_ASKED: _question,
    Kind.APPROVED: _about_waves("approved"),
    Kind.RESUMED: _about_waves("resumed"),
    Kind.REJECTED: _about_waves("rejected"),
    Kind.APPROVAL_TIMED_OUT: lambda data: f"{_about_waves('not approved in time')(data)}: {data['Decision']}",
    Kind.PAUSE_REQUESTED: lambda _: "asked for a pause",
    Kind.CANCEL_REQUESTED: lambda _: "cancelled",
    Kind.WAVE_SKIP_REQUESTED: lambda data: f"wave {data['WaveName']} is not to be launched",
    Kind.LIVE_INSTANCES_REPLACED: _replaced,
    Kind.SERVERS_GUARDED: lambda data: f"wave {data['WaveName']}: {_servers(data['Servers'], 'Error')}",
    Kind.DRIVER_REPLACED: lambda data: f"driver {data['Generation']} takes over: {data['Verdict']}",
    Kind.HANDED_OVER: lambda data: f"driver {data['Generation']} takes over, before the limit of the one before it",
    Kind.EXECUTION_FINISHED: lambda data: f"execution {data['Status']}{_because(data)}",
}


def _count(data: _Data) -> str:
    return counted(data["Servers"], "server")

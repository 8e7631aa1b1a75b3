"""Entries of a history (the answer of GET /executions/{id}/history) in words. Pure: no clock, no terminal."""

from collections.abc import Callable, Mapping
from typing import Any

from drctl.wording import Document, clean, counted, moment
from drs_orchestrator.domain.history import Kind

type _Data = Mapping[str, Any]


def told(entry: Document) -> str:
    """What happened, in words. What has no words here is shown as it is: an entry of a kind that is newer than this
    program, or one that somebody has changed."""
    kind, data = entry["Kind"], entry["Data"]
    try:
        return clean(_TOLD[kind](data))
    except (AttributeError, KeyError, TypeError):
        return clean(": ".join(filter(None, [kind, _plain(data)])))


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
    return f"wave {data['WaveName']}: {'; '.join(map(_server_changed, data['Servers']))}"


def _server_changed(server: _Data) -> str:
    actions = server.get("PostLaunchActionsStatus")
    changes = [
        server.get("Status"),
        server.get("InstanceId"),
        f"post-launch actions {actions}" if actions else None,
        "takes longer than expected" if server.get("TimeoutDetected") else None,
        server.get("Error"),
    ]
    return f"{server['SourceServerId']} {', '.join(filter(None, changes))}"


def _question(data: _Data) -> str:
    if "Deadline" not in data:
        return f"asked: {data['Text']}"
    return f"asked: {data['Text']} Without an answer by {moment(data['Deadline'])}: {data['OnTimeout']}"


def _replaced(data: _Data) -> str:
    return f"wave {data['WaveName']}: the launch removes {_servers(data['Instances'], 'InstanceId')}"


def _protected(data: _Data) -> str:
    unprotected = [f"{each['InstanceId']} ({each['Reason']})" for each in data["Unprotected"]]
    told = f"wave {data['WaveName']}: {counted(data['Protected'], 'instance')} protected from termination"
    return f"{told}; not protected: {', '.join(unprotected)}" if unprotected else told


def _cleaned_up(data: _Data) -> str:
    left = [f"{each['InstanceId']} of {each['SourceServerId']} ({each['Reason']})" for each in data.get("Left", ())]
    told = f"clean-up {data['Status']}: {counted(data['Terminated'], 'instance')} terminated"
    more = data.get("LeftCount", len(left)) - len(left)
    others = f" and {more} more" if more else ""
    return f"{told}; left: {', '.join(left)}{others}" if left else told


def _about_waves(word: str) -> Callable[[_Data], str]:
    return lambda data: f"{word}: {', '.join(data['Waves'])}" if "Waves" in data else word


def _servers(servers: Any, name: str) -> str:
    """`s-… (why)`, for each of them."""
    return ", ".join(f"{server['SourceServerId']} ({server[name]})" for server in servers)


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
    Kind.QUESTION_WITHDRAWN: _about_waves("no longer asked about"),
    Kind.PAUSE_REQUESTED: lambda _: "asked for a pause",
    Kind.CANCEL_REQUESTED: lambda _: "cancelled",
    Kind.WAVE_SKIP_REQUESTED: lambda data: f"wave {data['WaveName']} is not to be launched",
    Kind.LIVE_INSTANCES_REPLACED: _replaced,
    Kind.SERVERS_GUARDED: lambda data: f"wave {data['WaveName']}: {_servers(data['Servers'], 'Error')}",
    Kind.INSTANCES_PROTECTED: _protected,
    Kind.DRIVER_REPLACED: lambda data: f"driver {data['Generation']} takes over: {data['Verdict']}",
    Kind.STOOD_STILL: lambda data: f"{data['Verdict']}, since {moment(data['Since'])}",
    Kind.HANDED_OVER: lambda data: f"driver {data['Generation']} takes over, before the limit of the one before it",
    Kind.EXECUTION_FINISHED: lambda data: f"execution {data['Status']}{_because(data)}",
    Kind.CLEAN_UP_REQUESTED: lambda _: "asked for the clean-up",
    Kind.CLEAN_UP_FINISHED: _cleaned_up,
}


def _count(data: _Data) -> str:
    return counted(data["Servers"], "server")

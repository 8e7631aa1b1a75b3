"""An execution's document (the answer of GET /executions/{id}) in words. Pure: no clock, no terminal."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

type Document = Mapping[str, Any]

_PHASES = {
    "SNAPSHOT": "taking the snapshot",
    "CONVERSION": "converting the disks",
    "LAUNCH": "launching the instance",
    "LAUNCH_ACTIONS": "running post-launch actions",
}
_PHASE_PROGRESS = {"SNAPSHOT": 0.1, "CONVERSION": 0.3, "LAUNCH": 0.6}
_STATUS_PROGRESS = {"PENDING": 0.0, "STARTED": 0.1, "IN_PROGRESS": 0.6, "LAUNCHED": 1.0, "FAILED": 1.0, "SKIPPED": 1.0}
_NEW_SERVER = {"Status": "PENDING"}
_NEW_WAVE = {"Status": "PENDING"}


def clean(text: object) -> str:
    """Text of somebody else on one line, without what would steer a terminal or could not be written to it."""
    return "".join(char if char.isprintable() else " " for char in str(text))


def counted(number: int, noun: str) -> str:
    """`1 wave`, `2 waves`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def clock(epoch: float) -> str:
    """The time of day here."""
    return time.strftime("%H:%M:%S", time.localtime(epoch))


def moment(epoch: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def servers(document: Document) -> list[Document]:
    return [server for wave in document["Waves"] for server in wave["Servers"]]


def elapsed(record: Document, now: float) -> str:
    """How long an execution or a wave has run; empty before it began."""
    return duration(record.get("EndTime", now) - record["StartTime"]) if "StartTime" in record else ""


def server_label(server: Document) -> str:
    name = server.get("Name")
    return f"{clean(name)} ({server['SourceServerId']})" if name else str(server["SourceServerId"])


def server_detail(server: Document) -> str:
    """Where a server stands inside its status, or why it failed and what to do now."""
    actions = server.get("PostLaunchActionsStatus", "NOT_CONFIGURED")
    parts = [
        clean(server.get("Error", "")),
        f"Next: {clean(server['NextStep'])}" if server.get("NextStep") else "",
        _PHASES.get(server.get("Phase", ""), clean(server.get("Phase", ""))) if not server.get("Error") else "",
        f"post-launch actions {actions}" if actions not in ("NOT_CONFIGURED", "IN_PROGRESS") else "",
        "takes longer than expected, DRS is still being asked" if _is_late(server) else "",
    ]
    return "; ".join(part.rstrip(".") for part in parts if part)


def _is_late(server: Document) -> bool:
    return bool(server.get("TimeoutDetected")) and server["Status"] not in ("LAUNCHED", "FAILED", "SKIPPED")


def progress(server: Document) -> float:
    """0.0 to 1.0, for a bar: how far a server has come, by its status and phase."""
    share = max(_STATUS_PROGRESS.get(server["Status"], 0.0), _PHASE_PROGRESS.get(server.get("Phase", ""), 0.0))
    return 0.9 if server.get("PostLaunchActionsStatus") == "IN_PROGRESS" else share


def counts(some: Sequence[Document]) -> str:
    """`2 of 6 launched, 1 failed`."""
    of = Counter(server["Status"] for server in some)
    parts = [f"{of['LAUNCHED']} of {len(some)} launched"]
    parts += [f"{of[status]} {status.lower()}" for status in ("FAILED", "SKIPPED") if of[status]]
    return ", ".join(parts)


def title(document: Document) -> str:
    """`DRILL of Web shop (three-tier)`."""
    return f"{document['ExecutionType']} of {clean(document['PlanName'])} ({document['PlanId']})"


def outcome(document: Document, now: float) -> str:
    """`COMPLETED after 4m 05s: 6 of 6 launched`, and the reason where there is one."""
    word = "after" if "EndTime" in document else "for"
    line = f"{document['Status']} {word} {elapsed(document, now)}: {counts(servers(document))}"
    return f"{line}; {clean(document['StatusReason'])}" if document.get("StatusReason") else line


def notices(document: Document) -> Iterator[str]:
    """What somebody has to know or to answer: rules that were broken, a stop, a pause that is to come, a question."""
    if document.get("SkipApprovals"):
        yield f"break-glass: no approval is waited for, by {_who(document, 'StartedBy')}"
    if document.get("ReplaceLive"):
        yield f"break-glass: living instances of earlier recoveries may be removed, by {_who(document, 'StartedBy')}"
    if retried := document.get("RetryOf"):
        yield f"retry of {retried}"
    if "CleanUp" in document:
        yield from _clean_up(document["CleanUp"])
    yield from _unprotected(document)
    if "EndTime" in document:
        return
    if stop := document.get("Stop"):
        word = "cancelled" if stop["Kind"] == "CANCEL" else "rejected"
        yield f"stopping: {word} by {_who(stop)}; what runs in DRS is followed to its end"
    question = document.get("Question")
    if (pause := document.get("PauseRequested")) and not stop and not question:
        yield f"pausing: asked for by {_who(pause)}; drctl resume {document['ExecutionId']} takes it back"
    if question:
        yield f"question: {clean(question['Text'])}{_deadline(question)} {_answer(document['ExecutionId'], question)}"


def _clean_up(clean_up: Document) -> Iterator[str]:
    """How far it is, and for each instance that was left why, and what removes it."""
    instances = clean_up["Instances"]
    gone = sum(instance["Status"] == "TERMINATED" for instance in instances)
    progress = f", {gone} of {counted(len(instances), 'instance')} terminated"
    if not instances and "EndTime" not in clean_up:
        progress = f", not before {moment(clean_up['DueTime'])}"
    yield f"clean-up {clean_up['Status']}{progress}"
    for instance in instances:
        if instance["Status"] == "LEFT":
            why = f"left {instance['InstanceId']} of {instance['SourceServerId']}: {clean(instance.get('Reason'))}"
            yield f"{why}; remove it with: {instance['Command']}"


def _unprotected(document: Document) -> Iterator[str]:
    """Each recovered instance that the next launch would remove, why, and what protects it."""
    for server in (server for wave in document["Waves"] for server in wave["Servers"]):
        if server.get("TerminationProtection") is False:
            why = f"unprotected {server['InstanceId']} of {server_label(server)}: {clean(server['UnprotectedReason'])}"
            yield f"{why}; protect it from termination with: {server['ProtectCommand']}"


def _who(record: Document, by: str = "By") -> str:
    reason = f" ({clean(record['Reason'])})" if record.get("Reason") else ""
    return f"{clean(record[by])}{reason}"


def _deadline(question: Document) -> str:
    if "Deadline" not in question:
        return ""
    follows = "it counts as rejected" if question.get("OnTimeout") == "REJECT" else "it goes on"
    return f" Without an answer by {moment(question['Deadline'])} {follows}."


def _answer(execution_id: str, question: Document) -> str:
    yes = "approve" if question["Kind"] == "APPROVAL" else "resume"
    return f"Answer: drctl {yes} {execution_id}, or drctl reject {execution_id} --reason WHY"


def polling(document: Document, next_poll: float | None, now: float) -> str:
    """When DRS was last asked and when it will be asked next, which nobody knows while an operator is waited for."""
    last = document.get("LastPolledTime")
    said = f"last poll {clock(last)}" if last else "not polled yet"
    if "EndTime" in document or document["Status"] == "PAUSED" or next_poll is None:
        return said
    left = next_poll - now
    return f"{said}, next in about {duration(left)}" if left >= 1 else f"{said}, next due now"


def changes(old: Document | None, new: Document) -> Iterator[str]:
    """A line for everything that differs between two looks at an execution; `old` None = the first look."""
    if old is None:
        size = f"{counted(len(new['Waves']), 'wave')}, {counted(len(servers(new)), 'server')}"
        yield f"execution {new['ExecutionId']}: {title(new)}, {size}"
    if old is None or any(old.get(name) != new.get(name) for name in ("Status", "StatusReason")):
        yield f"execution {new['Status']}{_because(new)}"
    known = set(notices(old)) if old else set()
    yield from (notice for notice in notices(new) if notice not in known)
    old_waves = {wave["WaveName"]: wave for wave in old["Waves"]} if old else {}
    old_servers = {server["SourceServerId"]: server for server in servers(old)} if old else {}
    for wave in new["Waves"]:
        before = old_waves.get(wave["WaveName"], _NEW_WAVE)
        if any(before.get(name) != wave.get(name) for name in ("Status", "StatusReason")):
            yield f"wave {clean(wave['WaveName'])}: {_step(before, wave)}{_because(wave)}"
        for server in wave["Servers"]:
            previous = old_servers.get(server["SourceServerId"], _NEW_SERVER)
            if _facts(previous) != _facts(server):
                facts = filter(None, [_step(previous, server), server.get("InstanceId"), server_detail(server)])
                yield f"server {server_label(server)}: {', '.join(facts)}"


def _because(record: Document) -> str:
    return f" ({clean(record['StatusReason'])})" if record.get("StatusReason") else ""


def _step(old: Document, new: Document) -> str:
    return str(new["Status"]) if old["Status"] == new["Status"] else f"{old['Status']} -> {new['Status']}"


def _facts(server: Document) -> tuple[object, ...]:
    return server["Status"], server.get("InstanceId"), server_detail(server)

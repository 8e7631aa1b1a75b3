"""How a job looks as two table items.

    JOB#0000#0000            what changes: its launch, where each server stands, what the history is still to be told
    JOB#0000#0000#SERVERS    what stays: the wave, the place, and which servers there are, in order

The first one is written by every poll that sees a server move. So it is kept within the 1 KB that one write unit pays
for: where the servers stand is one text for each property, with a letter for each server in their order.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drs_orchestrator.domain.choices import Impact
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.records import Job, JobKey, News, ServerProgress, UnknownWord
from drs_orchestrator.domain.statuses import LaunchActionsStatus, ServerStatus

PREFIX = "JOB#"
_SERVERS = "#SERVERS"

_UNSET = "-"
_YES_NO = {False: _UNSET, True: "+"}
_STATUSES = {
    ServerStatus.PENDING: _UNSET,
    ServerStatus.STARTED: "S",
    ServerStatus.IN_PROGRESS: "I",
    ServerStatus.LAUNCHED: "L",
    ServerStatus.FAILED: "F",
    ServerStatus.SKIPPED: "K",
}
_LAUNCH_ACTIONS = {
    LaunchActionsStatus.NOT_CONFIGURED: "N",
    LaunchActionsStatus.IN_PROGRESS: "I",
    LaunchActionsStatus.COMPLETED: "C",
    LaunchActionsStatus.FAILED: "F",
    LaunchActionsStatus.TIMED_OUT: "T",
}
# Attribute, field of ServerProgress, and the letter of each of its values. A text of nothing but `-` is left out.
_LETTERS: tuple[tuple[str, str, Mapping[Any, str]], ...] = (
    ("Statuses", "status", _STATUSES),
    ("Phases", "phase", {None: _UNSET, "SNAPSHOT": "S", "CONVERSION": "C", "LAUNCH": "L", "LAUNCH_ACTIONS": "A"}),
    ("LaunchActions", "launch_actions", {None: _UNSET, **_LAUNCH_ACTIONS}),
    ("ExpectsActions", "expects_actions", {None: _UNSET, True: "+", False: "0"}),
    ("Detailed", "detailed", _YES_NO),
    ("Named", "named", _YES_NO),
    ("Overdue", "timeout_detected", _YES_NO),
)
# The same for times: seconds after the job's launch, with blanks between them.
_TIMES = (("LaunchedAfter", "launched_time"), ("ActionsAfter", "actions_began"))

# What the history is to be told of a server, under short names: the name there, and what is shortened of its values.
_NEWS: Mapping[str, tuple[str, Mapping[Any, str]]] = {
    "Status": ("S", _STATUSES),
    "InstanceId": ("I", {}),
    "Error": ("E", {}),
    "PostLaunchActionsStatus": ("A", _LAUNCH_ACTIONS),
    "TimeoutDetected": ("T", {}),
}


def job_key(execution_id: str, key: JobKey) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": f"{PREFIX}{key}"}


def servers_key(execution_id: str, key: JobKey) -> dict[str, str]:
    return {"ExecutionId": execution_id, "Record": f"{PREFIX}{key}{_SERVERS}"}


def job(execution_id: str, job: Job) -> dict[str, Any]:
    """What changes of the job."""
    return job_key(execution_id, job.key) | {
        "Version": job.version,
        "IntentTime": job.intent_time,
        "CalledTime": job.called_time,
        "RecoveryJobId": job.job_id,
        "LaunchTime": job.launch_time,
        "PollsAtLaunch": job.polls_at_launch,
        "JobStatus": job.drs_status,
        "JobEndTime": job.end_time,
        "MissingSince": job.missing_since,
        "Finished": job.finished,
        "StatusReason": job.status_reason,
        "Refusal": job.refusal,
        "Queued": job.queued or None,
        "QueuedSince": job.queued_since,
        "UnknownWords": [unknown_word(word) for word in job.unknown_words] or None,
        "Replaces": list(job.replaces) or None,
        "Protection": dict(job.protection) or None,
        "ProtectionRounds": job.protection_rounds or None,
        "Untold": [_news(job, each) for each in job.untold] or None,
        **_columns(job),
        # Of a living instance that its launch would have removed, for instance.
        "SkipReasons": {key: server.skip_reason for key, server in job.servers.items() if server.skip_reason} or None,
    }


def servers(execution_id: str, job: Job) -> dict[str, Any]:
    """What stays of the job."""
    pinned = {server_id: server.snapshot_id for server_id, server in job.servers.items() if server.snapshot_id}
    optional = {server_id for server_id, server in job.servers.items() if server.impact is Impact.OPTIONAL}
    return servers_key(execution_id, job.key) | {
        "WaveName": job.wave_name,
        "Region": job.region,
        "AccountId": job.account_id,
        "SourceServerIds": list(job.servers),
        "Optional": optional or None,
        "RecoverySnapshotIds": pinned or None,
        "Names": {server_id: server.name for server_id, server in job.servers.items() if server.name} or None,
    }


def read_jobs(records: Iterable[Mapping[str, Any]]) -> list[Job]:
    """The jobs whose two items are among the records, in order. Raises KeyError for a job whose servers are missing."""
    found = {record["Record"]: record for record in records if record["Record"].startswith(PREFIX)}
    changing = sorted(record for record in found if not record.endswith(_SERVERS))
    return [_read_job(found[record], found[record + _SERVERS]) for record in changing]


def unknown_word(word: UnknownWord) -> dict[str, Any]:
    shown = {"Kind": word.kind, "Word": word.word, "Time": word.time}
    return shown | ({"SourceServerId": word.source_server_id} if word.source_server_id else {})


def _read_job(item: Mapping[str, Any], stays: Mapping[str, Any]) -> Job:
    return Job(
        key=JobKey.parse(item["Record"].removeprefix(PREFIX)),
        wave_name=stays["WaveName"],
        region=stays["Region"],
        account_id=stays.get("AccountId"),
        servers=dict(_read_servers(item, stays)),
        version=item["Version"],
        intent_time=item.get("IntentTime"),
        called_time=item.get("CalledTime"),
        job_id=item.get("RecoveryJobId"),
        launch_time=item.get("LaunchTime"),
        polls_at_launch=item["PollsAtLaunch"],
        drs_status=item.get("JobStatus"),
        end_time=item.get("JobEndTime"),
        missing_since=item.get("MissingSince"),
        finished=item["Finished"],
        status_reason=item.get("StatusReason"),
        refusal=item.get("Refusal"),
        queued=item.get("Queued", False),
        queued_since=item.get("QueuedSince"),
        unknown_words=tuple(
            UnknownWord(word["Kind"], word["Word"], word["Time"], word.get("SourceServerId"))
            for word in item.get("UnknownWords", ())
        ),
        replaces=tuple(item.get("Replaces", ())),
        protection=item.get("Protection", {}),
        protection_rounds=item.get("ProtectionRounds", 0),
        untold=tuple(_read_news(item, stays, each) for each in item.get("Untold", ())),
    )


def _columns(job: Job) -> dict[str, str]:
    texts = {}
    for attribute, field, letters in _LETTERS:
        texts[attribute] = "".join(letters[getattr(server, field)] for server in job.servers.values())
    for attribute, field in _TIMES:
        times = (getattr(server, field) for server in job.servers.values())
        texts[attribute] = " ".join(_UNSET if time is None else str(time - (job.launch_time or 0)) for time in times)
    return {attribute: text for attribute, text in texts.items() if text.strip(_UNSET + " ")}


def _read_servers(item: Mapping[str, Any], stays: Mapping[str, Any]) -> Iterator[tuple[str, ServerProgress]]:
    ids, launched = stays["SourceServerIds"], item.get("LaunchTime", 0)
    columns: dict[str, list[Any]] = {}
    for attribute, field, letters in _LETTERS:
        meaning = {letter: value for value, letter in letters.items()}
        columns[field] = [meaning[letter] for letter in item.get(attribute, _UNSET * len(ids))]
    for attribute, field in _TIMES:
        times = item[attribute].split() if attribute in item else [_UNSET] * len(ids)
        columns[field] = [None if after == _UNSET else launched + int(after) for after in times]
    for position, server_id in enumerate(ids):
        progress = ServerProgress(
            impact=Impact.OPTIONAL if server_id in stays.get("Optional", ()) else Impact.CRITICAL,
            snapshot_id=stays.get("RecoverySnapshotIds", {}).get(server_id),
            name=stays.get("Names", {}).get(server_id),
            skip_reason=item.get("SkipReasons", {}).get(server_id),
            **{field: column[position] for field, column in columns.items()},
        )
        yield server_id, progress


def servers_changed(wave_name: str, job_id: str | None, servers: list[dict[str, Any]], time: int) -> Event:
    """What the history says of servers whose records moved."""
    data = {"WaveName": wave_name, "RecoveryJobId": job_id, "Servers": servers}
    return Event(Kind.SERVERS_CHANGED, time, data=data)


def _news(job: Job, news: News) -> dict[str, Any]:
    """What the job's items say anyway is left out."""
    positions = {server_id: position for position, server_id in enumerate(job.servers)}
    servers = []
    for told in news.event.data["Servers"]:
        short = {"P": positions[told["SourceServerId"]]}
        servers.append(
            short | {_NEWS[name][0]: _NEWS[name][1].get(value, value) for name, value in told.items() if name in _NEWS}
        )
    return {"Version": news.version, "Time": news.event.time, "Servers": servers}


def _read_news(item: Mapping[str, Any], stays: Mapping[str, Any], news: Mapping[str, Any]) -> News:
    ids = stays["SourceServerIds"]
    servers = []
    for short in news["Servers"]:
        told = {"SourceServerId": ids[short["P"]]}
        for name, (letter, values) in _NEWS.items():
            if letter in short:
                meaning = {shortened: value for value, shortened in values.items()}
                told[name] = meaning.get(short[letter], short[letter])
        servers.append(told)
    return News(news["Version"], servers_changed(stays["WaveName"], item.get("RecoveryJobId"), servers, news["Time"]))

"""An event as a mail that a person reads at night: what happened, what it means, what to do next.

SNS takes a subject of fewer than 100 ASCII characters on one line. What a mail quotes (names, reasons, DRS's errors)
is somebody else's text: it keeps its letters and loses whatever could forge the mail's own lines.
"""

import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.domain.choices import OnApprovalTimeout, OnFailure
from drs_orchestrator.domain.notices import VERSION, NoticeType, StuckCause
from drs_orchestrator.domain.statuses import ExecutionStatus, WaveStatus
from drs_orchestrator.domain.steering import QuestionKind

_MAX_SUBJECT = 99
_WIDTH = 76
_SHOWN_WAVES = 10
# Unicode's categories: control, format (the marks that turn the direction of writing), surrogates, and what separates
# lines and paragraphs.
_UNPRINTED = ("Cc", "Cf", "Cs", "Zl", "Zp")

type _Detail = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mail:
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class _Story:
    """`headline` ends the subject; `happened` and `means` are sentences; `listed` and `commands` keep their lines."""

    headline: str
    happened: str
    means: str
    commands: Sequence[tuple[str, str]]
    listed: Sequence[str] = ()


def mail(detail_type: str, detail: _Detail) -> Mail:
    """The mail that tells of an event. Raises ValueError for an event of another kind or version."""
    if detail["version"] != VERSION:
        raise ValueError(f"events of version {detail['version']} are not known, only those of version {VERSION}")
    story = _STORIES[NoticeType(detail_type)](detail)
    run = f"{detail['executionType']} of {detail['planId']}"
    parts = [
        _wrapped(story.happened),
        _wrapped(story.means),
        *(_wrapped(f"Break-glass: {safeguard}.") for safeguard in _broken_glass(detail)),
        *story.listed,
        *(f"{label}\n    {command}" for label, command in story.commands),
        _about(detail),
    ]
    return Mail(_subject(f"{run}: {story.headline}"), "\n\n".join(part for part in parts if part) + "\n")


def _started(detail: _Detail) -> _Story:
    skipped = detail["skippedServers"]
    left_out = f" {_count(skipped, 'server')} will be left out, as pre-flight demanded." if skipped else ""
    return _Story(
        "started",
        f"A {detail['executionType']} of plan {detail['planName']} has started.",
        f"{_count(detail['waves'], 'wave')} with {_count(detail['servers'], 'server')} will be launched.{left_out}",
        [("Watch it:", detail["nextCommand"])],
    )


def _wave_up(detail: _Detail) -> _Story:
    name = detail["waveName"]
    return _Story(
        f"wave {name} is up",
        f"Wave {name} is up: {detail['launched']} of {_count(detail['servers'], 'server')} launched.",
        _to_come(detail) or "It was the last wave.",
        [("See every server:", detail["nextCommand"])],
        [_failure(server) for server in detail["failedServers"]],
    )


def _wave_failed(detail: _Detail) -> _Story:
    name = detail["waveName"]
    outcome = "failed" if detail["status"] == WaveStatus.FAILED else "is only partly up"
    consequence = {
        OnFailure.STOP: "The plan stops: waves that have not begun are not launched.",
        OnFailure.PAUSE: "The plan pauses: nothing more is launched before somebody decides.",
        OnFailure.CONTINUE: f"The plan goes on. {_to_come(detail)}" if detail["openWaves"] else "It was the last wave.",
    }[OnFailure(detail["consequence"])]
    return _Story(
        f"wave {name} {outcome}",
        f"Wave {name} {outcome}: {detail['launched']} of {_count(detail['servers'], 'server')} launched, "
        f"{detail['failed']} failed.",
        consequence,
        [("See every server with its error and next step:", detail["nextCommand"])],
        [_failure(server) for server in detail["failedServers"]],
    )


def _approval_needed(detail: _Detail) -> _Story:
    kind = QuestionKind(detail["questionKind"])
    headline = {
        QuestionKind.APPROVAL: "APPROVAL NEEDED",
        QuestionKind.FAILURE: "DECISION NEEDED after a failure",
        QuestionKind.PAUSE: "paused, waits to be resumed",
    }[kind]
    means = "Nothing more is launched before somebody answers; what runs in DRS is watched on."
    if "deadline" in detail:
        follows = {
            OnApprovalTimeout.REJECT: "it counts as rejected and nothing more is launched",
            OnApprovalTimeout.CONTINUE: "it counts as approved and the launch goes on",
        }[OnApprovalTimeout(detail["onTimeout"])]
        means += f" Without an answer until {_readable(detail['deadline'])} {follows}."
    return _Story(
        f"{headline} ({', '.join(detail['waveNames'])})",
        detail["question"],
        means,
        [("Yes, go on:", detail["nextCommand"]), ("No, launch nothing more:", detail["rejectCommand"])],
    )


def _finished(detail: _Detail) -> _Story:
    status = ExecutionStatus(detail["status"])
    means = {
        ExecutionStatus.COMPLETED: "Every wave is up.",
        ExecutionStatus.PARTIAL: "Some servers are up, some are not.",
        ExecutionStatus.FAILED: "Not one server is up.",
        ExecutionStatus.CANCELLED: "It was stopped before its end; what had been launched by then is up.",
    }[status]
    waves = [f"{wave['waveName']} {wave['status']}" for wave in detail["waves"] if wave["status"] != "COMPLETED"]
    if waves:
        means += f" Waves that did not complete: {_listed(waves)}."
    if "statusReason" in detail:
        means += f" Recorded reason: {detail['statusReason']}"
    return _Story(
        str(status),
        f"The {detail['executionType']} of plan {detail['planName']} has ended {status} after "
        f"{_duration(detail['durationSeconds'])}: {detail['launched']} of {_count(detail['servers'], 'server')} "
        f"launched, {detail['failed']} failed.",
        means,
        [("See every server:", detail["nextCommand"])],
        [_failure(server) for server in detail["failedServers"]],
    )


def _stuck(detail: _Detail) -> _Story:
    if detail["cause"] == StuckCause.NO_PROGRESS:
        headline = "STUCK, nothing moves"
        means = (
            "DRS is still being asked and nothing is failed by a clock; but somebody should look at what it waits for. "
            "This is told again as long as it lasts."
        )
    else:
        headline = "was stuck, is driven again"
        means = "Another driver has taken over and launches nothing twice. Look at it if this comes again."
    return _Story(
        headline,
        f"The execution was found stuck: {detail['explanation']}.",
        " ".join(filter(None, [means, _to_come(detail)])),
        [("See what it waits for:", detail["nextCommand"])],
    )


def _cleaned_up(detail: _Detail) -> _Story:
    happened = f"The drill's clean-up has ended: {_count(detail['terminated'], 'instance')} terminated."
    if not detail["left"]:
        commands = [("See what became of each:", detail["nextCommand"])]
        return _Story("cleaned up", happened, "Nothing that the drill launched is left.", commands)
    left = _count(detail["left"], "instance")
    return _Story(
        f"clean-up left {left}",
        happened,
        f"It left {left} of the drill, which could not be terminated.",
        [
            ("Once what stands there is mended, clean up again:", detail["cleanUpCommand"]),
            ("Or see the command that removes each:", detail["nextCommand"]),
        ],
        [_left_instance(instance) for instance in detail["leftInstances"]],
    )


_STORIES = {
    NoticeType.EXECUTION_STARTED: _started,
    NoticeType.WAVE_UP: _wave_up,
    NoticeType.WAVE_FAILED: _wave_failed,
    NoticeType.APPROVAL_NEEDED: _approval_needed,
    NoticeType.EXECUTION_FINISHED: _finished,
    NoticeType.EXECUTION_STUCK: _stuck,
    NoticeType.CLEAN_UP_FINISHED: _cleaned_up,
}


def _broken_glass(detail: _Detail) -> Iterator[str]:
    """The safeguards that the start passed over, as each of the execution's mails says."""
    if detail.get("skipApprovals"):
        yield "this execution waits for no approval"
    if detail.get("replaceLive"):
        yield "this execution may remove living instances of earlier recoveries"


def _about(detail: _Detail) -> str:
    rows = [
        ("Execution", detail["executionId"]),
        ("Plan", f"{detail['planId']} ({detail['planName']})"),
        ("Type", detail["executionType"]),
        ("Time", _readable(detail["time"])),
        ("By", detail["by"]),
        ("Reason", detail.get("reason")),
        ("Event", detail["id"]),
    ]
    return "\n".join(_wrapped(f"{name + ':':<11}{text}", hanging=11) for name, text in rows if text)


def _failure(server: _Detail) -> str:
    name = f"{server['name']} ({server['sourceServerId']})" if "name" in server else server["sourceServerId"]
    lines = [_wrapped(f"- {name}, wave {server['waveName']}: {server['error']}", hanging=2)]
    if "nextStep" in server:
        lines.append(textwrap.indent(_wrapped(server["nextStep"]), "  "))
    return "\n".join(lines)


def _left_instance(instance: _Detail) -> str:
    whose = f"{instance['instanceId']} of {instance['sourceServerId']} in {instance['region']}"
    return _wrapped(f"- {whose}: {instance['reason']}", hanging=2)


def _to_come(detail: _Detail) -> str:
    waves = detail["openWaves"]
    return f"Waves that have not ended: {_listed(waves)}." if waves else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_WAVES} more" if len(names) > _SHOWN_WAVES else ""
    return ", ".join(names[:_SHOWN_WAVES]) + more


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _duration(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _readable(moment: str) -> str:
    """`2026-11-24T16:00:00Z` as `2026-11-24 16:00:00 UTC`."""
    return moment.replace("T", " ").replace("Z", " UTC")


def _wrapped(text: str, *, hanging: int = 0) -> str:
    return textwrap.fill(_one_line(text), _WIDTH, subsequent_indent=" " * hanging, break_on_hyphens=False)


def _one_line(text: str) -> str:
    """Without line breaks, control characters and marks that turn the direction of writing."""
    return "".join(" " if unicodedata.category(letter) in _UNPRINTED else letter for letter in text)


def _subject(text: str) -> str:
    """Letters with accents lose them, what has no ASCII letter at all becomes a question mark."""
    decomposed = unicodedata.normalize("NFKD", _one_line(text))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    plain = bare.encode("ascii", "replace").decode("ascii")
    return plain if len(plain) <= _MAX_SUBJECT else f"{plain[: _MAX_SUBJECT - 3]}..."

"""How times, amounts and DRS's constants read to a person. Times are UTC: an auditor is nowhere in particular."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from drs_orchestrator.domain.timeline import SpanKind
from drs_orchestrator.report_page.markup import Markup, element

type Document = Mapping[str, Any]

SPANS: Mapping[str, str] = {
    SpanKind.DECISION: "Waiting for a decision",
    SpanKind.QUEUED: "Queued",
    SpanKind.SNAPSHOT: "Snapshot",
    SpanKind.CONVERSION: "Conversion",
    SpanKind.LAUNCH: "Launch",
    SpanKind.BOOT: "Start of the instance",
    SpanKind.LAUNCH_ACTIONS: "Post-launch actions",
    SpanKind.UNTOLD: "Launching, no phases told",
}
VERDICTS: Mapping[str, str] = {"MET": "met", "MISSED": "missed", "NOT_MEASURED": "not measured"}
TONES: Mapping[str, str] = {
    "COMPLETED": "good",
    "LAUNCHED": "good",
    "CLEANED_UP": "good",
    "MET": "good",
    "PARTIAL": "fair",
    "PAUSED": "fair",
    "CANCELLED": "fair",
    "FAILED": "bad",
    "MISSED": "bad",
    "INSTANCES_LEFT": "bad",
}
_SIGNS = {"good": "✓", "fair": "!", "bad": "✕"}
# Names and errors may be of any length, a page of 3,000 servers may not.
_LONGEST_NAME = 60
_LONGEST_SENTENCE = 600


def duration(seconds: int) -> str:
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def moment(time: int) -> Markup:
    """`2026-11-26 12:46:50 UTC`."""
    at = datetime.fromtimestamp(time, UTC)
    return element("time", f"{at:%Y-%m-%d %H:%M:%S} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def clock(time: int) -> Markup:
    at = datetime.fromtimestamp(time, UTC)
    return element("time", f"{at:%H:%M:%S}", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, length: int = _LONGEST_NAME) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def sentence(text: str) -> str:
    return shortened(text, _LONGEST_SENTENCE)


def name_of(server: Document) -> str:
    return shortened(server.get("Name") or server["SourceServerId"])


def pill(status: str, text: str | None = None) -> Markup:
    """A status as a coloured word with a sign, so that the colour is not all there is."""
    tone = TONES.get(status, "plain")
    sign = element("span", _SIGNS[tone], aria_hidden="true") if tone in _SIGNS else None
    return element("span", sign, text or status.capitalize().replace("_", " "), class_=f"pill {tone}")


def not_measured(figure: Document) -> Markup:
    return element("span", "not measured: ", figure["NotMeasured"], class_="unknown")

"""The page as a whole."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from drs_orchestrator.report_page import sections, tables
from drs_orchestrator.report_page.markup import Markup, element, joined
from drs_orchestrator.report_page.picture import picture
from drs_orchestrator.report_page.words import moment, shortened

type Document = Mapping[str, Any]

# Whatever a name in the report may try, the browser fetches nothing and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_READING: Mapping[str, str] = {
    "Recovery time": (
        "Of a server: from DRS's launch job to the launched instance; in a recovery, to the end of its post-launch "
        "actions, as the poll found it. Of a wave: from its first launch to its last server. Of the plan: from the "
        "start of the execution to its end, decisions waited for included."
    ),
    "Objective": (
        "RtoMinutes counts from the start of the execution, for the plan, each wave and each server. RpoMinutes is "
        "held against the recovery point's age."
    ),
    "Recovery point age": (
        "How old the data was when the launch was requested, by the point in time that DRS names for the launched "
        "instance. 0 s: DRS took the point for this launch."
    ),
    "Not measured": ("The record does not hold the figure. Nothing is estimated in its place; the reason is given."),
}


def report_page(report: Document) -> str:
    """`report` as `domain.report.make_report` makes it."""
    title = f"{shortened(report['PlanName'])} - {report['ExecutionId']}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _style()),
    )
    reading = [element("div", element("dt", name), element("dd", meaning)) for name, meaning in _READING.items()]
    main = element(
        "main",
        sections.outcome(report),
        sections.figures(report),
        element("section", element("h2", "Timeline"), picture(report)),
        sections.troubles("Failures", "In DRS's own words where it had any.", report["Failures"], "bad"),
        sections.troubles("Not launched", "Servers that were skipped, and why.", report["Skipped"], "fair"),
        tables.waves(report),
        tables.servers(report),
        sections.decisions(report),
        sections.protection(report),
        sections.clean_up(report),
        sections.audit(report),
        element("section", element("h2", "How to read the figures"), element("dl", *reading, class_="reading")),
        element("footer", "Made by DRS Orchestrator at ", moment(report["ReportTime"]), "."),
    )
    return joined(Markup("<!doctype html>\n"), element("html", head, element("body", main), lang="en"))


@cache
def _style() -> Markup:
    return Markup(Path(__file__).with_name("style.css").read_text(encoding="utf-8"))

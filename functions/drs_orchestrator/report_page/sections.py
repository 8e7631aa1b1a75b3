"""The report's sections that are told rather than listed: outcome, figures, failures, decisions, history."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drs_orchestrator.domain.history import Kind
from drs_orchestrator.report_page.markup import Content, Markup, element, joined, separated
from drs_orchestrator.report_page.words import (
    TONES,
    VERDICTS,
    counted,
    duration,
    moment,
    name_of,
    pill,
    sentence,
    shortened,
)

type Document = Mapping[str, Any]

_MOST_NAMES = 40
_MOST_CASES = 200
_LONGEST_LISTED = 200
_DECISIONS: Mapping[str, str] = {
    Kind.APPROVED: "Approved",
    Kind.RESUMED: "Resumed",
    Kind.REJECTED: "Rejected",
    Kind.APPROVAL_TIMED_OUT: "Nobody decided in time",
    Kind.QUESTION_WITHDRAWN: "No longer asked",
    Kind.PAUSE_REQUESTED: "Pause requested",
    Kind.CANCEL_REQUESTED: "Cancelled",
    Kind.WAVE_SKIP_REQUESTED: "Wave skipped",
    Kind.QUESTION_ASKED: "Not answered yet",
    Kind.CLEAN_UP_REQUESTED: "Clean-up requested",
    Kind.CLEAN_UP_FINISHED: "Clean-up finished",
}
_OVERRIDES: Mapping[str, tuple[str, str]] = {
    "SkipApprovals": ("Approvals were skipped", "Waves that would have waited for an approval did not."),
    "ReplaceLive": ("Living instances might be replaced", "Instances of earlier recoveries could be removed."),
}


def outcome(report: Document) -> Markup:
    facts = [
        ("Execution", element("span", report["ExecutionId"], class_="id")),
        ("Plan", element("span", report["PlanId"], class_="id")),
        ("Started", moment(report["StartTime"])),
        ("Ended", moment(report["EndTime"]) if "EndTime" in report else "not yet"),
        ("Started by", element("span", report["StartedBy"], class_="id")),
        ("Reason given", report.get("Reason", "none")),
        ("Repeats", element("span", report["RetryOf"], class_="id") if "RetryOf" in report else None),
    ]
    listed = [element("div", element("dt", name), element("dd", fact)) for name, fact in facts if fact is not None]
    preliminary = None
    if "EndTime" not in report:
        preliminary = element(
            "p",
            "The execution has not ended: every figure is as of ",
            moment(report["ReportTime"]),
            ".",
            class_="notice",
        )
    kind = "drill" if report["ExecutionType"] == "DRILL" else "recovery"
    return element(
        "header",
        element("p", f"Evidence of a {kind}", class_="eyebrow"),
        element("h1", shortened(report["PlanName"], 200)),
        element("p", pill(report["Status"]), " ", _summary(report), class_="lead"),
        element("p", sentence(report["StatusReason"]), class_="quiet") if "StatusReason" in report else None,
        preliminary,
        element("dl", *listed, class_="facts"),
    )


def _summary(report: Document) -> str:
    counts, figure = report["Counts"], report["RecoveryTime"]
    told = f"{counts['Launched']:,} of {counted(counts['Servers'], 'server')} launched"
    others = [f"{counts[name]:,} {name.lower()}" for name in ("Failed", "Skipped") if counts[name]]
    others += [f"{counts['Open']:,} under way"] if counts["Open"] else []
    time = f" in {duration(figure['Seconds'])}" if "Seconds" in figure else ""
    return f"{', '.join([told + time, *others])}."


def figures(report: Document) -> Markup:
    """The measured figures against the plan's objectives, at a glance."""
    return element(
        "section",
        _recovery_time(report["RecoveryTime"], is_retry="RetryOf" in report),
        _recovery_point(report["RecoveryPoint"]),
        _servers(report["Counts"]),
        _chain(report["Audit"]),
        class_="figures",
        aria_label="Figures",
    )


def _recovery_time(figure: Document, *, is_retry: bool) -> Markup:
    minutes = figure.get("ObjectiveMinutes")
    goal = (
        "The plan sets no RtoMinutes." if minutes is None else f"Objective: {counted(minutes, 'minute')} (RtoMinutes)"
    )
    since = "Counted from the start of this retry, not of the execution that it repeats." if is_retry else None
    return _figure(
        "Recovery time",
        duration(figure["Seconds"]) if "Seconds" in figure else None,
        figure.get("NotMeasured"),
        _gauge(figure.get("Seconds"), minutes, figure.get("Verdict")),
        separated(" ", goal, _verdict(figure), since),
    )


def _recovery_point(figure: Document) -> Markup:
    minutes, oldest = figure.get("ObjectiveMinutes"), figure.get("OldestAgeSeconds")
    goal = (
        "The plan sets no RpoMinutes." if minutes is None else f"Objective: {counted(minutes, 'minute')} (RpoMinutes)"
    )
    return _figure(
        "Recovery point age",
        duration(oldest) if oldest is not None else None,
        figure.get("NotMeasured"),
        _gauge(oldest, minutes, figure.get("Verdict")),
        separated(" ", goal, _verdict(figure)),
    )


def _servers(counts: Document) -> Markup:
    others = [counted(counts[name], "server") + f" {name.lower()}" for name in ("Failed", "Skipped") if counts[name]]
    others += [f"{counted(counts['Open'], 'server')} under way"] if counts["Open"] else []
    value = f"{counts['Launched']:,} of {counts['Servers']:,}"
    gauge = _gauge(
        counts["Launched"], None, "MET" if counts["Launched"] == counts["Servers"] else "", counts["Servers"]
    )
    return _figure("Servers launched", value, None, gauge, ", ".join(others) or "None failed, none skipped.")


def _chain(audit: Document) -> Markup:
    if not audit["Entries"]:
        return _figure("History", None, "this execution has no history", None, "")
    whole = pill("MET", "whole") if audit["Whole"] else pill("MISSED", "broken")
    value = f"{audit['Entries']:,} {'entry' if audit['Entries'] == 1 else 'entries'}"
    return _figure("History", value, None, None, joined("Chain of hashes ", whole, " when this was made"))


def _figure(title: str, value: str | None, unknown: str | None, gauge: Content, note: Content) -> Markup:
    shown = element("p", value, class_="value") if value else element("p", "not measured", class_="value unknown")
    why = element("p", unknown[0].upper() + unknown[1:], ".", class_="quiet") if unknown else None
    return element("article", element("h2", title), shown, gauge, element("p", note), why, class_="figure")


def _verdict(figure: Document) -> Markup | None:
    verdict = figure.get("Verdict", "NOT_MEASURED")
    return pill(verdict, VERDICTS[verdict]) if verdict != "NOT_MEASURED" else None


def _gauge(value: int | None, minutes: int | None, verdict: str | None, most: int | None = None) -> Markup | None:
    """The figure as a bar, the objective as a mark on it."""
    limit = minutes * 60 if minutes is not None else None
    if value is None or (limit is None and most is None):
        return None
    full = most or max(value, limit or 0) * 1.15 or 1
    bar = element(
        "rect", width=round(300 * value / full, 1), height=8, y=3, rx=4, class_=TONES.get(verdict or "", "plain")
    )
    mark = None
    if limit is not None:
        x = round(300 * limit / full, 1)
        mark = element("line", x1=x, x2=x, y1=0, y2=14, class_="limit")
    track = element("rect", width=300, height=8, y=3, rx=4, class_="track")
    return element(
        "svg", track, bar, mark, viewBox="0 0 300 14", preserveAspectRatio="none", class_="gauge", aria_hidden="true"
    )


def troubles(title: str, introduction: str, servers: Sequence[Document], tone: str) -> Markup | None:
    """Servers with what was said of them; those of which the same was said, together."""
    if not servers:
        return None
    groups: dict[tuple[str, str | None, str], list[Document]] = defaultdict(list)
    for server in servers:
        groups[server.get("Error", "No reason was given."), server.get("NextStep"), server["Status"]].append(server)
    cases = [element("li", *_trouble(*said, whom), class_=f"case is-{tone}") for said, whom in groups.items()]
    more = len(cases) - _MOST_CASES
    rest = element("p", f"And {counted(more, 'more reason')}, in the report's JSON.") if more > 0 else None
    heading = element("h2", title), element("p", introduction, class_="quiet")
    return element("section", *heading, element("ul", *cases[:_MOST_CASES], class_="cases"), rest)


def _trouble(error: str, next_step: str | None, status: str, servers: Sequence[Document]) -> Iterator[Markup]:
    yield pill(status, counted(len(servers), "server") if len(servers) > 1 else None)
    yield element("blockquote", sentence(error))
    if next_step:
        yield element("p", element("strong", "Next: "), sentence(next_step))
    names = [
        element("span", name_of(each), " ", element("span", f"({each['SourceServerId']})", class_="id"))
        for each in servers[:_MOST_NAMES]
    ]
    more = f" and {len(servers) - _MOST_NAMES:,} more, listed below" if len(servers) > _MOST_NAMES else ""
    yield element("p", separated(" ", *names), more, class_="who names")
    if len(servers) == 1:
        [server] = servers
        when = moment(server["Time"]) if "Time" in server else None
        where = f"wave {shortened(server['WaveName'])}", server["Impact"].lower(), server.get("RecoveryJobId")
        yield element("p", separated(" · ", *where, when), class_="who")


def decisions(report: Document) -> Markup:
    cases = [_override(each) for each in report["Overrides"]]
    cases += [_decision(each) for each in report["Decisions"]]
    told = element("ol", *cases, class_="cases") if cases else element("p", "Nobody had to decide anything.")
    introduction = element("p", "Who decided what, when and why, as the history has it.", class_="quiet")
    return element("section", element("h2", "Decisions and overrides"), introduction, told)


def _override(override: Document) -> Markup:
    title, meaning = _OVERRIDES[override["Override"]]
    if waves := override.get("Waves"):
        meaning = f"Not waited for: {_listed(waves)}."
    elif "Instances" in override:
        replaced = [f"{each['InstanceId']} of {each['SourceServerId']}" for each in override["Instances"]]
        meaning = f"Replaced: {_listed(replaced)}." if replaced else f"{meaning} None was."
    return element(
        "li", *_told(title, override, pill("PARTIAL", "override")), element("p", meaning), class_="case is-fair"
    )


def _decision(decision: Document) -> Markup:
    data = decision["Data"]
    waves = data.get("Waves") or ([data["WaveName"]] if "WaveName" in data else ())
    question = decision.get("Question")
    asked = None
    if question:
        waited = f"The question, open for {duration(question['WaitedSeconds'])}: "
        asked = element("p", waited, sentence(question.get("Text", "")), class_="who")
    title = separated(": ", _DECISIONS[decision["Kind"]], _listed(waves) if waves else None)
    by_plan = f"The plan's answer then: {data['Decision']}." if "Decision" in data else None
    answer = element("p", by_plan) if by_plan else None
    return element("li", *_told(title, decision, None), answer, asked, class_="case")


def protection(report: Document) -> Markup | None:
    """Whether a later launch may remove what was recovered; nothing of a drill."""
    if "TerminationProtection" not in report:
        return None
    figures = report["TerminationProtection"]
    total = figures["Protected"] + figures["Unprotected"]
    if not figures["Wanted"]:
        told = "The plan leaves them unprotected: a later launch of their servers removes them."
    elif not total:
        told = "EC2 has not been asked to protect any instance."
    else:
        told = f"EC2 keeps {figures['Protected']:,} of {counted(total, 'instance')} from being terminated."
    reasons: dict[str, list[Document]] = defaultdict(list)
    for server in (server for wave in report["Waves"] for server in wave["Servers"]):
        if "UnprotectedReason" in server:
            reasons[server["UnprotectedReason"]].append(server)
    cases = [element("li", *_unprotected(*said), class_="case is-bad") for said in reasons.items()][:_MOST_CASES]
    return element(
        "section",
        element("h2", "Termination protection"),
        element("p", told),
        element("ul", *cases, class_="cases") if cases else None,
    )


def _unprotected(reason: str, servers: Sequence[Document]) -> Iterator[Markup]:
    yield pill("MISSED", f"{counted(len(servers), 'instance')} not protected")
    yield element("blockquote", sentence(reason))
    yield element("p", _listed([f"{each['InstanceId']} of {name_of(each)}" for each in servers]), class_="who")


def clean_up(report: Document) -> Markup | None:
    if not report["CleanUp"]:
        return None
    cases = [element("li", *_cleaned(entry), class_="case") for entry in report["CleanUp"]]
    return element("section", element("h2", "Clean-up"), element("ol", *cases, class_="cases"))


def _cleaned(entry: Document) -> Iterator[Markup]:
    data = dict(entry["Data"])
    status = data.pop("Status", None)
    yield from _told(_DECISIONS[entry["Kind"]], entry, pill(status) if status else None)
    for name, value in data.items():
        yield element("p", f"{name}: {_shown(value)}", class_="who")


def _told(title: Content, entry: Document, mark: Markup | None) -> Iterator[Markup]:
    yield element("h3", separated(" ", title, mark))
    number = f"history entry {entry['Number']}" if "Number" in entry else None
    by = element("span", entry["By"], class_="id")
    yield element("p", separated(" · ", by, moment(entry["Time"]), number), class_="who")
    if "Reason" in entry:
        yield element("blockquote", sentence(entry["Reason"]))


def _listed(names: Sequence[object]) -> str:
    shown = [shortened(str(name), _LONGEST_LISTED) for name in names[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(shown) + more


def _shown(value: object) -> str:
    """A value of an entry's data, one or many, each of them maybe with parts of its own."""
    many = value if isinstance(value, list) else [value]
    return _listed([" ".join(map(str, each.values())) if isinstance(each, dict) else each for each in many])


def audit(report: Document) -> Markup:
    chain = report["Audit"]
    if not chain["Entries"]:
        told = element("p", "The execution was started before there were histories: nothing can be verified.")
        return element("section", element("h2", "Audit trail"), told)
    state = "whole" if chain["Whole"] else f"broken: {chain['Break']}"
    return element(
        "section",
        element("h2", "Audit trail"),
        element(
            "p",
            "Each entry of the history carries the hash of the one before it. Whoever changes, removes or inserts one "
            "has to rewrite all that follow, and then they no longer end with this hash:",
        ),
        element("code", chain["Hash"], class_="hash"),
        element(
            "p",
            f"It is the hash of entry {chain['Entries']:,}, the last one when this report was made at ",
            moment(report["ReportTime"]),
            f". The chain was {state}. Keep this page apart from the AWS account and hold the history against it:",
        ),
        element("code", chain["Verify"], class_="hash"),
    )

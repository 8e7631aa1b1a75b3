"""The report's tables: every wave and every server with its figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drs_orchestrator.report_page.markup import Markup, element, joined, separated
from drs_orchestrator.report_page.picture import MOST_LANES
from drs_orchestrator.report_page.words import (
    VERDICTS,
    clock,
    counted,
    duration,
    name_of,
    not_measured,
    pill,
    sentence,
    shortened,
)

type Document = Mapping[str, Any]

_WAVE_HEAD = ("Wave", "Outcome", "Launched", "Recovery time", "After the start", "When (UTC)")
_SERVER_HEAD = ("Server", "Outcome", "Recovery time", "After the start", "Recovery point age", "Instance, DRS job")


def waves(report: Document) -> Markup:
    rows = [_wave_row(wave) for wave in report["Waves"]]
    introduction = element("p", "From the first launch of a wave to its last server.", class_="quiet")
    table = _table(_WAVE_HEAD, rows, "Waves")
    return element("section", element("h2", "Waves"), introduction, table)


def _wave_row(wave: Document) -> Markup:
    counts, figure = wave["Counts"], wave["RecoveryTime"]
    times = [clock(wave[name]) for name in ("StartTime", "EndTime") if name in wave]
    return element(
        "tr",
        element("th", shortened(wave["WaveName"]), scope="row"),
        element("td", pill(wave["Status"])),
        element("td", f"{counts['Launched']:,} of {counts['Servers']:,}", class_="nowrap"),
        *_recovery_time(figure),
        element("td", separated(" to ", *times), class_="nowrap"),
    )


def servers(report: Document) -> Markup:
    """A table a wave; of a large execution they are folded, and open when printed."""
    folded = report["Counts"]["Servers"] > MOST_LANES
    tables = [_servers_of(wave, folded=folded) for wave in report["Waves"]]
    return element("section", element("h2", "Servers"), *tables)


def _servers_of(wave: Document, *, folded: bool) -> Markup:
    name = shortened(wave["WaveName"])
    after = f"after {', '.join(map(shortened, wave['DependsOn'][:10]))}" if wave["DependsOn"] else "at once"
    account = f"account {wave['AccountId']}" if "AccountId" in wave else None
    facts = separated(" · ", wave["Region"], account, after, sentence(wave.get("StatusReason", "")))
    table = _table(_SERVER_HEAD, list(map(_server_row, wave["Servers"])), f"Servers of wave {name}")
    if folded:
        table = element("details", element("summary", counted(len(wave["Servers"]), "server")), table)
    heading = element("header", element("h3", name), pill(wave["Status"]), element("p", facts))
    return element("section", heading, table, class_="wave-servers")


def _server_row(server: Document) -> Markup:
    point = server["RecoveryPoint"]
    age = duration(point["AgeSeconds"]) if "AgeSeconds" in point else None
    point_shown = joined(age, _verdict(point)) if age else not_measured(point)
    named = name_of(server)
    id_shown = element("small", server["SourceServerId"], class_="id") if "Name" in server else None
    optional = element("small", "optional") if server["Impact"] == "OPTIONAL" else None
    ids = [element("small", server[name], class_="id") for name in ("InstanceId", "RecoveryJobId") if name in server]
    return element(
        "tr",
        element("th", named, id_shown, optional, scope="row"),
        element("td", pill(server["Status"])),
        *_recovery_time(server["RecoveryTime"]),
        element("td", point_shown),
        element("td", *ids, _protection(server)),
    )


def _protection(server: Document) -> Markup | None:
    """A word in each row; why not, is told once for all of them."""
    if "TerminationProtection" not in server:
        return None
    return (
        element("small", "protected")
        if server["TerminationProtection"]
        else element("small", "not protected", class_="bad")
    )


def _recovery_time(figure: Document) -> Iterator[Markup]:
    if "Seconds" not in figure:
        yield element("td", not_measured(figure))
        yield element("td", _verdict(figure) if figure.get("Verdict") == "MISSED" else "-")
        return
    yield element("td", duration(figure["Seconds"]), class_="nowrap")
    yield element("td", duration(figure["SinceStartSeconds"]), _verdict(figure), class_="nowrap")


def _verdict(figure: Document) -> Markup | None:
    """In a cell a word will do; the outcome's colour is not repeated 3,000 times."""
    if "Verdict" not in figure:
        return None
    tone = "bad" if figure["Verdict"] == "MISSED" else None
    return element("small", f"objective {VERDICTS[figure['Verdict']]}", class_=tone)


def _table(head: Sequence[str], rows: Sequence[Markup], title: str) -> Markup:
    columns = element("thead", element("tr", *(element("th", name, scope="col") for name in head)))
    table = element("table", columns, element("tbody", *rows))
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"{title}, scrolls sideways")

"""The timeline as inline SVG: a lane for each server of a small execution; for a large one, per wave, how many servers
stood where at each moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drs_orchestrator.domain.timeline import SpanKind
from drs_orchestrator.report_page.markup import Markup, element, joined
from drs_orchestrator.report_page.words import SPANS, counted, duration, name_of, shortened

type Document = Mapping[str, Any]

MOST_LANES = 60
"""Servers up to which each has a lane of its own."""

_WIDTH, _LEFT, _RIGHT = 1080, 196, 120
_PLOT = _WIDTH - _LEFT - _RIGHT
_AXIS, _WAVE, _LANE, _BAR, _AREA = 34, 38, 24, 12, 84
_LABEL_CHARACTERS = 24
_STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MOST_TICKS = 8
# An area is drawn in columns so wide, in the SVG's units.
_COLUMN = 4
_COLUMNS = _PLOT // _COLUMN
_MOST_DESCRIBED = 20

_RECOVERED, _FAILED = "RECOVERED", "FAILED"
# From the bottom of an area to its top.
_STACK = (
    _RECOVERED,
    SpanKind.LAUNCH_ACTIONS,
    SpanKind.BOOT,
    SpanKind.LAUNCH,
    SpanKind.CONVERSION,
    SpanKind.SNAPSHOT,
    SpanKind.UNTOLD,
    SpanKind.QUEUED,
    _FAILED,
)
# What tells the phases apart without colour.
_TEXTURES: Mapping[str, str] = {
    SpanKind.DECISION: "M0 3H6",
    SpanKind.SNAPSHOT: "M1 1h1.6v1.6h-1.6zM4 4h1.6v1.6h-1.6z",
    SpanKind.CONVERSION: "M-1 1L1 -1M0 6L6 0M5 7L7 5",
    SpanKind.LAUNCH_ACTIONS: "M3 0V6",
    SpanKind.UNTOLD: "M0 0L6 6M6 0L0 6",
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """From epoch seconds to the SVG's units."""

    start: int
    end: int

    def x(self, time: float) -> float:
        share = (time - self.start) / (self.end - self.start)
        return round(_LEFT + _PLOT * min(1.0, max(0.0, share)), 1)

    def ticks(self) -> list[int]:
        length = self.end - self.start
        step = next((step for step in _STEPS if length / step <= _MOST_TICKS), 86400 * (length // 86400 // 8 + 1))
        return list(range(0, length + 1, step))


def picture(report: Document) -> Markup:
    """The figure with its legend."""
    scale = _scale(report)
    lanes = report["Counts"]["Servers"] <= MOST_LANES
    rows, y, used = [], _AXIS, set[str]()
    for wave in report["Waves"]:
        drawn, height = _wave(wave, scale, y, lanes=lanes)
        rows.append(drawn)
        y += height
        used |= {span["Kind"] for each in (wave, *wave["Servers"]) for span in each["Spans"]}
    svg = element(
        "svg",
        element("title", "Timeline of waves and servers", id="timeline-title"),
        element("desc", _description(report), id="timeline-desc"),
        element("defs", *(_texture(kind, path) for kind, path in _TEXTURES.items())),
        _axis(report, scale, y),
        *rows,
        viewBox=f"0 0 {_WIDTH} {y + 8}",
        role="img",
        aria_labelledby="timeline-title timeline-desc",
    )
    box = element("div", svg, class_="scroll", tabindex="0", role="region", aria_label="Timeline, scrolls sideways")
    return element("figure", _legend(used, report["Counts"], lanes=lanes), box, class_="timeline")


def _scale(report: Document) -> _Scale:
    start = report["StartTime"]
    times = [span["EndTime"] for wave in report["Waves"] for each in (wave, *wave["Servers"]) for span in each["Spans"]]
    end = max([report.get("EndTime", report["ReportTime"]), start + 10, *times])
    objective = start + 60 * report["RecoveryTime"].get("ObjectiveMinutes", 0)
    # An objective not far beyond the end belongs into the picture.
    return _Scale(start, max(end, objective) if objective - start <= 1.6 * (end - start) else end)


def _description(report: Document) -> str:
    told = [
        f"Wave {shortened(wave['WaveName'])}: {wave['Status'].lower()}, {wave['Counts']['Launched']} of "
        f"{counted(wave['Counts']['Servers'], 'server')} launched"
        for wave in report["Waves"][:_MOST_DESCRIBED]
    ]
    more = len(report["Waves"]) - len(told)
    return (
        "; ".join(told) + (f"; and {counted(more, 'more wave')}" if more > 0 else "") + ". The tables give the figures."
    )


def _axis(report: Document, scale: _Scale, bottom: float) -> Markup:
    marks = []
    for seconds in scale.ticks():
        x = scale.x(scale.start + seconds)
        marks.append(element("line", x1=x, x2=x, y1=_AXIS - 8, y2=bottom, class_="grid"))
        label = f"+{_tick(seconds)}" if seconds else "start"
        marks.append(element("text", label, x=x, y=_AXIS - 16, class_="tick", text_anchor="middle"))
    minutes = report["RecoveryTime"].get("ObjectiveMinutes")
    if minutes is not None and scale.start + 60 * minutes <= scale.end:
        x = scale.x(scale.start + 60 * minutes)
        marks.append(element("line", x1=x, x2=x, y1=_AXIS - 8, y2=bottom, class_="objective"))
        marks.append(element("text", "RTO", x=x + 5, y=_AXIS + 2, class_="objective-label"))
    return element("g", *marks)


def _tick(seconds: int) -> str:
    return duration(seconds).removesuffix(" 00 s").removesuffix(" 00 min")


def _wave(wave: Document, scale: _Scale, top: int, *, lanes: bool) -> tuple[Markup, int]:
    counts = wave["Counts"]
    middle = top + _WAVE / 2 + 4
    drawn = [
        element("line", x1=0, x2=_WIDTH, y1=top + 4, y2=top + 4, class_="rule"),
        element("text", shortened(wave["WaveName"], 20), x=0, y=middle + 5, class_="wave"),
        element("text", _wave_result(wave), x=_WIDTH, y=middle + 5, class_="result", text_anchor="end"),
        *(_bar(span, scale, middle) for span in wave["Spans"]),
    ]
    if "StartTime" in wave:
        end = scale.x(wave.get("EndTime", scale.end))
        begin = scale.x(wave["StartTime"])
        drawn.append(element("path", d=f"M{begin:g} {middle + 5:g}v-5H{end:g}v5", class_="bracket"))
    if not lanes:
        drawn += [*_area(wave, scale, top + _WAVE), _servers_label(counts, top + _WAVE)]
        return element("g", *drawn), _WAVE + _AREA + 12
    for row, server in enumerate(wave["Servers"]):
        drawn += _lane(server, scale, top + _WAVE + row * _LANE + _LANE / 2)
    return element("g", *drawn), _WAVE + len(wave["Servers"]) * _LANE + 6


def _wave_result(wave: Document) -> str:
    figure = wave["RecoveryTime"]
    return duration(figure["Seconds"]) if "Seconds" in figure else wave["Status"].lower()


def _servers_label(counts: Document, top: float) -> Markup:
    return joined(
        element("text", counted(counts["Servers"], "server"), x=0, y=top + 14, class_="lane"),
        element("text", f"{counts['Launched']:,} launched", x=0, y=top + 32, class_="tick"),
        element("text", f"{counts['Failed']:,} failed", x=0, y=top + 48, class_="tick") if counts["Failed"] else None,
        element("text", f"{counts['Skipped']:,} skipped", x=0, y=top + 64, class_="tick")
        if counts["Skipped"]
        else None,
    )


def _lane(server: Document, scale: _Scale, middle: float) -> Iterator[Markup]:
    yield element("text", shortened(name_of(server), _LABEL_CHARACTERS), x=12, y=middle + 4, class_="lane")
    for span in server["Spans"]:
        yield _bar(span, scale, middle)
    figure = server["RecoveryTime"]
    if "Seconds" in figure:
        x = scale.x(server["SettledTime"])
        yield element("circle", cx=x, cy=middle, r=6, class_="up")
        yield element("path", d=f"M{x - 3:g} {middle:g}l2.2 2.4l4 -4.6", class_="tickmark")
        result = duration(figure["Seconds"])
    else:
        result = server["Status"].lower().replace("_", " ")
        if server["Status"] == _FAILED:
            x = scale.x(server.get("SettledTime", scale.end))
            yield element("circle", cx=x, cy=middle, r=6, class_="down")
            yield element("path", d=f"M{x - 2.5:g} {middle - 2.5:g}l5 5m0 -5l-5 5", class_="tickmark")
    yield element("text", result, x=_WIDTH, y=middle + 4, class_="result", text_anchor="end")


def _bar(span: Document, scale: _Scale, middle: float) -> Markup:
    begin, end = scale.x(span["StartTime"]), scale.x(span["EndTime"])
    told = element("title", f"{SPANS[span['Kind']]}: {duration(span['EndTime'] - span['StartTime'])}")
    place = {"x": begin, "y": middle - _BAR / 2, "width": round(max(1.0, end - begin), 1), "height": _BAR}
    return _filled("rect", span["Kind"], told, **place)


def _filled(shape: str, kind: str, told: Markup, **place: float | str) -> Markup:
    """The colour, and over it the texture where the kind has one."""
    name = kind.lower().replace("_", "-")
    texture = element(shape, fill=f"url(#{name})", **place) if kind in _TEXTURES else None
    return element("g", told, element(shape, class_=f"span {name}", **place), texture)


def _texture(kind: str, path: str) -> Markup:
    name = kind.lower().replace("_", "-")
    line = element("path", d=path, class_="texture")
    return element("pattern", line, id=name, width=6, height=6, patternUnits="userSpaceOnUse")


def _area(wave: Document, scale: _Scale, top: float) -> Iterator[Markup]:
    columns = _stood(wave["Servers"], scale)
    most = max(1, wave["Counts"]["Servers"])
    below = [0] * _COLUMNS
    for kind in _STACK:
        above = [low + count for low, count in zip(below, columns[kind], strict=True)]
        if above != below:
            told = SPANS.get(kind, "Recovered" if kind == _RECOVERED else "Failed")
            yield _filled("path", kind, element("title", told), d=_outline(below, above, top, most))
        below = above
    yield element("line", x1=_LEFT, x2=_LEFT + _PLOT, y1=top + _AREA, y2=top + _AREA, class_="rule")


def _outline(below: Sequence[int], above: Sequence[int], top: float, most: int) -> str:
    """The steps along the upper edge and back along the lower."""

    def y(count: int) -> str:
        return f"{round(top + _AREA - _AREA * count / most, 1):g}"

    def steps(edge: Sequence[int], columns: Sequence[int], *, backwards: bool) -> str:
        path, last = "", None
        for column in columns:
            if edge[column] != last:
                path += f"H{_LEFT + _COLUMN * (column + backwards)}V{y(edge[column])}"
                last = edge[column]
        return path

    forth = steps(above, range(_COLUMNS), backwards=False)
    back = steps(below, range(_COLUMNS - 1, -1, -1), backwards=True)
    return f"M{_LEFT} {top + _AREA:g}{forth}H{_LEFT + _COLUMN * _COLUMNS}{back}H{_LEFT}Z"


def _stood(servers: Sequence[Document], scale: _Scale) -> dict[str, list[int]]:
    """How many servers stood where, column by column."""
    changes = {kind: [0] * (_COLUMNS + 1) for kind in _STACK}

    def column(time: int) -> int:
        return round((scale.x(time) - _LEFT) / _COLUMN)

    for server in servers:
        settled = server.get("SettledTime")
        for span in server["Spans"]:
            changes[span["Kind"]][column(span["StartTime"])] += 1
            changes[span["Kind"]][column(span["EndTime"])] -= 1
        if settled is not None:
            changes[_FAILED if server["Status"] == _FAILED else _RECOVERED][column(settled)] += 1
    stood = {}
    for kind, steps in changes.items():
        count, counts = 0, []
        for step in steps[:-1]:
            count += step
            counts.append(count)
        stood[kind] = counts
    return stood


def _legend(used: set[str], counts: Document, *, lanes: bool) -> Markup:
    entries = [element("li", _swatch(kind), label) for kind, label in SPANS.items() if kind in used]
    if counts["Launched"]:
        entries.append(element("li", _sign("up", "M5 8l2.2 2.4l4 -4.6") if lanes else _swatch(_RECOVERED), "Recovered"))
    if counts["Failed"]:
        entries.append(element("li", _sign("down", "M5.5 5.5l5 5m0 -5l-5 5") if lanes else _swatch(_FAILED), "Failed"))
    return element("ul", *entries, class_="legend")


def _swatch(kind: str) -> Markup:
    box = _filled("rect", kind, Markup(""), x=1, y=2, width=22, height=12)
    return element("svg", box, viewBox="0 0 24 16", width=24, height=16, aria_hidden="true")


def _sign(name: str, path: str) -> Markup:
    signed = element("circle", cx=8, cy=8, r=6, class_=name), element("path", d=path, class_="tickmark")
    return element("svg", *signed, viewBox="0 0 16 16", width=16, height=16, aria_hidden="true")

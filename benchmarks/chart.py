"""A line chart as SVG: axes, labels, a legend; numbers in, text out."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 36, 46
COLOURS = ("#1f5fa8", "#c2410c", "#2e7d32", "#7b3fa0")
_TICKS = 5
_FONT = 'font-family="sans-serif" font-size="12"'

type Points = Sequence[tuple[float, float]]


def line_chart(title: str, x: str, y: str, lines: Mapping[str, Points], limit: tuple[str, float] | None = None) -> str:
    """Lines by name over the same axes, which begin at 0. `limit`: name and height of a dashed line."""
    most_x = _round_up(max(px for points in lines.values() for px, _ in points))
    most_y = _round_up(max([py for points in lines.values() for _, py in points] + ([limit[1]] if limit else [])))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(px: float, py: float) -> str:
        return f"{LEFT + (right - LEFT) * px / most_x:.1f},{bottom - (bottom - TOP) * py / most_y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 20, title, weight="bold"),
        _text((LEFT + right) / 2, HEIGHT - 8, x, anchor="middle"),
        f'<text transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>',
    ]
    for step in range(_TICKS + 1):
        across, up = most_x * step / _TICKS, most_y * step / _TICKS
        position_x, position_y = at(across, up).split(",")
        parts.append(f'<path d="M{LEFT} {position_y}H{right}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 6, float(position_y) + 4, f"{up:,.4g}", anchor="end"))
        parts.append(_text(float(position_x), bottom + 16, f"{across:,.4g}", anchor="middle"))
    if limit:
        height = at(0, limit[1]).split(",")[1]
        parts.append(f'<path d="M{LEFT} {height}H{right}" stroke="#444444" stroke-dasharray="6 4"/>')
        parts.append(_text(right + 8, float(height) + 4, limit[0]))
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(at(px, py) for px, py in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(_text(right + 8, bottom - 16 * number, name, colour=colour))
    return "\n".join([*parts, "</svg>", ""])


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#222222"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-weight="{weight}" fill="{colour}">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten."""
    size = 1.0
    while size < value:
        size *= 10
    return min((size * part for part in (0.1, 0.2, 0.25, 0.5, 1.0) if size * part >= value), default=size)

"""What a person sees: a live screen on a terminal, one line per change anywhere else."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from drctl import wording
from drctl.watching import PollClock, Sight
from drctl.wording import Document

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES = {
    "COMPLETED": "green",
    "LAUNCHED": "green",
    "PARTIAL": "yellow",
    "FAILED": "bold red",
    "CANCELLED": "yellow",
    "PAUSED": "yellow",
    "SKIPPED": "dim",
    "PENDING": "dim",
    "POLLING": "cyan",
    "LAUNCHING": "cyan",
    "STARTED": "cyan",
    "IN_PROGRESS": "cyan",
}
_URGENCY = ("FAILED", "IN_PROGRESS", "STARTED", "PENDING", "LAUNCHED", "SKIPPED")
"""Which servers a screen too small for all of them shows first."""

_BAR_WIDTH = 24
_REFRESHES_PER_SECOND = 4


class View(Protocol):
    def show(self, sight: Sight) -> None: ...


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def watching_view(stream: TextIO) -> Iterator[View]:
    """The view that fits the stream, to be shown every sight of one execution."""
    if not is_terminal(stream):
        yield LineView(stream)
        return
    from rich.console import Console
    from rich.live import Live

    screen = _Screen(Console(file=stream))
    # The screen is drawn from the newest sight several times a second: clocks and countdowns go on between two looks.
    with Live(
        get_renderable=screen.render,
        console=screen.console,
        refresh_per_second=_REFRESHES_PER_SECOND,
        transient=True,
    ):
        yield screen


class LineView:
    """One line per change, each with its time: for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: Document | None = None
        self._trouble: str | None = None

    def show(self, sight: Sight) -> None:
        trouble = sight.trouble.message if sight.trouble else None
        if trouble and trouble != self._trouble:
            self._say(f"{trouble} Trying again; the execution goes on meanwhile.")
        if self._trouble and not trouble:
            self._say("The API answers again.")
        self._trouble = trouble
        if sight.document and not trouble:
            for line in wording.changes(self._last, sight.document):
                self._say(line)
            self._last = sight.document

    def _say(self, line: str) -> None:
        print(f"{wording.clock(time.time())} {line}", file=self._stream, flush=True)


class _Screen:
    def __init__(self, console: "Console") -> None:
        self.console = console
        self._sight: Sight | None = None
        self._next_poll: float | None = None
        self._poll_clock = PollClock()

    def show(self, sight: Sight) -> None:
        if sight.document and not sight.trouble:
            self._next_poll = self._poll_clock.next_poll(sight.document)
        self._sight = sight

    def render(self) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        sight = self._sight
        parts: list[RenderableType] = []
        if sight and sight.document:
            notices = len(list(wording.notices(sight.document)))
            room = self.console.height - len(sight.document["Waves"]) - notices - 8
            parts.append(execution_panel(sight.document, self._next_poll, rows=max(3, room)))
        if sight and sight.trouble:
            parts.append(
                Text(f"{sight.trouble.message} Trying again; the execution goes on meanwhile.", style="yellow")
            )
        return Group(*parts)


def print_execution(document: Document, stream: TextIO) -> None:
    """All of an execution, once."""
    if is_terminal(stream):
        from rich.console import Console

        Console(file=stream).print(execution_panel(document, PollClock().next_poll(document), rows=None))
        return
    now = time.time()
    print(f"execution {document['ExecutionId']}: {wording.title(document)}", file=stream)
    print(f"{wording.outcome(document, now)}; {_polls(document, now)}", file=stream)
    for notice in wording.notices(document):
        print(notice, file=stream)
    for wave in document["Waves"]:
        reason = f" ({wording.clean(wave['StatusReason'])})" if wave.get("StatusReason") else ""
        print(
            f"wave {wording.clean(wave['WaveName'])}: {wave['Status']}{reason}, {wave['Region']}, "
            f"{wording.counts(wave['Servers'])}",
            file=stream,
        )
        for server in wave["Servers"]:
            facts = [server["Status"], server.get("InstanceId"), wording.server_detail(server)]
            print(f"  server {wording.server_label(server)}: {', '.join(filter(None, facts))}", file=stream)


def _polls(document: Document, now: float) -> str:
    said = wording.polling(document, PollClock().next_poll(document), now)
    return f"{document.get('PollCount', 0)} polls, {said}"


def execution_panel(document: Document, next_poll: float | None, rows: int | None) -> "Group":
    """Head, a bar per wave, and the servers: at most `rows` of them, the most urgent ones; None = all."""
    from rich.console import Group
    from rich.text import Text

    now = time.time()
    head = Text.assemble(
        (wording.title(document), "bold"), "  ", (document["ExecutionId"], "dim"), "\n", status_text(document["Status"])
    )
    head.append(wording.outcome(document, now).removeprefix(document["Status"]))
    head.append(f"\n{document.get('PollCount', 0)} polls, {wording.polling(document, next_poll, now)}", style="dim")
    for notice in wording.notices(document):
        head.append(f"\n{notice}", style="yellow")
    everyone = [(wave, server) for wave in document["Waves"] for server in wave["Servers"]]
    shown = everyone
    if rows is not None and len(everyone) > rows:
        shown = sorted(everyone, key=lambda pair: _urgency(pair[1]["Status"]))[:rows]
    left_out = len(everyone) - len(shown)
    more = Text(f"and {left_out} more: drctl status {document['ExecutionId']}" if left_out else "", style="dim")
    return Group(head, Text(), _waves_table(document, now), Text(), _servers_table(shown), more)


def status_text(status: str) -> "Text":
    from rich.text import Text

    return Text(status, style=_STYLES.get(status, ""))


def _waves_table(document: Document, now: float) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for wave in document["Waves"]:
        servers = wave["Servers"]
        share = sum(map(wording.progress, servers))
        failed = any(server["Status"] == "FAILED" for server in servers)
        table.add_row(
            Text(wording.clean(wave["WaveName"]), style="bold"),
            ProgressBar(
                total=max(1, len(servers)),
                completed=share,
                width=_BAR_WIDTH,
                finished_style="red" if failed else "green",
                complete_style="cyan",
            ),
            status_text(wave["Status"]),
            Text(wording.counts(servers)),
            Text(wording.elapsed(wave, now), style="dim"),
            Text(wording.clean(wave.get("StatusReason", "")), style="yellow", overflow="fold"),
        )
    return table


def _servers_table(pairs: Sequence[tuple[Document, Document]]) -> "Table":
    """A row per (wave, server)."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for header in ("Wave", "Server", "Status", "Instance", "Details"):
        table.add_column(header, overflow="fold", no_wrap=header == "Status")
    for wave, server in pairs:
        table.add_row(
            Text(wording.clean(wave["WaveName"])),
            Text(wording.clean(server.get("Name") or server["SourceServerId"])),
            status_text(server["Status"]),
            Text(server.get("InstanceId", "")),
            Text(wording.server_detail(server)),
        )
    return table


def _urgency(status: str) -> int:
    return _URGENCY.index(status) if status in _URGENCY else 0


def print_table(headers: list[str], rows: list[list[str]], stream: TextIO = sys.stdout) -> None:
    """A table on a terminal; anywhere else tab-separated lines without a head, for cut and awk."""
    if not is_terminal(stream):
        for row in rows:
            print("\t".join(map(wording.clean, row)), file=stream)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(status_text(cell) if cell in _STYLES else Text(wording.clean(cell)) for cell in row))
    Console(file=stream).print(table)

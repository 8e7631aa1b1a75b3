"""docs/operating.md, acted out: every command that is typed there prints what stands below it."""

import re

from tests.helpers.console_page import commands
from tests.helpers.night import PAGE, up_to_date
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.template import PROJECT_ROOT

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_command_prints_what_stands_below_it(orchestrator: Orchestrator) -> None:
    """Out of date? `python -m tests.helpers.night` writes the page anew."""
    assert up_to_date(orchestrator, TEXT) == TEXT


def test_every_command_for_running_executions_is_typed_at_least_once() -> None:
    typed = {command.split()[1] for command in commands(TEXT) if command.startswith("drctl")}
    told = set(re.findall(r"`drctl ([a-z-]+)", TEXT))
    known = set(re.findall(r"^## drctl ([a-z-]+)$", (PROJECT_ROOT / "docs" / "cli.md").read_text("utf-8"), re.MULTILINE))

    assert typed | told == known


def test_every_link_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", TEXT)

    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= anchors
    assert all((PAGE.parent / link).is_file() for link in links if not link.startswith("#"))

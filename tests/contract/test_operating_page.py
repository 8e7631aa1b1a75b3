"""docs/operating.md, acted out: every command that is typed there prints what stands below it."""

import re

from tests.helpers.console_page import acted_out, commands
from tests.helpers.night import PAGE, up_to_date
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.template import PROJECT_ROOT

TEXT = PAGE.read_text(encoding="utf-8")
CLI = PROJECT_ROOT / "docs" / "cli.md"


def test_every_command_prints_what_stands_below_it(orchestrator: Orchestrator) -> None:
    """Out of date? `python -m tests.helpers.night` writes the page anew."""
    assert up_to_date(orchestrator, TEXT) == TEXT


def test_every_command_there_is_has_its_place_on_the_page() -> None:
    typed = {command.split()[1] for command in commands(TEXT) if command.startswith("drctl")}
    told = set(re.findall(r"`drctl ([a-z-]+)", TEXT))
    known = set(re.findall(r"^## drctl ([a-z-]+)$", CLI.read_text(encoding="utf-8"), re.MULTILINE))

    assert typed | told == known


def test_every_link_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", TEXT)

    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= anchors
    assert all((PAGE.parent / link).is_file() for link in links if not link.startswith("#"))


BEFORE = """Words.

```console
$ one
old
$ two
```
<!-- night: fire -->
```console
$ three
```
```
$ four
```
"""
AFTER = BEFORE.replace("old", "one!").replace("$ two", "$ two\ntwo!").replace("$ three", "$ three\nthree!")


def test_what_happens_between_two_commands_happens_in_its_place_and_an_old_output_is_replaced() -> None:
    told: list[str] = []

    def run(command: str) -> str:
        told.append(command)
        return f"{command}!\n"

    assert acted_out(BEFORE, told.append, run) == AFTER
    assert told == ["one", "two", "fire", "three"]

"""docs/performance.md: a section for each benchmark, between two marks, so that one can be measured anew by itself."""

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
_PACKAGES = ("drs-orchestrator", "boto3", "botocore")

_SECTION = re.compile(r"^<!-- begin (?P<name>\w+) -->$.*?^<!-- end -->\n", re.MULTILINE | re.DOTALL)

_HEAD = """\
# Performance

<!-- Written by `make bench`; run it again rather than editing this. -->

Most figures are counts, or seconds of virtual time: the shipped handlers and the shipped state machine run in one
process against DynamoDB in memory and the DRS simulator, and every call that leaves them is seen. Such figures come out
the same on every machine. Where a section says wall clock, compare figures of one machine only. `make bench` runs all
of it; a section's own command runs that alone, and `python -m benchmarks NAME …` writes some sections anew.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """What a benchmark came to: `basis` says whether it was counted or timed, `good` whether what is wanted is met, but
    for what is `missed`, which the text explains."""

    name: str
    title: str
    basis: str
    text: str
    good: bool
    missed: str = ""


def about(text: str | None, paragraphs: int = 2) -> str:
    """The first paragraphs of a module's docstring."""
    return "\n\n".join((text or "").strip().split("\n\n")[:paragraphs])


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same names as a Markdown table; numbers stand to the right."""
    names = list(rows[0])
    right = [isinstance(rows[0][name], int | float) for name in names]
    lines = [names, ["---:" if each else "---" for each in right]]
    lines += [[_cell(row.get(name)) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def print_section(section: Section) -> int:
    """The section as it stands in the document; the exit code of its benchmark."""
    print(_body(section))
    return 0 if section.good else 1


def write(sections: Sequence[Section], names: Sequence[str]) -> None:
    """Put these sections into the document, beside those of it that are among `names`, in their order."""
    there = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    known = {match["name"]: match[0] for match in _SECTION.finditer(there)}
    known |= {section.name: _marks(section) for section in sections}
    DOCUMENT.write_text("\n".join([_HEAD, *(known[name] for name in names if name in known)]), encoding="utf-8")


def _marks(section: Section) -> str:
    return f"<!-- begin {section.name} -->\n{_body(section)}\n<!-- end -->\n"


def _body(section: Section) -> str:
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    but = f", but not {section.missed}" if section.missed else ""
    verdict = f"met{but}" if section.good else "**not met**"
    return (
        f"## {section.title}\n\n{section.text}\n\n"
        f"{section.basis} What is wanted is {verdict}. `python -m benchmarks.{section.name}`; {machine}, {packages}."
    )


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)

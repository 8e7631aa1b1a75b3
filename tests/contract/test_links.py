"""Every link of the documentation leads somewhere: to a file, to a heading, to a test."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.template import PROJECT_ROOT

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
# `tests/unit/test_api.py`, `tests/unit/test_api.py::test_something`
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PROJECT_ROOT / line for line in listed.stdout.splitlines()]


@cache
def prose(document: Path) -> str:
    """The text without its code blocks, whose brackets are no links and whose comments no headings."""
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


@cache
def anchors(document: Path) -> frozenset[str]:
    """What GitHub makes of the headings."""
    found: list[str] = []
    for heading in _HEADING.findall(prose(document)):
        words = re.sub(r"[^\w\- ]", "", _LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading)).lower()
        anchor = words.replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return frozenset(found)


def broken(document: Path) -> Iterator[str]:
    for target in _LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            yield f"{target}: there is no such file"
        elif anchor and anchor not in anchors(file):
            yield f"{target}: there is no such heading"
    for path, test in _TEST.findall(prose(document)):
        file = PROJECT_ROOT / path
        if not file.exists():
            yield f"{path}: there is no such file"
        elif test and f"def {test}(" not in file.read_text(encoding="utf-8"):
            yield f"{path}::{test}: there is no such test"


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a](gone.md)", "gone.md: there is no such file"),
        ("[a](#gone)", "#gone: there is no such heading"),
        ("`tests/gone.py`", "tests/gone.py: there is no such file"),
        ("`tests/conftest.py::test_gone`", "tests/conftest.py::test_gone: there is no such test"),
    ],
)
def test_a_broken_link_is_found(text: str, complaint: str, tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        f"# Here\n\n{text}, [b](#here), [c](page.md#here) and https://example.com\n\n```\n[x](y)\n```\n"
    )

    assert list(broken(document)) == [complaint]

"""docs/performance.md: one benchmark can be measured anew without the others."""

from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.__main__ import NAMES
from benchmarks.page import Section, table


def section(name: str, text: str, *, good: bool = True) -> Section:
    return Section(name, name.title(), "Counted.", text, good)


def test_a_section_is_replaced_and_the_others_stay_in_the_documents_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "DOCUMENT", tmp_path / "performance.md")
    names = ("first", "second", "third")
    page.write([section("third", "outworn"), section("first", "stays")], names)
    page.write([section("third", "brandnew", good=False)], names)
    page.write([section("second", "between")], names)

    text = page.DOCUMENT.read_text()

    assert [text.count(each) for each in ("# Performance", "stays", "between", "brandnew", "outworn")] == [
        1,
        1,
        1,
        1,
        0,
    ]
    assert text.index("stays") < text.index("between") < text.index("brandnew")
    assert text.count("**not met**") == 1


def test_a_table_has_a_line_for_each_row_and_thousands_apart() -> None:
    assert table([{"name": "a", "count": 1234}]).splitlines() == ["| name | count |", "| --- | ---: |", "| a | 1,234 |"]


def test_every_benchmark_has_its_section_in_the_document() -> None:
    files = {path.stem for path in Path(page.__file__).parent.glob("*.py")} - {
        "page",
        "chart",
        "cloud_model",
        "metering",
        "__main__",
    }

    assert set(NAMES) == files
    assert all(f"<!-- begin {name} -->" in page.DOCUMENT.read_text(encoding="utf-8") for name in NAMES)

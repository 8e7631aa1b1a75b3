"""The benchmark of growth on small executions."""

from benchmarks.growth import section, within_half
from benchmarks.metering import Load


def test_a_row_for_each_execution_and_nothing_near_a_limit() -> None:
    made = section((Load(1, 1, profile="fast-mode"), Load(4, 2, profile="fast-mode", at_once=True)))
    rows = [line for line in made.text.splitlines() if line.startswith("| ") and "---" not in line]

    assert [row.split(" | ")[:2] for row in rows[1:]] == [["| 1", "1"], ["| 4", "2"]]
    assert made.good


def test_more_than_half_of_a_limit_is_too_much() -> None:
    row = {"task's payload, bytes": 1, "largest item, bytes": 1, "events": 12_499, "document, bytes": 1}

    assert within_half(row)
    assert not within_half(row | {"events": 12_500})
    assert not within_half(row | {"task's payload, bytes": 128 * 1024})
    assert not within_half(row | {"largest item, bytes": 200 * 1024})

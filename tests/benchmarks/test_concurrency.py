"""The benchmark of many executions at once with two of them, on a stack of its own."""

import pytest

from benchmarks.concurrency import measure

pytestmark = [pytest.mark.load, pytest.mark.xdist_group("stack")]


def test_executions_and_the_empty_loop_poll_side_by_side() -> None:
    [row] = measure(counts=(2,), window=5.0)

    assert row["executions"] == row["completed"] == 2
    assert row["polls a second"] > 0
    assert row["empty loop, polls a second"] > 0

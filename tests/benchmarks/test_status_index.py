"""The benchmark of the index by status on few executions, and what keeps polls off its busiest partition."""

import pytest

from benchmarks.metering import Load, MeteredWorld, executed, item_size
from benchmarks.status_index import fill, index_writes_of_an_execution, measure
from drs_orchestrator.domain.statuses import ExecutionStatus
from tests.helpers import dynamodb
from tests.reliability.world import virtual_aws


def test_only_what_is_polling_is_found_and_nobody_is_asked_about_what_is_at_work() -> None:
    row = measure(1_000)

    assert (row["POLLING"], row["only those, each once"], row["pages"]) == (100, "yes", 1)
    assert row["HEALTHY"] == row["unfinished"] == 100 + 10 + 1
    assert (row["BatchGetItem"], row["GetItem"], row["DescribeExecution"]) == (2, 2, 1)
    assert row["read units of a run"] < row["unfinished"] + 30


def test_an_answer_ends_at_a_full_page_and_all_pages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "PAGE_BYTES", 4096)
    with virtual_aws():
        world = MeteredWorld()
        world.dynamodb.size_of = item_size
        fill(world, 1_000)
        pages: list[int] = []
        world.recorder = lambda _operation, _params, answer: pages.append(sum(map(item_size, answer["Items"])))
        found = world.ask("ReconcilerFunction", lambda app: list(app.executions.ids_by_status(ExecutionStatus.POLLING)))

    assert len(found) == len(set(found)) == 100
    assert len(pages) == 4
    assert all(4096 - 150 < size <= 4096 for size in pages[:-1])


def test_no_poll_writes_to_the_index() -> None:
    with executed(Load(4, 2, profile="fast-mode")) as world:
        assert len(world.polls) > 4
        assert [poll["index write units"] for poll in world.polls] == [0] * len(world.polls)
        assert world.index_write_units > 0


def test_an_execution_writes_to_the_index_with_its_status_only() -> None:
    writes = index_writes_of_an_execution()
    with executed(Load(4, 2, profile="fast-mode")) as world:
        [statuses] = world.records.executions.values()

    # Put there, moved with each further status, and its outbox put there and removed.
    assert writes["in all"] == 1 + 2 * (len(statuses) - 1) + 2

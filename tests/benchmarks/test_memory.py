"""The benchmark of memory on a small drill: each function that has to do with servers runs in a process of its own."""

from benchmarks.memory import measure, within
from tests.statemachine.functions import functions


def test_the_most_that_each_function_took_stands_beside_what_it_has() -> None:
    rows = {row["function"]: row for row in measure(servers_a_region=1)}

    # What only hands on, asks or tells sees no server.
    others = {"HandOverExecutionFunction", "WaitForDecisionFunction", "SendNotificationFunction"}
    assert set(rows) == set(functions()) - others - {"ProtectInstancesFunction"}
    for name, row in rows.items():
        assert row["MemorySize"] == functions()[name]["MemorySize"]
        assert 20 < row["most resident, MB"] < row["MemorySize"]
        assert row["at its share, s"] >= row["processor, s"] > 0


def test_more_than_half_of_the_memory_or_of_the_time_is_too_much() -> None:
    row = {"MemorySize": 512, "most resident, MB": 256, "Timeout, s": 60, "at its share, s": 30.0}

    assert within(row)
    assert not within(row | {"most resident, MB": 257})
    assert not within(row | {"at its share, s": 30.1})

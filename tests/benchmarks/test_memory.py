"""The benchmark of memory on a small drill: each function that has to do with servers runs in a process of its own."""

from benchmarks.memory import measure
from tests.statemachine.functions import functions


def test_the_most_that_each_function_took_stands_beside_what_it_has() -> None:
    rows = {row["function"]: row for row in measure(servers_a_region=1)}

    # What only hands on, asks or tells sees no server.
    others = {"HandOverExecutionFunction", "WaitForDecisionFunction", "SendNotificationFunction"}
    assert set(rows) == set(functions()) - others - {"ProtectInstancesFunction"}
    for name, row in rows.items():
        assert row["MemorySize"] == functions()[name]["MemorySize"]
        assert 20 < row["most resident, MB"] < row["MemorySize"]

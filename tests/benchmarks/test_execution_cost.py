"""The benchmark of an execution's cost on a small one: what it counts adds up."""

import pytest

from benchmarks.execution_cost import PRICES, measure, section
from benchmarks.metering import Load

SMALL = Load(servers=4, waves=2, profile="fast-mode")


def test_what_is_counted_adds_up() -> None:
    cost = measure(SMALL)
    runs, calls = cost["Lambda runs"], cost["calls"]

    assert runs["CheckDrsFunction"] == cost["polls"] > 0
    assert calls["drs StartRecovery"] == runs["LaunchWavesFunction"] == SMALL.waves
    assert cost["DescribeJobs in a poll, at most"] == 1
    assert sum(cost["write units by record"].values()) == cost["write units"]
    # Locked once, and changed by each poll that saw it move.
    assert cost["write units by record"]["LOCK"] == SMALL.servers
    assert SMALL.servers < cost["write units by record"]["SERVER"] <= 3 * SMALL.servers
    assert cost["write units by record"].get("refused", 0) == 0
    assert cost["dollars"]["state transition"] == cost["state transitions"] * PRICES["state transition"][0]


@pytest.mark.parametrize("execution_type", ["DRILL", "RECOVERY"])
def test_a_poll_writes_four_units_at_most_and_a_server_takes_six(execution_type: str) -> None:
    cost = measure(Load(servers=50, waves=1, execution_type=execution_type))

    assert cost["polls in which nothing moved"] < cost["polls"] / 2
    assert cost["write units"] <= cost["write units wanted at most"]


def test_its_section_holds_both_kinds_and_every_price() -> None:
    made = section(SMALL)

    assert "| figure | DRILL | RECOVERY |" in made.text
    assert all(source in made.text for _, source in PRICES.values())

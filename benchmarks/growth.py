"""What grows with an execution, and how near does it come to a limit?

One execution each, from one server to three thousand and from one wave to a hundred, on the timeline of 1,726 s and in
virtual time. Waves of the larger ones run side by side, each in an account of its own, as DRS's quotas would have it;
the hundred waves come one after the other. Events are those of the busiest driver, calls those of the busiest check.
Memory is the most that a check takes beside what was there before it, by tracemalloc, the simulator's own answers
included: compare it within the column.
"""

import sys
from typing import Any

from benchmarks.metering import Load, MeteredWorld, executed
from benchmarks.page import Section, about, print_section, table

LOADS = (
    Load(1, 1),
    Load(10, 1),
    Load(100, 1),
    Load(1000, 2, at_once=True),
    Load(3000, 6, at_once=True),
    Load(100, 10),
    Load(100, 100),
)
# Of Step Functions: a task's input or output, and the events of one state machine execution; of DynamoDB: an item.
PAYLOAD_LIMIT, EVENTS_LIMIT, ITEM_LIMIT = 256 * 1024, 25_000, 400 * 1024
# Of Lambda: a response, which is what the API's answers are.
ANSWER_LIMIT = 6 * 1024 * 1024
_API = "ApiFunction"


def measure(load: Load) -> dict[str, Any]:
    with executed(load) as world:
        execution_id = next(iter(world.records.executions))
        world.show(execution_id)
        item, size = world.largest_items.most_common(1)[0]
        return {
            "servers": load.servers,
            "waves": load.waves,
            "polls": len(world.polls),
            "write units": world.all_write_units,
            "a server": round(world.all_write_units / load.servers, 1),
            "read units": round(world.read_units),
            "DRS calls": sum(count for (service, _), count in world.calls.items() if service == "drs"),
            "calls of a check": max(poll["calls"] for poll in world.polls),
            "state transitions": world.transitions,
            "events": max(world.history_events.values()),
            "task's payload, bytes": largest_payload(world),
            "largest item, bytes": size,
            "which": item,
            "document, bytes": world.largest_outputs[_API],
            "memory of a check, KB": round(world.memory / 1000),
        }


def largest_payload(world: MeteredWorld) -> int:
    """The largest input or output of a task, in bytes of JSON."""
    sizes = (*world.largest_inputs.items(), *world.largest_outputs.items())
    return max(size for function, size in sizes if function != _API)


def within_half(row: dict[str, Any]) -> bool:
    """Whether everything stays below half of its limit."""
    return bool(
        2 * row["task's payload, bytes"] < PAYLOAD_LIMIT
        and 2 * row["largest item, bytes"] < ITEM_LIMIT
        and 2 * row["events"] < EVENTS_LIMIT
        and 2 * row["document, bytes"] < ANSWER_LIMIT
    )


def section(loads: tuple[Load, ...] = LOADS) -> Section:
    """What docs/performance.md says of it."""
    rows = [measure(load) for load in loads]
    full = [row for row, load in zip(rows, loads, strict=True) if load.servers >= 100 * load.waves]
    linear = all(row["a server"] <= 1.1 * full[0]["a server"] for row in full)
    return Section(
        name="growth",
        title="Growth",
        basis="Counted, in virtual time; memory by tracemalloc.",
        text="\n\n".join([about(__doc__), table(rows), _WORDS]),
        good=linear and all(within_half(row) for row in rows),
    )


_WORDS = """\
Wanted: nothing above half of its limit (256 KiB for a task's input and output, 25,000 events, 400 KB for an item, 6 MiB
for the API's answer), and no more write units for a server at 3,000 servers than at 100.

A task's payload is a few numbers whatever is launched. The largest item is a piece of the plan, at most 16 KB. A driver
hands over to a fresh one after `MaxPollsPerDriver` rounds, so its events end there. How long a check runs can't be said
in virtual time: what grows are its calls, one of DescribeJobs for an account and Region, one of its log for each
hundred events of a job, and two of DynamoDB for each server that moved, eight side by side. The busiest is the first
check, which sees all servers begin.
`tests/benchmarks/test_limits.py` fails when a change brings one of these sizes within half of its limit."""


def main() -> int:
    """Measure and print; 0 when nothing comes near a limit."""
    return print_section(section())


if __name__ == "__main__":
    sys.exit(main())

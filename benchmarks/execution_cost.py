"""What does one execution cost: three waves of fifty servers, on the timeline of 1,726 s?

The shipped handlers and the shipped state machine run it in virtual time, and everything that leaves them is counted.
Write and read units are reckoned by DynamoDB's rules from each item's size: a write by whole KB of the larger of old
and new item, twice that in a transaction, StatusIndex's writes by what the template has it carry; a read by 4 KB, half
of it where the answer may be stale. Without the reconciler, which looks in once a minute for all executions together.
"""

import argparse
import sys
from typing import Any

from benchmarks.metering import Load, MeteredWorld, executed
from benchmarks.page import Section, about, print_section, table

LOAD = Load(servers=150, waves=3)

# Dollars in us-east-1, as AWS's price pages had them on 2026-11-26, without free tiers.
PRICES = {
    "state transition": (0.025 / 1000, "aws.amazon.com/step-functions/pricing, Standard workflows"),
    "Lambda request": (0.20 / 1e6, "aws.amazon.com/lambda/pricing, requests"),
    "write unit": (0.625 / 1e6, "aws.amazon.com/dynamodb/pricing/on-demand, Standard table class"),
    "read unit": (0.125 / 1e6, "aws.amazon.com/dynamodb/pricing/on-demand, Standard table class"),
    "event": (1.00 / 1e6, "aws.amazon.com/eventbridge/pricing, custom events"),
}
GB_SECOND = (0.0000166667, "aws.amazon.com/lambda/pricing, x86 duration, first tier")
MEMORY_GB = 0.5


def measure(load: Load) -> dict[str, Any]:
    """Names to figures, counts of calls as dictionaries of their own."""
    with executed(load) as world:
        polls = len(world.polls)
        quiet = [poll["write units"] for poll in world.polls if poll["write units"] == 1]
        return {
            "polls": polls,
            "Lambda runs": dict(world.invocations),
            "calls": {f"{service} {name}": number for (service, name), number in sorted(world.calls.items())},
            "state transitions": world.transitions,
            "history events of the state machine": sum(world.history_events.values()),
            "write units": world.all_write_units,
            "write units by record": dict(world.write_units.most_common()) | {"StatusIndex": world.index_write_units},
            "read units": world.read_units,
            "DescribeJobs in a poll, at most": max(poll["DescribeJobs"] for poll in world.polls),
            "polls in which nothing moved": len(quiet),
            "write units wanted at most": 4 * polls + 6 * load.servers,
            "dollars": _dollars(world),
        }


def _dollars(world: MeteredWorld) -> dict[str, float]:
    counts = {
        "state transition": world.transitions,
        "Lambda request": sum(world.invocations.values()),
        "write unit": world.all_write_units,
        "read unit": world.read_units,
        "event": world.calls["events", "PutEvents"],
    }
    return {name: count * PRICES[name][0] for name, count in counts.items()}


def section(load: Load = LOAD) -> Section:
    """What docs/performance.md says of it."""
    drill = measure(load)
    recovery = measure(Load(load.servers, load.waves, "RECOVERY", load.profile))
    both = {"DRILL": drill, "RECOVERY": recovery}
    within = all(each["write units"] <= each["write units wanted at most"] for each in both.values())
    return Section(
        name="execution_cost",
        title="What an execution costs",
        basis="Counted, in virtual time.",
        text="\n\n".join([about(__doc__), *_tables(both), _WORDS]),
        good=all(each["DescribeJobs in a poll, at most"] == 1 for each in both.values()),
        missed="" if within else "for the write units of a poll",
    )


def _tables(both: dict[str, dict[str, Any]]) -> list[str]:
    plain = [name for name, value in both["DRILL"].items() if not isinstance(value, dict)]
    tables = [table([{"figure": name} | {kind: each[name] for kind, each in both.items()} for name in plain])]
    for group in ("Lambda runs", "calls", "write units by record"):
        names = dict.fromkeys(name for each in both.values() for name in each[group])
        tables.append(
            table([{group: name} | {kind: each[group].get(name, 0) for kind, each in both.items()} for name in names])
        )
    prices = [
        {"dollars": f"each {name}"}
        | {kind: f"{each['dollars'][name]:.5f}" for kind, each in both.items()}
        | {"price": f"{price:.9f}".rstrip("0"), "source, of 2026-11-26": source}
        for name, (price, source) in PRICES.items()
    ]
    sums = {kind: f"**{sum(each['dollars'].values()):.4f}**" for kind, each in both.items()}
    seconds = {
        kind: f"{sum(each['Lambda runs'].values()) * MEMORY_GB * GB_SECOND[0]:.5f}" for kind, each in both.items()
    }
    prices += [
        {"dollars": "in all"} | sums | {"price": "", "source, of 2026-11-26": ""},
        {"dollars": "and for each second that a Lambda run takes on average, at 512 MB"}
        | seconds
        | {"price": f"{GB_SECOND[0]:.10f} a GB-second", "source, of 2026-11-26": GB_SECOND[1]},
    ]
    return [*tables, table(prices)]


_WORDS = """\
Wanted: one Lambda run and one DescribeJobs for a poll and account, at most 4 write units for each poll and 6 for each
server, and polls that cost the same however many servers have ended.

- One run and one DescribeJobs: yes. The job's log comes in pages of 100 events that DRS can't filter, so the calls for
  it grow with the servers of a job, those that have ended included.
- A poll in which nothing moved costs one write unit, whatever has ended before it.
- A server's lock is put, and its record written with each step it takes: four units in a drill, five in a recovery,
  whose launch actions end with the job.
- A poll that saw servers move also writes the job's record, the history's entry and the header, one unit each as long
  as few move: nothing of it is in a transaction, where each unit counts twice, and the job's record is kept within the
  1 KB of a unit, see [ADR 13](adr/0013-what-drs-says-is-told-in-writes-of-its-own.md). Dearer are the polls that see
  all servers of a job begin or end at once, and what is a transaction: launches, waves' ends, the start and the end.

Prices are the public ones for us-east-1. Not in it: API Gateway, logs and metrics, and DRS and EC2 themselves."""


def main() -> int:
    """Measure and print; 0 when everything that is wanted is reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.execution_cost", description=about(__doc__, 1))
    parser.add_argument("--servers", type=int, default=LOAD.servers)
    parser.add_argument("--waves", type=int, default=LOAD.waves)
    given = parser.parse_args()
    return print_section(section(Load(given.servers, given.waves)))


if __name__ == "__main__":
    sys.exit(main())

"""What saturates first with 10,000 executions in one Region, and what does an outage of five minutes do?

A model, see `benchmarks/cloud_model.py`: one wave of fifty servers each, over 1,000 accounts, so that ten executions
fill an account's 500 servers in jobs. How often an execution is polled, what it writes and how many states it enters is
counted from a run of the shipped code; the quotas are the published ones.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.chart import line_chart
from benchmarks.cloud_model import BIN_SECONDS, Cloud, Outage, Policy, Profile, Quotas, Scenario
from benchmarks.metering import Load, executed
from benchmarks.page import Section, about, print_section, table
from tests.reliability.world import START
from tests.statemachine.reading import states

DOCUMENT = Path(__file__).parents[1] / "docs" / "scaling.md"
FOLDER = DOCUMENT.with_suffix("")

EXECUTIONS = 10_000
LOAD = Load(50, 1)
HOUR, BURST, SPREAD = 3600, 180, 600
# The state machine's rule for a failed task, and what it was before this model.
SHIPPED = Policy(attempts=states()["Check DRS"]["Retry"][-1]["MaxAttempts"])
FEW = Policy(attempts=6)
NEW_TABLE, WARM_TABLE = 4_000, 40_000
# Regions but us-east-1, us-west-2 and eu-west-1.
SMALL_REGION = Quotas((800, 150), (800, 500))
WARM = Quotas(table_writes=WARM_TABLE)

SOURCES = [
    ("StartExecution", "1,300 at once, 300 a second; other Regions 800, 150", "Step Functions Developer Guide, quotas"),
    ("StateTransition", "5,000 at once, 1,500 a second; other Regions 800, 500", "the same; newer figures are higher"),
    ("DescribeExecution", "300 at once, 15 a second; other Regions 250, 10", "the same"),
    ("Lambda", "1,000 at once; 1,000 more in 10 s for a function", "Lambda Developer Guide, scaling behavior"),
    (
        "DynamoDB table",
        "a new on-demand table 4,000 write units a second, 40,000 warmed up",
        "DynamoDB Developer Guide",
    ),
    ("DynamoDB partition", "1,000 write and 3,000 read units a second", "the same"),
    ("DRS, an account", "20 jobs, 500 servers in jobs, 100 servers a job", "DRS User Guide, quotas"),
    ("API Gateway", "10,000 requests a second", "API Gateway Developer Guide"),
]


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    scenario: Scenario


def profile(load: Load = LOAD) -> Profile:
    """What an execution of the shipped code was counted to do, by poll; it starts as its world does."""
    with executed(load) as world:
        times = [START, *world.poll_times]
        units = tuple(poll["write units"] for poll in world.polls)
        each, rest = divmod(world.transitions, len(units))
        return Profile(
            gaps=tuple(after - before for before, after in pairwise(times)),
            units=units,
            start_units=world.all_write_units - sum(units),
            start_transitions=rest,
            poll_transitions=each,
        )


def cases(executions: int = EXECUTIONS, counted: Profile | None = None) -> list[Case]:
    """Starts within an hour and within minutes; then, with all of them being polled, outages of five minutes."""
    counted = counted or profile()

    def case(name: str, within: float, policy: Policy, quotas: Quotas, outage: Outage | None = None) -> Case:
        return Case(name, Scenario(executions, within, counted, policy, quotas, outage))

    middle = SPREAD + 300
    outages = {
        "DynamoDB is away": Outage("dynamodb", middle, middle + 300, run_seconds=15.5),
        "DRS fails": Outage("drs", middle, middle + 300, run_seconds=3),
        "DRS hangs": Outage("drs", middle, middle + 300, run_seconds=61.5),
    }
    policies = {
        f"{FEW.attempts} retries": FEW,
        f"{SHIPPED.attempts} retries": SHIPPED,
        f"{SHIPPED.attempts} retries, no jitter": Policy(SHIPPED.attempts, jitter=False),
    }
    return [
        case("within an hour, new table", HOUR, SHIPPED, Quotas()),
        case(f"within 3 minutes, new table, {FEW.attempts} retries", BURST, FEW, Quotas()),
        case("within 3 minutes, new table", BURST, SHIPPED, Quotas()),
        case("within 3 minutes, warm table", BURST, SHIPPED, WARM),
        case("the same, smaller Region", BURST, SHIPPED, Quotas(*_buckets(SMALL_REGION), table_writes=WARM_TABLE)),
        *(
            case(f"{name}, {how}", SPREAD, policy, WARM, outage)
            for name, outage in outages.items()
            for how, policy in policies.items()
        ),
    ]


def _buckets(quotas: Quotas) -> tuple[tuple[float, float], tuple[float, float]]:
    return quotas.start_execution, quotas.state_transition


def row(case: Case, cloud: Cloud) -> dict[str, Any]:
    """What a run came to. Delay: how much longer than by itself an execution took, the longest of them."""
    alone = sum(case.scenario.profile.gaps) + len(case.scenario.profile.gaps) + 1
    return {
        "case": case.name,
        "transitions a second": round(_peak(cloud, "transitions")),
        "write units a second": round(_peak(cloud, "write units")),
        "Lambda at once": cloud.most_running,
        "throttled runs": cloud.throttled_runs,
        "throttled writes": cloud.throttled_writes,
        "drivers lost": cloud.drivers_lost,
        "without one at once": cloud.most_without_driver,
        "longest delay, min": round((max((each.end or 0) - each.start for each in cloud.executions) - alone) / 60, 1),
    }


def _peak(cloud: Cloud, name: str) -> float:
    return max(cloud.series[name].values(), default=0) / BIN_SECONDS


def write_document(found: list[tuple[Case, Cloud]]) -> None:
    """docs/scaling.md and its pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, picture in _pictures(found).items():
        (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8")
    DOCUMENT.write_text(_document([row(*each) for each in found]), encoding="utf-8")


def _pictures(found: list[tuple[Case, Cloud]]) -> dict[str, str]:
    clouds = {case.name: cloud for case, cloud in found}

    def lines(series: str, names: dict[str, str], scale: float = BIN_SECONDS) -> dict[str, list[tuple[float, float]]]:
        return {label: _line(clouds[name], series, scale) for label, name in names.items()}

    starts = {"within an hour": "within an hour, new table", "3 min, new table": "within 3 minutes, new table"}
    starts["3 min, warm table"] = "within 3 minutes, warm table"
    few, shipped = f"{FEW.attempts} retries", f"{SHIPPED.attempts} retries"
    table_away = {few: f"DynamoDB is away, {few}", shipped: f"DynamoDB is away, {shipped}"}
    table_away["no jitter"] = f"DynamoDB is away, {shipped}, no jitter"
    hanging = {few: f"DRS hangs, {few}", shipped: f"DRS hangs, {shipped}"}
    return {
        "writes": line_chart(
            "Write units", "minutes", "a second", lines("write units", starts), ("new table", NEW_TABLE)
        ),
        "transitions": line_chart(
            "State transitions", "minutes", "a second", lines("transitions", starts), ("us-east-1", 1500)
        ),
        "outage": line_chart(
            "Polls around 5 minutes without DynamoDB", "minutes", "a second", lines("polls", table_away)
        ),
        "hang": line_chart(
            "Polls around 5 minutes of a DRS that hangs", "minutes", "a second", lines("polls", hanging)
        ),
    }


def _line(cloud: Cloud, series: str, scale: float) -> list[tuple[float, float]]:
    """A point a minute at most; to the last bin."""
    values, last = cloud.series[series], max(cloud.series[series], default=0)
    return [(number * BIN_SECONDS / 60, values[number] / scale) for number in range(0, last + 1, 3)]


def _document(rows: list[dict[str, Any]]) -> str:
    few, shipped = f"{FEW.attempts} retries", f"{SHIPPED.attempts} retries"
    quotas = table([{"quota": name, "published": value, "source": source} for name, value, source in SOURCES])
    return f"""\
# Scaling

<!-- Written by `python -m benchmarks.scaling`; run it again rather than editing this. -->

{about(__doc__, 2)}

{table(rows)}

![Write units a second](scaling/writes.svg)
![State transitions a second](scaling/transitions.svg)

## What saturates first

- Started within an hour, nothing does: the largest share is that of the writes to a new table.
- Started within three minutes, a new table's 4,000 write units a second are the first to go. Throttled writes make
  functions run longer, those fill Lambda's 1,000, and refused functions take their drivers' retries. Warm the table
  before such a night (`aws dynamodb update-table --warm-throughput`), or plan for the delay.
- With a warm table, state transitions come next: four a poll. Where 500 a second are published they are throttled from
  about 4,700 executions at 37.5 s between polls. Step Functions delays a throttled transition and loses none, so polls
  come later, that is all. StartExecution comes last: throttled starts are recorded, and the reconciler starts them.
- A partition's 1,000 write units are no limit of this: each execution is a partition of its own, and polls stay off the
  index, see [performance.md](performance.md). DRS's quotas are kept by the queue, account by account.

## What an outage does

![Polls around an outage of DynamoDB](scaling/outage.svg)
![Polls around a hanging DRS](scaling/hang.svg)

- A DRS that fails at once costs little: a check ends without an error and asks again after 15 to 60 s. The first of
  these waits is the shortest, so that for a moment Lambda's 1,000 are full.
- A DRS that hangs makes every check run for a minute (three tries of 20 s). Ten thousand of them need more than
  Lambda's 1,000, so that most are refused.
- Without DynamoDB every task fails. With {few}, about three minutes, every driver is lost before it is back, and
  the reconciler brings back what its own time lets it, a hundred a minute.

So the state machine has {shipped}, not {few}: after 2 s, doubling to 60 s, with full jitter. That is ten minutes
of waits on average, less than `DriverSilenceSeconds`, and drivers outlast the outage. The number is what counts here,
with the cap at 60 s, which ends every delay soon after the outage. Jitter alone changes little in this model: starts,
and with them polls, are spread already. It is kept for those that come together.

## What is published

{quotas}

## What the model leaves out

- A task runs for 1 s and the reconciler takes 0.5 s for a lost execution: assumed, not measured on AWS.
- Reads, the rates at which DRS answers (not published), Lambda's growth by 1,000 in 10 s, adaptive capacity, and what
  else the account does. A new table grows with its load within minutes; here it stays as it is.
- Executions are alike, and none waits in the queue for DRS. Waves of 100 servers write more at once.
- Failures of AWS are all or nothing. Real ones are ragged.

Simulated, with a seed: the same figures on every machine. `python -m benchmarks.scaling`.
"""


def run(executions: int = EXECUTIONS) -> list[tuple[Case, Cloud]]:
    """Every case, run."""
    return [(case, Cloud(case.scenario).run()) for case in cases(executions)]


def section(executions: int = EXECUTIONS) -> Section:
    """What docs/performance.md says of it; docs/scaling.md says the rest, and is written by this in full size."""
    found = run(executions)
    if executions == EXECUTIONS:
        write_document(found)
    lost = {case.name: cloud.drivers_lost for case, cloud in found if case.scenario.policy == SHIPPED}
    warm = {case.name for case, _ in found if case.scenario.quotas.table_writes == WARM_TABLE}
    most, new = max(number for name, number in lost.items() if name in warm), max(lost.values())
    text = f"""\
{about(__doc__, 2)}

Wanted: every execution ends, and with the shipped retries and a table that is warm no driver is lost, whatever is away
for five minutes. At most {most:,} of {executions:,} were; with a new table, all started within three minutes, {new:,}.
The cases, pictures and limits of the model: [scaling.md](scaling.md)."""
    return Section("scaling", "Ten thousand executions", "Simulated.", text, good=most == 0)


def main() -> int:
    """Simulate, write docs/scaling.md and print; 0 when what is wanted is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=about(__doc__, 1))
    parser.add_argument("--executions", type=int, default=EXECUTIONS, help="fewer write no document")
    return print_section(section(parser.parse_args().executions))


if __name__ == "__main__":
    sys.exit(main())

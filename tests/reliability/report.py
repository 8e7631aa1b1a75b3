"""Runs the whole reliability suite and writes what came of it into docs/reliability.md:

    python -m tests.reliability.report [--histories 10000] [--first-seed 0] [--pairs-every 1] [--processes 1]

Exit code 1 when anything went wrong; the document then says what.
"""

import argparse
import hashlib
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import batched, islice

from tests.helpers.template import PROJECT_ROOT
from tests.reliability.crash_points import SCENARIOS, Crash, double_crashes, points_of, run, single_crashes
from tests.reliability.histories import History
from tests.reliability.world import virtual_aws

DOCUMENT = PROJECT_ROOT / "docs" / "reliability.md"
DISTANCES = (1, 2, 5)


@dataclass(slots=True)
class Tally:
    """What some runs came to; adds up over processes."""

    runs: int = 0
    launches: int = 0
    executions: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    calls: int = 0
    virtual_hours: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.runs += other.runs
        self.launches += other.launches
        self.executions += other.executions
        self.tasks += other.tasks
        self.calls += other.calls
        self.virtual_hours += other.virtual_hours
        self.faults += other.faults


def _histories(seeds: Sequence[int]) -> Tally:
    tally = Tally()
    with virtual_aws():
        for seed in seeds:
            history = History(seed)
            faults = history.run()
            world = history.world
            tally.runs += 1
            tally.launches += sum(call.took_effect for call in world.simulator.calls.listed("StartRecovery"))
            tally.executions.update(statuses[-1] for statuses in world.records.executions.values())
            tally.tasks += sum(world.invocations.values())
            tally.calls += len(world.points)
            tally.virtual_hours += (world.now - 1_800_000_000) / 3600
            tally.faults += [f"history {seed}: {fault}" for fault in faults]
    return tally


def _crashes(scenario: int, crashes: Sequence[Crash]) -> Tally:
    tally = Tally()
    with virtual_aws():
        for crash in crashes:
            world, faults = run(SCENARIOS[scenario], crash)
            tally.runs += 1
            tally.calls += len(world.points)
            tally.faults += [f"crash {scenario} {crash}: {fault}" for fault in faults]
    return tally


def _all_crashes(pool: Executor, scenario: int, crashes: Iterable[Crash]) -> Tally:
    tally = Tally()
    for part in pool.map(partial(_crashes, scenario), batched(crashes, 100)):
        tally.add(part)
    return tally


def _shipped() -> str:
    """A digest of what was put to the test: the functions and the state machine."""
    digest = hashlib.sha256()
    files = [*(PROJECT_ROOT / "functions").rglob("*.py"), PROJECT_ROOT / "statemachine" / "recovery.asl.json"]
    for file in sorted(files):
        digest.update(str(file.relative_to(PROJECT_ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


_TEXT = """\
# Reliability

<!-- Written by `python -m tests.reliability.report`; run it again rather than editing this. -->

The shipped handlers and the shipped state machine run in one process and in virtual time: Step Functions is a walker
of `statemachine/recovery.asl.json`, DynamoDB an in-memory table that is checked call by call against moto, DRS the
simulator. The verdict comes from the simulator's own state and from what was written to the tables, never from what
the orchestrator says of itself: at most one job for each (execution, wave, chunk), no job of somebody else's adopted,
every status a check was told recorded in order, final statuses equal to what DRS did and never changed afterwards, no
server in two executions at once, every execution ended, no driver left running. No launch without having asked DRS
whether the server lives, none before its approval, in a pause, or after a stop; no instance terminated but a drill's
own; each skipped server skipped for a reason that held; the history's chain whole, with every word of an operator.

**{verdict}** {crash_runs:,} runs with a death and {tally.runs:,} random histories in {minutes:.0f} minutes.

## Death at every side effect

A task is killed before and after each call that leaves it; then either the state machine retries, or it is stopped and
the reconciler has to see to it. The points are counted in an undisturbed run, not listed by hand. Of two deaths the
second comes {distances} calls after the first; {share}.

| scenario | side effects | runs with one death | runs with two |
|---|---|---|---|
{rows}

## Random histories

Drawn from a seed: plans, accounts and Regions, timelines, DRS's faults, quotas and undocumented behaviours, lost and
repeated calls, deaths, calls in the middle of which other tasks run, duplicate events, drivers started or stopped by
hand, plans edited and deleted, launches and terminations from the console, a reconciler that is switched off; operators
who approve, resume, reject, pause, cancel, skip waves, clean up and retry, at the right time or not.

- seeds {first} to {last}, {tally.virtual_hours:,.0f} virtual hours
- {tally.tasks:,} function runs with {tally.calls:,} side effects, {tally.launches:,} DRS jobs
- executions: {ended}
- histories that ended wrong: {wrong}
{faults}
## A week of polling

`tests/reliability/test_week.py` holds a DRS job for seven virtual days: one driver hands over to the next, and in the
end DRS has received one StartRecovery for each wave.

## Run it

```
python -m pytest tests/reliability                             # a sample; part of make test
SOAK=1 python -m pytest tests/reliability                      # everything, with 10,000 histories
SOAK=1 HISTORIES=500 FIRST_SEED=20000 python -m pytest tests/reliability
python -m tests.reliability.replay history 4711                # one history, with its story
python -m tests.reliability.replay crash 0 before:12,after:13 driver-dies
```

Made with Python {python}, {packages}; functions and state machine `{shipped}`.
"""


def _document(
    crashes: list[tuple[str, int, int, int]], tally: Tally, first: int, pairs_every: int, seconds: float
) -> str:
    wrong = {fault.split(":")[0] for fault in tally.faults if fault.startswith("history")}
    return _TEXT.format(
        verdict="Something went wrong; the faults are below." if tally.faults else "Nothing went wrong.",
        crash_runs=sum(single + double for _, _, single, double in crashes),
        tally=tally,
        minutes=seconds / 60,
        distances=", ".join(map(str, DISTANCES)),
        share="all pairs were run" if pairs_every == 1 else f"one in {pairs_every} of these pairs was run",
        rows="\n".join(f"| {name} | {points} | {single:,} | {double:,} |" for name, points, single, double in crashes),
        first=first,
        last=first + tally.runs - 1,
        ended=", ".join(f"{count:,} {status}" for status, count in sorted(tally.executions.items())),
        wrong=len(wrong),
        faults="".join(f"  - {fault}\n" for fault in tally.faults[:50]),
        python=platform.python_version(),
        packages=", ".join(f"{name} {version(name)}" for name in ("boto3", "botocore")),
        shipped=_shipped(),
    )


def main() -> int:
    """Exit code 1 when anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.report")
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--pairs-every", type=int, default=1, help="of the pairs of deaths, run each so manyth")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    tally, crashes = Tally(), []
    with virtual_aws():
        points = [points_of(scenario) for scenario in SCENARIOS]
    seeds = range(given.first_seed, given.first_seed + given.histories)
    with ProcessPoolExecutor(given.processes) as pool:
        for number, scenario in enumerate(SCENARIOS):
            there = points[number]
            single = _all_crashes(pool, number, single_crashes(there))
            pairs = (each for distance in DISTANCES for each in double_crashes(there, distance))
            double = _all_crashes(pool, number, islice(pairs, 0, None, given.pairs_every))
            tally.faults += single.faults + double.faults
            crashes.append((scenario.name, len(there), single.runs, double.runs))
            print(f"{scenario.name}: {single.runs + double.runs} crashes", flush=True)
        for part in pool.map(_histories, list(batched(seeds, 100))):
            tally.add(part)
            print(f"{tally.runs} histories, {len(tally.faults)} faults", flush=True)
    DOCUMENT.write_text(_document(crashes, tally, given.first_seed, given.pairs_every, time.monotonic() - began))
    print("\n".join(tally.faults) or "nothing went wrong")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())

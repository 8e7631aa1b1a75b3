"""What does it cost to find the executions that are being polled, and to see that all of them are at work?

Headers of executions in every status, in DynamoDB in memory with the template's StatusIndex and DynamoDB's pages of
1 MB: one in ten is POLLING, one in a hundred PAUSED, one in a thousand PENDING, the others have ended. All drivers are
at work, those of the PENDING ones have only just begun. Then the query for POLLING and one run of the reconciler.
"""

import argparse
import sys
from dataclasses import replace
from itertools import cycle
from math import ceil
from typing import Any

from benchmarks.metering import Load, MeteredWorld, executed, item_size
from benchmarks.page import Section, about, print_section, table
from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters.drivers import driver_name
from drs_orchestrator.adapters.table import pack
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from tests.helpers.dynamodb import PAGE_BYTES
from tests.reliability.roles import EXECUTION_TABLE
from tests.reliability.world import virtual_aws

SMALL = Load(4, 2, profile="fast-mode")
SIZES = (1_000, 100_000)
POLLING_AT_ONCE = 10_000
# Write units a second that a partition of a table or index takes: DynamoDB Developer Guide, "Designing partition keys
# to distribute your workload".
PARTITION_WRITES = 1_000
# What is read for everybody, whatever there is: last_completed's page.
FIXED_UNITS = 10

_FINAL = [status for status in ExecutionStatus if status.is_final]


def measure(executions: int) -> dict[str, Any]:
    """What the query for POLLING reads, and what a run of the reconciler does, with so many executions."""
    with virtual_aws():
        world = MeteredWorld(seed=executions)
        world.reconciler_enabled = False
        world.dynamodb.size_of = item_size
        fill(world, executions)
        polling, pages, units = _query(world)
        calls, read = world.calls.copy(), world.read_units
        counts = world.invoke("ReconcilerFunction", {})
        made = world.calls - calls
        table_items = world.dynamodb.tables[EXECUTION_TABLE].items.values()
        unfinished = [item for item in table_items if not ExecutionStatus(item["Status"]["S"]).is_final]
        right = {item["ExecutionId"]["S"] for item in unfinished if item["Status"]["S"] == "POLLING"} == set(polling)
        return {
            "executions": executions,
            "POLLING": len(polling),
            "only those, each once": "yes" if right and len(polling) == len(set(polling)) else "no",
            "pages": pages,
            "read units of the query": units,
            "unfinished": len(unfinished),
            "HEALTHY": counts["HEALTHY"],
            "BatchGetItem": made["dynamodb", "BatchGetItem"],
            "GetItem": made["dynamodb", "GetItem"],
            "DescribeExecution": made["stepfunctions", "DescribeExecution"],
            "read units of a run": world.read_units - read,
        }


def fill(world: MeteredWorld, executions: int) -> None:
    """Put so many headers there, and the drivers of those that have one to be asked about."""
    final, records = cycle(_FINAL), world.dynamodb.tables[EXECUTION_TABLE]
    for number in range(executions):
        if number % 10 == 0:
            status = ExecutionStatus.POLLING
        elif number % 100 == 1:
            status = ExecutionStatus.PAUSED
        elif number % 1000 == 2:
            status = ExecutionStatus.PENDING
        else:
            status = next(final)
        header = _header(number, status, int(world.now))
        item = pack(items.header(header) | _polled(header))
        records.store(records.key_of(item), item)
        if status is ExecutionStatus.PENDING:
            state = {"executionId": header.execution_id, "executionType": "DRILL", "generation": 1}
            world.start_driver(driver_name(header), state)


def _header(number: int, status: ExecutionStatus, now: int) -> Execution:
    """As large as one of a plan of fifty servers that has been polled for a while."""
    execution = Execution(
        execution_id=f"exec-20270115-080000-{number:08x}",
        plan_id=f"plan-{number:06d}",
        plan_name=f"Application {number:06d}",
        execution_type=ExecutionType.DRILL,
        status=status,
        start_time=now - 600,
        generation=1,
        prepared=True,
        driver_started=now - 600,
        started_by="arn:aws:sts::111122223333:assumed-role/OnCall/somebody.with-a-name",
        reason="quarterly drill of the second data centre",
    )
    return execution if status is ExecutionStatus.PENDING else replace(execution, driver_rounds=20, poll_count=19)


def _polled(execution: Execution) -> dict[str, Any]:
    """What the rounds of a driver add to the header."""
    if execution.driver_rounds == 0:
        return {}
    ended = {"EndTime": execution.start_time + 1500} if execution.status.is_final else {"ActiveJobs": {"0000#0000"}}
    head = {"HistoryCount": 12, "HistoryHash": "0" * 64, "Published": 12}
    return head | ended | {"LastPolledTime": execution.start_time + 600, "PollingPhase": "PENDING", "Troubles": 0}


def _query(world: MeteredWorld) -> tuple[list[str], int, float]:
    """The ids in POLLING, the pages they took, and the read units."""
    queries, units = world.calls["dynamodb", "Query"], world.read_units
    found = world.ask("ReconcilerFunction", lambda app: list(app.executions.ids_by_status(ExecutionStatus.POLLING)))
    return found, world.calls["dynamodb", "Query"] - queries, world.read_units - units


def index_writes_of_an_execution(load: Load = SMALL) -> dict[str, int]:
    """`{"polls", "by polls", "in all"}`: write units of StatusIndex."""
    with executed(load) as world:
        by_polls = sum(poll["index write units"] for poll in world.polls)
        return {"polls": len(world.polls), "by polls": by_polls, "in all": world.index_write_units}


def section(sizes: tuple[int, ...] = SIZES) -> Section:
    """What docs/performance.md says of it."""
    rows = [measure(size) for size in sizes]
    writes = index_writes_of_an_execution()
    good = writes["by polls"] == 0 and all(_is_good(row) for row in rows)
    return Section(
        name="status_index",
        title="Finding what is polled",
        basis="Counted, in virtual time.",
        text="\n\n".join([about(__doc__), table(rows), _words(writes)]),
        good=good,
    )


def _is_good(row: dict[str, Any]) -> bool:
    """No page more than entries of 256 bytes fill, at most a read unit for each unfinished execution and each look, the
    queries beside it, and nothing asked about a driver that is at work."""
    entry = 256 / PAGE_BYTES
    return bool(
        row["only those, each once"] == "yes"
        and row["pages"] <= ceil(row["POLLING"] * entry)
        and row["HEALTHY"] == row["unfinished"]
        and row["read units of a run"]
        <= row["unfinished"] + row["GetItem"] + 2 * row["read units of the query"] + FIXED_UNITS
        and row["DescribeExecution"] <= row["executions"] // 1000
    )


def _words(writes: dict[str, int]) -> str:
    steps = {seconds: POLLING_AT_ONCE / seconds for seconds in (15, 45)}
    return f"""\
Wanted: the query reads what is POLLING and nothing else; a run of the reconciler reads each unfinished header once and
asks Step Functions about none that is at work; no poll writes to the index.

A header costs the same read unit alone or in a batch; what the batches save is the calls, one for a hundred headers
instead of two for each. Step Functions is asked about the PENDING ones, whose driver has yet to make a round.

The index's partition of POLLING, with {POLLING_AT_ONCE:,} executions polled at once: an execution writes to it when it
becomes POLLING and when it ends. Started within an hour that is {2 * POLLING_AT_ONCE / 3600:.1f} write units a second.
StartExecution's own 300 a second lets no more than 600 come together, of the {PARTITION_WRITES:,} a partition takes.
Polls write nothing to it, because what it carries (plan, type, start and end) changes only with the status:
{writes["polls"]} polls of a small execution wrote {writes["by polls"]} units to it, its whole life {writes["in all"]}.
Were the time of the last poll carried along, {steps[45]:,.0f} units a second would be written with all of them 45 s
apart and {steps[15]:,.0f} with 15 s, so that polls would be throttled at {15 * PARTITION_WRITES:,} executions.
`tests/benchmarks/test_status_index.py` fails when a poll writes to the index."""


def main() -> int:
    """Measure and print; 0 when what is wanted is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.status_index", description=about(__doc__, 1))
    parser.add_argument("--executions", type=int, nargs="+", default=SIZES)
    return print_section(section(tuple(parser.parse_args().executions)))


if __name__ == "__main__":
    sys.exit(main())

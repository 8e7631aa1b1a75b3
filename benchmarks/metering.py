"""What an execution costs, counted where it leaves the orchestrator: function runs, states, calls, DynamoDB's units by
its published rules, sizes of payloads and items.
"""

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from tests.helpers.dynamodb import Item
from tests.helpers.resolved import REGION
from tests.helpers.template import template
from tests.reliability.roles import EXECUTION_TABLE
from tests.reliability.world import AwsCall, Invocation, World, virtual_aws
from tests.statemachine.reading import EVENTS, states

# Of so many checks, one is watched for the memory it takes.
POLLS_A_TRACE = 10


@dataclass(frozen=True, slots=True)
class Load:
    """An execution: `waves` waves with `servers` servers in all, one after the other, or each at once and in an account
    of its own (`at_once`)."""

    servers: int
    waves: int
    execution_type: str = "DRILL"
    profile: str = "servers-25"
    at_once: bool = False


@contextmanager
def executed(load: Load) -> Iterator["MeteredWorld"]:
    """The world after one execution, without a reconciler, which would look in once a minute whatever happens. Raises
    RuntimeError when the start is refused or the execution does not end COMPLETED within a month."""
    with virtual_aws():
        world = MeteredWorld(seed=load.servers)
        world.reconciler_enabled = False
        world.simulator.use_profile(load.profile)
        plan = {"PlanId": "load", "Name": "Load", "Waves": [_wave(world, load, number) for number in range(load.waves)]}
        world.api("PUT", "/plans/load", plan)
        status, answer = world.api(
            "POST", STARTS[ExecutionType(load.execution_type)], {"PlanId": "load", "ExecutionType": load.execution_type}
        )
        if status != 202:
            raise RuntimeError(f"the start was answered {status}: {answer}")
        statuses = world.records.executions[answer["executionId"]]
        world.run(30 * 24 * 3600, lambda: statuses[-1] == "COMPLETED" and not world.running_drivers())
        if statuses[-1] != "COMPLETED":
            raise RuntimeError(f"the execution is {statuses[-1]}")
        yield world


def _wave(world: World, load: Load, number: int) -> dict[str, Any]:
    account = f"{number + 1:012d}" if load.at_once else None
    first, last = (load.servers * each // load.waves for each in (number, number + 1))
    ids = [f"s-{server:017x}" for server in range(first, last)]
    world.simulator.add_servers([{"sourceServerID": each} for each in ids], *([account] if account else []))
    wave = {"WaveName": f"wave-{number}", "Region": REGION, "Servers": [{"SourceServerId": each} for each in ids]}
    return wave | ({"AccountId": account, "DependsOn": []} if account else {})


class MeteredWorld(World):
    """A world that counts; nothing in it goes another way for that."""

    def __init__(self, **settings: Any) -> None:
        # Writes of the call under way: (item before, item after), of which table.
        self._writes: list[tuple[str, Item | None, Item | None]] = []
        self.write_units: Counter[str] = Counter()
        self.index_write_units = 0
        self.read_units = 0.0
        self.calls: Counter[tuple[str, str]] = Counter()
        self.largest_items: Counter[str] = Counter()
        # The largest event and result of each function, in bytes of JSON.
        self.largest_inputs: Counter[str] = Counter()
        self.largest_outputs: Counter[str] = Counter()
        # The most memory a check has taken beside what was there before it, in bytes; looked at now and then.
        self.memory = 0
        # Write units, the index's among them and by themselves, and calls of DRS by invocation of CheckDrs, in order.
        self.polls: list[Counter[str]] = []
        # When each of them was made.
        self.poll_times: list[float] = []
        super().__init__(**settings)
        self.recorder = self._metered

    # -- results -------------------------------------------------------------------------------------------------------

    @property
    def transitions(self) -> int:
        return self.entered.total()

    @property
    def history_events(self) -> dict[str, int]:
        """Of each state machine execution: what each state's type takes, and its start and end."""
        kinds = {name: state["Type"] for name, state in states().items()}
        events = dict.fromkeys(self.drivers, 2)
        for (driver, name), times in self.entered.items():
            events[driver] += EVENTS[kinds[name]] * times
        return events

    @property
    def all_write_units(self) -> int:
        return self.write_units.total() + self.index_write_units

    # -- counting ------------------------------------------------------------------------------------------------------

    def invoke(self, function: str, event: dict[str, Any], invocation: Invocation | None = None) -> Any:
        before, index_before, calls = self.all_write_units, self.index_write_units, self.calls.copy()
        if function != "CheckDrsFunction" or len(self.polls) % POLLS_A_TRACE:
            result = super().invoke(function, event, invocation)
        else:
            tracemalloc.start()
            try:
                result = super().invoke(function, event, invocation)
                self.memory = max(self.memory, tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
        _raise(self.largest_inputs, function, len(json.dumps(event)))
        _raise(self.largest_outputs, function, len(json.dumps(result)))
        if function == "CheckDrsFunction":
            asked = {name: number for (service, name), number in (self.calls - calls).items() if service == "drs"}
            called = (self.calls - calls).total()
            units = {
                "write units": self.all_write_units - before,
                "index write units": self.index_write_units - index_before,
            }
            self.polls.append(Counter(asked | {"calls": called} | units))
            self.poll_times.append(self.now)
        return result

    def _answer(self, call: AwsCall) -> Any:
        self.calls[call.service, call.operation] += 1
        return super()._answer(call)

    def _written(self, table: str, old: Item | None, new: Item | None) -> None:
        self._writes.append((table, old, new))
        super()._written(table, old, new)

    def _metered(self, operation: str, params: dict[str, Any], answer: Any) -> None:
        """Called after each call of DynamoDB; `answer` is an exception when it was refused."""
        if isinstance(answer, Exception):
            # A condition that does not hold is paid for as well.
            refused = [item for write in params.get("TransactItems", ()) for item in write.values()]
            units = sum(2 * ceil(item_size(each.get("Item")) / 1024 or 1) for each in refused)
            self.write_units["refused"] += units or 1
            return
        writes, self._writes = self._writes, []
        for table, old, new in writes:
            item = new or old
            if item is None:
                # Nothing was there to be deleted: a unit all the same.
                self.write_units["nothing there"] += 1
                continue
            size = max(item_size(old), item_size(new))
            kind = item["Record"]["S"].partition("#")[0] if table == EXECUTION_TABLE else "PLAN TABLE"
            _raise(self.largest_items, kind, size)
            self.write_units[kind] += ceil(size / 1024) * (2 if operation == "TransactWriteItems" else 1)
            if table == EXECUTION_TABLE:
                self.index_write_units += _index_units(old, new)
        self.read_units += _read_units(operation, params, answer)


def item_size(item: Mapping[str, Any] | None) -> int:
    """Bytes as DynamoDB counts them: names and values, three more for each map or list and one for each of its members.
    A number takes about a byte for two digits, and one."""
    return sum(len(name.encode()) + _size(value) for name, value in (item or {}).items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, inner),) = value.items()
    match kind:
        case "S":
            return len(inner.encode())
        case "B":
            return len(inner)
        case "N":
            return ceil(len(inner.strip("-")) / 2) + 1
        case "SS":
            return sum(len(each.encode()) for each in inner)
        case "L":
            return 3 + sum(1 + _size(each) for each in inner)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in inner.items())
    return 1


def _index_units(old: Item | None, new: Item | None) -> int:
    """Writes to StatusIndex: none while what it carries stays; a changed key is a deletion and an insertion."""
    before, after = _in_index(old), _in_index(new)
    if before == after:
        return 0
    units = [ceil(item_size(entry) / 1024) for entry in (before, after) if entry]
    moved = len(units) == 2 and any(before[key] != after[key] for key in _index()[0])
    return sum(units) if moved else max(units)


def _in_index(item: Item | None) -> Item:
    keys, carried = _index()
    if item is None or not all(key in item for key in keys):
        return {}
    return {name: item[name] for name in ("ExecutionId", "Record", *keys, *carried) if name in item}


def _index() -> tuple[tuple[str, ...], tuple[str, ...]]:
    [index] = template()["Resources"]["ExecutionTable"]["Properties"]["GlobalSecondaryIndexes"]
    keys = tuple(each["AttributeName"] for each in index["KeySchema"])
    return keys, tuple(index["Projection"]["NonKeyAttributes"])


def _read_units(operation: str, params: dict[str, Any], answer: dict[str, Any]) -> float:
    """Four kilobytes each; half where the answer may be stale. What is not there costs as much as something small."""
    match operation:
        case "GetItem":
            return _quarters(item_size(answer.get("Item"))) * _share(params)
        case "BatchGetItem":
            units = 0.0
            for table, request in params["RequestItems"].items():
                found = answer["Responses"].get(table, [])
                read = sum(_quarters(item_size(item)) for item in found)
                units += (read + len(request["Keys"]) - len(found)) * _share(request)
            return units
        case "Query" | "Scan":
            return _quarters(sum(item_size(item) for item in answer["Items"])) * _share(params)
    return 0.0


def _quarters(size: int) -> int:
    return max(ceil(size / 4096), 1)


def _share(request: Mapping[str, Any]) -> float:
    return 1.0 if request.get("ConsistentRead") else 0.5


def _raise(most: Counter[str], name: str, size: int) -> None:
    most[name] = max(most[name], size)

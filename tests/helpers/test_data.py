"""Plans and executions made for a test."""

import os
import re
import secrets
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from drs_orchestrator.adapters.execution_store import ExecutionStore
from drs_orchestrator.adapters.ledger import Ledger
from drs_orchestrator.domain.plan import Plan, Server, Wave
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from tests.helpers import stack
from tests.helpers.history import STARTED

_SOURCE_SERVER_ID = re.compile(r"s-[0-9a-f]{17}")

# The short names of the plan made last: `s-1` of another test is another server.
_named: dict[str, str] = {}


def source_server_id(name: str) -> str:
    """The source server a short name such as `s-1` stands for since the last plan; a real id stands for itself."""
    return _named.get(name, name)


def create_test_plan_with_servers(
    servers: Sequence[str] | Sequence[Sequence[str]],
    *,
    plan_id: str | None = None,
    parallel: bool = False,
    optional: Sequence[str] = (),
    approvals: Sequence[int] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Create the source servers in DRS and a plan of them; returns the plan as the API stored it.

    `servers` are short names (`s-1`: a new server), or real ids; a list of such lists makes waves in that order, with
    `parallel` all at once. `optional` names those that are not CRITICAL, `approvals` the numbers of the waves with
    ApprovalBefore. `fields` are the simulator's for each server, `launchActions` for one. On AWS the short names stand
    for the servers of DRS_TEST_SOURCE_SERVERS.
    """
    waves: list[list[str]] = [list(each) for each in servers] if _is_nested(servers) else [[str(s) for s in servers]]
    names = list(chain.from_iterable(waves))
    _named.update(_real(names) if stack.is_real() else _simulated(names, fields))
    plan_id = plan_id or f"test-{secrets.token_hex(4)}"
    document = {
        "Name": f"Plan of test {plan_id}",
        "Waves": [
            {
                "WaveName": f"Wave-{number}",
                "Region": stack.region(),
                "Servers": [
                    {
                        "SourceServerId": source_server_id(name),
                        "Impact": "OPTIONAL" if name in optional else "CRITICAL",
                    }
                    for name in wave
                ],
            }
            | ({"DependsOn": []} if parallel else {})
            | ({"ApprovalBefore": True} if number in approvals else {})
            for number, wave in enumerate(waves, 1)
        ],
    }
    answer = stack.call_api("PUT", f"/plans/{plan_id}", document)
    assert answer.is_success, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


def create_test_execution(execution_id: str, status: str = "POLLING") -> dict[str, Any]:
    """Record an execution of one server in this status, as it stands in the table; nobody drives it."""
    plan = Plan(
        plan_id=f"plan-{execution_id}",
        name=f"Plan of {execution_id}",
        description="",
        waves=(Wave("Wave-1", (), stack.region(), servers=(Server(f"s-{0:017x}"),)),),
    )
    now = int(time.time())
    execution = Execution(
        execution_id=execution_id,
        plan_id=plan.plan_id,
        plan_name=plan.name,
        execution_type=ExecutionType.DRILL,
        status=ExecutionStatus(status),
        start_time=now,
        generation=1,
        driver_started=now,
    )
    store = ExecutionStore(Ledger(os.environ["EXECUTION_TABLE_NAME"]))
    assert store.create(execution, plan, None, STARTED), f"{execution_id} exists already"
    return {"ExecutionId": execution_id, "PlanId": plan.plan_id, "Status": status, "StartTime": now}


def _is_nested(servers: Sequence[str] | Sequence[Sequence[str]]) -> bool:
    return bool(servers) and not isinstance(servers[0], str)


def _simulated(names: Sequence[str], fields: dict[str, Any]) -> dict[str, str]:
    ids = {name: name if _SOURCE_SERVER_ID.fullmatch(name) else f"s-{secrets.token_hex(9)[:17]}" for name in names}
    stack.control().add_servers([{"sourceServerID": ids[name], "name": name, **fields} for name in names])
    return ids


def _real(names: Sequence[str]) -> dict[str, str]:
    given = stack.real_servers()
    new = [name for name in names if not _SOURCE_SERVER_ID.fullmatch(name)]
    if len(new) > len(given):
        stack.too_few_real_servers(len(new), len(given))
    return dict(zip(new, given, strict=False))

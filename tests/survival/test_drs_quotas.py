"""Fifty executions over one account and Region, under the quotas DRS really has: 20 jobs, 500 servers in jobs."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from embedded import Stack
from tests.helpers import (
    create_test_plan_with_servers,
    get_execution_from_dynamodb,
    start_test_execution,
    wait_for,
    wait_for_final_status,
)
from tests.helpers.stack import control, embedded_stack
from tests.survival.truth import differences, launch_order

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("stack")]

EXECUTIONS = 50
JOBS = 20

_IN_THE_QUEUE = re.compile(r"waiting: (20 of 20 DRS jobs in use|place \d+ in the queue, after exec-[0-9a-f-]+)")
_SERVERS = "waiting: 490 of 500 servers in 7 of 20 DRS jobs"


# Real seconds that one second of a Wait takes: while everybody comes, and once it is about the order.
CROWDED, ORDERLY = 0.2, 0.05


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with embedded_stack(tmp_path_factory.mktemp("quotas"), wait_scale=CROWDED, speed=300) as stack:
        yield stack


@pytest.fixture
def roomy_stack(deployed: Stack) -> Iterator[Stack]:
    """A stack whose drivers leave each other time, and on which no job ends by itself yet."""
    deployed.set_wait_scale(CROWDED)
    control().hold(True)
    control().clear_calls()
    yield deployed
    control().hold(False)


def test_fifty_executions_wait_for_drs_capacity_and_are_launched_oldest_first(roomy_stack: Stack) -> None:
    """No job ends before everybody has come: twenty are launched, thirty wait and say why. From then on a first wave
    is launched when DRS has room for it and for all that wait before it, so never while twenty older ones wait. Every
    tenth execution has two waves, whose second one comes back into the queue with the place of its execution."""
    plans = [
        create_test_plan_with_servers([["s-1", "s-2", "s-3"], ["s-4", "s-5"]] if number % 10 == 5 else ["s-1"])
        for number in range(EXECUTIONS)
    ]
    with ThreadPoolExecutor(2) as clients:
        executions = list(clients.map(start_test_execution, plans))
    for execution_id in executions:
        wait_for(execution_id, lambda document: first_wave(document)["Status"] != "PENDING", "begun", timeout=120)
    # A wave is recorded after its launch was tried, so by now each has been launched or has its place in the queue.
    waves = {each: first_wave(get_execution_from_dynamodb(each)) for each in executions}
    queued = [each for each in executions if waves[each]["Status"] == "QUEUED"]

    assert len(launch_order()) == JOBS
    assert len(queued) == EXECUTIONS - JOBS
    for execution_id in queued:
        assert _IN_THE_QUEUE.fullmatch(waves[execution_id]["StatusReason"]), waves[execution_id]["StatusReason"]

    roomy_stack.set_wait_scale(ORDERLY)
    control().hold(False)
    control().push_jobs("COMPLETED")
    documents = {each: wait_for_final_status(each, timeout=240) for each in executions}

    assert {document["Status"] for document in documents.values()} == {"COMPLETED"}
    assert differences(executions) == []
    tags = [call["request"]["tags"] for call in launch_order()[JOBS:]]
    first = [tag["drs-orchestrator:execution-id"] for tag in tags if tag["drs-orchestrator:wave"] == "0"]
    assert sorted(first) == sorted(queued)
    starts = [documents[each]["StartTime"] for each in first]
    for position, start in enumerate(starts):
        older = [other for other in starts[position + 1 :] if other < start]
        assert len(older) < JOBS, starts


def test_servers_that_find_no_room_wait_and_the_younger_wait_behind_them(roomy_stack: Stack) -> None:
    """Four executions of 130 servers, in jobs of 100 and 30, are 20 servers too many; a fifth has one server."""
    large = [create_test_plan_with_servers([f"s-{number}" for number in range(130)]) for _ in range(4)]
    executions = []
    for number, plan in enumerate(large):
        executions.append(start_test_execution(plan))
        launched = min(2 * (number + 1), 7)
        wait_for(executions[-1], lambda _, launched=launched: len(launch_order()) == launched, "launched", timeout=60)
    last = executions[-1]
    wait_for(last, lambda document: first_wave(document).get("StatusReason") == _SERVERS, "waiting for room")
    executions.append(start_test_execution(create_test_plan_with_servers(["s-1"])))
    document = wait_for(executions[-1], lambda document: first_wave(document)["Status"] == "QUEUED", "queued")

    assert first_wave(document)["StatusReason"] == f"waiting: place 2 in the queue, after {last}"
    assert len(launch_order()) == 7

    roomy_stack.set_wait_scale(ORDERLY)
    control().hold(False)
    control().push_jobs("COMPLETED")
    assert {wait_for_final_status(each, timeout=180)["Status"] for each in executions} == {"COMPLETED"}
    assert differences(executions) == []


def first_wave(document: dict[str, Any]) -> dict[str, Any]:
    wave: dict[str, Any] = document["Waves"][0]
    return wave

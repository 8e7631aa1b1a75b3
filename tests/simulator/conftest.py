"""A simulator whose time stands still, and boto3 clients that talk to it without a socket."""

from collections.abc import Callable
from typing import Any

import pytest

from drs_simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.in_process import connect
from drs_simulator.simulator import DEFAULT_ACCOUNT, DEFAULT_REGION

# 7 December 2022, 19:15:38 UTC.
BEGINNING = 1_670_440_538.0


@pytest.fixture
def simulator() -> Simulator:
    """An empty simulator in stepped time."""
    clock = Clock()
    clock.step(BEGINNING)
    return Simulator(clock=clock)


@pytest.fixture
def drs(simulator: Simulator) -> Any:
    """A boto3 DRS client of the default account and Region."""
    return connect(simulator)


@pytest.fixture
def servers(simulator: Simulator) -> Callable[..., list[str]]:
    """Creates source servers, all with the given traits, and returns their ids."""

    def create(
        count: int = 2, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION, **traits: Any
    ) -> list[str]:
        return [server.id for server in simulator.add_servers([dict(traits) for _ in range(count)], account, region)]

    return create


@pytest.fixture
def launch(drs: Any) -> Callable[..., str]:
    """Starts a job and returns its id."""

    def start(server_ids: list[str], drill: bool = True, **more: Any) -> str:
        wanted = [{"sourceServerID": server_id} for server_id in server_ids]
        return str(drs.start_recovery(sourceServers=wanted, isDrill=drill, **more)["job"]["jobID"])

    return start


@pytest.fixture
def job_of(drs: Any) -> Callable[[str], dict[str, Any]]:
    """What DescribeJobs says of one job."""

    def describe(job_id: str) -> dict[str, Any]:
        (job,) = drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]
        return dict(job)

    return describe


@pytest.fixture
def log_of(drs: Any) -> Callable[[str], list[dict[str, Any]]]:
    """The whole log of a job."""

    def read(job_id: str) -> list[dict[str, Any]]:
        pages = drs.get_paginator("describe_job_log_items").paginate(jobID=job_id)
        return [item for page in pages for item in page["items"]]

    return read


@pytest.fixture
def events_of(log_of: Callable[[str], list[dict[str, Any]]]) -> Callable[..., list[str]]:
    """The names of a job's log events; of one server only, if it is named."""

    def names(job_id: str, server_id: str | None = None) -> list[str]:
        return [
            item["event"]
            for item in log_of(job_id)
            if server_id is None or item["eventData"].get("sourceServerID") == server_id
        ]

    return names


@pytest.fixture
def statuses_of(job_of: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, str]]:
    """The launchStatus of each server of a job."""

    def statuses(job_id: str) -> dict[str, str]:
        return {item["sourceServerID"]: item["launchStatus"] for item in job_of(job_id)["participatingServers"]}

    return statuses

"""The simulator says what the real service said.

Runs on captured answers, and with ``--real-drs`` on answers fetched from the AWS account of the environment. Launching
a server for comparison costs money and removes its earlier recovery instances, so it needs a second flag,
``--real-drs-launch s-…``, that names the server.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from drs_simulator import Simulator
from tests.simulator import captures

ANSWERS = captures.files_of("StartRecovery", *captures.MEMBERS.values(), captures.UNKNOWN)
LOGS = captures.files_of("DescribeJobLogItems")


@pytest.fixture
def real_client(real_drs: bool) -> Any:
    """A boto3 client of the real service."""
    if not real_drs:
        pytest.skip("needs --real-drs and an AWS account")
    return boto3.client("drs")


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_a_captured_answer_is_what_the_simulator_says(path: Path) -> None:
    for real, simulated in captures.reproduce(captures.read(path)):
        assert simulated == real


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_captured_log_is_replayed_at_its_own_pace(path: Path) -> None:
    log = captures.read(path)["items"]

    simulated = captures.simulated_log(log)

    assert captures.seconds_into(simulated) == pytest.approx(captures.seconds_into(log), abs=0.001)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_the_named_profile_of_two_linux_servers_is_the_captured_job(
    path: Path,
    simulator: Simulator,
    servers: Callable[..., list[str]],
    launch: Callable[..., str],
    log_of: Callable[[str], list[dict[str, Any]]],
) -> None:
    log = captures.read(path)["items"]
    if len(log) != 14 or captures.seconds_into(log)[-1] != pytest.approx(533, abs=1):
        pytest.skip("this is not the log of the job that the profile was written from")
    job_id = launch(servers(2))
    simulator.clock.advance(600)

    named = log_of(job_id)

    assert [item["event"] for item in named] == [item["event"] for item in log]
    assert captures.seconds_into(named) == pytest.approx(captures.seconds_into(log), abs=0.5)


def test_real_source_servers_are_what_the_simulator_says(real_client: Any) -> None:
    _compare(real_client.describe_source_servers(maxResults=5), "source servers")


def test_real_jobs_and_their_logs_are_what_the_simulator_says(real_client: Any) -> None:
    jobs = real_client.describe_jobs(maxResults=20)["items"]
    _compare({"items": [job for job in jobs if job["type"] in ("LAUNCH", "TERMINATE")]}, "jobs")
    for job in jobs:
        if job["type"] != "LAUNCH" or job["status"] != "COMPLETED":
            continue
        pages = real_client.get_paginator("describe_job_log_items").paginate(jobID=job["jobID"])
        _compare({"items": [item for page in pages for item in page["items"]]}, "log items")


def test_real_recovery_instances_are_what_the_simulator_says(real_client: Any) -> None:
    _compare(real_client.describe_recovery_instances(maxResults=5), "recovery instances")


def test_a_real_launch_is_what_the_simulator_says(real_client: Any, pytestconfig: pytest.Config) -> None:
    server = pytestconfig.getoption("--real-drs-launch", default=None)
    if not server:
        pytest.skip("needs --real-drs-launch and the id of a source server that may be launched")
    started = real_client.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    _compare(started, "started jobs")
    job_id = started["job"]["jobID"]
    while real_client.describe_jobs(filters={"jobIDs": [job_id]})["items"][0]["status"] != "COMPLETED":
        time.sleep(30)
    _compare(real_client.describe_jobs(filters={"jobIDs": [job_id]}), "completed launch jobs")
    _compare(real_client.describe_job_log_items(jobID=job_id), "log items")


def _compare(answer: dict[str, Any], what: str) -> None:
    """Live answers are compared member by member too; what differs is the finding."""
    answer.pop("ResponseMetadata", None)
    if not answer.get("items") and "job" not in answer:
        pytest.skip(f"the account has no {what} to compare with")
    for real, simulated in captures.reproduce(answer):
        assert simulated == real

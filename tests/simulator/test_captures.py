"""A captured answer dropped into a folder becomes a conformance test: one that passes, or one that says what differs.

The answers here are the simulator's own, given another one's ids and times; those of the service are not the project's
to hand on.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drs_simulator import Simulator
from tests.simulator import captures

ROOT = Path(__file__).parents[2]


@pytest.fixture
def answer(
    simulator: Simulator, servers: Callable[..., list[str]], launch: Callable[..., str], drs: Any
) -> dict[str, Any]:
    """The log of a job of two servers, as somebody would save it who looked at DRS."""
    simulator.add_fault({"fault": "unknown-event", "event": "DISK_WARMUP_START"})
    job_id = launch(servers(2))
    simulator.clock.advance(600)
    return {"_note": "two servers", "items": drs.describe_job_log_items(jobID=job_id)["items"]}


def test_a_file_in_the_folder_of_captured_answers_becomes_a_test(answer: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "log_of_two_servers.json").write_text(json.dumps(answer), encoding="utf-8")

    passed = conformance(tmp_path)

    assert passed.returncode == 0, passed.stdout
    assert "test_a_captured_answer_is_what_the_simulator_says[log_of_two_servers] PASSED" in passed.stdout


def test_an_answer_the_simulator_would_not_give_fails_and_says_where(answer: dict[str, Any], tmp_path: Path) -> None:
    answer["items"][3]["eventData"]["attemptCount"] = 1
    (tmp_path / "with_attempts.json").write_text(json.dumps(answer), encoding="utf-8")

    failed = conformance(tmp_path)

    assert failed.returncode == 1
    assert "test_a_captured_answer_is_what_the_simulator_says[with_attempts] FAILED" in failed.stdout
    assert "attemptCount" in failed.stdout


def test_whatever_jobs_servers_and_instances_came_to_can_be_compared(
    simulator: Simulator, servers: Callable[..., list[str]], launch: Callable[..., str], drs: Any, tmp_path: Path
) -> None:
    """Jobs that launched, failed, left a server behind, are under way and terminate, as an account has them."""
    actions = [{"name": "mount"}, {"name": "audit", "status": "FAILED"}, {"name": "wait", "status": "NEVER"}]
    (acting,) = servers(1, launchActions=actions)
    failing, left, converting, starting, never, twice, quick, gone = servers(8)
    for server, fault in (
        (failing, {"fault": "launch-failure"}),
        (left, {"fault": "left-behind"}),
        (converting, {"fault": "stuck", "phase": "conversion"}),
        (starting, {"fault": "stuck"}),
        (twice, {"fault": "snapshot-fallback"}),
    ):
        simulator.add_fault({**fault, "sourceServerIDs": [server]})
    launch([acting, failing, left, gone])
    launch([converting, starting], drill=False)
    launch([twice, quick])
    simulator.clock.advance(3600)
    again = launch([twice, quick])
    simulator.clock.advance(3600)
    instances = {item["sourceServerID"]: item for item in drs.describe_recovery_instances()["items"]}
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instances[gone]["recoveryInstanceID"]])
    simulator.clock.advance(600)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instances[quick]["recoveryInstanceID"]])
    simulator.clock.advance(1)
    answers = {
        "jobs": drs.describe_jobs()["items"],
        "log": drs.describe_job_log_items(jobID=again)["items"],
        # What its launch actions came to is not in a server.
        "servers": [item for item in drs.describe_source_servers()["items"] if item["sourceServerID"] != acting],
        "instances": list(instances.values()),
    }
    for name, items in answers.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"items": items}), encoding="utf-8")

    compared = conformance(tmp_path)

    assert compared.returncode == 0, compared.stdout
    assert never in {item["sourceServerID"] for item in answers["servers"]}
    assert {item["event"] for item in answers["log"]} >= {"CLEANUP_START", "USING_PREVIOUS_SNAPSHOT", "LAUNCH_END"}
    for name in answers:
        assert f"test_a_captured_answer_is_what_the_simulator_says[{name}] PASSED" in compared.stdout


@pytest.mark.parametrize("answer", [{"items": []}, {"items": [{"snapshotID": "pit-1"}]}], ids=str)
def test_an_answer_of_an_operation_nobody_can_tell_fails_and_says_so(answer: dict[str, Any]) -> None:
    with pytest.raises(pytest.fail.Exception, match="which operation"):
        list(captures.reproduce(answer))


def conformance(folder: Path) -> subprocess.CompletedProcess[str]:
    """The conformance tests on the captured answers of this folder, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "tests/simulator/test_conformance.py"]
    settings = os.environ | {"DRS_CAPTURED_ANSWERS": str(folder), "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=120)

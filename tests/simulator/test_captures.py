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


def conformance(folder: Path) -> subprocess.CompletedProcess[str]:
    """The conformance tests on the captured answers of this folder, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "tests/simulator/test_conformance.py"]
    settings = os.environ | {"DRS_CAPTURED_ANSWERS": str(folder), "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=120)

"""The commands that README.md and docs/simulator.md print, typed into a shell as they stand there.

Only the port is another one: `make sim` takes a free one here. `aws` is the AWS CLI of the project's environment.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.simulator import SimulatorControl

ROOT = Path(__file__).parents[2]
PRINTED_URL = "http://127.0.0.1:9999"

Shell = Callable[[str], str]


def printed(page: str, section: str) -> list[str]:
    """The lines of the section's block of AWS CLI commands, the export of its settings first."""
    text = (ROOT / page).read_text(encoding="utf-8")
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"^```\w*\n(export .*?)^```$", body, re.DOTALL | re.MULTILINE)
    return str(block).splitlines()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The developer's own, with the project's programs first on the PATH and without any AWS settings."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE", "MFLAGS"))}
    programs = Path(sys.executable).parent
    return settings | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}


@pytest.fixture
def url() -> Iterator[str]:
    """What `make sim` prints."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "sim", "PORT=0"]
    # A group of its own: make and the simulator it starts end together.
    with subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as make:
        try:
            assert make.stdout
            started = next((line.strip() for line in make.stdout if line.startswith("http://")), None)
            assert started, "make sim did not start a simulator"
            yield started
        finally:
            os.killpg(make.pid, signal.SIGTERM)


def test_the_readmes_commands_list_the_servers_launch_one_and_show_the_job(
    url: str, environment: dict[str, str]
) -> None:
    export, *commands = printed("README.md", "The DRS simulator")
    answers = [json.loads(run(export, command, url, environment)) for command in commands]
    servers, started, jobs = answers

    assert len(servers["items"]) == 6
    assert started["job"]["initiatedBy"] == "START_DRILL"
    assert [job["jobID"] for job in jobs["items"]] == [started["job"]["jobID"]]


def test_the_pages_commands_take_a_drill_to_its_recovery_instances(url: str, environment: dict[str, str]) -> None:
    export, *commands = printed("docs/simulator.md", "Start it")
    servers, started, job, pushed, instances = [run(export, command, url, environment) for command in commands]

    assert "s-3a7e0000000000001" in servers
    job_id = json.loads(started)["job"]["jobID"]
    assert json.loads(job)[0] == job_id
    assert [each["jobID"] for each in json.loads(pushed)["jobs"]] == [job_id]
    launched = {line.split("\t")[1]: line.split("\t")[2] for line in instances.splitlines()}
    assert launched == {"s-3a7e0000000000001": "True", "s-3a7e0000000000002": "True"}


def test_make_sim_runs_the_scenario_and_the_speed_that_it_names(url: str) -> None:
    control = SimulatorControl(url)
    try:
        assert control.health()["speed"] == 60
    finally:
        control.close()


def run(export: str, command: str, url: str, environment: dict[str, str]) -> str:
    """The command's output; the export line goes first, as whoever follows the page types it first."""
    assert PRINTED_URL in export
    script = f"{export.replace(PRINTED_URL, url)}\n{command}"
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout

"""`sam local invoke` of every function with each of its samples: the same answer in a container as in this process.

The AWS services it calls are moto's of this process, its DRS is the simulator, both on the host the container runs on.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from embedded.sam import Project, program
from tests.helpers.orchestrator import REGION, Orchestrator, aws, keep_tables_at_moto
from tests.helpers.samples import EVENTS, FOLDER, FUNCTIONS, folder_of, invoke, seed
from tests.helpers.simulator import SimulatorControl, running_simulator
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.functions import functions

pytestmark = pytest.mark.docker

# How a container calls its host. The servers listen on every interface: which one that is differs by engine.
HOST = "host.docker.internal"


@pytest.fixture(scope="module")
def reachable_drs() -> Iterator[SimulatorControl]:
    with running_simulator("--host", "0.0.0.0") as url:  # noqa: S104
        control = SimulatorControl(f"http://127.0.0.1:{port_of(url)}")
        yield control
        control.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built template, with the one variable that Lambda's environment has for another endpoint."""
    folder = tmp_path_factory.mktemp("sam")
    (folder / "tmp").mkdir()
    project = Project(PROJECT_ROOT)
    with project.built(folder / "sam-build.log", lambda _line: None):
        pass
    document = yaml.safe_load((project.build_dir / "template.yaml").read_text(encoding="utf-8"))
    document["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
    for name in functions():
        document["Resources"][name]["Properties"]["CodeUri"] = str(project.build_dir / name)
    changed = folder / "template.yaml"
    changed.write_text(yaml.safe_dump(document), encoding="utf-8")
    return changed


@contextmanager
def deployment(drs: SimulatorControl) -> Iterator[Orchestrator]:
    """An account of its own in which the samples' execution has been started, now and not at the tests' usual time."""
    drs.reset()
    with aws():
        orchestrator = Orchestrator(drs)
        # A container calls moto's server: what it is to find there has to be there.
        keep_tables_at_moto()
        orchestrator.now = int(time.time())
        drs.step(orchestrator.now)
        topic = boto3.client("sns").create_topic(Name="notifications")["TopicArn"]
        orchestrator.environment["NOTIFICATION_TOPIC_ARN"] = topic
        orchestrator.app = orchestrator.another_app()
        seed(orchestrator)
        yield orchestrator


@pytest.mark.parametrize("sample", sorted(EVENTS))
def test_a_function_answers_in_its_container_as_it_does_in_this_process(
    sample: str, template: Path, reachable_drs: SimulatorControl, tmp_path: Path
) -> None:
    with deployment(reachable_drs) as orchestrator:
        expected = told(invoke(orchestrator, sample))
    with deployment(reachable_drs) as orchestrator:
        server = ThreadedMotoServer(ip_address="0.0.0.0", port=0, verbose=False)  # noqa: S104
        server.start()
        try:
            variables = orchestrator.environment | {
                "AWS_ENDPOINT_URL": f"http://{HOST}:{server.get_host_and_port()[1]}",
                "DRS_ENDPOINT_URL": f"http://{HOST}:{port_of(reachable_drs.url)}",
            }
            answer = invoke_in_container(sample, template, variables, tmp_path)
        finally:
            server.stop()

    assert told(answer) == expected


def invoke_in_container(sample: str, template: Path, variables: dict[str, str], folder: Path) -> Any:
    (folder / "variables.json").write_text(json.dumps({"Parameters": variables}))
    command = [
        *(program(), "local", "invoke", FUNCTIONS[folder_of(sample)], "--event", str(FOLDER / f"{sample}.json")),
        *("--template", str(template), "--env-vars", str(folder / "variables.json"), "--region", REGION),
        *("--add-host", f"{HOST}:host-gateway", "--skip-pull-image"),
    ]
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": str(folder)}
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)

    print("$", *command, ended.stderr, ended.stdout, sep="\n")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout or "null")


def told(answer: Any) -> Any:
    """What an answer says, without ids, times and whatever else differs between two runs."""
    if isinstance(answer, dict):
        assert "errorType" not in answer, answer
        return {name: answer[name] for name in answer if name not in ("body", "retryAfterSeconds")}
    return answer


def port_of(url: str) -> str:
    return url.rpartition(":")[2]

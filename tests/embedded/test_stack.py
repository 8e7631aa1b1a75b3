"""A whole stack comes up, is used again, and goes; an interrupted one goes too, at whatever moment."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from drs_simulator import scenarios
from embedded import EmbeddedError, Stack, down
from embedded.stack import PROJECT_ROOT
from tests.helpers.queues import open_queue
from tests.helpers.stack import SHARED

pytestmark = pytest.mark.integration
on_the_shared_stack = pytest.mark.xdist_group("stack")

SCENARIO_SERVERS = {
    server["sourceServerID"] for world in scenarios.load(SHARED["scenario"])["worlds"] for server in world["servers"]
}


def processes_of(folder: Path) -> list[str]:
    """The command lines of every process whose environment or arguments name `folder`."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("other processes' environments can be read on Linux only")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if int(process.name) != os.getpid() and str(folder).encode() in command + environment:
            found.append(command.replace(b"\0", b" ").decode())
    return found


@on_the_shared_stack
def test_the_environment_reaches_every_part(shared_stack: Stack) -> None:
    env = shared_stack.env
    credentials = {"aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"]}
    region = env["AWS_DEFAULT_REGION"]
    states = boto3.client("stepfunctions", endpoint_url=env["AWS_ENDPOINT_URL"], region_name=region, **credentials)
    drs = boto3.client("drs", endpoint_url=env["AWS_ENDPOINT_URL_DRS"], region_name=region, **credentials)

    assert states.describe_state_machine(stateMachineArn=env["STATE_MACHINE_ARN"])["status"] == "ACTIVE"
    assert {each["sourceServerID"] for each in drs.describe_source_servers(filters={})["items"]} >= SCENARIO_SERVERS
    stored = drctl("plan", "put", str(PROJECT_ROOT / "plans" / "three-tier.yaml"), "--json", env=env)
    assert stored["PlanId"] in [plan["PlanId"] for plan in drctl("plan", "list", "--json", env=env)["plans"]]


@on_the_shared_stack
def test_a_launch_of_the_simulator_is_an_event_on_the_engines_bus(shared_stack: Stack) -> None:
    """A rule of the account's own receives it, as it would receive DRS's."""
    drs, events, queues = (client(shared_stack, name) for name in ("drs", "events", "sqs"))
    queue, arn = open_queue(queues, "launch-results")
    pattern = {"source": ["aws.drs", "simulated.aws.drs"], "detail-type": ["DRS Source Server Launch Result"]}
    events.put_rule(Name="launch-results", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="launch-results", Targets=[{"Id": "queue", "Arn": arn}])
    server = min(SCENARIO_SERVERS)

    job_id = drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)["job"]["jobID"]
    [message] = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    events.remove_targets(Rule="launch-results", Ids=["queue"])
    events.delete_rule(Name="launch-results")

    detail = json.loads(message["Body"])["detail"]
    assert detail == {"state": "RECOVERY_LAUNCH_SUCCEEDED", "job-id": job_id, "is-drill": "TRUE"}


def client(stack: Stack, service: str) -> Any:
    """A boto3 client of the stack's engine, or of its DRS."""
    env = stack.env
    return boto3.client(
        service,
        endpoint_url=env["AWS_ENDPOINT_URL_DRS" if service == "drs" else "AWS_ENDPOINT_URL"],
        region_name=env["AWS_DEFAULT_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


@on_the_shared_stack
def test_env_sh_and_env_json_say_the_same(shared_stack: Stack) -> None:
    folder = shared_stack.state_dir
    lines = (folder / "env.sh").read_text().splitlines()
    exports = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert exports == json.loads((folder / "env.json").read_text()) == shared_stack.env


@on_the_shared_stack
def test_a_stack_that_is_up_is_used_again_and_not_deployed_twice(shared_stack: Stack) -> None:
    lines: list[str] = []
    again = Stack(shared_stack.state_dir, **SHARED, report=lines.append)
    again.up()
    assert again.env == shared_stack.env
    assert [line.split()[:3] for line in lines] == [["stack", "up", "already"]]


@on_the_shared_stack
def test_a_stack_with_other_settings_is_refused_and_the_running_one_left_alone(shared_stack: Stack) -> None:
    with pytest.raises(EmbeddedError, match=r"up already with wait_scale 0\.015, not 0\.5: run `make down` first"):
        Stack(shared_stack.state_dir, **SHARED | {"wait_scale": 0.5}).up()
    assert shared_stack.is_up()


@on_the_shared_stack
def test_the_wait_scale_can_be_changed_while_the_stack_is_up(shared_stack: Stack) -> None:
    shared_stack.set_wait_scale(0.002)
    with pytest.raises(EmbeddedError, match="refused the wait scale -1"):
        shared_stack.set_wait_scale(-1)
    shared_stack.set_wait_scale(SHARED["wait_scale"])


def small_project(folder: Path, resource_type: str) -> Path:
    """A project whose template holds one resource and no function, which is built and deployed in seconds."""
    (folder / "functions").mkdir(parents=True)
    (folder / "samconfig.toml").write_bytes((PROJECT_ROOT / "samconfig.toml").read_bytes())
    (folder / "template.yaml").write_text(
        "Parameters: {DrsEndpointUrl: {Type: String, Default: ''}}\n"
        f"Resources: {{Thing: {{Type: '{resource_type}'}}}}\n"
    )
    return folder


def test_going_down_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    project = small_project(tmp_path / "project", "AWS::SNS::Topic")
    state = tmp_path / "state"
    with Stack(state, drs_endpoint="http://127.0.0.1:9", project_root=project) as stack:
        assert processes_of(state)
        assert stack.env["AWS_ENDPOINT_URL_DRS"] == "http://127.0.0.1:9"
        assert stack.env["DRS_SIMULATOR_URL"] == ""
    assert processes_of(state) == []
    assert not state.exists()
    assert down(state) is False


def test_a_template_that_cannot_be_deployed_leaves_nothing_but_a_reason(tmp_path: Path) -> None:
    project = small_project(tmp_path / "project", "AWS::No::Such")
    state = tmp_path / "state"
    with pytest.raises(EmbeddedError, match=r"`sam deploy` into the embedded engine failed(.|\n)*AWS::No::Such"):
        Stack(state, drs_endpoint="http://127.0.0.1:9", project_root=project).up()
    assert processes_of(state) == []
    assert not state.exists()


@pytest.mark.parametrize(
    ("moment", "number"),
    [("engine     ready", signal.SIGINT), ("DRILL of three-tier is started", signal.SIGTERM)],
)
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "embedded", "demo"],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        assert any(moment in line for line in demo.stdout)
        demo.send_signal(number)
        demo.stdout.read()
        assert demo.wait(30) == 128 + number
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def drctl(*arguments: str, env: dict[str, str]) -> Any:
    program = Path(sys.prefix) / "bin" / "drctl"
    answer = subprocess.run(
        [program, *arguments], env={**os.environ, **env}, check=True, capture_output=True, text=True
    )
    return json.loads(answer.stdout)

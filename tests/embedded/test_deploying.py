"""The README's section on deploying, typed as it stands into an engine; and updates in the middle of an execution."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import boto3
import pytest

from embedded import Stack, engine
from embedded.errors import EmbeddedError
from embedded.processes import Server, free_port
from embedded.sam import EXECUTE_API_URL, Project
from embedded.sam import STACK_NAME as SHARED_STACK_NAME
from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    mock_drs_progression,
    start_test_execution,
    wait_for,
    wait_for_final_status,
)
from tests.helpers.simulator import SimulatorControl
from tests.helpers.stack import client
from tests.helpers.template import PROJECT_ROOT, template

pytestmark = pytest.mark.integration

STACK_NAME = "drs-orchestrator"
OWN_ACCOUNT, OTHER_ACCOUNT = "000000000000", "111111111111"
EXTERNAL_ID = "known-to-both"
# After how many updates of a function that was changed it is as it was.
THERE_AND_BACK = 2
# What `sam build` and `drctl` need of a checkout.
CHECKED_OUT = ("functions", "observability", "plans", "statemachine")


def commands(heading: str) -> str:
    """The commands that the README prints under this heading."""
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"\n### {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return "\n".join(re.findall(r"^```\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))


class Shell:
    """A user's shell in a fresh checkout, whose AWS is an engine."""

    def __init__(self, checkout: Path, url: str) -> None:
        self.checkout = checkout
        self.client = boto3.client("cloudformation", endpoint_url=url, **REGION_AND_KEYS)
        self.functions = boto3.client("lambda", endpoint_url=url, **REGION_AND_KEYS)
        self.tables = boto3.client("dynamodb", endpoint_url=url, **REGION_AND_KEYS)
        self._url = url
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **engine.CREDENTIALS,
            "AWS_ENDPOINT_URL": url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(checkout / ".app"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "somebody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            # What `make setup` has installed, which is not installed again.
            "PATH": os.pathsep.join(
                [str(PROJECT_ROOT / ".venv-sam" / "bin"), str(Path(sys.prefix) / "bin"), os.environ["PATH"]]
            ),
        }

    def type(self, text: str, answers: str = "") -> str:
        """What the commands print; they stop at the first that fails."""
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=self.checkout,
            env=self._environment,
            input=answers,
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
        return ended.stdout

    def here(self, text: str) -> str:
        """The commands with what differs on the engine: the environment is set up, the API is found elsewhere."""
        text = text.replace("make setup\n", "")
        if "API_URL" in text:
            text = re.sub(r"export API_URL=\$\(.*?\)\n", f"export API_URL={self.api_url()}\n", text, flags=re.DOTALL)
        return text

    def api_url(self) -> str:
        api = EXECUTE_API_URL.match(self.outputs()["ApiUrl"])
        assert api
        return f"{self._url}/_aws/execute-api/{api['api']}/{api['stage']}"

    def drctl(self, command: str) -> dict[str, Any]:
        """The document that the command prints."""
        document: dict[str, Any] = json.loads(self.type(f"drctl {command} --json --api-url {self.api_url()}"))
        return document

    def iam(self, account_id: str) -> Any:
        return boto3.client("iam", endpoint_url=self._url, **REGION_AND_KEYS | {"aws_access_key_id": account_id})

    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self._stack()["Outputs"]}

    def parameters(self) -> dict[str, str]:
        return {given["ParameterKey"]: given["ParameterValue"] for given in self._stack()["Parameters"]}

    def _stack(self) -> Any:
        [stack] = self.client.describe_stacks(StackName=STACK_NAME)["Stacks"]
        return stack

    def code_of_the_check(self) -> str:
        """The digest of what CheckDrsFunction runs."""
        named = self.client.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId="CheckDrsFunction")
        name = named["StackResourceDetail"]["PhysicalResourceId"]
        return str(self.functions.get_function_configuration(FunctionName=name)["CodeSha256"])


REGION_AND_KEYS: Any = {
    "region_name": engine.CREDENTIALS["AWS_DEFAULT_REGION"],
    "aws_access_key_id": engine.CREDENTIALS["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": engine.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    checkout = tmp_path / "checkout"
    for folder in CHECKED_OUT:
        copytree(PROJECT_ROOT / folder, checkout / folder, ignore=ignore_patterns("__pycache__"))
    for name in ("template.yaml", "target-account.yaml", "samconfig.toml", ".python-version"):
        (checkout / name).write_bytes((PROJECT_ROOT / name).read_bytes())
    port = free_port()
    state = tmp_path / "engine"
    state.mkdir()
    server = Server("engine", state)
    server.start(engine.COMMAND, engine.environment(state, port, wait_scale=0.01, lambda_concurrency=2))
    try:
        url = f"http://127.0.0.1:{port}"
        server.wait_until(lambda: engine.is_ready(url), engine.START_SECONDS)
        yield Shell(checkout, url)
    finally:
        server.stop()


def guided_answers(**given: str) -> str:
    """Enter for the stack's name, the Region and each parameter that is not `given`; then: no change set to confirm,
    roles may be created, failures are rolled back, nothing is saved."""
    parameters = [given.get(name, "") for name in template()["Parameters"]]
    return "\n".join(["", "", *parameters, "n", "y", "n", "n", ""])


def test_the_readme_s_commands_deploy_update_roll_back_and_delete(shell: Shell, simulator: SimulatorControl) -> None:
    """Through all of it but the end an execution runs."""
    simulator.load_scenario("three-tier")
    simulator.hold(True)
    shell.type("git init --quiet; git add --all; git commit --quiet --message=Earlier; git tag earlier")
    deploy, api_url, use = commands("First deploy").partition("export API_URL")
    shell.type(shell.here(deploy), guided_answers(SavedQueries="OMIT", DrsEndpointUrl=simulator.url))
    assert "three-tier" in shell.type(shell.here(f"{api_url}{use}"))
    execution_id = shell.drctl("start three-tier --drill")["executionId"]

    open_other_account(shell)
    earlier = shell.outputs(), shell.code_of_the_check()

    make_later_release(shell.checkout)
    shell.type("git commit --quiet --all --message=Later")
    update = commands("Update").rstrip()
    assert update.endswith("--config-env prod")
    parameters = f"SavedQueries=OMIT TargetExternalId={EXTERNAL_ID} LogRetentionDays=14"
    shell.type(f"{update} --parameter-overrides {parameters}", "y\n")
    assert shell.outputs()["Later"] == "yes"
    assert shell.code_of_the_check() != earlier[1]
    updated = shell.parameters()
    assert updated["LogRetentionDays"] == "14"

    shell.type(commands("Roll back").replace("TAG", "earlier"), "y\n")
    assert (shell.outputs(), shell.code_of_the_check()) == earlier
    assert shell.parameters() == updated
    outputs = shell.outputs()

    assert shell.drctl(f"status {execution_id}")["Status"] == "POLLING"
    simulator.set_speed(600)
    simulator.hold(False)
    ended = shell.drctl(f"watch {execution_id}")
    assert (ended["Status"], ended["Generation"]) == ("COMPLETED", 1)

    printed = shell.type(commands("Delete"))
    assert dict(json.JSONDecoder().raw_decode(printed)[0]) == outputs
    assert STACK_NAME not in [stack["StackName"] for stack in shell.client.describe_stacks()["Stacks"]]
    kept = {outputs["ExecutionTableName"], outputs["PlanTableName"]}
    assert kept <= set(shell.tables.list_tables()["TableNames"]), "the record and the plans stay"


def make_later_release(checkout: Path) -> None:
    """Other code, another definition and one output more: what comes and goes with a release."""
    change(checkout / "functions" / "check_drs" / "handler.py", '"""State', '"""Later. State')
    change(checkout / "statemachine" / "recovery.asl.json", '"Comment": "', '"Comment": "Later. ')
    change(checkout / "template.yaml", "\nOutputs:\n", "\nOutputs:\n  Later: { Value: 'yes' }\n")


def change(file: Path, old: str, new: str) -> None:
    """Put `new` in place of the first `old`."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def open_other_account(shell: Shell) -> None:
    """The engine takes twelve digits of an access key for the account, which a profile would otherwise choose."""
    text = commands("Several accounts").replace("ACCOUNT_ID", OWN_ACCOUNT).replace("EXTERNAL_ID", EXTERNAL_ID)
    text = text.replace("overrides Target", "overrides SavedQueries=OMIT Target")
    text = text.replace("aws cloud", f"AWS_ACCESS_KEY_ID={OTHER_ACCOUNT} aws cloud").replace(" --profile PROFILE", "")
    shell.type(text, "y\n")
    theirs = shell.iam(OTHER_ACCOUNT).get_role(RoleName="drs-orchestrator-target")["Role"]
    [trust] = theirs["AssumeRolePolicyDocument"]["Statement"]
    trusted = trust["Condition"]["ArnLike"]["aws:PrincipalArn"]
    ours = [role["Arn"] for role in shell.iam(OWN_ACCOUNT).list_roles()["Roles"]]

    assert trust["Condition"]["StringEquals"] == {"sts:ExternalId": EXTERNAL_ID}
    entering = [arn for arn in ours if fnmatchcase(arn, trusted)]
    assert len(entering) == sum("RolePath" in each.get("Properties", {}) for each in template()["Resources"].values())
    assert len(entering) < len(ours)


@pytest.mark.xdist_group("stack")
@pytest.mark.usefixtures("simulated_drs")
def test_executions_outlive_an_update_that_fails_and_the_next_that_does_not(
    shared_stack: Stack, tmp_path: Path
) -> None:
    """What is updated stays so; nothing that other tests look at depends on it."""
    project = Project(PROJECT_ROOT)
    endpoints = shared_stack.env["AWS_ENDPOINT_URL"], shared_stack.env["DRS_SIMULATOR_URL"]
    parameters = shared_stack.settings.template_parameters(project.parameter_defaults(), endpoints[1])
    update = parameters | {"LogRetentionDays": "14", "ProgressIntervalSeconds": "31"}

    before, updates = deployed(), updates_of_the_check()
    with running_execution():
        with pytest.raises(EmbeddedError, match="UPDATE_ROLLBACK_COMPLETE"):
            failing_release(tmp_path / "failing").deploy(endpoints[0], update, tmp_path / "sam-failed.log")
        assert updates_of_the_check() - updates == THERE_AND_BACK
        assert deployed() == before

    with running_execution():
        project.deploy(endpoints[0], update, tmp_path / "sam-update.log")
        assert deployed()["Parameters"] != before["Parameters"]


@contextmanager
def running_execution() -> Iterator[None]:
    """In the block it runs, and has been polled; after it, its first driver brings it to its end."""
    with mock_drs_progression():
        execution_id = start_test_execution(create_test_plan_with_servers(["s-1"]))
        wait_for(execution_id, lambda document: document["PollCount"] >= 1, "polled")
        yield
        advance_drs_phase("COMPLETED")
        document = wait_for_final_status(execution_id)

    assert document["Status"] == "COMPLETED"
    assert document["Generation"] == 1, "the driver it was started with has brought it to its end"


def failing_release(folder: Path) -> Project:
    """The build with other code and another definition, and then a signal to wait for that nobody gives."""
    built, project = Project(PROJECT_ROOT).build_dir, Project(folder)
    folder.mkdir()
    for name in ("observability", "samconfig.toml"):
        (folder / name).symlink_to(PROJECT_ROOT / name)
    copytree(PROJECT_ROOT / "statemachine", folder / "statemachine")
    copytree(built / "CheckDrsFunction", project.build_dir / "CheckDrsFunction")
    for code in built.glob("*Function"):
        if code.name != "CheckDrsFunction":
            (project.build_dir / code.name).symlink_to(code)
    (project.build_dir / "template.yaml").write_bytes((built / "template.yaml").read_bytes())

    change(project.build_dir / "CheckDrsFunction" / "check_drs" / "handler.py", '"""State', '"""Failing. State')
    change(folder / "statemachine" / "recovery.asl.json", '"Comment": "', '"Comment": "Failing. ')
    change(project.build_dir / "template.yaml", "\nResources:\n", f"\nResources:\n{NEVER_SIGNALLED}")
    return project


NEVER_SIGNALLED = """\
  Signal:
    Type: AWS::CloudFormation::WaitConditionHandle
  NeverSignalled:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: [CheckDrsFunction, RecoveryStateMachine]
    Properties: { Handle: !Ref Signal, Timeout: '1' }
"""


def deployed() -> dict[str, Any]:
    """All that an update changes: the shared stack, what each function runs and with which settings, the definition."""
    stack_name = {"StackName": SHARED_STACK_NAME}
    cloudformation, functions = client("cloudformation"), client("lambda")
    [stack] = cloudformation.describe_stacks(**stack_name)["Stacks"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(**stack_name)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    configurations = [
        functions.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
        for resource in resources
        if resource["ResourceType"] == "AWS::Lambda::Function"
    ]
    machine = client("stepfunctions").describe_state_machine(stateMachineArn=os.environ["STATE_MACHINE_ARN"])
    return {
        "Template": cloudformation.get_template(**stack_name)["TemplateBody"],
        "Parameters": stack["Parameters"],
        "Outputs": stack["Outputs"],
        "Resources": {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
        "Functions": {each["FunctionName"]: (each["CodeSha256"], each["Environment"]) for each in configurations},
        "Definition": machine["definition"],
    }


def updates_of_the_check() -> int:
    """How often CheckDrsFunction has been updated in the shared stack."""
    pages = client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=SHARED_STACK_NAME)
    events = [event for page in pages for event in page["StackEvents"]]
    return sum(
        event["LogicalResourceId"] == "CheckDrsFunction" and event["ResourceStatus"] == "UPDATE_COMPLETE"
        for event in events
    )

"""The README's section on deploying, typed as it stands into an engine; and an update in the middle of an execution."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import boto3
import pytest

from embedded import Stack, engine
from embedded.processes import Server, free_port
from embedded.sam import EXECUTE_API_URL, Project
from tests.helpers import (
    advance_drs_phase,
    create_test_plan_with_servers,
    mock_drs_progression,
    start_test_execution,
    wait_for,
    wait_for_final_status,
)
from tests.helpers.template import PROJECT_ROOT, template

pytestmark = pytest.mark.integration

STACK_NAME = "drs-orchestrator"
OWN_ACCOUNT, OTHER_ACCOUNT = "000000000000", "111111111111"
EXTERNAL_ID = "known-to-both"
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
        api = EXECUTE_API_URL.match(self.outputs().get("ApiUrl", "")) if "API_URL" in text else None
        if api:
            url = f"{self._url}/_aws/execute-api/{api['api']}/{api['stage']}"
            text = re.sub(r"export API_URL=\$\(.*?\)\n", f"export API_URL={url}\n", text, flags=re.DOTALL)
        return text

    def iam(self, account_id: str) -> Any:
        return boto3.client("iam", endpoint_url=self._url, **REGION_AND_KEYS | {"aws_access_key_id": account_id})

    def outputs(self) -> dict[str, str]:
        [stack] = self.client.describe_stacks(StackName=STACK_NAME)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


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


def guided_answers() -> str:
    """Enter for the stack's name, the Region and each parameter; then: no change set to confirm, roles may be created,
    failures are rolled back, nothing is saved."""
    parameters = ["OMIT" if name == "SavedQueries" else "" for name in template()["Parameters"]]
    return "\n".join(["", "", *parameters, "n", "y", "n", "n", ""])


def test_the_readme_s_commands_deploy_update_and_delete(shell: Shell) -> None:
    deploy, api_url, use = commands("First deploy").partition("export API_URL")
    shell.type(shell.here(deploy), guided_answers())
    assert "three-tier" in shell.type(shell.here(f"{api_url}{use}"))

    open_other_account(shell)

    update = commands("Update").rstrip()
    assert update.endswith("--config-env prod")
    parameters = f"SavedQueries=OMIT TargetExternalId={EXTERNAL_ID} LogRetentionDays=14"
    shell.type(f"{update} --parameter-overrides {parameters}", "y\n")
    outputs = shell.outputs()

    printed = shell.type(commands("Delete"))
    assert dict(json.JSONDecoder().raw_decode(printed)[0]) == outputs
    assert STACK_NAME not in [stack["StackName"] for stack in shell.client.describe_stacks()["Stacks"]]
    kept = {outputs["ExecutionTableName"], outputs["PlanTableName"]}
    assert kept <= set(shell.tables.list_tables()["TableNames"]), "the record and the plans stay"


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
def test_an_execution_outlives_an_update_of_the_stack(shared_stack: Stack, tmp_path: Path) -> None:
    """What is updated stays so; nothing that other tests look at depends on it."""
    with mock_drs_progression():
        execution_id = start_test_execution(create_test_plan_with_servers(["s-1"]))
        wait_for(execution_id, lambda document: document["PollCount"] >= 1, "polled")
        project = Project(PROJECT_ROOT)
        endpoints = shared_stack.env["AWS_ENDPOINT_URL"], shared_stack.env["DRS_SIMULATOR_URL"]
        parameters = shared_stack.settings.template_parameters(project.parameter_defaults(), endpoints[1])
        update = parameters | {"LogRetentionDays": "14", "ProgressIntervalSeconds": "31"}
        project.deploy(endpoints[0], update, tmp_path / "sam-update.log")
        advance_drs_phase("COMPLETED")
        document = wait_for_final_status(execution_id)

    assert document["Status"] == "COMPLETED"
    assert document["Generation"] == 1, "the driver it was started with has brought it to its end"

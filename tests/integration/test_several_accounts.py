"""The sample plan of three accounts and two Regions on the deployed stack: each wave in its own, by an assumed role."""

import json
from typing import Any

import boto3
import pytest
import yaml

from drs_simulator import scenarios
from tests.helpers import start_test_execution, wait_for_status
from tests.helpers.stack import call_api, control, start_recovery_calls
from tests.helpers.template import PROJECT_ROOT, template

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack"), pytest.mark.usefixtures("simulated_drs")]

PLAN = yaml.safe_load((PROJECT_ROOT / "plans" / "several-accounts.yaml").read_text(encoding="utf-8"))


HOME = "000000000000"
ROLE = template()["Parameters"]["TargetRoleName"]["Default"]


def is_protected(wave: dict[str, Any], instance_id: str) -> bool:
    """What EC2 says in the wave's account, whose twelve digits are a key of it on the embedded engine."""
    ec2: Any = boto3.client(
        "ec2", region_name=wave["Region"], aws_access_key_id=wave["AccountId"], aws_secret_access_key="test"
    )
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])


def let_in(account: str) -> None:
    """Make the role by which the orchestrator enters the account, allowed what EC2 is asked for there."""
    iam: Any = boto3.client("iam", aws_access_key_id=account, aws_secret_access_key="test")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}, "Action": "sts:AssumeRole"}
    protect = {"Effect": "Allow", "Action": "ec2:ModifyInstanceAttribute", "Resource": "*"}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=ROLE, PolicyName="protect", PolicyDocument=policy(protect))


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_every_wave_is_launched_and_protected_in_its_own_account_and_region() -> None:
    for world in scenarios.load("several-accounts")["worlds"]:
        control().add_servers(world["servers"], account=world["account"], region=world["region"])
    for account in {wave["AccountId"] for wave in PLAN["Waves"]} - {HOME}:
        let_in(account)
    assert call_api("PUT", f"/plans/{PLAN['PlanId']}", PLAN).is_success
    execution_id = start_test_execution(PLAN, "RECOVERY")
    document = wait_for_status(execution_id, "COMPLETED")
    launched = {(call["account"], call["region"]) for call in start_recovery_calls(execution_id)}

    assert launched == {(wave["AccountId"], wave["Region"]) for wave in PLAN["Waves"]}
    for wave in document["Waves"]:
        assert [is_protected(wave, server["InstanceId"]) for server in wave["Servers"]] == [True, True], wave[
            "WaveName"
        ]

"""The sample plan of three accounts and two Regions on the deployed stack: each wave in its own, by an assumed role."""

from typing import Any

import boto3
import pytest
import yaml

from drs_simulator import scenarios
from tests.helpers import start_test_execution, wait_for_status
from tests.helpers.stack import call_api, control, start_recovery_calls
from tests.helpers.template import PROJECT_ROOT

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack"), pytest.mark.usefixtures("simulated_drs")]

PLAN = yaml.safe_load((PROJECT_ROOT / "plans" / "several-accounts.yaml").read_text(encoding="utf-8"))


def is_protected(wave: dict[str, Any], instance_id: str) -> bool:
    """What EC2 says in the wave's account, whose twelve digits are a key of it on the embedded engine."""
    ec2: Any = boto3.client(
        "ec2", region_name=wave["Region"], aws_access_key_id=wave["AccountId"], aws_secret_access_key="simulated"
    )
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])


def test_every_wave_is_launched_and_protected_in_its_own_account_and_region() -> None:
    for world in scenarios.load("several-accounts")["worlds"]:
        control().add_servers(world["servers"], account=world["account"], region=world["region"])
    assert call_api("PUT", f"/plans/{PLAN['PlanId']}", PLAN).is_success
    execution_id = start_test_execution(PLAN, "RECOVERY")
    document = wait_for_status(execution_id, "COMPLETED")
    launched = {(call["account"], call["region"]) for call in start_recovery_calls(execution_id)}

    assert launched == {(wave["AccountId"], wave["Region"]) for wave in PLAN["Waves"]}
    for wave in document["Waves"]:
        assert [is_protected(wave, server["InstanceId"]) for server in wave["Servers"]] == [True, True], wave[
            "WaveName"
        ]

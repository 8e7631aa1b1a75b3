"""The engine's EC2 protects instances from being terminated, for the product and for the simulator of DRS."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from drs_orchestrator.adapters.ec2 import Ec2
from drs_orchestrator.domain.protection import Answer
from embedded import engine
from tests.helpers.engine import running_engine
from tests.helpers.simulator import SimulatorControl, running_simulator

SERVER = "s-3a7e0000000000001"

pytestmark = pytest.mark.xdist_group("ec2-protection")


@pytest.fixture(scope="module")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_engine(tmp_path_factory.mktemp("engine")) as url:
        yield url


def client(service: str, url: str, key: str = "", secret: str = "") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=engine.CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=key or engine.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret or engine.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def ec2(engine_url: str) -> Any:
    return client("ec2", engine_url)


@pytest.fixture
def instance_id(ec2: Any) -> str:
    answer = ec2.run_instances(ImageId="ami-00000000000000000", InstanceType="t3.micro", MinCount=1, MaxCount=1)
    return str(answer["Instances"][0]["InstanceId"])


def is_protected(ec2: Any, instance_id: str) -> bool:
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])


def state_of(ec2: Any, instance_id: str) -> str:
    [reservation] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    return str(reservation["Instances"][0]["State"]["Name"])


def test_an_instance_is_protected_until_that_is_lifted(ec2: Any, instance_id: str) -> None:
    assert not is_protected(ec2, instance_id)
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
    assert is_protected(ec2, instance_id)
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[instance_id])
    assert state_of(ec2, instance_id) == "running"

    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert state_of(ec2, instance_id) == "terminated"


def test_an_instance_nobody_knows_is_not_found(ec2: Any) -> None:
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        ec2.modify_instance_attribute(InstanceId="i-00000000000000000", DisableApiTermination={"Value": True})


def test_another_attribute_is_refused_rather_than_ignored(ec2: Any, instance_id: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiStop={"Value": True})


def test_what_the_product_protects_no_launch_of_the_simulator_removes(ec2: Any, engine_url: str) -> None:
    with running_simulator("--ec2-endpoint", engine_url) as url:
        simulator, drs = SimulatorControl(url), client("drs", url)
        simulator.add_servers([{"sourceServerID": SERVER}])

        def launched() -> list[str]:
            drs.start_recovery(sourceServers=[{"sourceServerID": SERVER}])
            simulator.push_jobs("COMPLETED")
            items = drs.describe_recovery_instances(filters={"sourceServerIDs": [SERVER]})["items"]
            return [item["ec2InstanceID"] for item in items]

        [unprotected] = launched()
        [first] = launched()
        outcomes = Ec2(lambda: ec2).protect([first, unprotected, "i-00000000000000000"], lambda: True)
        second = launched()
        simulator.close()

    assert state_of(ec2, unprotected) == "terminated"
    assert outcomes[first].answer is Answer.PROTECTED
    assert outcomes["i-00000000000000000"].answer is Answer.REFUSED
    assert first in second
    assert (len(second), state_of(ec2, first)) == (2, "running")


def test_who_may_only_switch_protection_on_may_not_switch_it_off(engine_url: str, ec2: Any, instance_id: str) -> None:
    iam = client("iam", engine_url)
    iam.create_user(UserName="protector")
    statement = {
        "Effect": "Allow",
        "Action": "ec2:ModifyInstanceAttribute",
        "Resource": "*",
        "Condition": {"StringEqualsIgnoreCase": {"ec2:Attribute/DisableApiTermination": "true"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="protector", PolicyName="protect", PolicyDocument=policy)
    key = iam.create_access_key(UserName="protector")["AccessKey"]
    protector = client("ec2", engine_url, key["AccessKeyId"], key["SecretAccessKey"])

    protector.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        protector.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    assert is_protected(ec2, instance_id)

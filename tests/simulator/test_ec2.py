"""Recovery instances as instances of an EC2: moto's, behind an endpoint."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from drs_simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.ec2 import Endpoint
from drs_simulator.simulator import Caller
from drs_simulator.state import dump, load

SERVER = "s-3a7e0000000000001"
ACCOUNT, REGION = "123456789012", "eu-west-1"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # It makes an account's EC2 when it is first asked, which may take longer than the simulator would wait.
    _client(url).run_instances(ImageId="ami-00000000000000000", MinCount=1, MaxCount=1)
    yield url
    server.stop()


@pytest.fixture
def ec2(endpoint: str) -> Any:
    return _client(endpoint)


def _client(endpoint: str, region: str = REGION) -> Any:
    return boto3.client(
        "ec2", endpoint_url=endpoint, region_name=region, aws_access_key_id=ACCOUNT, aws_secret_access_key="any"
    )


def simulator_at(endpoint: str, **server: Any) -> Simulator:
    clock = Clock()
    clock.step(now=1_700_000_000)
    simulator = Simulator(clock=clock, ec2=Endpoint(endpoint))
    simulator.add_servers([{"sourceServerID": SERVER, "name": "db", **server}], ACCOUNT, REGION)
    return simulator


def launch(simulator: Simulator) -> str:
    """Launch the server; returns its newest instance's id."""
    world = simulator.world(ACCOUNT, REGION)
    simulator.call("StartRecovery", {"sourceServers": [{"sourceServerID": SERVER}]}, Caller(ACCOUNT, REGION))
    simulator.push_jobs("COMPLETED")
    return world.instances_of(SERVER)[-1].id


def state_of(ec2: Any, instance_id: str) -> str:
    [reservation] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    return str(reservation["Instances"][0]["State"]["Name"])


def is_protected(ec2: Any, instance_id: str) -> bool:
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])


def test_a_launched_server_is_an_instance_of_its_account_and_region(endpoint: str, ec2: Any) -> None:
    instance_id = launch(simulator_at(endpoint))
    [reservation] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    tags = {tag["Key"]: tag["Value"] for tag in reservation["Instances"][0]["Tags"]}

    assert tags == {"Name": "db", "AWSElasticDisasterRecoverySourceServerID": SERVER}
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        _client(endpoint, "us-east-1").describe_instances(InstanceIds=[instance_id])


def test_a_new_launch_terminates_the_earlier_instance(endpoint: str, ec2: Any) -> None:
    simulator = simulator_at(endpoint)
    earlier = launch(simulator)
    launch(simulator)

    assert state_of(ec2, earlier) == "terminated"


def test_an_instance_somebody_protects_there_is_saved_and_the_log_says_so(endpoint: str, ec2: Any) -> None:
    simulator = simulator_at(endpoint)
    earlier = launch(simulator)
    ec2.modify_instance_attribute(InstanceId=earlier, DisableApiTermination={"Value": True})
    launch(simulator)
    job = list(simulator.world(ACCOUNT, REGION).jobs.values())[-1]

    assert state_of(ec2, earlier) == "running"
    assert [earlier in item.data["rawError"] for item in job.log if item.event == "CLEANUP_FAIL"] == [True]


def test_protection_the_simulator_sets_is_that_of_the_instance(endpoint: str, ec2: Any) -> None:
    simulator = simulator_at(endpoint, terminationProtection=True)
    instance_id = launch(simulator)
    assert is_protected(ec2, instance_id)

    simulator.protect(instance_id, False)
    assert not is_protected(ec2, instance_id)


def test_a_loaded_state_goes_on_with_the_same_instances(endpoint: str, ec2: Any) -> None:
    simulator = simulator_at(endpoint)
    earlier = launch(simulator)
    other = simulator_at(endpoint)
    load(other, dump(simulator))
    launch(other)

    assert state_of(ec2, earlier) == "terminated"


def test_an_ec2_that_cannot_be_reached_hinders_no_launch() -> None:
    simulator = simulator_at(NOWHERE, terminationProtection=True)
    earlier = launch(simulator)
    later = launch(simulator)

    assert [instance.id for instance in simulator.world(ACCOUNT, REGION).instances_of(SERVER)] == [earlier, later]

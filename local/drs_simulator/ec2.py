"""Where recovery instances live: in the simulator's own memory, or as instances of an EC2 behind an endpoint.

What an EC2 can't be asked just now is not waited for: DRS's jobs go on as if it had answered, with what the simulator
knows itself.
"""

import logging
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from drs_simulator.local_engine import EngineClients
from drs_simulator.worlds import RecoveryInstance, SourceServer, World

IMAGE = "ami-00000000000000000"
INSTANCE_TYPE = "t3.micro"

logger = logging.getLogger(__name__)


class Ec2(Protocol):
    """What DRS wants of EC2."""

    def run(self, world: World, server_id: str, server: SourceServer | None) -> str:
        """Launch an instance of the source server; returns its id."""

    def protect(self, world: World, instance: RecoveryInstance, protected: bool) -> None:
        """Switch the instance's termination protection on or off."""

    def is_protected(self, world: World, instance: RecoveryInstance) -> bool:
        """Whether EC2 would refuse to terminate the instance."""

    def terminate(self, world: World, instance: RecoveryInstance) -> None:
        """Terminate an instance that is not protected."""


class InMemory:
    """No EC2 but the simulator's own records."""

    def run(self, world: World, server_id: str, server: SourceServer | None) -> str:  # noqa: ARG002
        return world.new_id("i-")

    def protect(self, world: World, instance: RecoveryInstance, protected: bool) -> None:  # noqa: ARG002
        instance.protected = protected

    def is_protected(self, world: World, instance: RecoveryInstance) -> bool:  # noqa: ARG002
        return instance.protected

    def terminate(self, world: World, instance: RecoveryInstance) -> None:
        """The world forgets it, and that is all."""


class Endpoint(InMemory):
    """EC2 behind an endpoint, in the account and Region of each world. Others may protect and terminate there, too."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients = EngineClients("ec2")

    def run(self, world: World, server_id: str, server: SourceServer | None) -> str:
        tags = {"Name": server.name if server else server_id, "AWSElasticDisasterRecoverySourceServerID": server_id}
        specification = {
            "ResourceType": "instance",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        try:
            answer = self._clients.at(self._url, world).run_instances(
                ImageId=IMAGE,
                InstanceType=INSTANCE_TYPE,
                MinCount=1,
                MaxCount=1,
                TagSpecifications=[specification],
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("ec2: %s is launched without an instance there: %s", server_id, error)
            return super().run(world, server_id, server)
        return str(answer["Instances"][0]["InstanceId"])

    def protect(self, world: World, instance: RecoveryInstance, protected: bool) -> None:
        super().protect(world, instance, protected)
        try:
            self._clients.at(self._url, world).modify_instance_attribute(
                InstanceId=instance.id, DisableApiTermination={"Value": protected}
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("ec2: the protection of %s is not changed there: %s", instance.id, error)

    def is_protected(self, world: World, instance: RecoveryInstance) -> bool:
        try:
            answer = self._clients.at(self._url, world).describe_instance_attribute(
                InstanceId=instance.id, Attribute="disableApiTermination"
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("ec2: it does not say whether %s is protected: %s", instance.id, error)
            return super().is_protected(world, instance)
        return bool(answer["DisableApiTermination"]["Value"])

    def terminate(self, world: World, instance: RecoveryInstance) -> None:
        try:
            self._clients.at(self._url, world).terminate_instances(InstanceIds=[instance.id])
        except (BotoCoreError, ClientError) as error:
            logger.warning("ec2: %s is not terminated there: %s", instance.id, error)

"""EC2 through boto3, against moto's: what is protected, what is refused, and what may be asked again."""

from typing import Any

import boto3
import pytest

from drs_orchestrator.adapters.accounts import Accounts
from drs_orchestrator.adapters.ec2 import Ec2, Ec2Accounts
from drs_orchestrator.domain.protection import Answer, Protection
from tests.helpers.orchestrator import HOME, REGION

OTHER_ACCOUNT = "210987654321"
IMAGE = "ami-12c6146b"  # one of moto's own


def in_time() -> bool:
    return True


def launched(ec2: Any) -> str:
    return str(ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])


def is_protected(ec2: Any, instance_id: str) -> bool:
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])


def test_an_instance_is_protected_and_may_be_protected_again(no_aws: None) -> None:
    instance_id = launched(boto3.client("ec2"))
    ec2 = Ec2Accounts(Accounts(HOME, "role")).at(None, REGION)

    for _ in range(2):
        assert ec2.protect([instance_id], in_time) == {instance_id: Protection(Answer.PROTECTED)}
        assert is_protected(boto3.client("ec2"), instance_id)


def test_it_is_done_in_the_instances_own_account_and_region(no_aws: None) -> None:
    accounts = Accounts(HOME, "role")
    theirs = accounts.client("ec2", OTHER_ACCOUNT, None, region_name="eu-west-1")
    instance_id = launched(theirs)
    ec2 = Ec2Accounts(accounts)

    [elsewhere] = ec2.at(None, "eu-west-1").protect([instance_id], in_time).values()
    assert (elsewhere.answer, elsewhere.reason.partition(":")[0]) == (Answer.REFUSED, "InvalidInstanceID.NotFound")
    [there] = ec2.at(OTHER_ACCOUNT, "eu-west-1").protect([instance_id], in_time).values()
    assert there.answer is Answer.PROTECTED
    assert is_protected(theirs, instance_id)


def test_an_account_that_cannot_be_entered_is_waited_for(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    [outcome] = Ec2Accounts(Accounts(HOME, "role")).at(OTHER_ACCOUNT, REGION).protect(["i-1"], in_time).values()

    assert outcome.answer is Answer.BUSY
    assert f"account {OTHER_ACCOUNT} can't be entered" in outcome.reason


def test_without_time_nothing_is_asked(no_aws: None) -> None:
    instance_id = launched(boto3.client("ec2"))
    [outcome] = Ec2Accounts(Accounts(HOME, "role")).at(None, REGION).protect([instance_id], lambda: False).values()

    assert outcome.answer is Answer.BUSY
    assert not is_protected(boto3.client("ec2"), instance_id)


def test_credentials_that_ran_out_are_replaced_before_the_next_round(no_aws: None) -> None:
    """They last an hour, a warm function longer."""
    instance_id = launched(boto3.client("ec2"))
    made: list[Any] = []

    def client() -> Any:
        made.append(boto3.client("ec2", region_name=REGION))
        if len(made) == 1:
            made[0].meta.events.register("before-call.ec2", _expired)
        return made[-1]

    ec2 = Ec2(client)
    first, second = (ec2.protect([instance_id], in_time)[instance_id] for _ in range(2))

    assert (first.answer, second.answer) == (Answer.BUSY, Answer.PROTECTED)


def _expired(**_: Any) -> tuple[Any, dict[str, Any]]:
    """EC2's answer to a request whose credentials have run out."""
    response = type("Response", (), {"status_code": 400, "headers": {}})()
    return response, {
        "Error": {"Code": "RequestExpired", "Message": "Request has expired."},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }

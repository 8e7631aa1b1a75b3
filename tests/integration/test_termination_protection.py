"""What EC2 of the deployed stack says of instances after an execution: a RECOVERY's are protected, others are not."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.helpers import create_test_plan_with_servers, start_test_execution, wait_for_status
from tests.helpers.stack import call_api, client

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("stack"), pytest.mark.usefixtures("simulated_drs")]


def instances_of(document: dict[str, Any]) -> list[str]:
    return [server["InstanceId"] for wave in document["Waves"] for server in wave["Servers"]]


def protected(document: dict[str, Any]) -> list[bool]:
    """What EC2 says of each of the execution's instances."""
    ec2 = client("ec2")
    answers = [
        ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
        for instance_id in instances_of(document)
    ]
    return [answer["DisableApiTermination"]["Value"] for answer in answers]


def shown(document: dict[str, Any]) -> list[bool | None]:
    """What the execution's document says of each."""
    return [server.get("TerminationProtection") for wave in document["Waves"] for server in wave["Servers"]]


def state_of(instance_id: str) -> str:
    [reservation] = client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    return str(reservation["Instances"][0]["State"]["Name"])


def test_what_a_recovery_launched_is_protected() -> None:
    plan = create_test_plan_with_servers([["s-1", "s-2"], ["s-3"]])
    document = wait_for_status(start_test_execution(plan, "RECOVERY"), "COMPLETED")

    report = call_api("GET", f"/executions/{document['ExecutionId']}/report").json()

    assert protected(document) == shown(document) == [True, True, True]
    assert report["TerminationProtection"] == {"Wanted": True, "Protected": 3, "Unprotected": 0}
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        client("ec2").terminate_instances(InstanceIds=instances_of(document)[:1])


def test_what_a_drill_launched_is_not() -> None:
    document = wait_for_status(start_test_execution(create_test_plan_with_servers(["s-1"])), "COMPLETED")

    assert (protected(document), shown(document)) == ([False], [None])


def test_nor_is_what_a_plan_leaves_unprotected() -> None:
    plan = create_test_plan_with_servers(["s-1"]) | {"TerminationProtection": False}
    assert call_api("PUT", f"/plans/{plan['PlanId']}", plan).is_success
    document = wait_for_status(start_test_execution(plan, "RECOVERY"), "COMPLETED")

    assert (protected(document), shown(document)) == ([False], [None])


def test_a_protected_instance_lives_on_beside_what_replaces_it() -> None:
    plan = create_test_plan_with_servers(["s-1"])
    [earlier] = instances_of(wait_for_status(start_test_execution(plan, "RECOVERY"), "COMPLETED"))
    again = start_test_execution(plan, "RECOVERY", ReplaceLive=plan["PlanId"])
    document = wait_for_status(again, "COMPLETED")
    job_id = document["Waves"][0]["Jobs"][0]["RecoveryJobId"]
    log = client("drs").describe_job_log_items(jobID=job_id)["items"]
    [refusal] = [item for item in log if item["event"] == "CLEANUP_FAIL"]

    assert "may not be terminated" in refusal["eventData"]["rawError"]
    assert earlier in refusal["eventData"]["rawError"]
    assert (state_of(earlier), protected(document)) == ("running", [True])
    [server] = document["Waves"][0]["Servers"]
    assert server["Error"] == f"an earlier instance lives on: {refusal['eventData']['rawError']}"

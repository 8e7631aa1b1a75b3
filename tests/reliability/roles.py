"""IAM of the world: what each function's role in the template allows, and what a call of it needs.

The conditions and the resources are AWS's; that a role without a matching statement gets AccessDenied is the world's.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from drs_simulator.simulator import Caller
from tests.helpers.resolved import ACCOUNT, REGION, resolved

EXECUTION_TABLE = "executions"
PLAN_TABLE = "plans"

_SERVICES = {"stepfunctions": "states"}
# Each item of a transaction is authorised as the call that it stands for.
_IN_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_NEEDS_NOTHING = ("sts:GetCallerIdentity",)

# What DRS does with the caller's permissions, as the Service Authorization Reference lists for both calls and the user
# guide for a launch; the simulator asks nobody for any of it.
_LAUNCH = """
    AttachVolume AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateLaunchTemplate
    CreateLaunchTemplateVersion CreateSecurityGroup CreateSnapshot CreateTags CreateVolume DeleteLaunchTemplateVersions
    DeleteSnapshot DeleteVolume DescribeAccountAttributes DescribeAvailabilityZones DescribeImages
    DescribeInstanceAttribute DescribeInstanceStatus DescribeInstanceTypes DescribeInstances
    DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeSecurityGroups DescribeSnapshots DescribeSubnets
    DescribeVolumes DetachVolume GetEbsDefaultKmsKeyId GetEbsEncryptionByDefault ModifyInstanceAttribute
    ModifyLaunchTemplate RevokeSecurityGroupEgress RunInstances StartInstances StopInstances TerminateInstances
"""
_ON_BEHALF = {
    "drs:StartRecovery": _LAUNCH.split(),
    "drs:TerminateRecoveryInstances": ["DeleteVolume", "DescribeInstances", "DescribeVolumes", "TerminateInstances"],
}
_BESIDES = {
    "drs:StartRecovery": [
        "drs:CreateRecoveryInstanceForDrs",
        "drs:DescribeRecoverySnapshots",
        "drs:GetLaunchConfiguration",
        "drs:GetReplicationConfiguration",
        "drs:ListTagsForResource",
        "drs:TagResource",
    ],
    "drs:TerminateRecoveryInstances": ["drs:DescribeSourceServers"],
}
# What EC2 does with the key of a volume and the same permissions, besides the grant by which an instance uses it: the
# EBS user guide, "Requirements for Amazon EBS encryption".
_KEY_OF_VOLUMES = "1234abcd-12ab-34cd-56ef-1234567890ab"
_WITH_KEY = ("Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
_PASSED_ROLES = ("ConversionServerRole", "RecoveryInstanceRole", "RecoveryInstanceWithLaunchActionsRole")

_OPERATORS = {
    "Bool": lambda value, wanted: value == wanted,
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource that a statement of a function's role allows, under the statement's condition."""

    function: str
    sid: str
    action: str
    resource: str
    condition: str

    def covers(self, need: "Need") -> bool:
        keys = dict(need.keys)
        return (
            fnmatchcase(need.action.lower(), self.action.lower())
            and fnmatchcase(need.resource, self.resource)
            and all(
                key in keys and _OPERATORS[operator](keys[key], wanted)
                for operator, pairs in json.loads(self.condition).items()
                for key, wanted in pairs.items()
            )
        )

    def __str__(self) -> str:
        return f"{self.function}: {self.sid} {self.action} on {self.resource}"


@dataclass(frozen=True, slots=True)
class Need:
    """What IAM is asked for one call: an action on a resource, and the condition keys it knows the values of."""

    action: str
    resource: str
    keys: tuple[tuple[str, str], ...] = ()


@cache
def grants() -> dict[str, tuple[Grant, ...]]:
    """Every grant of each function's role, by the function's logical id."""
    resources = resolved({"ExecutionTable": EXECUTION_TABLE, "PlanTable": PLAN_TABLE})
    return {
        logical_id: tuple(_grants(logical_id, each["Properties"].get("Policies", ())))
        for logical_id, each in resources.items()
        if each["Type"] == "AWS::Serverless::Function"
    }


def _grants(function: str, policies: Any) -> Iterator[Grant]:
    for statement in (statement for policy in policies for statement in policy["Statement"]):
        condition = json.dumps(statement.get("Condition", {}))
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(function, statement["Sid"], action, resource, condition)


@cache
def grant_for(function: str, need: Need) -> Grant | None:
    """The first grant of the function's role that covers the need."""
    return next((grant for grant in grants()[function] if grant.covers(need)), None)


def needs(service: str, operation: str, params: Mapping[str, Any], caller: Caller) -> Iterator[Need]:
    """All that IAM asks of the caller's role for this call."""
    action = f"{_SERVICES.get(service, service)}:{operation}"
    if action in _NEEDS_NOTHING:
        return
    match service:
        case "dynamodb":
            yield from _table_needs(operation, params)
        case "stepfunctions":
            yield Need(action, params.get("stateMachineArn") or params.get("executionArn") or "*")
        case "events":
            for bus in {entry["EventBusName"] for entry in params["Entries"]}:
                yield Need(action, f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}")
        case "sns":
            yield Need(action, params["TopicArn"])
        case "sts":
            yield Need(action, params["RoleArn"])
        case "ec2":
            value = str(params["DisableApiTermination"]["Value"]).lower()
            instance = f"arn:aws:ec2:{caller.region}:{caller.account}:instance/{params['InstanceId']}"
            yield Need(action, instance, (("ec2:Attribute/DisableApiTermination", value),))
        case "drs":
            yield from _drs_needs(action, params, caller)
        case _:
            raise AssertionError(f"nobody knows what {action} needs")


def _table_needs(operation: str, params: Mapping[str, Any]) -> Iterator[Need]:
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
    match operation:
        case "TransactWriteItems":
            for [(kind, item)] in (each.items() for each in params["TransactItems"]):
                yield Need(f"dynamodb:{_IN_TRANSACTION[kind]}", f"{table}/{item['TableName']}")
        case "BatchGetItem":
            for name in params["RequestItems"]:
                yield Need("dynamodb:BatchGetItem", f"{table}/{name}")
        case _:
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            yield Need(f"dynamodb:{operation}", f"{table}/{params['TableName']}{index}")


def _drs_needs(action: str, params: Mapping[str, Any], caller: Caller) -> Iterator[Need]:
    # Most other calls know no resource, or servers of any plan: only "*" covers them.
    arn = f"arn:aws:drs:{caller.region}:{caller.account}:recovery-instance"
    resources = [f"{arn}/{each}" for each in params.get("recoveryInstanceIDs", ())]
    yield from (Need(action, resource) for resource in resources or ["*"])
    yield from (Need(besides, "*") for besides in _BESIDES.get(action, ()))
    via = (("aws:ViaAWSService", "true"),)
    yield from (Need(f"ec2:{name}", "*", via) for name in _ON_BEHALF.get(action, ()))
    if action == "drs:StartRecovery":
        yield from _key_needs(caller)
        for name in _PASSED_ROLES:
            role = f"arn:aws:iam::{caller.account}:role/service-role/AWSElasticDisasterRecovery{name}"
            yield Need("iam:PassRole", role, (("iam:PassedToService", "ec2.amazonaws.com"),))


def _key_needs(caller: Caller) -> Iterator[Need]:
    key = f"arn:aws:kms:{caller.region}:{caller.account}:key/{_KEY_OF_VOLUMES}"
    via = ("kms:ViaService", f"ec2.{caller.region}.amazonaws.com")
    yield from (Need(f"kms:{name}", key, (via,)) for name in _WITH_KEY)
    yield Need("kms:CreateGrant", key, (via, ("kms:GrantIsForAWSResource", "true")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

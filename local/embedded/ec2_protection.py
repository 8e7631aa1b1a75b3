"""A part of EC2 that ministack lacks: termination protection of instances.

ministack (1.5.33) knows no ModifyInstanceAttribute, says of every instance that it is not protected, and terminates
whatever it is asked to. `install` gives it these three as EC2 has them, and IAM's condition key for the first;
everything else stays ministack's own. Whether an instance is protected stands in ministack's record of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_actions
from ministack.services import ec2

type Answer = tuple[int, dict[str, str], bytes]
type Action = Callable[[Mapping[str, Any]], Answer]

_PROTECTED = "DisableApiTermination"


def install() -> None:
    """Let ministack's EC2 protect instances; to be called before it is started."""
    actions: dict[str, Action] = ec2._ACTION_MAP
    describe, terminate = actions["DescribeInstanceAttribute"], actions["TerminateInstances"]

    def modify_attribute(params: Mapping[str, Any]) -> Answer:
        value = _given(params, "DisableApiTermination.Value")
        if value is None:
            return _error("InvalidParameterCombination", "Of the attributes, only disableApiTermination is known here")
        instance = ec2._instances.get(_given(params, "InstanceId"))
        if instance is None:
            return describe(params)
        instance[_PROTECTED] = value == "true"
        answer: Answer = ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")
        return answer

    def describe_attribute(params: Mapping[str, Any]) -> Answer:
        status, headers, body = describe(params)
        if _given(params, "Attribute") == "disableApiTermination" and _is_protected(_given(params, "InstanceId")):
            body = body.replace(b"<value>false</value>", b"<value>true</value>")
        return status, headers, body

    def terminate_instances(params: Mapping[str, Any]) -> Answer:
        for instance_id in ec2._parse_member_list(params, "InstanceId"):
            if _is_protected(instance_id):
                return _error(
                    "OperationNotPermitted",
                    f"The instance '{instance_id}' may not be terminated. Modify its 'disableApiTermination' instance "
                    "attribute and try again.",
                )
        return terminate(params)

    actions["ModifyInstanceAttribute"] = modify_attribute
    actions["DescribeInstanceAttribute"] = describe_attribute
    actions["TerminateInstances"] = terminate_instances
    _install_condition_key()


def _install_condition_key() -> None:
    """Tell ministack's IAM what ModifyInstanceAttribute is to change: `ec2:Attribute/DisableApiTermination`."""
    other_keys = iam_actions.request_tag_context

    def condition_keys(service: str, action: str, body: bytes, params: Mapping[str, Any]) -> dict[str, Any]:
        keys: dict[str, Any] = other_keys(service, action, body, params)
        value = _given(params, "DisableApiTermination.Value")
        if action == "ec2:ModifyInstanceAttribute" and value is not None:
            keys["ec2:Attribute/DisableApiTermination"] = value
        return keys

    iam_actions.request_tag_context = condition_keys


def _given(params: Mapping[str, Any], name: str) -> str | None:
    value: str = ec2._p(params, name)
    return value or None


def _is_protected(instance_id: str | None) -> bool:
    instance = ec2._instances.get(instance_id)
    return bool(instance and instance.get(_PROTECTED))


def _error(code: str, message: str) -> Answer:
    answer: Answer = ec2._error(code, message, 400)
    return answer

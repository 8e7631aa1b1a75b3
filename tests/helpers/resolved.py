"""template.yaml as CloudFormation resolves it, for tests that ask what a deployment is given: each parameter with its
value, each reference with the name or ARN of the resource it speaks of, and only what the conditions let exist."""

import re
from collections.abc import Mapping
from typing import Any

from tests.helpers.template import template

ACCOUNT = "000000000000"
REGION = "us-east-1"
STACK_NAME = "drs-orchestrator"

_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK_NAME,
    "AWS::URLSuffix": "amazonaws.com",
}
# How the ARN of a resource ends that `Ref` or `GetAtt` speaks of, by its type.
_ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::Serverless::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Serverless::StateMachine": "states:{region}:{account}:stateMachine:{name}",
}
_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::Serverless::StateMachine")
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
_NOTHING = object()


def resolved(names: Mapping[str, str] | None = None, **parameters: str) -> dict[str, Any]:
    """The resources by logical id. `names` gives resources' names, which are their logical ids otherwise;
    `parameters` replace parameters' defaults."""
    resolver = _Resolver(names or {}, parameters)
    resources = template()["Resources"].items()
    return {
        logical_id: resolver.value(each)
        for logical_id, each in resources
        if "Condition" not in each or resolver.holds(each["Condition"])
    }


class _Resolver:
    def __init__(self, names: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        given = template()
        defaults = {name: each["Default"] for name, each in given["Parameters"].items()}
        self._values: dict[str, Any] = _PSEUDO | defaults | dict(parameters)
        self._conditions = given["Conditions"]
        self._types = {logical_id: each["Type"] for logical_id, each in given["Resources"].items()}
        self._names = names

    def holds(self, condition: str) -> bool:
        return bool(self.value(self._conditions[condition]))

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [each for each in map(self.value, node) if each is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(function, argument)] = node.items()
            match function:
                case "Ref":
                    return self._ref(argument)
                case "Fn::GetAtt":
                    return self._attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
                case "Fn::Sub":
                    return _PLACEHOLDER.sub(lambda found: str(self._named(found[1])), argument)
                case "Fn::If":
                    return self.value(argument[1] if self.holds(argument[0]) else argument[2])
                case "Fn::Equals":
                    first, second = self.value(argument)
                    return str(first) == str(second)
                case "Fn::Not":
                    return not self.value(argument[0])
        values = {name: self.value(each) for name, each in node.items()}
        return {name: each for name, each in values.items() if each is not _NOTHING}

    def _named(self, name: str) -> Any:
        return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in self._values:
            return self._values[name]
        return self._arn(name) if self._types.get(name) in _REF_IS_ARN else self._names.get(name, name)

    def _attribute(self, logical_id: str, attribute: str) -> str:
        return self._arn(logical_id) if attribute == "Arn" else self._names.get(logical_id, logical_id)

    def _arn(self, logical_id: str) -> str:
        # What SAM makes of a function's events, rules, is in no template of ours.
        pattern = _ARNS.get(self._types.get(logical_id, ""), "events:{region}:{account}:rule/{name}")
        name = self._names.get(logical_id, logical_id)
        return "arn:aws:" + pattern.format(region=REGION, account=ACCOUNT, name=name)

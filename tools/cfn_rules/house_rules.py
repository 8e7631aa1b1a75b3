"""Rules for template.yaml that cfn-lint does not have: `cfn-lint --append-rules tools/cfn_rules`.

They look at the template as it is written, because a comment is lost where SAM has made resources of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template


def _statements(node: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy in `node` that allows something to a role."""
    if isinstance(node, dict):
        if "Effect" in node and "Principal" not in node:
            yield node
        for each in node.values():
            yield from _statements(each)
    elif isinstance(node, list):
        for each in node:
            yield from _statements(each)


def _strings(node: Any) -> Iterator[str]:
    """Every string in `node`, those that CloudFormation's functions put together too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for each in node.values():
            yield from _strings(each)
    elif isinstance(node, list):
        for each in node:
            yield from _strings(each)


def _resources(cfn: Template) -> dict[str, dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = cfn_yaml.load(cfn.filename)["Resources"]
    return resources


def _granted(cfn: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement, with the name of the resource it stands in."""
    for name, resource in _resources(cfn).items():
        for statement in _statements(resource):
            yield name, statement


class NoWholeService(CloudFormationLintRule):  # type: ignore[misc]
    """`*` and `service:*` are no permissions but a lack of them."""

    id = "E9001"
    shortdesc = "No statement allows every action of a service"
    description = "Each action is named; a prefix of reading actions such as ec2:Describe* is one"
    tags = ["iam"]  # noqa: RUF012 - cfn-lint's own rules have it so

    def match(self, cfn: Template) -> Iterator[RuleMatch]:
        for name, statement in _granted(cfn):
            for action in _strings(statement.get("Action", "*")):
                if action.rpartition(":")[2] == "*":
                    yield RuleMatch(["Resources", name], f"{statement.get('Sid')} of {name} allows {action}")


class ReasonForEveryStar(CloudFormationLintRule):  # type: ignore[misc]
    """Whoever reads a `*` reads why."""

    id = "E9002"
    shortdesc = "A statement with a * in its resources has a comment above it that says why"
    description = "The comment stands right above the statement's Sid; in the path of an API a * is a parameter of it"
    tags = ["iam"]  # noqa: RUF012

    def match(self, cfn: Template) -> Iterator[RuleMatch]:
        lines = Path(cfn.filename).read_text(encoding="utf-8").splitlines()
        for name, statement in _granted(cfn):
            stars = ("*" in each and ":execute-api:" not in each for each in _strings(statement.get("Resource")))
            above = lines[statement.start_mark.line - 1]  # type: ignore[attr-defined]
            if any(stars) and not above.lstrip().startswith("#"):
                yield RuleMatch(["Resources", name], f"{statement.get('Sid')} of {name} has a * and no reason")


class LogsAreKeptAsLongAsSaid(CloudFormationLintRule):  # type: ignore[misc]
    """A log group that Lambda makes by itself is kept, and paid for, for ever."""

    id = "E9003"
    shortdesc = "Every function logs to a group of the template, whose retention is a parameter"
    description = "LoggingConfig names a group with RetentionInDays that refers to a parameter"
    tags = ["logs"]  # noqa: RUF012

    def match(self, cfn: Template) -> Iterator[RuleMatch]:
        resources = _resources(cfn)
        for name, resource in resources.items():
            if resource["Type"] == "AWS::Serverless::Function":
                group = resource["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
                retention = resources.get(group, {}).get("Properties", {}).get("RetentionInDays")
                if not (isinstance(retention, dict) and "Ref" in retention):
                    yield RuleMatch(["Resources", name], f"{name} logs to no group whose retention is a parameter")

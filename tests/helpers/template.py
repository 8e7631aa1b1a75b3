"""What template.yaml says about tables and settings, for tests that need it without deploying anything."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

PROJECT_ROOT = Path(__file__).resolve().parents[2]

# What a template's table may say that DynamoDB's create_table takes.
_CREATE_TABLE = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@cache
def template() -> dict[str, Any]:
    """The template as it stands in the repository; `!Ref x` reads as `{"Ref": "x"}`."""
    return _read("template.yaml")


@cache
def target_account() -> dict[str, Any]:
    """target-account.yaml, likewise."""
    return _read("target-account.yaml")


def _read(name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml_parse((PROJECT_ROOT / name).read_text())
    return parsed


def allows(parameter: dict[str, Any], value: str) -> bool:
    """Whether CloudFormation would take the value."""
    if "AllowedValues" in parameter and value not in map(str, parameter["AllowedValues"]):
        return False
    if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], value):
        return False
    if parameter["Type"] == "Number":
        number = float(value)
        return parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number)
    return True


def create_table(dynamodb: Any, logical_id: str, table_name: str) -> str:
    """Create the template's table `logical_id` under `table_name` with this client; returns the name."""
    properties = template()["Resources"][logical_id]["Properties"]
    definition = {name: properties[name] for name in _CREATE_TABLE if name in properties}
    dynamodb.create_table(TableName=table_name, **definition)
    return table_name


def function_environment(resources: Mapping[str, str], **parameters: str) -> dict[str, str]:
    """The environment the template gives each function.

    `resources` maps logical ids to what a reference to them gives, for others that is their logical id; `parameters`
    replace parameters' defaults. A variable that is no reference (an ARN the template puts together) has to be set by
    the caller.
    """
    defaults = {name: str(each["Default"]) for name, each in template()["Parameters"].items()}
    known = defaults | parameters | dict(resources)
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    return {name: known.get(value["Ref"], value["Ref"]) for name, value in variables.items() if "Ref" in value}

"""The reconciler's two EventBridge rules, off and on again: the schedule, and the end of a driver."""

import os
from typing import Any

from tests.helpers.stack import client

# The spec's name of what runs on a schedule, and the rule it means here.
_KINDS = {"execution-poller": "ScheduleExpression", "schedule": "ScheduleExpression", "driver-ended": "EventPattern"}


def disable_eventbridge_rule(name: str) -> None:
    """Switch off `execution-poller` (also `schedule`: the reconciler's schedule) or `driver-ended`."""
    client("events").disable_rule(Name=_rule(name)["Name"])


def enable_eventbridge_rule(name: str) -> None:
    """Switch it on again."""
    client("events").enable_rule(Name=_rule(name)["Name"])


def is_eventbridge_rule_enabled(name: str) -> bool:
    return bool(client("events").describe_rule(Name=_rule(name)["Name"])["State"] == "ENABLED")


def _rule(name: str) -> dict[str, Any]:
    if name not in _KINDS:
        raise ValueError(f"there is no rule {name}; give one of {', '.join(_KINDS)}")
    function = client("lambda").get_function_configuration(FunctionName=os.environ["RECONCILER_FUNCTION_NAME"])
    names = client("events").list_rule_names_by_target(TargetArn=function["FunctionArn"])["RuleNames"]
    rules: list[dict[str, Any]] = [client("events").describe_rule(Name=each) for each in names]
    return next(rule for rule in rules if rule.get(_KINDS[name]))

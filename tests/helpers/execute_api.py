"""Whom the template's policies let call which route of the API, decided as IAM decides it.

Only what those policies use is known: statements that allow actions on resources by patterns. Anything else in one
raises ValueError, so that no test relies on what is not understood here.
"""

import re
from collections.abc import Iterable
from typing import Any

from tests.helpers.template import template

_ACTION = "execute-api:Invoke"
_REGION, _ACCOUNT, _API = "us-east-1", "123456789012", "abc123"
_KNOWN = {"Sid", "Effect", "Action", "Resource"}


def policy(name: str) -> dict[str, Any]:
    """The document of the template's managed policy `name`."""
    document: dict[str, Any] = template()["Resources"][f"{name}Policy"]["Properties"]["PolicyDocument"]
    return document


def may_call(document: dict[str, Any], method: str, path: str) -> bool:
    """Whether a role with this policy alone may call the path of this API. Raises ValueError."""
    arn = f"arn:aws:execute-api:{_REGION}:{_ACCOUNT}:{_API}/v1/{method}{path}"
    return any(_matches(pattern, arn) for pattern in patterns(document))


def patterns(document: dict[str, Any]) -> Iterable[str]:
    """The resources that the policy allows to be invoked. Raises ValueError."""
    for statement in spelled_out(document, _ACCOUNT, _API)["Statement"]:
        if set(statement) - _KNOWN or statement["Effect"] != "Allow" or statement["Action"] != _ACTION:
            raise ValueError(f"this statement is not understood: {statement}")
        yield from statement["Resource"]


def spelled_out(document: dict[str, Any], account: str, api: str) -> dict[str, Any]:
    """The policy as CloudFormation makes it in us-east-1."""
    values = {"AWS::Partition": "aws", "AWS::Region": _REGION, "AWS::AccountId": account, "Api": api}

    def text(resource: dict[str, str]) -> str:
        return re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], resource["Fn::Sub"])

    statements = [each | {"Resource": [text(one) for one in each["Resource"]]} for each in document["Statement"]]
    return document | {"Statement": statements}


def _matches(pattern: str, arn: str) -> bool:
    """As IAM matches resources: `*` is any text, slashes included, `?` one character, all else itself."""
    wild = {"*": ".*", "?": "."}
    return bool(re.fullmatch("".join(wild.get(each, re.escape(each)) for each in pattern), arn))

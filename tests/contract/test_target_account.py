"""target-account.yaml: whom its role trusts, in an IAM evaluator's eyes, and that it allows what template.yaml does."""

import json
from collections import defaultdict
from typing import Any

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy

from tests.helpers.template import allows, target_account, template

ORCHESTRATOR, STRANGER = "123456789012", "999999999999"
EXTERNAL_ID = "known-to:both/of.us"
ORGANIZATION = "o-exampleorgid"
GIVEN = {"OrchestratorAccountId": ORCHESTRATOR, "ExternalId": EXTERNAL_ID}

ROLE: dict[str, Any] = target_account()["Resources"]["TargetRole"]["Properties"]
PARAMETERS: dict[str, dict[str, Any]] = target_account()["Parameters"]
FUNCTIONS: dict[str, dict[str, Any]] = {
    name: each["Properties"]
    for name, each in template()["Resources"].items()
    if each["Type"] == "AWS::Serverless::Function"
}

# What a function may do in its own account only: its records, its driver, its announcements, and to go elsewhere.
AT_HOME = ("dynamodb", "events", "sns", "sqs", "states", "sts")


def statements(function: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for policy in function.get("Policies", ()) for each in policy["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    given = statement["Action"]
    return [given] if isinstance(given, str) else given


def entering() -> dict[str, dict[str, Any]]:
    """The functions that may go to other accounts."""
    return {
        name: each
        for name, each in FUNCTIONS.items()
        if any("sts:AssumeRole" in actions(statement) for statement in statements(each))
    }


def resolved(value: Any, values: dict[str, str]) -> Any:
    """The value as CloudFormation makes it of these parameters; what is AWS::NoValue is left out."""
    match value:
        case {"Ref": name}:
            return values.get(name, ...)
        case {"Fn::Sub": text}:
            for name, each in values.items():
                text = text.replace(f"${{{name}}}", each)
            return text
        case {"Fn::If": ["IsInOrganization", if_true, if_false]}:
            return resolved(if_true if values["OrganizationId"] else if_false, values)
        case dict():
            all_of_it = {name: resolved(each, values) for name, each in value.items()}
            return {name: each for name, each in all_of_it.items() if each is not ...}
        case list():
            return [resolved(each, values) for each in value]
    return value


def is_trusted(principal: str, *, external_id: str | None, organization: str | None = None, **given: str) -> bool:
    """Whether the role of a deployment with these parameters may be assumed by a role with this ARN. AWS gives
    aws:PrincipalArn as the role's ARN with its path, whichever session of it calls."""
    defaults = {name: str(each["Default"]) for name, each in PARAMETERS.items() if "Default" in each}
    values = {"AWS::Partition": "aws"} | defaults | GIVEN | given
    trust = resolved(ROLE["AssumeRolePolicyDocument"], values)
    context = EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=principal.split(":")[4],
        action="sts:AssumeRole",
        resource_arn="arn:aws:iam::111111111111:role/drs-orchestrator-target",
        region="us-east-1",
        service_context={"sts:externalid": external_id},
        principal_keys={"aws:principalorgid": organization},
    )
    return evaluate_trust_policy(json.dumps(trust), principal, context)


def role(path: str, account: str = ORCHESTRATOR) -> str:
    return f"arn:aws:iam::{account}:role{path}drs-orchestrator-CheckDrsFunctionRole-1ABCDEFGHIJKL"


class TestTrust:
    def test_the_functions_roles_have_the_path_that_is_trusted_and_no_others_have_it(self) -> None:
        paths = {name: each["RolePath"] for name, each in FUNCTIONS.items() if "RolePath" in each}
        path = resolved(paths["CheckDrsFunction"], {"AWS::StackName": "drs-orchestrator"})

        assert set(paths) == set(entering())
        assert all(each == paths["CheckDrsFunction"] for each in paths.values())
        assert is_trusted(role(path), external_id=EXTERNAL_ID)

    @pytest.mark.parametrize(
        ("principal", "external_id"),
        [
            (role("/drs-orchestrator/"), None),
            (role("/drs-orchestrator/"), "another"),
            (role("/"), EXTERNAL_ID),
            (role("/drs-orchestrator-2/"), EXTERNAL_ID),
            (role("/drs-orchestrator/", STRANGER), EXTERNAL_ID),
            (f"arn:aws:iam::{ORCHESTRATOR}:user/drs-orchestrator/jane", EXTERNAL_ID),
            (f"arn:aws:iam::{ORCHESTRATOR}:root", EXTERNAL_ID),
        ],
    )
    def test_nobody_else_is_trusted(self, principal: str, external_id: str | None) -> None:
        assert not is_trusted(principal, external_id=external_id)

    @pytest.mark.parametrize(
        ("wanted", "organization", "trusted"),
        [
            ("", None, True),
            ("", ORGANIZATION, True),
            (ORGANIZATION, ORGANIZATION, True),
            (ORGANIZATION, "o-anotherorgid", False),
            (ORGANIZATION, None, False),
        ],
    )
    def test_the_orchestrator_may_have_to_be_in_an_organization(
        self, wanted: str, organization: str | None, trusted: bool
    ) -> None:
        principal = role("/drs-orchestrator/")

        assert (
            is_trusted(principal, external_id=EXTERNAL_ID, organization=organization, OrganizationId=wanted) is trusted
        )

    def test_both_templates_take_the_same_names_and_external_ids(self) -> None:
        ours = template()["Parameters"]

        assert PARAMETERS["TargetRoleName"]["Default"] == ours["TargetRoleName"]["Default"]
        assert PARAMETERS["TargetRoleName"]["AllowedPattern"] == ours["TargetRoleName"]["AllowedPattern"]
        assert f"({PARAMETERS['ExternalId']['AllowedPattern']})?" == ours["TargetExternalId"]["AllowedPattern"]
        assert not allows(PARAMETERS["ExternalId"], "")


def test_the_role_allows_what_the_functions_may_do_in_their_own_account_and_no_more() -> None:
    """Statement by statement; one that several functions have allows there what all of them may."""
    wanted: dict[str, set[str]] = defaultdict(set)
    rest: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for function in entering().values():
        for statement in statements(function):
            if actions(statement)[0].split(":")[0] not in AT_HOME:
                wanted[statement["Sid"]] |= set(actions(statement))
                rest[statement["Sid"]].append({name: each for name, each in statement.items() if name != "Action"})
    [policy] = ROLE["Policies"]
    given = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}

    assert {sid: set(actions(each)) for sid, each in given.items()} == wanted
    for sid, each in given.items():
        conditions = {name: part for name, part in each.items() if name != "Action"}
        assert all(conditions == one for one in rest[sid]), sid


def test_every_parameter_is_described_and_limited() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter["Description"].endswith("."), name
        assert "AllowedPattern" in parameter, name
        assert "Default" not in parameter or allows(parameter, parameter["Default"]), name

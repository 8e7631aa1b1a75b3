"""What a deployment is given: every parameter explains and limits itself, and samconfig.toml speaks of no other."""

import json
import shlex
import tomllib
from typing import Any

import pytest

from api.handler import _MAX_BODY_BYTES
from drs_orchestrator.errors import PayloadTooLarge
from tests.helpers.template import PROJECT_ROOT, allows, template

PARAMETERS: dict[str, dict[str, Any]] = template()["Parameters"]
CONFIG = tomllib.loads((PROJECT_ROOT / "samconfig.toml").read_text(encoding="utf-8"))
ENVIRONMENTS = ("local", "dev", "prod")

LONGEST_DESCRIPTION = 4000  # CloudFormation's limit


def deploy(environment: str) -> dict[str, Any]:
    settings: dict[str, Any] = CONFIG[environment]["deploy"]["parameters"]
    return settings


def overrides(environment: str) -> dict[str, str]:
    given = shlex.split(deploy(environment).get("parameter_overrides", ""))
    return dict(each.split("=", 1) for each in given)


class TestParameters:
    @pytest.mark.parametrize("name", PARAMETERS)
    def test_a_parameter_is_described_limited_and_has_a_default_within_its_limits(self, name: str) -> None:
        parameter = PARAMETERS[name]
        limits = {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter)

        assert parameter["Description"].endswith(".")
        assert len(parameter["Description"]) <= LONGEST_DESCRIPTION
        assert limits, f"{name} takes whatever it is given"
        assert allows(parameter, str(parameter["Default"]))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DrsEndpointUrl", "drs.example.com"),
            ("TargetRoleName", "a role"),
            ("PendingIntervalSeconds", "0"),
            ("PendingIntervalSeconds", "601"),
            ("TransitionIntervalSeconds", "601"),
            ("ProgressIntervalSeconds", "601"),
            ("MaxPollsPerDriver", "1"),
            ("MaxPollsPerDriver", "901"),
            ("ReconcilerScheduleState", "OFF"),
            ("NotificationEmail", "nobody"),
            ("LogRetentionDays", "8"),
            ("SecondApproverForRecovery", "perhaps"),
            ("ApiRequestsPerSecond", "0"),
        ],
    )
    def test_what_makes_no_sense_is_refused_before_anything_is_deployed(self, name: str, value: str) -> None:
        assert not allows(PARAMETERS[name], value)


class TestEnvironments:
    @pytest.mark.parametrize("environment", ENVIRONMENTS)
    def test_an_environment_can_be_deployed_without_a_question_about_it(self, environment: str) -> None:
        settings = deploy(environment)

        assert {"stack_name", "region", "resolve_s3", "s3_prefix", "capabilities", "confirm_changeset"} <= set(settings)
        assert settings["s3_prefix"] == settings["stack_name"]

    def test_the_environments_are_stacks_of_their_own(self) -> None:
        assert len({deploy(environment)["stack_name"] for environment in ENVIRONMENTS}) == len(ENVIRONMENTS)

    @pytest.mark.parametrize("environment", ENVIRONMENTS)
    def test_an_environment_overrides_parameters_of_the_template_with_allowed_values(self, environment: str) -> None:
        for name, value in overrides(environment).items():
            assert allows(PARAMETERS[name], value), f"{name}={value}"

    def test_only_production_waits_for_a_person(self) -> None:
        assert [each for each in ENVIRONMENTS if deploy(each)["confirm_changeset"]] == ["prod"]


def test_every_route_asks_for_iam() -> None:
    resources = template()["Resources"]
    apis = [each for each in resources.values() if each["Type"] in ("AWS::Serverless::Api", "AWS::Serverless::HttpApi")]
    functions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Serverless::Function"]
    routes = [route for each in functions for route in each.get("Events", {}).values() if route["Type"] == "Api"]

    assert [api["Properties"]["Auth"]["DefaultAuthorizer"] for api in apis] == ["AWS_IAM"]
    assert routes
    assert [route for route in routes if "Auth" in route["Properties"]] == []
    assert [each for each in functions if "FunctionUrlConfig" in each] == []


def test_the_api_needs_no_region_but_its_own() -> None:
    assert template()["Resources"]["Api"]["Properties"]["EndpointConfiguration"] == {"Type": "REGIONAL"}


def test_the_api_s_rate_is_limited_by_parameters() -> None:
    [everything] = template()["Resources"]["Api"]["Properties"]["MethodSettings"]

    assert (everything["ResourcePath"], everything["HttpMethod"]) == ("/*", "*")
    assert everything["ThrottlingRateLimit"] == {"Ref": "ApiRequestsPerSecond"}
    assert everything["ThrottlingBurstLimit"] == {"Ref": "ApiBurstRequests"}


def test_a_body_that_api_gateway_refuses_is_told_in_the_api_s_form() -> None:
    response = template()["Resources"]["Api"]["Properties"]["GatewayResponses"]["REQUEST_TOO_LARGE"]
    error = json.loads(response["ResponseTemplates"]["application/json"])

    assert response["StatusCode"] == PayloadTooLarge.status
    assert (error["error"], error["details"]) == (PayloadTooLarge.code, [])
    assert str(_MAX_BODY_BYTES) in error["message"]

"""The template's four policies on an engine that enforces IAM: each user calls every documented route, signed with keys
of the user's own. Behind the routes stands an integration that answers at once; what counts is who gets through."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from embedded import engine
from tests.contract.test_access import DECIDED, ROLES, ROUTES, called
from tests.helpers.engine import running_engine
from tests.helpers.execute_api import policy, spelled_out

REGION = engine.CREDENTIALS["AWS_DEFAULT_REGION"]
FORBIDDEN = 403

pytestmark = pytest.mark.xdist_group("access")


@pytest.fixture(scope="module")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_engine(tmp_path_factory.mktemp("engine")) as url:
        yield url


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=engine.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=engine.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(scope="module")
def api_id(engine_url: str) -> str:
    """An API of the documented routes, each of which asks for IAM as the template's do."""
    gateway = client("apigateway", engine_url)
    api_id: str = gateway.create_rest_api(name="routes")["id"]
    [root] = gateway.get_resources(restApiId=api_id)["items"]
    resources = {"": root["id"]}
    for method, path in ROUTES:
        parts = path.split("/")
        for end in range(2, len(parts) + 1):
            parent, here = "/".join(parts[: end - 1]), "/".join(parts[:end])
            if here not in resources:
                made = gateway.create_resource(restApiId=api_id, parentId=resources[parent], pathPart=parts[end - 1])
                resources[here] = made["id"]
        at = {"restApiId": api_id, "resourceId": resources[path], "httpMethod": method}
        gateway.put_method(**at, authorizationType="AWS_IAM")
        gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_method_response(**at, statusCode="200")
        gateway.put_integration_response(**at, statusCode="200")
    gateway.create_deployment(restApiId=api_id, stageName="v1")
    return api_id


@pytest.fixture(scope="module")
def keys(engine_url: str, api_id: str) -> dict[str, Credentials]:
    """A user for each policy, who has that policy and nothing else."""
    account = client("sts", engine_url).get_caller_identity()["Account"]
    iam, found = client("iam", engine_url), {}
    for role in ROLES:
        document = json.dumps(spelled_out(policy(role), account, api_id))
        arn = iam.create_policy(PolicyName=role, PolicyDocument=document)["Policy"]["Arn"]
        iam.create_user(UserName=role)
        iam.attach_user_policy(UserName=role, PolicyArn=arn)
        key = iam.create_access_key(UserName=role)["AccessKey"]
        found[role] = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    return found


def status(engine_url: str, api_id: str, key: Credentials | None, method: str, path: str) -> int:
    url = f"{engine_url}/_aws/execute-api/{api_id}/v1{called(path)}"
    request = AWSRequest(method, url)
    if key:
        SigV4Auth(key, "execute-api", REGION).add_auth(request)
    answer = httpx.request(method, url, headers=dict(request.headers), timeout=30.0, trust_env=False)
    return answer.status_code


@pytest.mark.parametrize("role", ROLES)
def test_who_has_a_policy_gets_through_where_the_table_says_and_nowhere_else(
    engine_url: str, api_id: str, keys: dict[str, Credentials], role: str
) -> None:
    answers = {route: status(engine_url, api_id, keys[role], *route) for route in ROUTES}

    assert {route for route, code in answers.items() if code == httpx.codes.OK} == {
        route for route in ROUTES if role in DECIDED[route]
    }
    assert set(answers.values()) <= {httpx.codes.OK, FORBIDDEN}


def test_who_signs_nothing_gets_through_nowhere(engine_url: str, api_id: str) -> None:
    assert {status(engine_url, api_id, None, *route) for route in ROUTES} == {FORBIDDEN}

"""The wire: what the service accepts, what it refuses and how it says so."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator
from drs_simulator.accounts import Accounts
from drs_simulator.errors import DrsError
from drs_simulator.in_process import connect
from drs_simulator.operations import OPERATIONS
from drs_simulator.wire import Request, Response, Wire

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20221207/us-east-1/drs/aws4_request, Signature=0"}
UNKNOWN_JOB = "drsjob-" + "0" * 17


@pytest.fixture
def wire(simulator: Simulator) -> Wire:
    return Wire(simulator, Accounts().account_of)


def post(wire: Wire, operation: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    return wire.respond(Request("POST", f"/{operation}", "", SIGNED if headers is None else headers, content))


def test_start_recovery_is_answered_202_with_the_pending_job(wire: Wire, servers: Callable[..., list[str]]) -> None:
    (server,) = servers(1)

    response = post(wire, "StartRecovery", {"sourceServers": [{"sourceServerID": server}]})

    job = json.loads(response.body)["job"]
    assert response.status == 202
    assert (job["status"], job["type"], job["initiatedBy"]) == ("PENDING", "LAUNCH", "START_RECOVERY")
    assert job["participatingServers"][0]["launchStatus"] == "PENDING"


def test_times_on_the_wire_have_microseconds_and_an_offset(
    wire: Wire, simulator: Simulator, servers: Callable[..., list[str]]
) -> None:
    (server,) = servers(1)
    simulator.clock.advance(0.846723)

    response = post(wire, "StartRecovery", {"sourceServers": [{"sourceServerID": server}]})

    assert json.loads(response.body)["job"]["creationDateTime"] == "2022-12-07T19:15:38.846723+00:00"


def test_ids_have_the_forms_of_the_service(
    wire: Wire, simulator: Simulator, servers: Callable[..., list[str]], launch: Callable[..., str]
) -> None:
    job_id = launch(servers(1))
    simulator.push_jobs("COMPLETED")
    (instance,) = json.loads(post(wire, "DescribeRecoveryInstances").body)["items"]

    assert job_id.startswith("drsjob-")
    assert len(job_id) == 24
    assert instance["recoveryInstanceID"].startswith("i-")
    assert len(instance["recoveryInstanceID"]) == 19
    assert instance["sourceServerID"].startswith("s-")


@pytest.mark.parametrize(
    ("operation", "body", "field", "complaint"),
    [
        ("StartRecovery", {}, "sourceServers", "Member must not be null"),
        ("StartRecovery", {"sourceServers": []}, "sourceServers", "length greater than or equal to 1"),
        (
            "StartRecovery",
            {"sourceServers": [{"sourceServerID": f"s-{number:017x}"} for number in range(201)]},
            "sourceServers",
            "length less than or equal to 200",
        ),
        (
            "StartRecovery",
            {"sourceServers": [{"sourceServerID": "s-1"}]},
            "sourceServers.0.sourceServerID",
            "length greater than or equal to 19",
        ),
        ("DescribeJobs", {"filters": {"jobIDs": "drsjob-1"}}, "filters.jobIDs", "must be a list"),
        ("DescribeJobs", {"maxResults": 0}, "maxResults", "greater than or equal to 1"),
        ("DescribeJobs", {"filters": {"fromDate": "yesterday"}}, "filters.fromDate", "regular expression"),
        ("DescribeJobLogItems", {"jobID": 7}, "jobID", "must be a string"),
        (
            "DescribeRecoverySnapshots",
            {"sourceServerID": "s-" + "0" * 17, "order": "UP"},
            "order",
            "enum value set: [ASC, DESC]",
        ),
        ("TerminateRecoveryInstances", {"recoveryInstanceIDs": []}, "recoveryInstanceIDs", "or equal to 1"),
    ],
)
def test_a_request_that_breaks_the_model_is_a_validation_exception_naming_the_field(
    wire: Wire, operation: str, body: Any, field: str, complaint: str
) -> None:
    response = post(wire, operation, body)

    error = json.loads(response.body)
    assert response.status == 400
    assert response.headers["x-amzn-ErrorType"] == "ValidationException"
    assert error["reason"] in ("fieldValidationFailed", "cannotParse")
    assert any(item["name"] == field and complaint in item["message"] for item in error["fieldList"])


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
def test_a_body_that_is_no_json_object_cannot_be_parsed(wire: Wire, body: bytes) -> None:
    response = post(wire, "DescribeJobs", body)

    assert response.status == 400
    assert json.loads(response.body)["reason"] == "cannotParse"


def test_an_empty_body_means_no_parameters(wire: Wire) -> None:
    assert post(wire, "DescribeJobs", b"").status == 200


def test_unknown_members_of_a_request_are_ignored_like_the_service_does(wire: Wire) -> None:
    assert post(wire, "DescribeJobs", {"somethingNew": 1}).status == 200


def test_an_operation_that_is_not_simulated_is_refused_in_the_services_own_way(drs: Any) -> None:
    with pytest.raises(ClientError) as refused:
        drs.reverse_replication(recoveryInstanceID="i-" + "0" * 17)

    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["reason"] == "unknownOperation"


def test_a_path_that_is_no_operation_is_refused_in_the_services_own_way(wire: Wire) -> None:
    response = post(wire, "MakeCoffee")

    assert response.status == 400
    assert json.loads(response.body)["reason"] == "unknownOperation"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer abc"}, "IncompleteSignatureException"),
    ],
)
def test_an_unsigned_request_gets_403(wire: Wire, headers: dict[str, str], error: str) -> None:
    response = post(wire, "DescribeJobs", headers=headers)

    assert response.status == 403
    assert response.headers["x-amzn-ErrorType"] == error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("AccessDeniedException", 403),
        ("ConflictException", 409),
        ("InternalServerException", 500),
        ("ResourceNotFoundException", 404),
        ("ServiceQuotaExceededException", 402),
        ("ThrottlingException", 429),
        ("UninitializedAccountException", 400),
        ("ValidationException", 400),
    ],
)
def test_every_error_of_the_service_has_its_http_code(
    wire: Wire, simulator: Simulator, error: str, status: int
) -> None:
    simulator.add_fault({"fault": "error", "code": error, "message": "as told"})

    response = post(wire, "DescribeJobs")

    assert response.status == status
    assert response.headers["x-amzn-ErrorType"] == error
    assert json.loads(response.body)["message"] == "as told"


def test_throttling_says_when_to_come_back_in_a_header_as_a_string(simulator: Simulator, drs: Any) -> None:
    simulator.add_fault({"fault": "throttle", "retryAfterSeconds": "7"})

    with pytest.raises(ClientError) as throttled:
        drs.describe_jobs()

    response = throttled.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    assert response["retryAfterSeconds"] == "7"


def test_an_internal_error_says_when_to_come_back_in_a_header_as_a_number(simulator: Simulator, drs: Any) -> None:
    simulator.add_fault({"fault": "server-error", "retryAfterSeconds": 3})

    with pytest.raises(ClientError) as failed:
        drs.describe_jobs()

    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert failed.value.response["retryAfterSeconds"] == 3


def test_a_conflict_names_the_resource(drs: Any, servers: Callable[..., list[str]], launch: Callable[..., str]) -> None:
    ids = servers(1)
    launch(ids)

    with pytest.raises(ClientError) as refused:
        launch(ids)

    response = refused.value.response
    assert response["Error"]["Code"] == "ConflictException"
    assert response["Error"]["Message"] == (
        "One or more of the Source Servers included in API call are currently being processed by a Job"
    )
    assert (response["resourceId"], response["resourceType"]) == (ids[0], "SOURCE_SERVER")
    assert response["code"]


def test_an_account_that_was_never_set_up_is_uninitialized_until_it_is(simulator: Simulator, drs: Any) -> None:
    simulator.world().initialized = False

    with pytest.raises(ClientError) as refused:
        drs.describe_source_servers()
    drs.initialize_service()

    assert refused.value.response["Error"]["Code"] == "UninitializedAccountException"
    assert drs.describe_source_servers()["items"] == []


def test_account_and_region_come_from_the_signature_and_each_pair_is_its_own_world(
    simulator: Simulator, servers: Callable[..., list[str]]
) -> None:
    (here,) = servers(1, account="111111111111", region="eu-west-1")
    servers(1, account="111111111111", region="us-east-1")
    servers(1, account="222222222222", region="eu-west-1")

    (found,) = connect(simulator, "111111111111", "eu-west-1").describe_source_servers()["items"]

    assert found["sourceServerID"] == here
    assert found["arn"] == f"arn:aws:drs:eu-west-1:111111111111:source-server/{here}"


def test_an_answer_of_ours_that_breaks_the_model_is_an_error_and_not_sent(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATIONS, "DescribeJobs", lambda _: {"items": [{"jobID": 5}], "surprise": True})

    response = post(wire, "DescribeJobs")

    assert response.status == 500
    assert "/items/0/jobID" in json.loads(response.body)["message"]


def test_every_request_is_recorded_with_its_outcome(simulator: Simulator, wire: Wire) -> None:
    post(wire, "DescribeJobs", {"filters": {"jobIDs": [UNKNOWN_JOB]}})
    post(wire, "DescribeJobLogItems", {"jobID": UNKNOWN_JOB})
    post(wire, "StartRecovery", {})
    post(wire, "MakeCoffee")

    calls = [call.to_document() for call in simulator.calls.listed()]
    assert [(call["operation"], call["status"], call.get("errorCode")) for call in calls] == [
        ("DescribeJobs", 200, None),
        ("DescribeJobLogItems", 404, "ResourceNotFoundException"),
        ("StartRecovery", 400, "ValidationException"),
        ("POST /MakeCoffee", 400, "ValidationException"),
    ]
    assert calls[0]["request"] == {"filters": {"jobIDs": [UNKNOWN_JOB]}}


def test_the_embedded_simulator_raises_the_services_errors(simulator: Simulator) -> None:
    with pytest.raises(DrsError) as raised:
        simulator.call("DescribeJobLogItems", {"jobID": UNKNOWN_JOB})

    assert raised.value.name == "ResourceNotFoundException"

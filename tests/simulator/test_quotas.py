"""The service's quotas, each per account and Region, and its request rates."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drs_simulator import Simulator
from drs_simulator.errors import ControlError
from drs_simulator.in_process import connect

Launch = Callable[..., str]
Servers = Callable[..., list[str]]


def refusal(action: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        action()
    return dict(refused.value.response)


def test_a_job_takes_one_hundred_servers_though_the_api_allows_two_hundred(servers: Servers, launch: Launch) -> None:
    ids = servers(101)

    response = refusal(lambda: launch(ids))

    assert response["Error"]["Code"] == "ServiceQuotaExceededException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 402
    assert {"resourceId", "resourceType", "serviceCode", "quotaCode"} <= set(response)
    assert launch(ids[:100])


def test_twenty_jobs_run_at_the_same_time_and_no_more(simulator: Simulator, servers: Servers, launch: Launch) -> None:
    for server in servers(20):
        launch([server])
    (one_more,) = servers(1)

    assert refusal(lambda: launch([one_more]))["quotaCode"] == "CONCURRENT_JOBS"

    simulator.push_jobs("COMPLETED")
    assert launch([one_more])


def test_five_hundred_servers_are_in_jobs_at_the_same_time_and_no_more(servers: Servers, launch: Launch) -> None:
    ids = servers(501)
    for start in range(0, 500, 100):
        launch(ids[start : start + 100])

    assert refusal(lambda: launch(ids[500:]))["quotaCode"] == "SERVERS_IN_JOBS"


def test_a_server_is_in_one_job_at_a_time(servers: Servers, launch: Launch, drs: Any) -> None:
    ids = servers(3)
    launch(ids[:2])

    response = refusal(lambda: launch(ids[1:]))

    assert (response["Error"]["Code"], response["resourceId"]) == ("ConflictException", ids[1])
    assert len(drs.describe_jobs()["items"]) == 1


def test_the_quotas_of_one_region_do_not_bind_another(simulator: Simulator, servers: Servers, launch: Launch) -> None:
    for server in servers(20):
        launch([server])
    (elsewhere,) = servers(1, region="eu-west-1")

    job = connect(simulator, region="eu-west-1").start_recovery(sourceServers=[{"sourceServerID": elsewhere}])["job"]

    assert job["status"] == "PENDING"


def test_a_refused_launch_changes_nothing(drs: Any, servers: Servers, launch: Launch) -> None:
    ids = servers(101)

    refusal(lambda: launch(ids))

    assert drs.describe_jobs()["items"] == []
    assert {item["lastLaunchResult"] for item in drs.describe_source_servers()["items"]} == {"NOT_STARTED"}


def test_an_account_and_region_holds_four_thousand_source_servers(servers: Servers) -> None:
    servers(4000)

    with pytest.raises(ControlError, match="4000"):
        servers(1)


def test_the_same_server_twice_in_one_call_is_refused(servers: Servers, launch: Launch) -> None:
    (server,) = servers(1)

    assert refusal(lambda: launch([server, server]))["Error"]["Code"] == "ValidationException"


def test_request_rates_throttle_what_goes_beyond_the_burst_and_recover_with_time(
    simulator: Simulator, drs: Any
) -> None:
    simulator.set_switches({"requestRates": {"DescribeJobs": [1, 3]}})

    for _ in range(3):
        drs.describe_jobs()
    assert refusal(drs.describe_jobs)["Error"]["Code"] == "ThrottlingException"
    drs.describe_source_servers()

    simulator.clock.advance(1)
    drs.describe_jobs()
    assert refusal(drs.describe_jobs)["Error"]["Code"] == "ThrottlingException"


def test_a_rate_for_every_other_operation_is_written_with_a_star(simulator: Simulator, drs: Any) -> None:
    simulator.set_switches({"requestRates": {"*": [1, 1]}})

    drs.describe_source_servers()

    assert refusal(drs.describe_source_servers)["Error"]["Code"] == "ThrottlingException"


def test_a_rate_for_an_operation_that_does_not_exist_is_refused(simulator: Simulator) -> None:
    with pytest.raises(ControlError, match="DescribJobs"):
        simulator.set_switches({"requestRates": {"DescribJobs": [1, 1]}})

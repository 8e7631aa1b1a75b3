"""The control API and the DRS API on a real socket, as ``python -m drs_simulator`` starts them."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

SERVER = "s-3a7e0000000000001"
OTHER = "s-3a7e0000000000002"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL a simulator of its own process prints."""
    command = [sys.executable, "-m", "drs_simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


@pytest.fixture
def control(url: str) -> Iterator[Callable[..., Any]]:
    """Calls the control API: ``control("POST", "/speed", speed=2)``. Every test begins with the three-tier scenario."""
    with httpx.Client(base_url=f"{url}/_sim", trust_env=False) as client:

        def call(method: str, path: str, **body: Any) -> Any:
            response = client.request(method, path, json=body) if body else client.request(method, path)
            assert response.status_code == 200, response.text
            return response.json()

        call("POST", "/scenario", file="three-tier")
        call("POST", "/mode", mode="stepped", now=1_670_440_538)
        call("POST", "/hold", hold=False)
        yield call


@pytest.fixture
def refuse(url: str, control: Callable[..., Any]) -> Callable[..., str]:
    """Calls the control API with something it must refuse; returns its sentence."""

    def call(method: str, path: str, content: str) -> str:
        response = httpx.request(method, f"{url}/_sim{path}", content=content, trust_env=False)
        assert response.status_code == 400
        return str(response.json()["message"])

    return call


@pytest.fixture
def client(url: str) -> Any:
    """A boto3 client that needs only the endpoint URL."""
    return boto3.client(
        "drs",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def start(client: Any, *servers: str) -> str:
    wanted = [{"sourceServerID": server} for server in servers or (SERVER,)]
    return str(client.start_recovery(sourceServers=wanted, isDrill=True)["job"]["jobID"])


def statuses(client: Any, job_id: str) -> tuple[str, list[str]]:
    (job,) = client.describe_jobs(filters={"jobIDs": [job_id]})["items"]
    return job["status"], [item["launchStatus"] for item in job["participatingServers"]]


def test_health_tells_time_speed_and_mode(control: Callable[..., Any]) -> None:
    control("POST", "/speed", speed=60)

    assert control("GET", "/health") == {"status": "ok", "now": 1_670_440_538, "speed": 60, "mode": "stepped"}


def test_a_launch_is_stepped_through_from_outside(control: Callable[..., Any], client: Any) -> None:
    job_id = start(client)

    control("POST", "/advance", seconds=300)
    assert statuses(client, job_id) == ("STARTED", ["IN_PROGRESS"])
    control("POST", "/advance", seconds=300)
    assert statuses(client, job_id) == ("COMPLETED", ["LAUNCHED"])


@pytest.mark.parametrize(
    ("stage", "job", "server"),
    [
        ("STARTED", "STARTED", "PENDING"),
        ("IN_PROGRESS", "STARTED", "IN_PROGRESS"),
        ("LAUNCHED", "STARTED", "LAUNCHED"),
        ("COMPLETED", "COMPLETED", "LAUNCHED"),
    ],
)
def test_a_held_job_stays_pending_until_it_is_pushed_and_stays_where_it_was_pushed(
    control: Callable[..., Any], client: Any, stage: str, job: str, server: str
) -> None:
    control("POST", "/hold", hold=True)
    job_id = start(client, SERVER, OTHER)
    control("POST", "/advance", seconds=5000)
    assert statuses(client, job_id) == ("PENDING", ["PENDING", "PENDING"])

    control("POST", "/jobs/advance", to=stage, jobIDs=[job_id])
    control("POST", "/advance", seconds=5000)
    assert statuses(client, job_id) == (job, [server, server])


def test_a_job_that_is_no_longer_held_goes_on_from_where_it_stands(control: Callable[..., Any], client: Any) -> None:
    control("POST", "/hold", hold=True)
    job_id = start(client)
    control("POST", "/jobs/advance", to="IN_PROGRESS")
    control("POST", "/advance", seconds=5000)

    control("POST", "/hold", hold=False)
    assert statuses(client, job_id)[0] == "STARTED"
    control("POST", "/advance", seconds=285)
    assert statuses(client, job_id)[0] == "COMPLETED"


def test_a_running_job_that_is_pushed_goes_on_at_its_own_pace(control: Callable[..., Any], client: Any) -> None:
    job_id = start(client)
    control("POST", "/jobs/advance", to="IN_PROGRESS")

    control("POST", "/advance", seconds=270)
    assert statuses(client, job_id) == ("STARTED", ["IN_PROGRESS"])
    control("POST", "/advance", seconds=15)
    assert statuses(client, job_id) == ("COMPLETED", ["LAUNCHED"])


def test_only_the_jobs_that_are_named_are_pushed(control: Callable[..., Any], client: Any) -> None:
    control("POST", "/hold", hold=True)
    pushed, left = start(client, SERVER), start(client, OTHER)

    control("POST", "/jobs/advance", to="COMPLETED", jobIDs=[pushed])

    assert (statuses(client, pushed)[0], statuses(client, left)[0]) == ("COMPLETED", "PENDING")


def test_servers_are_created_and_returned_as_the_service_shows_them(control: Callable[..., Any], client: Any) -> None:
    created = control("POST", "/servers", region="us-east-1", servers=[{"name": "extra", "tags": {"a": "b"}}])

    (server,) = created["servers"]
    (found,) = client.describe_source_servers(filters={"sourceServerIDs": [server["sourceServerID"]]})["items"]
    assert found["tags"] == server["tags"] == {"Name": "extra", "a": "b"}


def test_a_profile_is_set_for_all_or_for_some(control: Callable[..., Any], client: Any) -> None:
    control("POST", "/profile", profile="fast-mode")
    control("POST", "/profile", profile="windows-2", sourceServerIDs=[OTHER])
    fast, slow = start(client, SERVER), start(client, OTHER)

    control("POST", "/advance", seconds=400)

    assert (statuses(client, fast)[0], statuses(client, slow)[0]) == ("COMPLETED", "STARTED")
    assert control("GET", "/profiles")["default"] == "fast-mode"


def test_a_profile_can_be_ones_own(control: Callable[..., Any], client: Any) -> None:
    mine = {"name": "mine", "conversion": [1, 2], "conversion_start": 1, "launch": {"fastest": 1, "slowest": 3}}
    control("POST", "/profile", profile=mine)
    job_id = start(client)

    control("POST", "/advance", seconds=15)

    assert statuses(client, job_id)[0] == "COMPLETED"


def test_faults_are_listed_with_how_often_they_struck_and_can_be_lifted(
    control: Callable[..., Any], client: Any
) -> None:
    first, second = control("POST", "/faults", rules=[{"fault": "throttle"}, {"fault": "slow", "seconds": 0}])["ids"]
    with pytest.raises(ClientError):
        client.describe_jobs()

    assert [rule["struck"] for rule in control("GET", "/faults")["rules"]] == [1, 1]
    assert [rule["id"] for rule in control("DELETE", f"/faults/{first}")["rules"]] == [second]
    client.describe_jobs()
    assert control("DELETE", "/faults") == {"rules": []}


@pytest.mark.parametrize(("fault", "jobs"), [("reset-before", 0), ("reset-after", 1)])
def test_a_cut_connection_is_one_for_the_client(
    control: Callable[..., Any], client: Any, fault: str, jobs: int
) -> None:
    control("POST", "/faults", rules=[{"fault": fault, "operation": "StartRecovery", "count": 1}])

    with pytest.raises(ConnectionClosedError):
        start(client)

    assert len(client.describe_jobs()["items"]) == jobs


def test_calls_are_read_back_in_order_by_operation_and_cleared(control: Callable[..., Any], client: Any) -> None:
    control("DELETE", "/calls")
    job_id = start(client)
    with pytest.raises(ClientError):
        start(client)
    client.describe_jobs(filters={"jobIDs": [job_id]})

    calls = control("GET", "/calls")["calls"]
    assert [(call["operation"], call["status"], call.get("errorCode")) for call in calls] == [
        ("StartRecovery", 202, None),
        ("StartRecovery", 409, "ConflictException"),
        ("DescribeJobs", 200, None),
    ]
    assert calls[0]["request"]["sourceServers"] == [{"sourceServerID": SERVER}]
    assert (calls[0]["account"], calls[0]["region"], calls[0]["time"]) == ("000000000000", "us-east-1", 1_670_440_538)
    assert len(control("GET", "/calls?operation=DescribeJobs")["calls"]) == 1
    assert control("DELETE", "/calls") == {"calls": []}


def test_switches_are_thrown_and_read(control: Callable[..., Any]) -> None:
    control("POST", "/switches", recoveryInstanceIdInJob=True)

    assert control("GET", "/switches")["recoveryInstanceIdInJob"] is True


def test_a_world_can_be_uninitialized(control: Callable[..., Any], client: Any) -> None:
    control("POST", "/worlds", region="us-east-1", initialized=False)

    with pytest.raises(ClientError, match="UninitializedAccountException"):
        client.describe_jobs()


def test_an_assumed_roles_key_can_be_told_its_account(control: Callable[..., Any], url: str) -> None:
    control("POST", "/accounts", keys={"ASIAEXAMPLE000000001": "111111111111"})
    control("POST", "/servers", account="111111111111", servers=[{"name": "over there"}])
    other = boto3.client(
        "drs",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="ASIAEXAMPLE000000001",
        aws_secret_access_key="secret",
        aws_session_token="token",
    )

    assert [item["tags"]["Name"] for item in other.describe_source_servers()["items"]] == ["over there"]


def test_an_instance_can_be_protected(control: Callable[..., Any], client: Any) -> None:
    start(client)
    control("POST", "/jobs/advance", to="COMPLETED")
    instance = client.describe_recovery_instances()["items"][0]["recoveryInstanceID"]
    control("POST", "/instances", recoveryInstanceID=instance, terminationProtection=True)
    start(client)
    control("POST", "/jobs/advance", to="COMPLETED")

    assert len(client.describe_recovery_instances()["items"]) == 2


def test_replication_can_be_changed(control: Callable[..., Any], client: Any) -> None:
    control("POST", "/replication", sourceServerIDs=[SERVER], state="STALLED", lag="PT2H")

    (server,) = client.describe_source_servers(filters={"sourceServerIDs": [SERVER]})["items"]
    assert server["dataReplicationInfo"]["dataReplicationState"] == "STALLED"
    assert server["dataReplicationInfo"]["lagDuration"] == "PT2H"


def test_a_reset_forgets_everything(control: Callable[..., Any], client: Any) -> None:
    start(client)
    control("POST", "/faults", rules=[{"fault": "throttle"}])

    control("POST", "/reset", seed=5, profile="windows-2")

    assert client.describe_source_servers()["items"] == []
    assert client.describe_jobs()["items"] == []
    assert control("GET", "/profiles")["default"] == "windows-2"


def test_a_state_is_dumped_and_goes_on_after_it_was_loaded(control: Callable[..., Any], client: Any) -> None:
    job_id = start(client, SERVER, OTHER)
    control("POST", "/advance", seconds=300)
    dumped = control("GET", "/state")
    control("POST", "/reset")

    control("POST", "/state", **dumped)

    assert statuses(client, job_id) == ("STARTED", ["IN_PROGRESS", "IN_PROGRESS"])
    control("POST", "/advance", seconds=300)
    assert statuses(client, job_id) == ("COMPLETED", ["LAUNCHED", "LAUNCHED"])


def test_events_are_switched_on_with_a_bus_and_off_without_one(control: Callable[..., Any]) -> None:
    assert control("POST", "/events", busEndpoint="http://127.0.0.1:9", busName="default") == {"on": True}
    assert control("POST", "/events", busEndpoint=None) == {"on": False}


def test_a_scenario_can_be_given_as_a_document(control: Callable[..., Any], client: Any) -> None:
    loaded = control("POST", "/scenario", name="tiny", worlds=[{"servers": [{"name": "only"}]}])

    assert loaded == {"name": "tiny", "servers": 1}
    assert len(client.describe_source_servers()["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "content", "complaint"),
    [
        ("POST", "/speed", '{"speed": "fast"}', "speed must be a number"),
        ("POST", "/speed", "{", "not JSON"),
        ("POST", "/speed", "[]", "JSON object"),
        ("POST", "/mode", '{"mode": "sideways"}', "mode must be"),
        ("POST", "/hold", "{}", "hold must be true or false"),
        ("POST", "/jobs/advance", '{"to": "MARS"}', "to must be one of STARTED"),
        ("POST", "/jobs/advance", '{"to": "STARTED", "jobIDs": "x"}', "jobIDs must be a list"),
        ("POST", "/scenario", '{"file": "doomsday"}', "choose from"),
        ("POST", "/scenario", '{"name": "x"}', "worlds"),
        ("POST", "/profile", "{}", "profile is missing"),
        ("POST", "/profile", '{"profile": "nope"}', "choose from"),
        ("POST", "/profile", '{"profile": {"name": "x", "colour": 1}}', "malformed"),
        ("POST", "/profile", '{"profile": "linux-2", "sourceServerIDs": ["s-0"]}', "no source server"),
        ("POST", "/servers", '{"account": "12"}', "twelve digits"),
        ("POST", "/accounts", '{"keys": {"ASIA": "1"}}', "twelve digits"),
        ("POST", "/instances", '{"recoveryInstanceID": "i-0", "terminationProtection": true}', "no recovery instance"),
        ("POST", "/replication", '{"sourceServerIDs": [], "state": "ASLEEP"}', "state must be"),
        ("POST", "/switches", '{"gravity": 1}', "gravity"),
        ("POST", "/faults", '{"rules": [{"fault": "rain"}]}', "rain"),
        ("DELETE", "/faults/rule-0", "", "rule-0"),
        ("POST", "/state", '{"version": 0}', "version"),
        (
            "POST",
            "/replication",
            f'{{"sourceServerIDs": ["{SERVER}"], "state": "STALLED", "lag": "soon"}}',
            "ISO 8601 duration",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_a_sentence(
    refuse: Callable[..., str], method: str, path: str, content: str, complaint: str
) -> None:
    assert complaint in refuse(method, path, content)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--scenario", "doomsday"], "there is no scenario 'doomsday': choose from"),
        (["--speed", "0"], "speed must be more than 0"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_arguments(arguments: list[str], complaint: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "drs_simulator", *arguments], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert complaint in ended.stderr

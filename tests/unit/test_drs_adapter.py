"""DRS through boto3: what it answers becomes domain values, what it refuses becomes data, what it fails is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from drs_orchestrator.adapters.accounts import Accounts
from drs_orchestrator.adapters.drs import (
    START_RECOVERY_CONNECT_SECONDS,
    START_RECOVERY_READ_SECONDS,
    Drs,
    DrsAccounts,
    DrsUnavailable,
    StartResult,
)
from drs_orchestrator.domain.job import JobObservation
from drs_orchestrator.domain.progress import Limits, observe
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.source import LastLaunch
from drs_orchestrator.domain.statuses import ExecutionType, ServerStatus
from tests.helpers.orchestrator import HOME, REGION, START, Orchestrator, server_id
from tests.helpers.simulator import SimulatorControl, running_simulator
from tests.helpers.template import PROJECT_ROOT, template

ONE, TWO = server_id(1), server_id(2)
CAPTURED = PROJECT_ROOT.parent / "shared" / "facts" / "captured"
OTHER_ACCOUNT = "210987654321"


@pytest.fixture
def drs(orchestrator: Orchestrator) -> Drs:
    """DRS of the own account, with two servers."""
    orchestrator.add_servers(ONE, TWO)
    return orchestrator.app.drs.at(None, REGION)


def start(drs: Drs, *servers: str) -> Any:
    return drs.start_recovery(dict.fromkeys(servers), is_drill=True, tags={"owner": "test"})


class TestStartRecovery:
    def test_a_started_job_is_returned_as_drs_describes_it(self, drs: Drs) -> None:
        outcome = start(drs, ONE, TWO)
        described = drs.describe_jobs([outcome.job.job_id])[outcome.job.job_id]

        assert outcome.result is StartResult.STARTED
        assert (outcome.job.status, outcome.job.initiated_by) == ("PENDING", "START_DRILL")
        assert described == outcome.job
        assert described.tags == {"owner": "test"}
        assert described.created == START

    @pytest.mark.parametrize(
        ("fault", "settings", "result"),
        [
            ("throttle", {}, StartResult.BUSY),
            ("error", {"code": "ConflictException", "message": "in use"}, StartResult.CONFLICT),
            ("error", {"code": "ServiceQuotaExceededException", "message": "full"}, StartResult.QUOTA),
            ("error", {"code": "AccessDeniedException", "message": "no"}, StartResult.REFUSED),
            ("error", {"code": "ValidationException", "message": "tags"}, StartResult.REFUSED),
            ("error", {"code": "UninitializedAccountException", "message": "set up"}, StartResult.REFUSED),
            ("error", {"code": "ExpiredTokenException", "message": "ran out"}, StartResult.BUSY),
            ("error", {"code": "ExpiredToken", "message": "ran out"}, StartResult.BUSY),
            ("error", {"code": "RequestExpired", "message": "ran out"}, StartResult.BUSY),
            ("server-error", {}, StartResult.UNKNOWN),
            ("reset-before", {}, StartResult.UNKNOWN),
            ("reset-after", {}, StartResult.UNKNOWN),
        ],
    )
    def test_every_refusal_is_a_result_and_the_call_is_made_once(
        self, drs: Drs, simulator: SimulatorControl, fault: str, settings: dict[str, str], result: StartResult
    ) -> None:
        simulator.add_fault(fault, operation="StartRecovery", **settings)
        outcome = start(drs, ONE)

        assert (outcome.result, outcome.job) == (result, None)
        assert settings.get("message", "") in outcome.reason
        assert len(simulator.calls("StartRecovery")) == 1

    def test_how_long_drs_asks_to_wait_is_told(self, drs: Drs, simulator: SimulatorControl) -> None:
        """ThrottlingException carries it as a string."""
        simulator.add_fault("throttle", operation="StartRecovery", retryAfterSeconds="7")

        assert start(drs, ONE).retry_after == 7

    def test_of_a_refusal_in_many_words_the_beginning_is_told(self, drs: Drs, simulator: SimulatorControl) -> None:
        simulator.add_fault("error", operation="StartRecovery", code="ValidationException", message="not so " * 9_000)
        reason = start(drs, ONE).reason

        assert reason.startswith("ValidationException: not so")
        assert reason.endswith("…")
        assert len(reason.encode()) <= 2_000

    def test_a_request_the_sdk_itself_refuses_is_refused(self, drs: Drs, simulator: SimulatorControl) -> None:
        outcome = start(drs, "s-1")

        assert outcome.result is StartResult.REFUSED
        assert simulator.calls("StartRecovery") == []

    def test_without_a_connection_nothing_can_have_been_carried_out(self, no_aws: None) -> None:
        drs = DrsAccounts("http://127.0.0.1:9", Accounts(HOME, "role")).at(None, REGION)

        assert start(drs, ONE).result is StartResult.BUSY

    def test_an_answer_that_takes_too_long_may_have_taken_effect(self, drs: Drs, simulator: SimulatorControl) -> None:
        simulator.add_fault("slow", operation="StartRecovery", seconds=2)
        impatient = Drs(lambda config: drs._client_for(config.merge(Config(read_timeout=0.2))))

        assert start(impatient, ONE).result is StartResult.UNKNOWN
        assert len(simulator.calls("StartRecovery")) == 1

    def test_a_call_that_would_come_too_late_is_not_made(self, drs: Drs, simulator: SimulatorControl) -> None:
        outcome = drs.start_recovery({ONE: None}, is_drill=True, tags={}, in_time=lambda: False)

        assert (outcome.result, outcome.job) == (StartResult.BUSY, None)
        assert simulator.calls("StartRecovery") == []

    def test_a_call_can_no_longer_take_effect_when_it_may_be_repeated(self) -> None:
        """Two constants that have to fit: the SDK's patience, and the template's."""
        settle = template()["Parameters"]["LaunchSettleSeconds"]["Default"]

        assert 2 * settle / 3 >= START_RECOVERY_CONNECT_SECONDS + START_RECOVERY_READ_SECONDS


class TestReading:
    def test_every_page_is_read(self, drs: Drs, orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
        simulator.switch(defaultPageSize=2)
        orchestrator.add_servers(*(server_id(n) for n in range(3, 8)))
        jobs = [start(drs, server_id(n)).job for n in range(1, 8)]
        orchestrator.let_pass(600)

        assert drs.describe_jobs(job.job_id for job in jobs).keys() == {job.job_id for job in jobs}
        assert {job.job_id for job in drs.jobs_since(START)} == {job.job_id for job in jobs}
        assert len(drs.job_log(jobs[0].job_id)) > 6
        assert len(list(drs.source_servers())) == 7

    def test_a_job_drs_does_not_know_is_absent_and_no_error(self, drs: Drs) -> None:
        assert drs.describe_jobs(["drsjob-00000000000000000"]) == {}

    def test_more_jobs_than_one_filter_may_name_are_asked_for_in_several_calls(
        self, drs: Drs, simulator: SimulatorControl
    ) -> None:
        drs.describe_jobs(f"drsjob-{n:017x}" for n in range(1001))

        asked = [len(call["request"]["filters"]["jobIDs"]) for call in simulator.calls("DescribeJobs")]
        assert asked == [1000, 1]

    def test_jobs_from_before_are_not_looked_at(self, drs: Drs, orchestrator: Orchestrator) -> None:
        start(drs, ONE)
        orchestrator.let_pass(600)
        second = start(drs, TWO).job

        assert [job.job_id for job in drs.jobs_since(START + 600)] == [second.job_id]

    def test_jobs_in_use_are_those_that_are_not_completed(self, drs: Drs, orchestrator: Orchestrator) -> None:
        start(drs, ONE)
        orchestrator.let_pass(1200)
        second = start(drs, TWO).job

        assert [job.job_id for job in drs.jobs_in_use(orchestrator.now)] == [second.job_id]

    def test_a_job_that_is_not_listed_may_still_have_its_log(self, drs: Drs, simulator: SimulatorControl) -> None:
        job = start(drs, ONE).job
        simulator.add_fault("empty", operation="DescribeJobs")

        assert drs.describe_jobs([job.job_id]) == {}
        assert drs.has_log(job.job_id)
        assert not drs.has_log("drsjob-00000000000000000")

    def test_the_last_launch_of_a_server_is_told_by_the_server_too(self, drs: Drs, orchestrator: Orchestrator) -> None:
        job = start(drs, ONE).job

        assert drs.last_launches([ONE, TWO], START) == {ONE: LastLaunch(job.job_id, START, "DRILL")}
        assert drs.last_launches([ONE, TWO], START + 1) == {}

    def test_a_log_is_in_order_of_time_with_drs_own_words(
        self, drs: Drs, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("launch-failure", sourceServerIDs=[TWO], text="no such key")
        job = start(drs, ONE, TWO).job
        orchestrator.let_pass(600)
        log = drs.job_log(job.job_id)

        assert [event.time for event in log] == sorted(event.time for event in log)
        assert {"JOB_START", "CONVERSION_END", "LAUNCH_END", "LAUNCH_FAILED", "JOB_END"} <= {e.event for e in log}
        assert [event.raw_error for event in log if event.source_server_id == TWO and event.raw_error] == [
            "no such key"
        ]

    def test_only_instances_of_the_very_job_count(self, drs: Drs, orchestrator: Orchestrator) -> None:
        first = start(drs, ONE).job
        orchestrator.let_pass(600)
        second = start(drs, ONE).job
        orchestrator.let_pass(600)

        assert drs.instances_of_job(first.job_id, [ONE, TWO]) == {}
        assert list(drs.instances_of_job(second.job_id, [ONE, TWO])) == [ONE]

    def test_a_server_is_called_by_its_name_tag_else_by_its_host_name(
        self, drs: Drs, orchestrator: Orchestrator
    ) -> None:
        orchestrator.simulator.add_servers([{"sourceServerID": ONE, "name": "web-1"}])
        client = drs._read
        arn = client.describe_source_servers(filters={"sourceServerIDs": [TWO]})["items"][0]["arn"]
        client.untag_resource(resourceArn=arn, tagKeys=["Name"])
        host = client.describe_source_servers(filters={"sourceServerIDs": [TWO]})["items"][0]
        hostname = host["sourceProperties"]["identificationHints"]["hostname"]

        assert drs.names([ONE, TWO, server_id(9)]) == {ONE: "web-1", TWO: hostname}

    @pytest.mark.parametrize("fault", ["throttle", "server-error", "reset-before"])
    def test_a_failing_read_says_that_nothing_is_known_and_keeps_the_cause(
        self, drs: Drs, simulator: SimulatorControl, fault: str
    ) -> None:
        simulator.add_fault(fault, operation="DescribeJobs")

        with pytest.raises(DrsUnavailable) as caught:
            drs.describe_jobs(["drsjob-00000000000000000"])
        assert caught.value.__cause__ is not None

    def test_a_read_that_fails_once_is_repeated_by_the_sdk(self, drs: Drs, simulator: SimulatorControl) -> None:
        simulator.add_fault("throttle", operation="DescribeJobs", count=1)

        assert drs.describe_jobs(["drsjob-00000000000000000"]) == {}


@pytest.fixture(scope="module")
def two_worlds() -> Iterator[str]:
    """A simulator that asks the same STS whose key it is called with."""
    sts = ThreadedMotoServer(port=0, verbose=False)
    sts.start()
    host, port = sts.get_host_and_port()
    try:
        with running_simulator("--sts-endpoint", f"http://{host}:{port}") as url:
            yield url
    finally:
        sts.stop()


class TestAccounts:
    def test_another_account_is_entered_through_its_role(self, no_aws: None, two_worlds: str) -> None:
        control = SimulatorControl(two_worlds)
        control.reset()
        control.add_servers([{"sourceServerID": ONE}], account=OTHER_ACCOUNT)
        accounts = DrsAccounts(two_worlds, Accounts(HOME, "drs-orchestrator-target"))
        there = accounts.at(OTHER_ACCOUNT, REGION)

        assert start(there, ONE).result is StartResult.STARTED
        assert [server["id"] for server in there.source_servers()] == [ONE]
        assert {call["account"] for call in control.calls()} == {OTHER_ACCOUNT}
        control.close()

    def test_the_own_account_is_not_entered_through_a_role(self, no_aws: None, two_worlds: str) -> None:
        control = SimulatorControl(two_worlds)
        control.reset()
        control.add_servers([{"sourceServerID": ONE}], account="000000000000")

        accounts = DrsAccounts(two_worlds, Accounts(HOME, "a-role-that-nobody-has"))
        assert len(list(accounts.at(HOME.account_id, REGION).source_servers())) == 1
        assert accounts.at(HOME.account_id, REGION, "exec-1") is accounts.at(None, REGION, "exec-2")
        control.close()

    def test_an_account_and_region_has_one_client(self, no_aws: None) -> None:
        accounts = DrsAccounts("http://127.0.0.1:9", Accounts(HOME, "role"))

        assert accounts.at(None, REGION) is accounts.at(None, REGION)
        assert accounts.at(None, REGION) is not accounts.at(None, "eu-west-1")

    def test_an_account_whose_credentials_have_run_out_is_entered_anew(self, no_aws: None, two_worlds: str) -> None:
        """They last an hour, while a warm Lambda may poll for a day."""
        control = SimulatorControl(two_worlds)
        control.reset()
        control.add_servers([{"sourceServerID": ONE}], account=OTHER_ACCOUNT)
        there = DrsAccounts(two_worlds, Accounts(HOME, "drs-orchestrator-target")).at(OTHER_ACCOUNT, REGION)
        assert len(list(there.source_servers())) == 1
        first = there._read
        control.add_fault("error", code="ExpiredTokenException", count=1)

        with pytest.raises(DrsUnavailable, match="ExpiredTokenException"):
            list(there.source_servers())
        assert len(list(there.source_servers())) == 1
        assert there._read is not first
        control.close()

    def test_an_account_that_cannot_be_entered_is_waited_for(
        self, no_aws: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
        there = DrsAccounts("http://127.0.0.1:9", Accounts(HOME, "role")).at(OTHER_ACCOUNT, REGION)
        outcome = start(there, ONE)

        assert outcome.result is StartResult.BUSY
        assert f"account {OTHER_ACCOUNT} can't be entered" in outcome.reason
        with pytest.raises(DrsUnavailable, match="can't be entered"):
            there.describe_jobs(["drsjob-00000000000000000"])


class TestCapturedAnswers:
    """What the real service once answered, through the real parser of botocore."""

    def test_a_real_drill_of_two_servers_is_read_to_its_end(self) -> None:
        """Its job names no instance: they are in the log's LAUNCH_END, an event the SDK does not list."""
        jobs = captured("01_describe_jobs_completed_drill_2servers.json")
        log = captured("01_describe_job_log_items_drill_2servers.json")
        job_id = jobs["items"][0]["jobID"]
        client = boto3.client("drs", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
        with Stubber(client) as stub:
            stub.add_response("describe_jobs", jobs, {"filters": {"jobIDs": [job_id]}})
            stub.add_response("describe_job_log_items", log, {"jobID": job_id})
            drs = Drs(lambda _: client)
            seen, events = drs.describe_jobs([job_id])[job_id], drs.job_log(job_id)
        servers = {server.source_server_id: ServerProgress() for server in seen.servers}
        record = Job(JobKey(0, 0), "web", REGION, None, servers, job_id=job_id, launch_time=int(seen.created))
        update = observe(record, JobObservation(seen, events), ExecutionType.DRILL, Limits(), int(seen.ended or 0) + 5)

        assert update.job.finished
        assert round((seen.ended or 0) - seen.created) == 533
        for change in update.changes:
            assert change.status is ServerStatus.LAUNCHED
            assert (change.instance_id or "").startswith("i-")
            assert seen.created < (change.launched_time or 0) < (seen.ended or 0)

    def test_a_real_answer_to_startrecovery_is_read(self) -> None:
        answer = captured("05_start_recovery_response_pending_drill.json")
        client = boto3.client("drs", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
        servers = [server["sourceServerID"] for server in answer["job"]["participatingServers"]]
        with Stubber(client) as stub:
            stub.add_response("start_recovery", answer)
            outcome = start(Drs(lambda _: client), *servers)

        assert (outcome.result, outcome.job.job_id) == (StartResult.STARTED, answer["job"]["jobID"])
        assert (outcome.job.status, outcome.job.ended) == ("PENDING", None)


def captured(name: str) -> dict[str, Any]:
    path: Path = CAPTURED / name
    if not path.exists():
        pytest.skip(f"the captured answer {name} is not on this machine")
    document = json.loads(path.read_text())
    return {key: value for key, value in document.items() if not key.startswith("_")}

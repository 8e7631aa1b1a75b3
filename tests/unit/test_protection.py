"""Termination protection: what a RECOVERY launched is kept from being removed by a later launch, as far as EC2 lets."""

from typing import Any

import pytest

from drs_orchestrator.domain.protection import MAX_INSTANCES, MAX_ROUNDS, Answer, Protection, after_round, next_jobs
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.statuses import ServerStatus
from drs_orchestrator.tasks.protect_instances import protect_instances
from tests.helpers.history import replacement
from tests.helpers.orchestrator import REGION, Orchestrator, plan, server_id, wave

DATABASE, WEB = server_id(0xD), server_id(0xE)
PLAN = plan(wave("database", DATABASE), wave("web", WEB))


@pytest.fixture
def orchestrator(orchestrator: Orchestrator) -> Orchestrator:
    orchestrator.add_servers(DATABASE, WEB)
    return orchestrator


def recovered(orchestrator: Orchestrator, **fields: Any) -> str:
    """The id of a RECOVERY that has ended."""
    execution_id = orchestrator.start(PLAN | fields, "RECOVERY")
    orchestrator.drive(execution_id)
    return execution_id


def servers(orchestrator: Orchestrator, execution_id: str) -> list[dict[str, Any]]:
    return [orchestrator.server(execution_id, server) for server in (DATABASE, WEB)]


def told(orchestrator: Orchestrator, execution_id: str) -> list[dict[str, Any]]:
    """What the history tells of protection."""
    entries = orchestrator.app.executions.history(execution_id)
    return [entry["Data"] for entry in entries if entry["Kind"] == "InstancesProtected"]


class TestWhat:
    def test_what_a_recovery_launched_is_protected(self, orchestrator: Orchestrator) -> None:
        execution_id = recovered(orchestrator)

        assert [server["TerminationProtection"] for server in servers(orchestrator, execution_id)] == [True, True]
        assert orchestrator.ec2.asked == [server["InstanceId"] for server in servers(orchestrator, execution_id)]
        assert told(orchestrator, execution_id) == [
            {"WaveName": "database", "Protected": 1, "Unprotected": []},
            {"WaveName": "web", "Protected": 1, "Unprotected": []},
        ]

    def test_a_drill_is_not(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(PLAN)
        orchestrator.drive(execution_id)

        assert orchestrator.ec2.asked == []
        assert all("TerminationProtection" not in server for server in servers(orchestrator, execution_id))

    def test_nor_is_a_recovery_whose_plan_says_no(self, orchestrator: Orchestrator) -> None:
        execution_id = recovered(orchestrator, TerminationProtection=False)

        assert orchestrator.ec2.asked == []
        assert all("TerminationProtection" not in server for server in servers(orchestrator, execution_id))

    def test_a_server_that_failed_by_its_launch_action_is_and_one_that_was_not_launched_is_not(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(DATABASE, launchActions=[{"name": "check", "optional": False, "status": "FAILED"}])
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[WEB])
        execution_id = orchestrator.start(plan(wave("all", DATABASE, WEB)), "RECOVERY")
        orchestrator.drive(execution_id)
        database, web = servers(orchestrator, execution_id)

        assert (database["Status"], database["TerminationProtection"]) == ("FAILED", True)
        assert (web["Status"], "TerminationProtection" in web) == ("FAILED", False)
        assert orchestrator.ec2.asked == [database["InstanceId"]]

    def test_a_later_launch_does_not_remove_it_and_drs_says_so(self, orchestrator: Orchestrator) -> None:
        first = recovered(orchestrator)
        execution_id = orchestrator.start(PLAN, "RECOVERY", ReplaceLive=PLAN["PlanId"])
        document = orchestrator.drive(execution_id)
        instances = orchestrator.app.drs.at(None, REGION).recovery_instances([DATABASE, WEB])
        earlier = {server["InstanceId"] for server in servers(orchestrator, first)}

        assert document["Status"] == "COMPLETED"
        assert earlier < {instance.instance_id for instance in instances if instance.is_living}
        for server in servers(orchestrator, execution_id):
            assert server["Error"].startswith("an earlier instance lives on: ")
            assert "may not be terminated" in server["Error"]
            assert server["NextStep"].startswith("Use the new instance")


class TestTrouble:
    def test_a_refusal_fails_nothing_and_the_document_says_what_to_do(self, orchestrator: Orchestrator) -> None:
        words = "You are not authorized to perform this operation. Encoded authorization failure message: 4GIOHlTkIa"
        orchestrator.ec2.fail("UnauthorizedOperation", words, status=403)
        execution_id = recovered(orchestrator)
        database, web = servers(orchestrator, execution_id)
        reason = "UnauthorizedOperation: You are not authorized to perform this operation."

        assert orchestrator.show(execution_id)["Status"] == "COMPLETED"
        assert len(orchestrator.ec2.asked) == 2, "a refusal is not argued with"
        assert (database["Status"], database["TerminationProtection"]) == ("LAUNCHED", False)
        assert database["UnprotectedReason"] == reason
        assert database["ProtectCommand"] == (
            f"aws ec2 modify-instance-attribute --instance-id {database['InstanceId']} --disable-api-termination "
            f"--region {REGION}"
        )
        assert told(orchestrator, execution_id)[1] == {
            "WaveName": "web",
            "Protected": 0,
            "Unprotected": [{"InstanceId": web["InstanceId"], "Reason": reason}],
        }

    def test_of_a_refusal_in_many_words_the_beginning_is_kept(self, orchestrator: Orchestrator) -> None:
        orchestrator.ec2.fail("OperationNotPermitted", "not so " * 60, status=400)
        database, _ = servers(orchestrator, recovered(orchestrator))

        assert database["UnprotectedReason"].startswith("OperationNotPermitted: not so")
        assert database["UnprotectedReason"].endswith("…")
        assert len(database["UnprotectedReason"].encode()) <= 300

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("RequestLimitExceeded", 503),
            ("ThrottlingException", 400),
            ("InternalError", 500),
            ("RequestExpired", 400),
            ("EndpointConnectionError", 0),
        ],
    )
    def test_an_ec2_that_is_busy_is_asked_again_later(self, orchestrator: Orchestrator, code: str, status: int) -> None:
        orchestrator.ec2.fail(code, status=status, count=3)
        execution_id = recovered(orchestrator)

        assert [server["TerminationProtection"] for server in servers(orchestrator, execution_id)] == [True, True]
        assert len(told(orchestrator, execution_id)) == 2

    def test_but_not_for_ever(self, orchestrator: Orchestrator) -> None:
        orchestrator.ec2.fail("RequestLimitExceeded", "Request limit exceeded.", status=503)
        execution_id = orchestrator.start(PLAN | {"TerminationProtection": True}, "RECOVERY")
        document = orchestrator.drive(execution_id)

        assert document["Status"] == "COMPLETED"
        assert {server["UnprotectedReason"] for server in servers(orchestrator, execution_id)} == {
            "RequestLimitExceeded: Request limit exceeded."
        }

    def test_one_instance_that_ec2_fails_on_keeps_no_other_from_being_protected(
        self, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.start(plan(wave("all", DATABASE, WEB)), "RECOVERY")
        with pytest.raises(AssertionError, match="still running"):
            orchestrator.drive(execution_id, polls=9, every=60)
        failing = orchestrator.server(execution_id, DATABASE)["InstanceId"]
        orchestrator.ec2.fail("InternalError", status=500, instance_id=failing)
        orchestrator.drive(execution_id)
        database, web = servers(orchestrator, execution_id)

        assert (database["TerminationProtection"], web["TerminationProtection"]) == (False, True)

    def test_a_busy_ec2_is_left_alone_for_the_rest_of_a_round(self, orchestrator: Orchestrator) -> None:
        many = [server_id(number) for number in range(40)]
        orchestrator.add_servers(*many)
        execution_id = orchestrator.start(plan(wave("many", *many), plan_id="many"), "RECOVERY")
        orchestrator.ec2.fail("RequestLimitExceeded", status=503)
        orchestrator.drive(execution_id)

        assert len(orchestrator.ec2.asked) <= 4 * MAX_ROUNDS

    def test_what_is_known_is_not_asked_again(self, orchestrator: Orchestrator) -> None:
        """The state machine repeats a task that died after its work; and a driver takes over from another."""
        execution_id = orchestrator.start(PLAN, "RECOVERY")
        orchestrator.ec2.fail("RequestLimitExceeded", status=503)
        with pytest.raises(AssertionError, match="still running"):
            orchestrator.drive(execution_id, polls=1)
        orchestrator.ec2.recover()
        orchestrator.drive(execution_id)
        asked = list(orchestrator.ec2.asked)
        orchestrator.protect(execution_id)

        assert orchestrator.ec2.asked == asked

    def test_a_driver_that_was_replaced_stops_quietly(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAN, "RECOVERY")
        execution = orchestrator.app.executions.get(execution_id)
        assert execution
        orchestrator.app.executions.take_over(execution, replacement(orchestrator.now))

        assert protect_instances(orchestrator.app, execution_id, 1)["outcome"] == "SUPERSEDED"
        assert orchestrator.ec2.asked == []


def job(chunk: int, servers: int, rounds: int = 0) -> Job:
    launched = {
        server_id(number): ServerProgress(ServerStatus.LAUNCHED, instance_id=f"i-{chunk}-{number}")
        for number in range(servers)
    }
    return Job(JobKey(0, chunk), "web", REGION, None, launched, protection_rounds=rounds)


class TestRounds:
    def test_a_round_is_about_so_many_instances_and_whole_jobs(self) -> None:
        jobs = [job(chunk, 100) for chunk in range(5)]

        assert [each.key.chunk for each in next_jobs(jobs)] == [0, 1]
        assert MAX_INSTANCES == 200

    def test_those_come_first_that_had_the_fewest(self) -> None:
        jobs = [job(0, 100, rounds=2), job(1, 100, rounds=1), job(2, 60), job(3, 41)]

        assert [each.key.chunk for each in next_jobs(jobs)] == [2, 3]

    def test_the_last_round_decides_everything(self) -> None:
        throttled = {f"i-0-{number}": Protection(Answer.BUSY, "throttled") for number in range(2)}
        last = job(0, 2, rounds=MAX_ROUNDS - 1)

        assert after_round(job(0, 2), throttled).protection == {}
        assert after_round(last, throttled).protection == {"i-0-0": "throttled", "i-0-1": "throttled"}

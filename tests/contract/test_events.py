"""Every sample in events/ goes through the shipped handler it is named after, unchanged, and gets a right answer.

A sample is `<handler's folder>.json` or `<handler's folder>.<case>.json`. Executions in flight outlive a deployment,
so a sample is never rewritten because a handler wants it: the handler has to go on taking it.
"""

import json

import boto3
import pytest

from drs_orchestrator.domain.statuses import ExecutionType
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.samples import EVENTS, EXECUTION_ID, FUNCTIONS, PLAN, folder_of, invoke, request, seed
from tests.helpers.template import template
from tests.statemachine.functions import functions


@pytest.fixture
def seeded(orchestrator: Orchestrator) -> Orchestrator:
    seed(orchestrator)
    return orchestrator


class TestSamples:
    def test_every_function_has_a_sample_and_every_sample_a_function(self) -> None:
        assert {folder_of(sample) for sample in EVENTS} == set(FUNCTIONS)

    def test_the_api_has_one_sample_a_route(self) -> None:
        events = functions()["ApiFunction"]["Events"].values()
        routes = sorted((each["Properties"]["Method"], each["Properties"]["Path"]) for each in events)
        samples = [event for sample, event in EVENTS.items() if folder_of(sample) == "api"]

        assert sorted((event["httpMethod"], event["resource"]) for event in samples) == routes

    def test_the_reconciler_has_one_sample_a_source_and_its_rule_lets_the_sample_through(self) -> None:
        sources = functions()["ReconcilerFunction"]["Events"]
        pattern = sources["DriverEnded"]["Properties"]["Pattern"]
        event = EVENTS["reconcile_executions.driver_ended"]
        [machine] = pattern["detail"]["stateMachineArn"]
        name = machine["Fn::Sub"].rpartition("${AWS::StackName}")[2]

        assert len([sample for sample in EVENTS if folder_of(sample) == "reconcile_executions"]) == len(sources)
        assert event["source"] in pattern["source"]
        assert event["detail-type"] in pattern["detail-type"]
        assert event["detail"]["status"] in pattern["detail"]["status"]
        assert event["detail"]["stateMachineArn"].endswith(f"drs-orchestrator{name}")

    @pytest.mark.parametrize("sample", sorted(sample for sample in EVENTS if folder_of(sample) == "api"))
    def test_an_api_sample_is_consistent_in_itself(self, sample: str) -> None:
        event = EVENTS[sample]
        path = event["resource"].format(**event["pathParameters"] or {})

        assert event["path"] == path
        assert event["requestContext"]["path"] == f"/{event['requestContext']['stage']}{path}"
        assert event["requestContext"]["resourcePath"] == event["resource"]


class TestApi:
    def test_put_plan(self, orchestrator: Orchestrator) -> None:
        status, stored = request(orchestrator, "api.put_plan")

        assert (status, stored["PlanId"]) == (201, PLAN["PlanId"])
        assert request(orchestrator, "api.put_plan") == (200, stored)
        assert request(orchestrator, "api.get_plan") == (200, stored)

    def test_get_plan(self, seeded: Orchestrator) -> None:
        status, document = request(seeded, "api.get_plan")

        assert (status, document["PlanId"]) == (200, PLAN["PlanId"])

    def test_delete_plan(self, seeded: Orchestrator) -> None:
        assert request(seeded, "api.delete_plan") == (204, None)
        assert request(seeded, "api.get_plan")[0] == 404

    def test_list_plans(self, seeded: Orchestrator) -> None:
        status, page = request(seeded, "api.list_plans")

        assert (status, [each["PlanId"] for each in page["plans"]]) == (200, [PLAN["PlanId"]])

    def test_preflight_plan(self, seeded: Orchestrator) -> None:
        status, found = request(seeded, "api.preflight_plan")

        assert (status, found["PlanId"], found["ExecutionType"]) == (200, PLAN["PlanId"], "DRILL")
        assert (found["Ready"], found["Findings"]) == (True, [])

    def test_start_execution(self, seeded: Orchestrator) -> None:
        status, started = request(seeded, "api.start_execution")

        assert (status, started["status"]) == (202, "PENDING")
        assert request(seeded, "api.start_execution") == (202, started), "the sample's ClientToken makes it repeatable"
        assert f"{started['executionId']}-g1" in seeded.drivers()

    def test_get_execution(self, seeded: Orchestrator) -> None:
        status, document = request(seeded, "api.get_execution")

        assert (status, document["ExecutionId"], document["Status"]) == (200, EXECUTION_ID, "PENDING")
        assert [wave["WaveName"] for wave in document["Waves"]] == [wave["WaveName"] for wave in PLAN["Waves"]]

    def test_list_executions(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")
        status, page = request(seeded, "api.list_executions")

        assert (status, [each["ExecutionId"] for each in page["executions"]]) == (200, [EXECUTION_ID])

    def test_show_history(self, seeded: Orchestrator) -> None:
        status, page = request(seeded, "api.show_history")

        assert (status, [entry["Kind"] for entry in page["history"]]) == (200, ["ExecutionStarted"])

    def test_show_report(self, seeded: Orchestrator) -> None:
        answer = invoke(seeded, "api.show_report")

        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
        assert answer["multiValueHeaders"]["Content-Type"] == ["text/html; charset=utf-8"]
        assert answer["body"].startswith("<!doctype html>")
        assert EXECUTION_ID in answer["body"]

    def test_pause_and_resume(self, seeded: Orchestrator) -> None:
        assert request(seeded, "api.pause")[0] == 202
        assert seeded.show(EXECUTION_ID)["PauseRequested"]["Reason"] == "waiting for the database team"
        assert request(seeded, "api.pause")[0] == 409
        assert request(seeded, "api.resume")[0] == 202
        assert "PauseRequested" not in seeded.show(EXECUTION_ID)

    @pytest.mark.parametrize("sample", ["api.approve", "api.resume", "api.reject"])
    def test_nothing_is_answered_that_was_not_asked(self, seeded: Orchestrator, sample: str) -> None:
        status, error = request(seeded, sample)

        assert (status, error["error"]) == (409, "Conflict")
        assert "asks nothing" in error["message"]

    def test_cancel(self, seeded: Orchestrator) -> None:
        assert request(seeded, "api.cancel")[0] == 202
        stop = seeded.show(EXECUTION_ID)["Stop"]

        assert (stop["Kind"], stop["Reason"]) == ("CANCEL", "the primary site is back")
        assert stop["By"] == "arn:aws:sts::123456789012:assumed-role/operator/operator"

    def test_skip_wave(self, seeded: Orchestrator) -> None:
        assert request(seeded, "api.skip_wave")[0] == 409, "its waves are not laid out yet"
        invoke(seeded, "prepare_execution")

        assert request(seeded, "api.skip_wave")[0] == 202
        assert seeded.drive(EXECUTION_ID)["Waves"][-1]["Status"] == "SKIPPED"

    def test_retry(self, seeded: Orchestrator) -> None:
        assert request(seeded, "api.retry")[0] == 409, "it has not ended"
        invoke(seeded, "prepare_execution")
        assert request(seeded, "api.cancel")[0] == 202
        assert seeded.drive(EXECUTION_ID)["Status"] == "CANCELLED"
        status, started = request(seeded, "api.retry")

        assert status == 202
        document = seeded.show(started["executionId"])
        assert (document["RetryOf"], document["Reason"]) == (EXECUTION_ID, "the subnet is fixed")

    def test_clean_up(self, seeded: Orchestrator) -> None:
        assert request(seeded, "api.clean_up")[0] == 409, "it has not ended"
        seeded.drive(EXECUTION_ID)

        assert request(seeded, "api.clean_up")[0] == 202
        assert seeded.clean_up(EXECUTION_ID, generation=2)["outcome"] == "CLEANED_UP"
        clean_up = seeded.show(EXECUTION_ID)["CleanUp"]
        assert (clean_up["Status"], clean_up["Reason"]) == ("CLEANED_UP", "the drill is signed off")


class TestRecoveries:
    @pytest.fixture
    def recovery(self, orchestrator: Orchestrator) -> Orchestrator:
        seed(orchestrator, ExecutionType.RECOVERY)
        return orchestrator

    def test_start_recovery(self, seeded: Orchestrator) -> None:
        status, started = request(seeded, "api.start_recovery")
        document = seeded.show(started["executionId"])

        assert status == 202
        assert (document["ExecutionType"], document["Reason"]) == ("RECOVERY", "the primary Region is down")

    def test_pause_and_resume(self, recovery: Orchestrator) -> None:
        assert request(recovery, "api.pause_recovery")[0] == 202
        assert recovery.show(EXECUTION_ID)["PauseRequested"]["Reason"] == "waiting for the database team"
        assert request(recovery, "api.resume_recovery")[0] == 202

    @pytest.mark.parametrize("sample", ["api.approve_recovery", "api.resume_recovery", "api.reject_recovery"])
    def test_nothing_is_answered_that_was_not_asked(self, recovery: Orchestrator, sample: str) -> None:
        status, error = request(recovery, sample)

        assert status == 409
        assert "asks nothing" in error["message"]

    def test_cancel_and_retry(self, recovery: Orchestrator) -> None:
        invoke(recovery, "prepare_execution")
        assert request(recovery, "api.cancel_recovery")[0] == 202
        recovery.drive(EXECUTION_ID)
        status, started = request(recovery, "api.retry_recovery")

        assert status == 202
        assert recovery.show(started["executionId"])["ExecutionType"] == "RECOVERY"

    def test_skip_wave(self, recovery: Orchestrator) -> None:
        invoke(recovery, "prepare_execution")

        assert request(recovery, "api.skip_recovery_wave")[0] == 202


class TestTasks:
    def test_prepare_execution(self, seeded: Orchestrator) -> None:
        defaults = {name: parameter["Default"] for name, parameter in template()["Parameters"].items()}

        assert invoke(seeded, "prepare_execution") == {
            "outcome": "READY",
            "intervals": {
                "pending": defaults["PendingIntervalSeconds"],
                "transition": defaults["TransitionIntervalSeconds"],
                "progress": defaults["ProgressIntervalSeconds"],
            },
        }
        assert seeded.show(EXECUTION_ID)["Status"] == "POLLING"

    def test_launch_waves(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")
        result = invoke(seeded, "launch_waves")

        assert (result["outcome"], result["jobsLaunched"], result["wavesOpen"]) == ("LAUNCHED", 1, 3)
        assert len(seeded.simulator.calls("StartRecovery")) == 1

    def test_check_drs(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")
        invoke(seeded, "launch_waves")
        seeded.let_pass(15)
        result = invoke(seeded, "check_drs")

        assert (result["outcome"], result["phase"], result["serversLaunching"]) == ("CHECKED", "PENDING", 2)

    def test_finish_execution(self, seeded: Orchestrator) -> None:
        assert seeded.drive(EXECUTION_ID)["Status"] == "COMPLETED"
        assert invoke(seeded, "finish_execution") == {
            "outcome": "FINISHED",
            "status": "COMPLETED",
            "cleanUp": False,
            "cleanUpDelaySeconds": 0,
        }

    def test_protect_instances(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")

        assert invoke(seeded, "protect_instances") == {"outcome": "PROTECTED", "instancesOpen": 0, "handOver": False}

    def test_clean_up_drill(self, seeded: Orchestrator) -> None:
        assert seeded.drive(EXECUTION_ID)["Status"] == "COMPLETED"

        assert invoke(seeded, "clean_up_drill")["outcome"] == "SUPERSEDED", "nobody has asked for it"

    def test_wait_for_decision(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")

        assert invoke(seeded, "wait_for_decision") == {"outcome": "RELEASED"}, "there is no question"

    def test_hand_over_execution(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")

        assert invoke(seeded, "hand_over_execution") == {"outcome": "HANDED_OVER"}
        assert seeded.drivers() == [f"{EXECUTION_ID}-g1", f"{EXECUTION_ID}-g2"]


class TestNotification:
    def test_an_event_becomes_a_mail_to_the_topic(self, orchestrator: Orchestrator) -> None:
        topic, inbox = boto3.client("sns").create_topic(Name="notifications")["TopicArn"], boto3.client("sqs")
        queue = inbox.create_queue(QueueName="inbox")["QueueUrl"]
        arn = inbox.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        orchestrator.environment["NOTIFICATION_TOPIC_ARN"] = topic
        orchestrator.app = orchestrator.another_app()
        invoke(orchestrator, "send_notification")
        [message] = inbox.receive_message(QueueUrl=queue)["Messages"]
        mail = json.loads(message["Body"])

        assert mail["Subject"] == "DRILL of shop: APPROVAL NEEDED (web)"
        assert EVENTS["send_notification"]["detail"]["nextCommand"] in mail["Message"]


class TestReconciler:
    def test_the_schedule_leaves_a_healthy_driver_alone(self, seeded: Orchestrator) -> None:
        counts = invoke(seeded, "reconcile_executions.schedule")

        assert {verdict: count for verdict, count in counts.items() if count} == {"HEALTHY": 1}

    def test_the_end_of_a_driver_gives_its_execution_a_new_one(self, seeded: Orchestrator) -> None:
        invoke(seeded, "prepare_execution")
        arn = seeded.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        boto3.client("stepfunctions").stop_execution(executionArn=f"{arn}:{EXECUTION_ID}-g1")
        counts = invoke(seeded, "reconcile_executions.driver_ended")

        assert {verdict: count for verdict, count in counts.items() if count} == {"REPLACED": 1}
        assert seeded.drivers() == [f"{EXECUTION_ID}-g1", f"{EXECUTION_ID}-g2"]

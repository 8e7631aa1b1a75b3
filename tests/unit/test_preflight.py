"""Pre-flight and dry run: each thing that stands in the way of a start is found before it, with what to do about it."""

import json
from collections import Counter
from typing import Any

import boto3
import pytest

from drs_orchestrator.domain.facts import PlaceFacts, ServerFacts
from drs_orchestrator.domain.plan import plan_from_document
from drs_orchestrator.domain.preflight import Situation, judge, verdict
from drs_orchestrator.domain.source import (
    LaunchConfiguration,
    RecoveryInstance,
    RecoveryPoint,
    RecoveryPoints,
    SourceServer,
)
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.domain.target_role import TargetRole
from drs_orchestrator.errors import Conflict
from drs_orchestrator.tasks.dry_run import dry_run
from drs_orchestrator.tasks.manage_plans import put_plan
from drs_orchestrator.tasks.preflight import Examination, preflight_document, preflight_plan
from drs_orchestrator.tasks.retry_execution import read_retry_request
from drs_orchestrator.tasks.short_answer import short_answer
from drs_orchestrator.tasks.start_execution import start_execution
from drs_orchestrator.tasks.start_request import read_start_request
from tests.helpers.orchestrator import CALLER, REGION, Orchestrator, plan, server_id, wave

ONE, TWO, THREE = (server_id(number) for number in range(1, 4))
SHOP = plan(wave("web", ONE))
# The simulator's newest recovery point is five minutes old.
STRICT = SHOP | {"RpoMinutes": 4}

LAMBDA_RESPONSE_BYTES = 6_291_556
"""As Lambda's own error says when an answer is too large."""

Document = dict[str, Any]


def preflight(orchestrator: Orchestrator, document: Document = SHOP, execution_type: str = "DRILL") -> Document:
    put_plan(orchestrator.app, document["PlanId"], dict(document))
    return preflight_plan(orchestrator.app, document["PlanId"], execution_type)


def found(answer: Document) -> list[tuple[str, str]]:
    return [(finding["Severity"], finding["Check"]) for finding in answer["Findings"]]


def only(answer: Document, check: str) -> Document:
    [finding] = [finding for finding in answer["Findings"] if finding["Check"] == check]
    return dict(finding)


def walk(orchestrator: Orchestrator, document: Document, execution_type: str = "DRILL", **fields: Any) -> Document:
    """A dry run of the plan."""
    put_plan(orchestrator.app, document["PlanId"], dict(document))
    request = {"PlanId": document["PlanId"], "ExecutionType": execution_type, "DryRun": True, **fields}
    return dry_run(orchestrator.app, read_start_request(request))


def by_hand(orchestrator: Orchestrator, server: str, *, is_drill: bool, to: str = "COMPLETED") -> str:
    """Somebody launches the server from the console; the id of the job, which has come so far."""
    drs: Any = boto3.client("drs", endpoint_url=orchestrator.simulator.url, region_name=REGION)
    job = drs.start_recovery(isDrill=is_drill, sourceServers=[{"sourceServerID": server}])["job"]
    orchestrator.simulator.push_jobs(to)
    return str(job["jobID"])


class TestServers:
    def test_a_server_that_is_ready_has_no_findings_and_is_shown_as_drs_has_it(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE, name="web-1", lag="PT2M", launchActions=[{"name": "audit"}])
        answer = preflight(orchestrator)
        [server] = answer["Servers"]
        age = orchestrator.now - server.pop("NewestRecoveryPoint")

        assert (answer["Ready"], answer["Findings"]) == (True, [])
        assert 360 < age < 480, "DRS makes one every ten minutes, the next is due in five, and all lag by two"
        assert server == {
            "SourceServerId": ONE,
            "Name": "web-1",
            "WaveName": "web",
            "ReplicationState": "CONTINUOUS",
            "LagSeconds": 120,
            "RightSizing": "BASIC",
            "LaunchDisposition": "STARTED",
            "PostLaunchEnabled": True,
        }

    @pytest.mark.parametrize(
        ("fields", "document", "severity", "check", "words"),
        [
            ({"replicationState": "INITIAL_SYNC"}, SHOP, "ERROR", "Replication", "copied for the first time"),
            ({"replicationState": "DISCONNECTED"}, SHOP, "WARNING", "Replication", "(DISCONNECTED)"),
            ({"recoverySnapshots": 0}, SHOP, "ERROR", "RecoveryPoint", "has no recovery point"),
            ({}, STRICT, "WARNING", "RecoveryPoint", "newest recovery point of web-1"),
            ({"launchDisposition": "STOPPED"}, SHOP, "WARNING", "LaunchConfiguration", "is launched STOPPED"),
        ],
    )
    def test_what_is_wrong_with_a_server_is_found_with_what_to_do(
        self,
        orchestrator: Orchestrator,
        fields: Document,
        document: Document,
        severity: str,
        check: str,
        words: str,
    ) -> None:
        orchestrator.add_servers(ONE, name="web-1", **fields)
        answer = preflight(orchestrator, document)
        finding = only(answer, check)

        assert found(answer) == [(severity, check)]
        assert words in finding["Message"]
        assert (finding["SourceServerId"], finding["Name"], finding["WaveName"]) == (ONE, "web-1", "web")
        assert all(finding[text].endswith(".") and "\n" not in finding[text] for text in ("Message", "Remedy"))
        assert answer["Ready"] is (severity == "WARNING")

    def test_a_server_that_lags_behind_has_recovery_points_as_old(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, name="web-1", lag="PT3H")
        answer = preflight(orchestrator, SHOP | {"RpoMinutes": 15})

        assert found(answer) == [("WARNING", "Lag"), ("WARNING", "RecoveryPoint")]
        assert "lags 3 h 00 min behind; RpoMinutes is 15" in only(answer, "Lag")["Message"]
        assert answer["Ready"] is True

    def test_a_server_that_drs_does_not_know_is_named(self, orchestrator: Orchestrator) -> None:
        answer = preflight(orchestrator)

        assert found(answer) == [("ERROR", "SourceServer")]
        assert f"{REGION} has no source server {ONE}" in only(answer, "SourceServer")["Message"]

    def test_a_pinned_point_has_to_exist_and_its_age_counts(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        pinned = orchestrator.oldest_point(ONE)[0]
        there = plan(wave("web", {"SourceServerId": ONE, "RecoverySnapshotId": pinned}))
        gone = plan(wave("web", {"SourceServerId": ONE, "RecoverySnapshotId": "pit-0badbadbadbadbad0"}))

        assert found(preflight(orchestrator, there)) == []
        aged = only(preflight(orchestrator, there | {"RpoMinutes": 10}), "RecoveryPoint")
        assert (aged["Severity"], "The pinned recovery point" in aged["Message"]) == ("WARNING", True)
        missing = only(preflight(orchestrator, gone), "RecoveryPoint")
        assert (missing["Severity"], "pit-0badbadbadbadbad0" in missing["Message"]) == ("ERROR", True)
        assert f"aws drs describe-recovery-snapshots --source-server-id {ONE}" in missing["Remedy"]

    def test_a_job_that_works_on_a_server_is_named(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        job_id = by_hand(orchestrator, ONE, is_drill=True, to="STARTED")
        answer = preflight(orchestrator)
        [quota] = answer["Quotas"]

        assert found(answer) == [("WARNING", "ActiveJob")]
        assert job_id in only(answer, "ActiveJob")["Message"]
        assert (quota["JobsInUse"], quota["ServersInJobs"]) == (1, 1)

    def test_an_instance_of_a_drill_is_removed_with_a_warning(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        by_hand(orchestrator, ONE, is_drill=True)
        answer = preflight(orchestrator, execution_type="RECOVERY")
        [instance] = answer["Servers"][0]["LiveInstances"]

        assert found(answer) == [("WARNING", "LiveInstance")]
        assert instance["IsDrill"] is True
        assert instance["InstanceId"] in only(answer, "LiveInstance")["Message"]

    @pytest.mark.parametrize(
        ("execution_type", "remedy"),
        [("DRILL", "Leave the server out of drills"), ("RECOVERY", "drctl start shop --recovery --replace-live shop")],
    )
    def test_an_instance_of_a_recovery_is_an_error_that_names_it(
        self, orchestrator: Orchestrator, execution_type: str, remedy: str
    ) -> None:
        orchestrator.add_servers(ONE)
        job_id = by_hand(orchestrator, ONE, is_drill=False)
        answer = preflight(orchestrator, execution_type=execution_type)
        [instance] = answer["Servers"][0]["LiveInstances"]
        finding = only(answer, "LiveInstance")

        assert (answer["Ready"], found(answer)) == (False, [("ERROR", "LiveInstance")])
        assert f"{instance['InstanceId']} ({job_id})" in finding["Message"]
        assert remedy in finding["Remedy"]
        assert ("drctl retry EXECUTION" in finding["Remedy"]) is (execution_type == "RECOVERY")

    def test_who_types_the_plan_s_id_is_only_warned(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        by_hand(orchestrator, ONE, is_drill=False)
        answer = walk(orchestrator, SHOP, "RECOVERY", ReplaceLive="shop")

        assert (answer["Ready"], found(answer)) == (True, [("WARNING", "LiveInstance")])


class TestPlan:
    def test_a_server_of_an_execution_that_has_not_ended_names_it(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        holder = orchestrator.start(SHOP)
        answer = preflight(orchestrator, plan(wave("other", ONE), plan_id="other"))

        assert found(answer) == [("ERROR", "Lock")]
        assert holder in only(answer, "Lock")["Message"]
        assert only(answer, "Lock")["Remedy"] == (
            f"Wait for its end: drctl watch {holder}; or end it: drctl cancel {holder}"
        )

    def test_more_jobs_at_once_than_drs_allows_are_told_to_be_queued(self, orchestrator: Orchestrator) -> None:
        servers = [server_id(number) for number in range(1, 22)]
        orchestrator.add_servers(*servers)
        waves = [wave(f"w{number}", server, DependsOn=[]) for number, server in enumerate(servers)]
        answer = preflight(orchestrator, plan(*waves))

        assert (answer["Ready"], found(answer)) == (True, [("WARNING", "Quota")])
        assert "want 21 DRS jobs with 21 servers" in only(answer, "Quota")["Message"]

    def test_a_region_in_which_drs_is_not_set_up_is_named(self, orchestrator: Orchestrator) -> None:
        orchestrator.simulator.initialize(False, region="eu-west-1")
        answer = preflight(orchestrator, plan(wave("web", ONE) | {"Region": "eu-west-1"}))

        assert found(answer) == [("ERROR", "Region")]
        assert "aws drs initialize-service --region eu-west-1" in only(answer, "Region")["Remedy"]

    def test_the_expected_duration_is_the_history_s_and_held_against_the_objective(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE)
        hasty = SHOP | {"RtoMinutes": 5}
        before = preflight(orchestrator, hasty)
        orchestrator.drive(orchestrator.start(hasty))
        after = preflight(orchestrator, hasty)

        assert (before["ExpectedSeconds"], before["ExpectedFrom"]) == (1200, "the specification's figures")
        assert ("WARNING", "Duration") in found(before)
        assert (after["ExpectedSeconds"], after["ExpectedFrom"]) == (600, "history of 1 execution")
        assert "10 min (history of 1 execution); RtoMinutes is 5" in only(after, "Duration")["Message"]

    def test_a_retry_does_not_tell_how_long_the_plan_takes(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        shop = plan(wave("database", ONE), wave("web", TWO))
        fault = orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        execution_id = orchestrator.start(shop)
        assert orchestrator.drive(execution_id)["Status"] == "PARTIAL"
        orchestrator.simulator.remove_faults(fault)
        retry = start_execution(orchestrator.app, read_retry_request(orchestrator.app, execution_id, None), CALLER)
        assert orchestrator.drive(retry["executionId"])["Status"] == "COMPLETED"

        assert preflight(orchestrator, shop)["ExpectedFrom"] == "the specification's figures"

        orchestrator.drive(orchestrator.start(shop))
        assert preflight(orchestrator, shop)["ExpectedFrom"] == "history of 1 execution"

    def test_what_drs_can_t_be_asked_refuses_nothing_and_is_told(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.simulator.add_fault("throttle", operation="DescribeRecoverySnapshots")
        answer = preflight(orchestrator)

        assert (answer["Ready"], found(answer)) == (True, [("WARNING", "Unchecked")])
        assert "recovery points of 1 server" in only(answer, "Unchecked")["Message"]

    def test_it_starts_and_launches_nothing(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        preflight(orchestrator)
        walk(orchestrator, SHOP)

        assert orchestrator.drivers() == []
        assert orchestrator.simulator.calls("StartRecovery") == []
        assert orchestrator.start(SHOP), "nor is a server locked"


class TestStart:
    def test_an_error_on_a_critical_server_refuses_it_with_the_findings(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.add_servers(TWO, replicationState="INITIAL_SYNC")
        with pytest.raises(Conflict, match="Pre-flight refuses the start: ") as refused:
            orchestrator.start(plan(wave("web", ONE, TWO)))
        [detail] = refused.value.details

        assert (detail["pointer"], detail["severity"], detail["check"]) == (f"/{TWO}", "ERROR", "Replication")
        assert detail["remedy"]
        assert orchestrator.drivers() == []

    def test_an_optional_one_is_skipped_with_the_reason_and_the_rest_goes_on(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.add_servers(TWO, replicationState="INITIAL_SYNC")
        document = plan(wave("web", ONE, {"SourceServerId": TWO, "Impact": "OPTIONAL"}))
        execution_id = orchestrator.start(document)
        ended = orchestrator.drive(execution_id)
        skipped = orchestrator.server(execution_id, TWO)
        [entry, *_] = orchestrator.app.executions.history(execution_id)

        assert (ended["Status"], skipped["Status"]) == ("PARTIAL", "SKIPPED")
        assert "copied for the first time" in skipped["Error"]
        assert [each["SourceServerId"] for each in entry["Data"]["SkippedServers"]] == [TWO]
        [call] = orchestrator.simulator.calls("StartRecovery")
        assert [each["sourceServerID"] for each in call["request"]["sourceServers"]] == [ONE]

    def test_with_nothing_left_to_launch_it_is_refused(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, replicationState="INITIAL_SYNC")
        with pytest.raises(Conflict, match="Pre-flight refuses the start"):
            orchestrator.start(plan(wave("web", {"SourceServerId": ONE, "Impact": "OPTIONAL"})))


class TestDryRun:
    def test_waves_jobs_and_chunks_are_those_of_an_execution(self, orchestrator: Orchestrator) -> None:
        many = [server_id(number) for number in range(100, 250)]
        orchestrator.add_servers(ONE, TWO, *many)
        document = plan(
            wave("database", ONE),
            wave("web", *many, ApprovalBefore=True, MinimumLaunched="50%", OnFailure="CONTINUE"),
            wave("audit", TWO, DependsOn=["database"]),
        ) | {"ApprovalTimeoutMinutes": 30}
        walked = walk(orchestrator, document)
        database, web, audit = walked["Waves"]

        assert walked["LaunchOrder"] == [["database"], ["web", "audit"]]
        assert [len(job["Servers"]) for job in web["Jobs"]] == [100, 50]
        assert (web["ApprovalBefore"], web["ApprovalTimeoutMinutes"], web["OnApprovalTimeout"]) == (True, 30, "REJECT")
        assert (web["MinimumLaunched"], web["OnFailure"]) == ("50%", "CONTINUE")
        assert audit["DependsOn"] == ["database"]
        assert (database["ExpectedStartSeconds"], database["ExpectedEndSeconds"]) == (0, 600)
        assert [each["ExpectedStartSeconds"] for each in (web, audit)] == [600, 600]

    def test_the_timeline_is_what_the_waves_took_before(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        document = plan(wave("database", ONE), wave("web", TWO))
        ended = orchestrator.drive(orchestrator.start(document))
        took = [each["EndTime"] - each["StartTime"] for each in ended["Waves"]]
        database, web = walk(orchestrator, document)["Waves"]

        assert database["ExpectedEndSeconds"] == web["ExpectedStartSeconds"] == took[0]
        assert web["ExpectedEndSeconds"] == sum(took)

    def test_who_would_be_skipped_is_named_and_in_no_job(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.add_servers(TWO, replicationState="INITIAL_SYNC")
        walked = walk(orchestrator, plan(wave("web", ONE, {"SourceServerId": TWO, "Impact": "OPTIONAL"})))
        [web] = walked["Waves"]

        assert (walked["Ready"], web["Jobs"]) == (True, [{"Servers": [ONE]}])
        [skipped] = web["Skipped"]
        assert (skipped["SourceServerId"], "copied for the first time" in skipped["Reason"]) == (TWO, True)


class TestGuardAtTheLaunch:
    """The same is asked once more right before each launch: much may happen between a start and its last wave."""

    def test_who_was_recovered_since_the_start_is_not_launched_over(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO, THREE)
        execution_id = orchestrator.start(plan(wave("database", ONE), wave("web", TWO, THREE)))
        orchestrator.prepare(execution_id)
        by_hand(orchestrator, TWO, is_drill=False)
        [living] = orchestrator.app.drs.at(None, REGION).recovery_instances([TWO])
        orchestrator.drive(execution_id)
        guarded = orchestrator.server(execution_id, TWO)
        entries = list(orchestrator.app.executions.history(execution_id))

        assert guarded["Status"] == "SKIPPED"
        assert f"the launch would have removed {living.instance_id}" in guarded["Error"]
        assert orchestrator.server(execution_id, THREE)["Status"] == "LAUNCHED"
        assert [entry["Kind"] for entry in entries].count("ServersGuarded") == 1
        assert living in orchestrator.app.drs.at(None, REGION).recovery_instances([TWO])

    def test_what_the_guard_spared_is_launched_by_a_retry_of_the_execution(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        execution_id = orchestrator.start(plan(wave("web", ONE, TWO)), "RECOVERY")
        orchestrator.prepare(execution_id)
        by_hand(orchestrator, TWO, is_drill=False)
        orchestrator.drive(execution_id)

        assert orchestrator.server(execution_id, TWO)["NextStep"] == (
            f"If it may be replaced, with all its data: drctl retry {execution_id} --replace-live shop"
        )

    def test_a_drill_s_instance_keeps_nobody_from_being_launched(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(SHOP)
        orchestrator.prepare(execution_id)
        by_hand(orchestrator, ONE, is_drill=True)

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_who_typed_the_plan_s_id_launches_and_the_history_names_what_went(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(SHOP, "RECOVERY", ReplaceLive="shop", Reason="the first one is broken")
        orchestrator.prepare(execution_id)
        by_hand(orchestrator, ONE, is_drill=False)
        [living] = orchestrator.app.drs.at(None, REGION).recovery_instances([ONE])
        orchestrator.drive(execution_id)
        history = orchestrator.app.executions.history(execution_id)
        [replaced] = [entry for entry in history if entry["Kind"] == "LiveInstancesReplaced"]

        assert replaced["Data"]["Instances"] == [{"SourceServerId": ONE, "InstanceId": living.instance_id}]
        assert replaced["Reason"] == "the first one is broken"


class TestShortAnswer:
    """A Region is gone, and every server of the largest plan has the same to tell."""

    @staticmethod
    def answer(servers: int, name: str) -> Document:
        ids = [server_id(number) for number in range(servers)]
        waves = [wave(f"wave-{at}", *ids[at : at + 100]) for at in range(0, servers, 100)]
        situation = Situation(
            plan=plan_from_document(plan(*waves) | {"RpoMinutes": 15}),
            execution_type=ExecutionType.RECOVERY,
            replace_live=False,
            places={
                (None, REGION): PlaceFacts(
                    None,
                    REGION,
                    {
                        each: ServerFacts(
                            True,
                            SourceServer(each, name, "DISCONNECTED", 7200),
                            (RecoveryInstance(f"i-{each[2:]}", each, "drsjob-0123456789abcdef0", True, "RUNNING"),),
                            RecoveryPoints(RecoveryPoint("pit-0123456789abcdef0", 0)),
                            LaunchConfiguration("BASIC", "STOPPED", False),
                        )
                        for each in ids
                    },
                    jobs=(),
                )
            },
            holders={},
            past=(),
            role=TargetRole("role", False, "123456789012", "drs-orchestrator", REGION),
            now=7200,
        )
        findings = judge(situation)
        return preflight_document(Examination(situation, findings, verdict(situation.plan, findings)))

    # A tag's value, which a server's name may come from, has at most 256 letters.
    @pytest.mark.parametrize("name", ["app-server-0001.production.example.com", "本" * 256])
    def test_the_answer_about_three_thousand_servers_can_be_sent(self, name: str) -> None:
        answer = self.answer(3_000, name)
        body = json.dumps(short_answer(answer), ensure_ascii=False)

        assert len(json.dumps({"statusCode": 200, "body": body}, ensure_ascii=False).encode()) < LAMBDA_RESPONSE_BYTES

    def test_warnings_that_are_not_listed_are_counted(self) -> None:
        answer = self.answer(300, "app-server")
        short = short_answer(answer)

        every, listed = Counter(found(answer)), Counter(found(short))
        assert listed == Counter({kind: min(count, 200) for kind, count in every.items()})
        assert short["MoreWarnings"] == {check: count - 200 for (_, check), count in every.items() if count > 200}
        assert len(short["MoreWarnings"]) > 1
        assert short_answer(self.answer(200, "app-server")) == self.answer(200, "app-server")

    def test_no_error_is_left_out(self) -> None:
        errors = [{"Severity": "ERROR", "Check": "Replication", "Message": str(each)} for each in range(600)]

        assert short_answer({"Findings": errors}) == {"Findings": errors}

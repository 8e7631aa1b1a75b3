"""The evidence report against figures worked out by hand, of executions driven over the simulator.

Its clock stands still: a server alone in its job is always launched 530 s after the job was created, and a poll every
120 s finds that after 600 s.
"""

from itertools import pairwise
from typing import Any

import pytest

from drs_orchestrator.domain.plan import plan_from_document
from drs_orchestrator.domain.report import make_report
from drs_orchestrator.domain.timeline import questions, wave_spans
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.show_report import show_report
from drs_orchestrator.tasks.steer_execution import approve, cancel, pause, reject, resume, skip_wave
from tests.helpers.api_document import documented
from tests.helpers.orchestrator import CALLER, REGION, START, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
LAUNCHED, FOUND = 530, 600
"""Seconds after its job's creation when a server is launched, and when the poll finds it."""

FASTER = 528
"""Seconds until the faster one of two servers in a job is launched: with the simulator's own seed, the first."""

AGENT, ACTION = 75, 300
"""Seconds until the SSM agent is discovered, and of the one launch action."""


def report_of(orchestrator: Orchestrator, execution_id: str) -> dict[str, Any]:
    """The report, which is as the API documents it."""
    report = show_report(orchestrator.app, execution_id)
    assert list(documented("Report").iter_errors(report)) == []
    return report


def servers(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {server["SourceServerId"]: server for each in report["Waves"] for server in each["Servers"]}


def spans(record: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Kind, beginning and end in seconds after the first launch."""
    return [(span["Kind"], span["StartTime"] - START, span["EndTime"] - START) for span in record["Spans"]]


class TestRecoveryTime:
    def test_every_wave_and_server_counts_from_the_start_against_the_objective(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE, TWO)
        two_waves = plan(wave("database", ONE), wave("web", TWO)) | {"RtoMinutes": 15}
        execution_id = orchestrator.start(two_waves)
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert report["RecoveryTime"] == {
            "ObjectiveMinutes": 15,
            "Seconds": 2 * FOUND,
            "SinceStartSeconds": 2 * FOUND,
            "Verdict": "MISSED",
        }
        assert [each["RecoveryTime"] for each in report["Waves"]] == [
            {"Seconds": FOUND, "SinceStartSeconds": FOUND, "Verdict": "MET"},
            {"Seconds": FOUND, "SinceStartSeconds": 2 * FOUND, "Verdict": "MISSED"},
        ]
        assert {server: each["RecoveryTime"] for server, each in servers(report).items()} == {
            ONE: {"Seconds": LAUNCHED, "SinceStartSeconds": LAUNCHED, "Verdict": "MET"},
            TWO: {"Seconds": LAUNCHED, "SinceStartSeconds": FOUND + LAUNCHED, "Verdict": "MISSED"},
        }

    def test_a_server_of_a_recovery_is_recovered_when_its_launch_actions_are_found_ended(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.switch(ssmDiscoverySeconds=AGENT)
        orchestrator.add_servers(ONE, launchActions=[{"name": "audit", "seconds": ACTION}])
        execution_id = orchestrator.start(plan(wave("web", ONE)), "RECOVERY")
        orchestrator.drive(execution_id)
        server = servers(report_of(orchestrator, execution_id))[ONE]

        # 530 + 75 + 300 = 905 s; the poll after 960 s finds it.
        assert server["RecoveryTime"] == {"Seconds": 960, "SinceStartSeconds": 960}
        assert spans(server)[-2:] == [
            ("BOOT", LAUNCHED, LAUNCHED + AGENT),
            ("LAUNCH_ACTIONS", LAUNCHED + AGENT, 960),
        ]

    def test_what_was_not_recovered_is_not_measured_and_says_why(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.add_servers(ONE, TWO, THREE)
        simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        execution_id = orchestrator.start(plan(wave("web", ONE, TWO), wave("last", THREE)) | {"RtoMinutes": 60})
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert report["Status"] == "PARTIAL"
        assert report["Counts"] == {"Servers": 3, "Launched": 1, "Failed": 1, "Skipped": 1, "Open": 0}
        reasons = [report["RecoveryTime"], *(each["RecoveryTime"] for each in report["Waves"])]
        assert [each["NotMeasured"] for each in reasons] == [
            "2 of 3 servers were not recovered",
            "1 of 2 servers was not recovered",
            "the wave was skipped",
        ]
        assert {each["Verdict"] for each in reasons} == {"NOT_MEASURED"}
        assert servers(report)[TWO]["RecoveryTime"]["NotMeasured"] == "the server failed"
        assert servers(report)[THREE]["RecoveryTime"]["NotMeasured"] == "the server was skipped"
        assert servers(report)[ONE]["RecoveryTime"]["Seconds"] == FASTER

    def test_who_was_not_recovered_in_time_has_missed_the_objective(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.add_servers(ONE, TWO)
        simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        execution_id = orchestrator.start(plan(wave("web", ONE, TWO)) | {"RtoMinutes": 5})
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert "NotMeasured" in report["RecoveryTime"]
        assert report["RecoveryTime"]["Verdict"] == "MISSED"

    def test_while_it_runs_the_figures_are_open_and_what_goes_on_lasts_until_now(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("web", ONE)))
        orchestrator.check(execution_id, after=120)
        report = report_of(orchestrator, execution_id)

        assert (report["ReportTime"], "EndTime" in report) == (START + 120, False)
        assert report["RecoveryTime"] == {"NotMeasured": "the execution has not ended"}
        assert report["Waves"][0]["RecoveryTime"] == {"NotMeasured": "the wave has not ended"}
        server = servers(report)[ONE]
        assert server["RecoveryTime"] == {"NotMeasured": "the server is not recovered yet"}
        assert server["RecoveryPoint"] == {"NotMeasured": "the server is not launched yet"}
        assert spans(server) == [("UNTOLD", 0, 120)]

    def test_a_report_can_be_had_from_the_first_moment(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        report = report_of(orchestrator, orchestrator.start(plan(wave("web", ONE))))

        assert (report["Status"], report["Counts"]["Open"], report["Audit"]["Whole"]) == ("PENDING", 1, True)


class TestRecoveryPoint:
    @pytest.mark.parametrize(("minutes", "verdict"), [(15, "MISSED"), (30, "MET")])
    def test_the_age_at_launch_of_a_pinned_point_against_the_objective(
        self, orchestrator: Orchestrator, minutes: int, verdict: str
    ) -> None:
        orchestrator.add_servers(ONE, TWO)
        pinned = {"SourceServerId": ONE, "RecoverySnapshotId": orchestrator.oldest_point(ONE)[0]}
        execution_id = orchestrator.start(plan(wave("web", pinned, TWO)) | {"RpoMinutes": minutes})
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        # The simulator's points are ten minutes apart, the oldest begun 1,500 s before and complete 12 s later.
        assert servers(report)[ONE]["RecoveryPoint"] == {"Time": START - 1488, "AgeSeconds": 1488, "Verdict": verdict}
        assert servers(report)[TWO]["RecoveryPoint"]["AgeSeconds"] == 0, "DRS took it for this launch"
        assert report["RecoveryPoint"] == {
            "ObjectiveMinutes": minutes,
            "Measured": 2,
            "Launched": 2,
            "OldestAgeSeconds": 1488,
            "Verdict": verdict,
        }

    def test_what_drs_did_not_tell_is_not_measured(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("web", ONE)) | {"RpoMinutes": 15})
        simulator.add_fault("server-error", operation="DescribeRecoveryInstances")
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert servers(report)[ONE]["RecoveryPoint"] == {
            "NotMeasured": "DRS did not tell the point in time when the server was found launched",
            "Verdict": "NOT_MEASURED",
        }
        assert report["RecoveryPoint"] == {
            "ObjectiveMinutes": 15,
            "Measured": 0,
            "Launched": 1,
            "NotMeasured": "DRS did not tell the point in time of 1 of 1 launched servers",
            "Verdict": "NOT_MEASURED",
        }

    def test_without_a_launched_server_there_is_no_point(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.add_servers(ONE)
        simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert report["RecoveryPoint"] == {"Measured": 0, "Launched": 0, "NotMeasured": "no server was launched"}
        assert servers(report)[ONE]["RecoveryPoint"] == {"NotMeasured": "the server was not launched"}


class TestTimeline:
    def test_a_launch_is_told_phase_by_phase_without_a_gap(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)
        told = spans(servers(report)[ONE])

        assert [kind for kind, _, _ in told] == ["SNAPSHOT", "CONVERSION", "LAUNCH"]
        assert (told[0][1], told[-1][2]) == (0, LAUNCHED)
        assert all(before[2] == after[1] for before, after in pairwise(told))
        assert spans(report["Waves"][0]) == []

    def test_a_failure_ends_the_phase_it_came_in(self, orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
        orchestrator.add_servers(ONE)
        simulator.add_fault("conversion-failure", sourceServerIDs=[ONE])
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        document = orchestrator.drive(execution_id)
        server = servers(report_of(orchestrator, execution_id))[ONE]

        [failed] = [
            step["Time"] for step in document["Waves"][0]["Servers"][0]["TransitionHistory"] if step["To"] == "FAILED"
        ]
        assert (server["SettledTime"], spans(server)[-1][0]) == (failed, "CONVERSION")
        assert spans(server)[-1][2] == failed - START

    def test_a_wave_without_room_is_queued_until_its_launch(self, orchestrator: Orchestrator) -> None:
        others = [server_id(100 + number) for number in range(20)]
        orchestrator.add_servers(*others, ONE)
        drs = orchestrator.app.drs.at(None, REGION)
        for server in others:
            drs.start_recovery({server: None}, is_drill=True, tags={})
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        # The others' jobs end after 532 s; the poll after 600 s finds room.
        assert spans(report["Waves"][0]) == [("QUEUED", 0, 600)]
        assert spans(servers(report)[ONE])[0] == ("QUEUED", 0, 600)
        assert servers(report)[ONE]["RecoveryTime"] == {"Seconds": LAUNCHED, "SinceStartSeconds": 600 + LAUNCHED}

    def test_a_refused_launch_has_no_spans(self, orchestrator: Orchestrator, simulator: SimulatorControl) -> None:
        orchestrator.add_servers(ONE)
        simulator.add_fault("error", operation="StartRecovery", code="AccessDeniedException", message="not you")
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert servers(report)[ONE]["Spans"] == []
        assert report["Failures"][0]["Error"] == "DRS refused to start the launch: AccessDeniedException: not you"


class TestTroubles:
    def test_failures_are_told_in_drs_own_words_with_the_next_step(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        orchestrator.add_servers(ONE, name="db-1")
        orchestrator.add_servers(TWO, THREE)
        simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        execution_id = orchestrator.start(plan(wave("web", ONE, TWO), wave("last", THREE)))
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)
        [failure], [skipped] = report["Failures"], report["Skipped"]

        assert (failure["WaveName"], failure["Name"], failure["Status"]) == ("web", "db-1", "FAILED")
        assert failure["Error"] == "The EBS encryption key could not be found in this account"
        assert failure["NextStep"]
        assert (skipped["SourceServerId"], skipped["WaveName"]) == (THREE, "last")
        assert "wave web has a CRITICAL server that is not up" in skipped["Error"]

    def test_a_launched_server_whose_optional_action_failed_is_among_the_failures(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(
            ONE, launchActions=[{"name": "audit", "seconds": 60, "optional": True, "status": "FAILED"}]
        )
        execution_id = orchestrator.start(plan(wave("web", ONE)), "RECOVERY")
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert report["Counts"]["Launched"] == 1
        [failure] = report["Failures"]
        assert (failure["Status"], failure["Error"].partition(":")[0]) == (
            "LAUNCHED",
            "optional launch action audit failed",
        )


class TestDecisions:
    def test_an_approval_stands_with_who_when_why_and_how_long_it_was_waited_for(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("web", ONE, ApprovalBefore=True)))
        orchestrator.let_pass(90)
        approve(orchestrator.app, execution_id, {"Reason": "checked by Ana"}, CALLER)
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)
        [decision] = report["Decisions"]

        assert (decision["Kind"], decision["By"], decision["Reason"]) == ("Approved", CALLER, "checked by Ana")
        assert (decision["Time"], decision["Data"]["Waves"]) == (START + 90, ["web"])
        assert decision["Question"]["AskedTime"] == START
        assert decision["Question"]["WaitedSeconds"] == 90
        assert spans(report["Waves"][0]) == [("DECISION", 0, 90)]
        assert report["RecoveryTime"]["Seconds"] == 90 + FOUND, "waiting for a decision is part of the recovery time"

    def test_a_pause_that_is_taken_back_answers_no_approval(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("web", ONE, ApprovalBefore=True)))
        orchestrator.let_pass(60)
        pause(orchestrator.app, execution_id, None, CALLER)
        resume(orchestrator.app, execution_id, None, CALLER)
        orchestrator.let_pass(600)
        approve(orchestrator.app, execution_id, None, CALLER)
        orchestrator.drive(execution_id)
        report = show_report(orchestrator.app, execution_id)
        waited = {each["Kind"]: each.get("Question", {}).get("WaitedSeconds") for each in report["Decisions"]}

        assert waited == {"PauseRequested": None, "Resumed": None, "Approved": 660}
        assert spans(report["Waves"][0])[0] == ("DECISION", 0, 660)

    @pytest.mark.parametrize("told", [True, False])
    def test_the_wait_after_a_failure_stands_at_the_waves_that_waited(
        self, orchestrator: Orchestrator, simulator: SimulatorControl, told: bool
    ) -> None:
        """Where the history tells which; one of an earlier build does not."""
        orchestrator.add_servers(ONE, TWO)
        fault = simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        execution_id = orchestrator.begin(plan(wave("database", ONE, OnFailure="PAUSE"), wave("web", TWO)))
        orchestrator.until_asked(execution_id)
        simulator.remove_faults(fault)
        orchestrator.let_pass(3600)
        resume(orchestrator.app, execution_id, None, CALLER)
        document = orchestrator.drive(execution_id)
        history = list(orchestrator.app.executions.history(execution_id))
        if not told:
            history = [each | {"Data": {k: v for k, v in each["Data"].items() if k != "Held"}} for each in history]
        asked = list(questions(history))
        waited = {
            each["WaveName"]: [span.end - span.start for span in wave_spans(each, asked, None, orchestrator.now)]
            for each in document["Waves"]
        }

        assert waited == ({"database": [], "web": [3600]} if told else {"database": [3600], "web": []})

    def test_a_question_nobody_has_answered_yet_is_told(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("web", ONE, ApprovalBefore=True)))
        orchestrator.let_pass(50)
        [open_question] = report_of(orchestrator, execution_id)["Decisions"]

        assert (open_question["Kind"], open_question["Question"]["WaitedSeconds"]) == ("QuestionAsked", 50)

    def test_an_approval_that_came_too_late_is_the_plans_own_decision(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        hasty = {"ApprovalTimeoutMinutes": 5, "OnApprovalTimeout": "REJECT"}
        execution_id = orchestrator.begin(plan(wave("web", ONE, ApprovalBefore=True)) | hasty)
        orchestrator.let_pass(301)
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)
        [decision] = report["Decisions"]

        assert (decision["Kind"], decision["By"]) == ("ApprovalTimedOut", "orchestrator")
        assert report["Status"] == "CANCELLED"
        assert report["RecoveryTime"]["NotMeasured"] == "1 of 1 servers was not recovered"

    def test_pause_resume_skip_and_cancel_are_told_in_order(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO, THREE)
        execution_id = orchestrator.begin(plan(wave("a", ONE), wave("b", TWO), wave("c", THREE)))
        app = orchestrator.app
        pause(app, execution_id, {"Reason": "wait"}, CALLER)
        resume(app, execution_id, None, CALLER)
        skip_wave(app, execution_id, {"WaveName": "b"}, CALLER)
        cancel(app, execution_id, {"Reason": "enough"}, CALLER)
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert [each["Kind"] for each in report["Decisions"]] == [
            "PauseRequested",
            "Resumed",
            "WaveSkipRequested",
            "CancelRequested",
        ]
        assert all("Question" not in each for each in report["Decisions"]), "nothing had been asked"
        assert report["Counts"] == {"Servers": 3, "Launched": 1, "Failed": 0, "Skipped": 2, "Open": 0}

    def test_a_rejection_ends_the_question(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("web", ONE, ApprovalBefore=True)))
        orchestrator.let_pass(30)
        reject(orchestrator.app, execution_id, {"Reason": "not today"}, CALLER)
        orchestrator.drive(execution_id)
        [decision] = report_of(orchestrator, execution_id)["Decisions"]

        assert (decision["Kind"], decision["Reason"]) == ("Rejected", "not today")
        assert decision["Question"]["WaitedSeconds"] == 30

    def test_skipping_the_wave_a_question_is_about_settles_it(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        execution_id = orchestrator.begin(plan(wave("a", ONE, ApprovalBefore=True), wave("b", TWO, DependsOn=["a"])))
        orchestrator.let_pass(20)
        skip_wave(orchestrator.app, execution_id, {"WaveName": "a"}, CALLER)
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        [decision] = report["Decisions"]
        assert decision["Question"]["WaitedSeconds"] == 20
        assert spans(report["Waves"][0]) == [("DECISION", 0, 20)]


class TestOverrides:
    def test_replaced_instances_are_named_with_who_allowed_it_and_why(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        shop = plan(wave("web", ONE))
        first = orchestrator.drive(orchestrator.start(shop, "RECOVERY"))
        execution_id = orchestrator.start(shop, "RECOVERY", ReplaceLive="shop", Reason="the first one is broken")
        orchestrator.drive(execution_id)
        [override] = report_of(orchestrator, execution_id)["Overrides"]

        [gone] = override["Instances"]
        assert gone == {"SourceServerId": ONE, "InstanceId": first["Waves"][0]["Servers"][0]["InstanceId"]}
        assert (override["Override"], override["By"], override["Reason"], override["Number"]) == (
            "ReplaceLive",
            CALLER,
            "the first one is broken",
            1,
        )

    def test_skipped_approvals_name_the_waves_that_would_have_waited(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        document = plan(wave("a", ONE, ApprovalBefore=True), wave("b", TWO))
        execution_id = orchestrator.begin(document, "RECOVERY")
        shown = orchestrator.show(execution_id) | {"SkipApprovals": True, "Reason": "nobody can be reached"}
        history = list(orchestrator.app.executions.history(execution_id))
        [override] = make_report(shown, plan_from_document(document), history, orchestrator.now)["Overrides"]

        assert (override["Override"], override["Waves"]) == ("SkipApprovals", ["a"])
        assert (override["By"], override["Reason"]) == (CALLER, "nobody can be reached")

    def test_an_execution_without_any_has_none(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)

        assert report_of(orchestrator, orchestrator.begin(plan(wave("web", ONE))))["Overrides"] == []


class TestTerminationProtection:
    def test_of_a_recovery_each_instance_is_told_to_be_protected_or_why_not(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO, THREE)
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[THREE])
        execution_id = orchestrator.start(plan(wave("web", ONE, TWO, THREE)), "RECOVERY")
        with pytest.raises(AssertionError, match="still running"):
            orchestrator.drive(execution_id, polls=9, every=60)
        refused = orchestrator.server(execution_id, TWO)["InstanceId"]
        orchestrator.ec2.fail("UnauthorizedOperation", "Not allowed.", status=403, instance_id=refused)
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)
        one, two, three = (servers(report)[server_id] for server_id in (ONE, TWO, THREE))

        assert report["TerminationProtection"] == {"Wanted": True, "Protected": 1, "Unprotected": 1}
        assert (one["TerminationProtection"], two["TerminationProtection"]) == (True, False)
        assert two["UnprotectedReason"] == "UnauthorizedOperation: Not allowed."
        assert "TerminationProtection" not in three

    def test_a_plan_that_does_not_want_it_says_so(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(plan(wave("web", ONE)) | {"TerminationProtection": False}, "RECOVERY")
        orchestrator.drive(execution_id)
        report = report_of(orchestrator, execution_id)

        assert report["TerminationProtection"] == {"Wanted": False, "Protected": 0, "Unprotected": 0}

    def test_of_a_drill_nothing_is_told(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)

        assert "TerminationProtection" not in report_of(orchestrator, execution_id)


class TestAudit:
    def test_the_head_is_that_of_the_history_and_the_chain_is_whole(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)
        history = list(orchestrator.app.executions.history(execution_id))

        assert report_of(orchestrator, execution_id)["Audit"] == {
            "Entries": len(history),
            "Hash": history[-1]["Hash"],
            "Whole": True,
            "Verify": f"drctl history verify {execution_id}",
        }

    def test_a_changed_entry_is_named(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        document = plan(wave("web", ONE))
        execution_id = orchestrator.begin(document)
        history = list(orchestrator.app.executions.history(execution_id))
        history[0] = {**history[0], "By": "somebody else"}
        shown = orchestrator.show(execution_id)
        audit = make_report(shown, plan_from_document(document), history, orchestrator.now)["Audit"]

        assert audit["Whole"] is False
        assert "entry 1 was changed" in audit["Break"]

    def test_entries_that_come_while_the_report_is_made_are_left_to_the_next(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        document = plan(wave("web", ONE))
        execution_id = orchestrator.begin(document)
        shown = orchestrator.show(execution_id)
        cancel(orchestrator.app, execution_id, None, CALLER)
        history = list(orchestrator.app.executions.history(execution_id))
        report = make_report(shown, plan_from_document(document), history, orchestrator.now)

        assert report["Audit"]["Whole"] is True
        assert report["Decisions"] == []

    def test_clean_up_is_told_as_the_history_has_it(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(plan(wave("web", ONE)))
        orchestrator.drive(execution_id)
        request_clean_up(orchestrator.app, execution_id, {"Reason": "drill is over"}, CALLER)
        orchestrator.clean_up(execution_id, 2)
        report = report_of(orchestrator, execution_id)
        requested, finished = report["CleanUp"]

        assert (requested["Kind"], requested["By"], requested["Reason"]) == (
            "CleanUpRequested",
            CALLER,
            "drill is over",
        )
        assert (finished["Kind"], finished["By"]) == ("CleanUpFinished", "orchestrator")
        assert finished["Data"] == {"Status": "CLEANED_UP", "Terminated": 1}
        assert report["Audit"]["Whole"] is True

"""drctl steering real executions: every command against the API's own function, on the simulator."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from drctl.main import app
from tests.helpers.http_api import HttpApi, served
from tests.helpers.orchestrator import CALLER, EXECUTION_TABLE, Orchestrator, plan, server_id, wave

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
APPROVAL = plan(wave("database", ONE, ApprovalBefore=True), wave("web", TWO), wave("report", THREE))
FAILURE = plan(wave("database", ONE, OnFailure="PAUSE"), wave("web", TWO))
PLAIN = plan(wave("database", ONE), wave("web", TWO))
LIMITED = APPROVAL | {"ApprovalTimeoutMinutes": 30}

type Drctl = Callable[..., Result]


@pytest.fixture
def api(orchestrator: Orchestrator) -> Iterator[HttpApi]:
    orchestrator.add_servers(ONE, TWO, THREE)
    with served(orchestrator) as api:
        yield api


@pytest.fixture
def drctl(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> Drctl:
    monkeypatch.setattr("drctl.watching._SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr("drctl.watching._LONGEST_PAUSE", 0.0)
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"API_URL": api.url})


@pytest.fixture
def failed(orchestrator: Orchestrator, api: HttpApi) -> str:
    """An execution that asks whether to go on although its first wave failed."""
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
    execution_id = orchestrator.begin(FAILURE)
    orchestrator.until_asked(execution_id)
    return execution_id


def kinds(orchestrator: Orchestrator, execution_id: str) -> list[str]:
    return [entry["Kind"] for entry in orchestrator.app.executions.history(execution_id)]


class TestDecisions:
    def test_approve_lets_the_wave_be_launched(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        result = drctl("approve", execution_id, "--reason", "the database is consistent")

        assert (result.exit_code, result.stdout) == (0, "Approved: database will be launched now.\n")
        assert f"try: drctl watch {execution_id}" in result.stderr
        assert orchestrator.launch(execution_id)["jobsLaunched"] == 1
        [entry] = [each for each in orchestrator.app.executions.history(execution_id) if each["Kind"] == "Approved"]
        assert (entry["By"], entry["Reason"]) == (CALLER, "the database is consistent")

    def test_reject_ends_the_execution_and_status_ends_8(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        result = drctl("reject", execution_id, "--reason", "wrong plan")
        orchestrator.drive(execution_id)
        status = drctl("status", execution_id)

        assert (result.exit_code, result.stdout) == (0, "Rejected: nothing more is launched.\n")
        assert status.exit_code == 8
        assert f"CANCELLED after 0s: 0 of 3 launched, 3 skipped; rejected by {CALLER}: wrong plan" in status.stdout
        assert f"wave web: SKIPPED (not launched: rejected by {CALLER}: wrong plan)" in status.stdout
        assert drctl("watch", execution_id).exit_code == 8

    def test_a_pause_is_resumed(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        paused = drctl("pause", execution_id)
        again = drctl("pause", execution_id)
        resumed = drctl("resume", execution_id)

        assert paused.stdout.startswith("Pausing: nothing more is launched")
        assert again.exit_code == 7
        assert f"is paused already, by {CALLER}: drctl resume {execution_id}" in again.stderr
        assert resumed.stdout.startswith("Resumed: the execution goes on")
        assert kinds(orchestrator, execution_id)[-2:] == ["PauseRequested", "Resumed"]

    def test_cancel_says_what_is_followed_to_its_end(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        result = drctl("cancel", execution_id)

        assert result.stdout == "Cancelled: nothing more is launched; 1 DRS job in flight is followed to the end.\n"

    def test_a_skipped_wave_is_shown_as_such_before_and_after_its_turn(
        self, drctl: Drctl, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        result = drctl("skip-wave", execution_id, "web", "--reason", "not needed")

        assert result.stdout == "Wave web will be skipped; what depends on it goes on.\n"
        because = f"(skipped by {CALLER}: not needed)"
        assert f"wave web: PENDING {because}" in drctl("status", execution_id).stdout
        orchestrator.drive(execution_id)
        assert f"wave web: SKIPPED {because}" in drctl("status", execution_id).stdout

    def test_the_answer_as_json_is_the_api_s(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        answer = json.loads(drctl("pause", execution_id, "--json").stdout)

        assert answer.keys() == {"executionId", "status", "message"}
        assert answer["executionId"] == execution_id

    def test_a_reason_that_is_none_is_refused_by_its_name(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        result = drctl("pause", orchestrator.begin(PLAIN), "--reason", " ")

        assert result.exit_code == 1
        assert "/Reason: Reason must be a text of 1 to 500 characters on one line." in result.stderr


class TestRoutes:
    """IAM sees method and path only: a recovery is changed by routes of its own, and drctl takes the right one."""

    @pytest.mark.parametrize(
        ("execution_type", "path"), [("DRILL", "/executions/{}/approve"), ("RECOVERY", "/recoveries/{}/approve")]
    )
    def test_a_decision_takes_the_route_of_the_execution_s_type(
        self, drctl: Drctl, api: HttpApi, orchestrator: Orchestrator, execution_type: str, path: str
    ) -> None:
        execution_id = orchestrator.begin(APPROVAL, execution_type)
        asked: list[tuple[str, str]] = []
        api.before = lambda *request: asked.append(request)
        result = drctl("approve", execution_id)

        assert result.exit_code == 0
        assert asked == [("GET", f"/executions/{execution_id}"), ("POST", path.format(execution_id))]

    def test_every_other_decision_about_a_recovery_is_taken_too(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(APPROVAL, "RECOVERY")
        decisions = [["pause"], ["resume"], ["skip-wave", "web"], ["reject", "--reason", "x"]]
        codes = [drctl(name, execution_id, *more).exit_code for name, *more in decisions]

        assert codes == [0, 0, 0, 0]
        assert kinds(orchestrator, execution_id)[-4:] == ["PauseRequested", "Resumed", "WaveSkipRequested", "Rejected"]


class TestErrors:
    def test_approving_what_waits_for_nothing_is_a_conflict_in_a_sentence(
        self, drctl: Drctl, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        result = drctl("approve", execution_id)

        assert result.exit_code == 7
        assert result.stderr == (
            f"drctl: No wave of {execution_id} waits for approval: it is POLLING and asks nothing.\n"
            f"  try: drctl status {execution_id}\n"
        )

    def test_approving_what_waits_for_something_else_names_the_right_command(self, drctl: Drctl, failed: str) -> None:
        result = drctl("approve", failed)

        assert result.exit_code == 7
        assert 'it asks "wave database failed (database: 1 of 1 servers failed). Go on' in result.stderr
        assert f"to be answered with drctl resume {failed}." in result.stderr

    def test_rejecting_what_asks_nothing_names_the_command_that_stops_it(
        self, drctl: Drctl, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        result = drctl("reject", execution_id, "--reason", "x")

        assert result.exit_code == 7
        assert f"drctl cancel {execution_id}" in result.stderr

    def test_what_has_ended_can_t_be_decided_on(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        orchestrator.drive(execution_id)
        result = drctl("cancel", execution_id)

        assert result.exit_code == 7
        assert f"drctl: {execution_id} has ended COMPLETED: nothing of it can be changed any more.\n" in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ["status", "exec-9"],
            ["watch", "exec-9"],
            ["approve", "exec-9"],
            ["resume", "exec-9"],
            ["reject", "exec-9", "--reason", "x"],
            ["pause", "exec-9"],
            ["cancel", "exec-9"],
            ["skip-wave", "exec-9", "web"],
            ["history", "exec-9"],
            ["history", "show", "exec-9"],
            ["history", "verify", "exec-9"],
        ],
    )
    def test_an_unknown_execution_ends_6_with_the_command_that_lists_them(
        self, drctl: Drctl, arguments: list[str]
    ) -> None:
        result = drctl(*arguments)

        assert (result.exit_code, result.stderr) == (6, "drctl: There is no execution exec-9.\n  try: drctl list\n")

    def test_a_mistyped_wave_gets_the_command_with_the_one_that_was_meant(
        self, drctl: Drctl, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)
        result = drctl("skip-wave", execution_id, "wbe")

        assert result.exit_code == 6
        assert result.stderr == (
            f"drctl: {execution_id} has no wave wbe; did you mean web?\n  try: drctl skip-wave {execution_id} web\n"
        )
        assert f"try: drctl status {execution_id}" in drctl("skip-wave", execution_id, "mainframe").stderr


class TestWhatIsShown:
    def test_status_shows_the_question_what_follows_its_deadline_and_the_command(
        self, drctl: Drctl, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(LIMITED)
        [line] = [each for each in drctl("status", execution_id).stdout.splitlines() if each.startswith("question:")]

        assert line.startswith("question: Launch wave database (1 server)? After that: waves web, report. Without an")
        assert line.endswith(
            f"it counts as rejected. Answer: drctl approve {execution_id}, or drctl reject {execution_id} --reason WHY"
        )

    def test_a_paused_execution_expects_no_next_poll(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(plan(wave("database", ONE), wave("web", TWO, ApprovalBefore=True)))
        orchestrator.until_asked(execution_id)
        polling = drctl("status", execution_id).stdout.splitlines()[1]
        execution = orchestrator.app.executions.get(execution_id)
        assert execution
        assert execution.question
        orchestrator.app.executions.pause(execution, execution.question, "the driver's token")
        paused = drctl("status", execution_id).stdout.splitlines()[1]

        assert ", next " in polling
        assert "last poll" in paused
        assert ", next " not in paused

    def test_an_approval_that_goes_on_by_itself_says_so(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(LIMITED | {"OnApprovalTimeout": "CONTINUE"})

        assert " it goes on. Answer: drctl approve" in drctl("status", execution_id).stdout

    def test_the_question_after_a_failure_is_answered_by_resume(self, drctl: Drctl, failed: str) -> None:
        assert f"Go on and launch wave web (1 server)? Nothing comes after that. Answer: drctl resume {failed}, " in (
            drctl("status", failed).stdout
        )

    def test_a_pause_that_is_to_come_is_shown_until_it_is_there(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        drctl("pause", execution_id, "--reason", "the network team asked")
        waiting = drctl("status", execution_id).stdout
        orchestrator.until_asked(execution_id)
        asking = drctl("status", execution_id).stdout

        assert f"pausing: asked for by {CALLER} (the network team asked); drctl resume {execution_id}" in waiting
        assert "pausing:" not in asking
        assert f"question: Paused by {CALLER}: the network team asked. Go on and launch wave web" in asking

    def test_a_stop_is_shown_with_who_and_why_while_drs_goes_on(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        drctl("cancel", execution_id, "--reason", "the site is back")

        assert f"stopping: cancelled by {CALLER} (the site is back); what runs in DRS" in (
            drctl("status", execution_id).stdout
        )

    def test_broken_glass_is_shown_with_who_and_why_to_the_end(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.start(
            APPROVAL, "RECOVERY", SkipApprovals=True, ReplaceLive="shop", Reason="nobody can be reached"
        )
        before = drctl("status", execution_id).stdout
        orchestrator.drive(execution_id)
        after = drctl("status", execution_id).stdout

        for shown in (before, after):
            assert f"break-glass: no approval is waited for, by {CALLER} (nobody can be reached)" in shown
            assert f"break-glass: living instances of earlier recoveries may be removed, by {CALLER}" in shown

    def test_watching_a_paused_execution_prints_its_question_once_and_goes_on(
        self, drctl: Drctl, api: HttpApi, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(plan(wave("database", ONE, ApprovalBefore=True)))
        execution = orchestrator.app.executions.get(execution_id)
        assert execution
        assert execution.question
        assert orchestrator.app.executions.pause(execution, execution.question, "the driver's token")
        looks = iter(range(100))

        def approve_after_a_while(method: str, path: str) -> None:
            if next(looks) == 3:
                api.before = lambda _method, _path: None
                drctl("approve", execution_id)
                orchestrator.drive(execution_id)

        api.before = approve_after_a_while
        result = drctl("watch", execution_id)
        lines = [line.partition(" ")[2] for line in result.stdout.splitlines()]

        assert result.exit_code == 0
        assert sum(line.startswith("question: Launch wave database") for line in lines) == 1
        assert lines.index("execution PAUSED") < lines.index("execution COMPLETED")


class TestHistory:
    def test_every_entry_is_told_in_order_with_who_and_why(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(APPROVAL)
        drctl("approve", execution_id, "--reason", "looks good")
        orchestrator.drive(execution_id)
        rows = [line.split("\t") for line in drctl("history", execution_id).stdout.splitlines()]

        assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
        assert [row[2:] for row in rows[:4]] == [
            [CALLER, "DRILL of shop started", ""],
            [
                "orchestrator",
                "asked: Launch wave database (1 server)? After that: waves web, report.",
                "",
            ],
            [CALLER, "approved: database", "looks good"],
            ["orchestrator", "wave database: DRS is asked to launch 1 server", ""],
        ]
        assert rows[-1][2:] == ["orchestrator", "execution COMPLETED", ""]

    def test_every_page_is_read(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.begin(PLAIN)
        for _ in range(55):
            drctl("pause", execution_id)
            drctl("resume", execution_id)
        entries = json.loads(drctl("history", "--json", execution_id).stdout)["history"]

        assert len(entries) > 100
        assert entries == list(orchestrator.app.executions.history(execution_id))
        assert drctl("history", "verify", execution_id).exit_code == 0


class TestVerify:
    @pytest.fixture
    def execution_id(self, orchestrator: Orchestrator, api: HttpApi) -> str:
        execution_id = orchestrator.begin(PLAIN)
        orchestrator.drive(execution_id)
        return execution_id

    def test_a_history_as_it_was_written_is_whole(
        self, drctl: Drctl, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        document = orchestrator.show(execution_id)
        told = drctl("history", "verify", execution_id)
        data = json.loads(drctl("history", "verify", execution_id, "--json").stdout)

        assert told.exit_code == 0
        assert f"is whole: {document['HistoryCount']} entries, the last with the hash {document['HistoryHash']}." in (
            told.stdout
        )
        assert data == {
            "ExecutionId": execution_id,
            "Whole": True,
            "HistoryCount": document["HistoryCount"],
            "HistoryHash": document["HistoryHash"],
        }

    def test_a_changed_entry_ends_9_and_is_named(
        self, drctl: Drctl, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        self.change(orchestrator, execution_id, 2, By="somebody else")
        result = drctl("history", "verify", execution_id)

        assert result.exit_code == 9
        assert result.stderr == (
            f"drctl: The history of {execution_id} is not what was written: entry 2 was changed: its content does not "
            "have the hash it carries.\n"
        )
        assert json.loads(drctl("history", "verify", execution_id, "--json").stdout)["error"] == "BROKEN_HISTORY"

    def test_a_removed_entry_is_named(self, drctl: Drctl, orchestrator: Orchestrator, execution_id: str) -> None:
        orchestrator.dynamodb.delete_item(TableName=EXECUTION_TABLE, Key=self.key(execution_id, 2))

        assert "entry 2 is missing: entry 3 follows on entry 1" in drctl("history", "verify", execution_id).stderr

    def test_entries_missing_at_the_end_are_counted(
        self, drctl: Drctl, orchestrator: Orchestrator, execution_id: str
    ) -> None:
        count = orchestrator.show(execution_id)["HistoryCount"]
        orchestrator.dynamodb.delete_item(TableName=EXECUTION_TABLE, Key=self.key(execution_id, count))

        assert f"the record counts {count}, the history has {count - 1}" in (
            drctl("history", "verify", execution_id).stderr
        )

    def test_entries_written_meanwhile_break_nothing(
        self, drctl: Drctl, api: HttpApi, orchestrator: Orchestrator
    ) -> None:
        execution_id = orchestrator.begin(PLAIN)

        def pause_meanwhile(method: str, path: str) -> None:
            if path.endswith("/history"):
                api.before = lambda _method, _path: None
                drctl("pause", execution_id)

        api.before = pause_meanwhile
        result = drctl("history", "verify", execution_id)

        assert result.exit_code == 0
        assert f"{orchestrator.show(execution_id)['HistoryCount']} entries" in result.stdout

    def change(self, orchestrator: Orchestrator, execution_id: str, number: int, **texts: str) -> None:
        for name, text in texts.items():
            orchestrator.dynamodb.update_item(
                TableName=EXECUTION_TABLE,
                Key=self.key(execution_id, number),
                UpdateExpression="SET #name = :text",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":text": {"S": text}},
            )

    def key(self, execution_id: str, number: int) -> dict[str, Any]:
        return {"ExecutionId": {"S": execution_id}, "Record": {"S": f"HISTORY#{number:06d}"}}

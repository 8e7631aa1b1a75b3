"""drctl as its users meet it: every command against an HTTP server that follows docs/openapi.yaml."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from typer.testing import CliRunner, Result

from drctl.api import region_named_in
from drctl.help_page import PAGE, help_page
from drctl.main import app
from tests.helpers.api_document import documented

ROOT = Path(__file__).parents[2]
PLAN_FILE = str(ROOT / "plans" / "three-tier.yaml")
NOW = 1_790_000_000


REPORT_PAGE = "<!doctype html>\n<html><body>geprüft</body></html>".encode()


def execution(status: str = "POLLING", *servers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An execution's document with one wave."""
    return {
        "ExecutionId": "exec-1",
        "PlanId": "three-tier",
        "PlanName": "Web shop",
        "ExecutionType": "DRILL",
        "Status": status,
        "StartedBy": "arn:aws:iam::123456789012:user/operator",
        "ReplaceLive": False,
        "SkipApprovals": False,
        "StartTime": NOW,
        "PollCount": 2,
        "PollingPhase": "STARTED",
        "LastPolledTime": NOW + 30,
        "Generation": 1,
        "HistoryCount": 1,
        "HistoryHash": "0" * 64,
        "Waves": [
            {
                "WaveName": "database",
                "Status": "LAUNCHING",
                "Region": "us-east-1",
                "DependsOn": [],
                "Jobs": [],
                "Servers": list(servers),
            }
        ],
    } | fields


def server(number: int, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "SourceServerId": f"s-{number:017x}",
        "Name": f"db-{number}",
        "Impact": "CRITICAL",
        "Status": status,
        "PollAttempts": 1,
        "TransitionHistory": [],
        "TimeoutDetected": False,
    } | fields


def asking() -> dict[str, Any]:
    """PAUSED with an open question."""
    question = {
        "Kind": "APPROVAL",
        "Text": "Launch wave database (1 server)? Nothing comes after that.",
        "Waves": ["database"],
        "AskedTime": NOW,
        "Deadline": NOW + 3600,
        "OnTimeout": "REJECT",
    }
    return execution("PAUSED", server(1, "PENDING"), Question=question)


def finished(status: str, *servers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return execution(status, *servers, EndTime=NOW + 245, **fields)


class FakeApi:
    """Plans in a dict; every look at an execution shows the next of its documents, the last one again and again."""

    def __init__(self) -> None:
        self.plans: dict[str, dict[str, Any]] = {}
        self.executions: dict[str, list[dict[str, Any]]] = {}
        self.started: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.page_size = 100
        self.answers: list[tuple[int, Any] | None] = []
        """Given instead of the next answers; None = the connection breaks."""
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        kind, _, name = path.strip("/").partition("/")
        match method, kind, name:
            case "PUT", "plans", _:
                is_new = name not in self.plans
                self.plans[name] = body
                return (201 if is_new else 200), body
            case "GET", "plans", "":
                summaries = [
                    {"PlanId": key, "Name": plan["Name"], "WaveCount": 3, "ServerCount": 6, "UpdatedTime": NOW}
                    for key, plan in self.plans.items()
                ]
                return 200, self._page("plans", summaries, query)
            case "GET", "plans", _ if name in self.plans:
                return 200, self.plans[name]
            case "DELETE", "plans", _ if name in self.plans:
                del self.plans[name]
                return 204, None
            case "POST", "executions" | "recoveries", "" if body["PlanId"] in self.plans:
                token = body["ClientToken"]
                if self.started.setdefault(token, body) != body:
                    return 409, error("Conflict", "This ClientToken was used for another request.")
                return 202, {"executionId": "exec-1", "status": "PENDING"}
            case "GET", "executions", "":
                fields = ("ExecutionId", "PlanId", "PlanName", "ExecutionType", "Status", "StartTime")
                found = [documents[0] for documents in self.executions.values()]
                shown = [{key: each[key] for key in fields} for each in found if each["Status"] == query["status"]]
                return 200, self._page("executions", shown, query)
            case "GET", "executions", _ if name.removesuffix("/report") in self.reports:
                report = self.reports[name.removesuffix("/report")]
                return 200, REPORT_PAGE if query.get("format") == "html" else report
            case "GET", "executions", _ if name in self.executions:
                documents = self.executions[name]
                return 200, documents.pop(0) if len(documents) > 1 else documents[0]
            case _:
                return 404, error("NotFound", f"There is nothing at {path}.")

    def _page(self, name: str, entries: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        begin = int(query.get("nextToken", 0))
        end = begin + self.page_size
        page: dict[str, Any] = {name: entries[begin:end]}
        return page | {"nextToken": str(end)} if end < len(entries) else page


def error(code: str, message: str, details: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"error": code, "message": message, "details": details or []}


class Serving(BaseHTTPRequestHandler):
    fake: FakeApi

    def serve(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        body = json.loads(text) if text.startswith(b"{") else None
        query = dict(parse_qsl(url.query))
        path = url.path.removeprefix("/v1")
        self.fake.requests.append((self.command, path, query, dict(self.headers)))
        queued = self.fake.answers.pop(0) if self.fake.answers else ()
        if queued is None:
            self.close_connection = True
            return
        status, answer = queued or self.fake.answer(self.command, path, query, body)
        content = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture
def fake() -> FakeApi:
    return FakeApi()


@pytest.fixture
def url(fake: FakeApi) -> Iterator[str]:
    methods = {f"do_{method}": Serving.serve for method in ("GET", "PUT", "POST", "DELETE")}
    serving = type("ServingThis", (Serving,), {"fake": fake} | methods)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), serving)
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}/v1"
    listening.shutdown()
    listening.server_close()
    thread.join()


type Drctl = Callable[..., Result]


@pytest.fixture
def environment(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str | None]:
    """What drctl sees: the server's address, test credentials, and nothing of the machine's own AWS set-up."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "API_URL"):
        monkeypatch.delenv(name, raising=False)
    return {
        "API_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


@pytest.fixture
def drctl(environment: dict[str, str | None]) -> Drctl:
    """Runs a command; keyword arguments change its environment, None removes a variable."""

    def run(*arguments: str, stdin: str | None = None, **changes: str | None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin, env=environment | changes)

    return run


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """`watch` looks again at once."""
    monkeypatch.setattr("drctl.watching._SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr("drctl.watching._LONGEST_PAUSE", 0.0)


# -- plan --------------------------------------------------------------------------------------------------------------


def test_check_accepts_a_good_plan_and_tells_its_launch_order_without_any_api(drctl: Drctl) -> None:
    result = drctl("plan", "check", PLAN_FILE, API_URL=None, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)

    assert result.exit_code == 0
    assert "3 waves, 6 servers" in result.stdout
    assert "database -> application -> web" in result.stdout


def test_check_lists_every_fault_with_its_pointer_and_ends_1(drctl: Drctl, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "PlanId: shop\nNmae: x\nWaves:\n- {WaveName: a, Region: us-east-1, Servers: [{SourceServerId: s-1}]}\n"
    )

    result = drctl("plan", "check", str(file))

    assert result.exit_code == 1
    assert "not a valid plan: 3 faults" in result.stderr
    assert '/Nmae: unknown field; did you mean "Name"?' in result.stderr
    assert "/Waves/0/Servers/0/SourceServerId: expected a DRS source server id" in result.stderr


def test_check_as_json_gives_the_faults_as_data(drctl: Drctl, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text('{"PlanId": "shop", "Name": "x"}')

    result = drctl("plan", "check", str(file), "--json")

    assert result.exit_code == 1
    assert [detail["pointer"] for detail in json.loads(result.stdout)["details"]] == ["/Waves"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("p.yaml", "Waves: [", "not valid YAML (line 1, column 9)"),
        ("p.yaml", "PlanId: a\nPlanId: b\n", 'the key "PlanId" is given twice'),
        ("p.yaml", "PlanId: !!python/object:os.system x", "not valid YAML"),
        ("p.json", '{"PlanId": }', "not valid JSON"),
        ("p.json", '{"PlanId": "a", "PlanId": "b"}', 'the key "PlanId" is given twice'),
        ("p.yaml", "", "not a valid plan: 1 fault"),
        ("p.yaml", "PlanId: 2026-02-31", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_in_a_sentence(
    drctl: Drctl, tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    file = tmp_path / name
    file.write_text(content)

    result = drctl("plan", "check", str(file))

    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("check plans/three-teir.yaml", "drctl plan check plans/three-tier.yaml"),
        ("put plans/three-tier.yml", "drctl plan put plans/three-tier.yaml"),
        ("put three-tier.yaml", "drctl plan put plans/three-tier.yaml"),
        # However much the ends of their names are alike.
        ("put nope.yaml", "ls ."),
        ("put plans/nope.yaml", "ls plans"),
        ("put nowhere/nope.yaml", "ls ."),
    ],
)
def test_a_file_that_is_not_there_gets_the_command_with_the_one_that_was_meant_or_a_list(
    drctl: Drctl, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str
) -> None:
    monkeypatch.chdir(ROOT)
    result = drctl("plan", *typed.split())

    assert result.exit_code == 2
    assert result.stderr == f"drctl: There is no file {typed.split()[1]}.\n  try: {meant}\n"


def test_a_plan_that_is_no_text_or_a_folder_is_refused(drctl: Drctl, tmp_path: Path) -> None:
    binary = tmp_path / "plan.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    assert "not a text in UTF-8" in drctl("plan", "check", str(binary)).stderr
    assert "can't be read" in drctl("plan", "check", str(tmp_path)).stderr


def test_a_plan_is_put_read_listed_and_deleted(drctl: Drctl, fake: FakeApi) -> None:
    assert "three-tier is stored" in drctl("plan", "put", PLAN_FILE).stdout
    assert "three-tier is replaced" in drctl("plan", "put", PLAN_FILE).stdout
    assert fake.plans["three-tier"] == yaml.safe_load(Path(PLAN_FILE).read_text(encoding="utf-8"))

    read = drctl("plan", "get", "three-tier")
    assert yaml.safe_load(read.stdout) == fake.plans["three-tier"]
    assert json.loads(drctl("plan", "get", "three-tier", "--json").stdout) == fake.plans["three-tier"]
    assert drctl("plan", "list").stdout.split("\t")[0] == "three-tier"

    assert drctl("plan", "delete", "three-tier").exit_code == 0
    assert fake.plans == {}


def test_a_plan_can_come_from_standard_input(drctl: Drctl, fake: FakeApi) -> None:
    result = drctl("plan", "put", "-", stdin=Path(PLAN_FILE).read_text(encoding="utf-8"))

    assert result.exit_code == 0
    assert list(fake.plans) == ["three-tier"]


def test_a_bad_plan_is_not_sent(drctl: Drctl, fake: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("PlanId: shop")

    assert drctl("plan", "put", str(file)).exit_code == 1
    assert fake.requests == []


def test_faults_that_only_the_api_sees_are_listed_too(drctl: Drctl, fake: FakeApi) -> None:
    fake.answers = [
        (400, error("InvalidRequest", "The plan has faults.", [{"pointer": "/Name", "message": "is taken"}]))
    ]

    result = drctl("plan", "put", PLAN_FILE)

    assert result.exit_code == 1
    assert "The plan has faults." in result.stderr
    assert "/Name: is taken" in result.stderr


def test_every_page_of_plans_is_listed(drctl: Drctl, fake: FakeApi) -> None:
    fake.page_size = 2
    fake.plans = {f"plan-{number}": {"Name": "x"} for number in range(5)}

    listed = json.loads(drctl("plan", "list", "--json").stdout)["plans"]

    assert [plan["PlanId"] for plan in listed] == [f"plan-{number}" for number in range(5)]


def test_an_unknown_plan_ends_6(drctl: Drctl) -> None:
    for arguments in (["plan", "get", "nowhere"], ["plan", "delete", "nowhere"], ["start", "nowhere", "--drill"]):
        result = drctl(*arguments)
        assert result.exit_code == 6, arguments
        assert result.stderr == "drctl: There is no plan nowhere.\n  try: drctl plan list\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["plan", "get", "three-teir"], "drctl plan get three-tier"),
        (["plan", "preflight", "three-teir", "--drill"], "drctl plan preflight three-tier --drill"),
        (["plan", "delete", "three-teir"], "drctl plan get three-tier"),
        (["start", "three-teir", "--drill", "--dry-run"], "drctl start three-tier --drill --dry-run"),
        (
            ["start", "three-teir", "--recovery", "--reason", "it burns", "--replace-live", "three-teir"],
            "drctl start three-tier --recovery --reason 'it burns'",
        ),
    ],
)
def test_a_mistyped_plan_gets_the_command_with_the_one_that_was_meant(
    drctl: Drctl, fake: FakeApi, typed: list[str], meant: str
) -> None:
    fake.plans = {"three-tier": {"Name": "Web shop"}, "by-tags": {"Name": "Web shop"}}

    result = drctl(*typed)

    assert result.exit_code == 6
    assert result.stderr == f"drctl: There is no plan three-teir; did you mean three-tier?\n  try: {meant}\n"


def test_who_may_not_list_plans_is_told_all_the_same_that_there_is_none(drctl: Drctl, fake: FakeApi) -> None:
    denied = (403, {"Message": "User: x is not authorized to perform: execute-api:Invoke"})
    fake.answers = [(404, error("NotFound", "There is no plan nowhere.")), denied]

    result = drctl("plan", "get", "nowhere")

    assert (result.exit_code, result.stderr.splitlines()[0]) == (6, "drctl: There is no plan nowhere.")


# -- start -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [[], ["--drill", "--recovery"]])
def test_start_wants_exactly_one_kind(drctl: Drctl, fake: FakeApi, flags: list[str]) -> None:
    result = drctl("start", "three-tier", *flags)

    assert result.exit_code == 2
    assert "exactly one of --drill and --recovery" in result.stderr
    assert fake.requests == []


@pytest.mark.parametrize(("flag", "kind"), [("--drill", "DRILL"), ("--recovery", "RECOVERY")])
def test_start_tells_the_execution_and_how_to_watch_it(drctl: Drctl, fake: FakeApi, flag: str, kind: str) -> None:
    fake.plans["three-tier"] = {}

    result = drctl("start", "three-tier", flag, "--client-token", "mine")

    assert result.exit_code == 0
    assert "exec-1" in result.stdout
    assert "drctl watch exec-1" in result.stderr
    assert fake.started == {"mine": {"PlanId": "three-tier", "ExecutionType": kind, "ClientToken": "mine"}}


def test_a_token_used_for_another_request_ends_7(drctl: Drctl, fake: FakeApi) -> None:
    fake.plans["three-tier"] = {}
    drctl("start", "three-tier", "--drill", "--client-token", "mine")

    assert drctl("start", "three-tier", "--recovery", "--client-token", "mine").exit_code == 7


def test_two_starts_without_a_token_are_two_requests(drctl: Drctl, fake: FakeApi) -> None:
    fake.plans["three-tier"] = {}

    drctl("start", "three-tier", "--drill")
    drctl("start", "three-tier", "--drill")

    assert len(fake.started) == 2


def test_a_start_whose_answer_was_lost_tells_how_to_repeat_it_safely(drctl: Drctl, fake: FakeApi) -> None:
    fake.plans["three-tier"] = {}
    fake.answers = [None]

    result = drctl("start", "three-tier", "--drill")

    assert result.exit_code == 5
    again = re.search(r"try: drctl (start .*--client-token \S+)", result.stderr)
    assert again
    assert drctl(*again[1].split()).exit_code == 0


def test_approvals_are_skipped_by_a_recovery_with_a_reason_only(drctl: Drctl, fake: FakeApi) -> None:
    fake.plans["three-tier"] = {}

    drill = drctl("start", "three-tier", "--drill", "--skip-approvals", "--reason", "x")
    silent = drctl("start", "three-tier", "--recovery", "--skip-approvals")
    blank = drctl("start", "three-tier", "--recovery", "--skip-approvals", "--reason", " ")
    assert [each.exit_code for each in (drill, silent, blank)] == [2, 2, 2]
    assert "a drill waits for its approvals" in drill.stderr
    assert "try: drctl start three-tier --recovery --skip-approvals --reason WHY" in silent.stderr
    assert fake.requests == []

    drctl("start", "three-tier", "--recovery", "--skip-approvals", "--reason", "it burns", "--client-token", "mine")
    assert (fake.started["mine"]["SkipApprovals"], fake.started["mine"]["Reason"]) == (True, "it burns")


def test_a_lost_answer_is_repeated_with_everything_that_was_decided(drctl: Drctl, fake: FakeApi) -> None:
    fake.plans["three-tier"] = {}
    fake.answers = [None]

    result = drctl("start", "three-tier", "--recovery", "--skip-approvals", "--reason", "it burns")

    assert "try: drctl start three-tier --recovery --reason 'it burns' --skip-approvals --client-token" in result.stderr


def test_a_plan_file_in_place_of_a_plan_id_gets_the_right_command(drctl: Drctl) -> None:
    result = drctl("start", "plans/three-tier.yaml", "--drill")

    assert result.exit_code == 2
    assert "drctl plan put plans/three-tier.yaml" in result.stderr


# -- watch and status --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [("COMPLETED", 0), ("PARTIAL", 3), ("FAILED", 4), ("CANCELLED", 8)])
def test_the_exit_code_of_watch_start_and_status_is_the_outcome(
    drctl: Drctl, fake: FakeApi, status: str, code: int
) -> None:
    fake.plans["three-tier"] = {}
    fake.executions["exec-1"] = [finished(status, server(1, "LAUNCHED"))]

    assert drctl("watch", "exec-1").exit_code == code
    assert drctl("status", "exec-1").exit_code == code
    assert drctl("start", "three-tier", "--drill", "--watch").exit_code == code


def test_a_report_is_written_as_a_page_and_its_place_is_told(
    drctl: Drctl, fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake.reports["exec-1"] = {"ExecutionId": "exec-1"}

    result = drctl("report", "exec-1")

    assert (result.exit_code, result.stdout) == (0, "The report is in report-exec-1.html\n")
    assert (tmp_path / "report-exec-1.html").read_bytes() == REPORT_PAGE


def test_a_report_goes_where_it_is_wanted(drctl: Drctl, fake: FakeApi, tmp_path: Path) -> None:
    fake.reports["exec-1"] = {"ExecutionId": "exec-1"}
    file = tmp_path / "evidence.html"

    assert drctl("report", "exec-1", "--html", str(file)).exit_code == 0
    assert file.read_bytes() == REPORT_PAGE

    result = drctl("report", "exec-1", "--html", str(tmp_path / "no" / "folder.html"))
    assert result.exit_code == 2
    assert "can't be written to" in result.stderr
    assert "No such file or directory" in result.stderr


def test_the_json_of_a_report_is_printed_and_no_file_is_written(
    drctl: Drctl, fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake.reports["exec-1"] = {"ExecutionId": "exec-1", "Status": "COMPLETED"}

    assert json.loads(drctl("report", "exec-1", "--json").stdout) == fake.reports["exec-1"]
    assert list(tmp_path.glob("*.html")) == []
    assert drctl("report", "exec-1", "--json", "--html", "x.html").exit_code == 2


def test_a_report_of_no_execution_is_told_in_one_sentence(drctl: Drctl) -> None:
    result = drctl("report", "exec-2")

    assert result.exit_code == 6
    assert "try: drctl list" in result.stderr


def test_a_page_that_is_no_report_is_not_written(drctl: Drctl, fake: FakeApi, tmp_path: Path) -> None:
    fake.answers = [(200, b"<html>Welcome to nginx</html>")]
    file = tmp_path / "evidence.html"

    result = drctl("report", "exec-1", "--html", str(file))

    assert result.exit_code == 5
    assert "is not the orchestrator's API" in result.stderr
    assert not file.exists()


def test_status_of_a_running_execution_ends_0_and_shows_every_server(drctl: Drctl, fake: FakeApi) -> None:
    fake.executions["exec-1"] = [
        execution("POLLING", server(1, "STARTED", Phase="CONVERSION"), server(2, "IN_PROGRESS", TimeoutDetected=True))
    ]

    result = drctl("status", "exec-1")

    assert result.exit_code == 0
    assert "DRILL of Web shop (three-tier)" in result.stdout
    assert "wave database: LAUNCHING, us-east-1, 0 of 2 launched" in result.stdout
    assert "db-1 (s-00000000000000001): STARTED, converting the disks" in result.stdout
    assert "db-2 (s-00000000000000002): IN_PROGRESS, takes longer than expected" in result.stdout


def test_watch_prints_one_line_for_every_change_and_none_for_the_rest(drctl: Drctl, fake: FakeApi) -> None:
    launched = server(1, "LAUNCHED", InstanceId="i-00000000000000001")
    fake.executions["exec-1"] = [
        execution("PENDING", server(1, "PENDING")),
        execution("POLLING", server(1, "STARTED", Phase="SNAPSHOT")),
        execution("POLLING", server(1, "STARTED", Phase="SNAPSHOT"), PollCount=3),
        execution("POLLING", server(1, "STARTED", Phase="CONVERSION")),
        finished("COMPLETED", launched),
    ]

    lines = [line.partition(" ")[2] for line in drctl("watch", "exec-1").stdout.splitlines()]

    assert lines == [
        "execution exec-1: DRILL of Web shop (three-tier), 1 wave, 1 server",
        "execution PENDING",
        "wave database: PENDING -> LAUNCHING",
        "execution POLLING",
        "server db-1 (s-00000000000000001): PENDING -> STARTED, taking the snapshot",
        "server db-1 (s-00000000000000001): STARTED, converting the disks",
        "execution COMPLETED",
        "server db-1 (s-00000000000000001): STARTED -> LAUNCHED, i-00000000000000001",
        "exec-1 COMPLETED after 4m 05s: 1 of 1 launched",
    ]


def test_a_failure_is_shown_with_its_reason_and_the_next_step(drctl: Drctl, fake: FakeApi) -> None:
    failed = server(1, "FAILED", Error="Conversion server launch failed.", NextStep="Check the staging subnet.")
    fake.executions["exec-1"] = [finished("PARTIAL", failed, server(2, "LAUNCHED"))]

    for command in ("watch", "status"):
        stdout = drctl(command, "exec-1").stdout
        assert "Conversion server launch failed; Next: Check the staging subnet" in stdout
        assert "1 of 2 launched, 1 failed" in stdout


def test_text_of_others_cannot_steer_the_terminal(drctl: Drctl, fake: FakeApi) -> None:
    evil = server(1, "FAILED", Name="db\x1b[2J", Error="bad\x1b]0;title\x07\nsecond line")
    fake.executions["exec-1"] = [finished("FAILED", evil, StatusReason="a\x1b[31m")]

    for command in ("watch", "status"):
        assert "\x1b" not in drctl(command, "exec-1").output


def test_watch_outlives_a_passing_failure_and_says_so_once(drctl: Drctl, fake: FakeApi) -> None:
    fake.executions["exec-1"] = [
        execution("POLLING", server(1, "STARTED")),
        finished("COMPLETED", server(1, "LAUNCHED")),
    ]
    busy = (503, error("ServiceBusy", "An AWS service could not be reached; try again."))
    fake.answers = [(200, execution("POLLING", server(1, "PENDING"))), busy, busy, (429, {"message": "slow"}), None]

    result = drctl("watch", "exec-1")

    assert result.exit_code == 0
    assert result.stdout.count("An AWS service could not be reached") == 1
    assert "The API answers again." in result.stdout


def test_watch_ends_when_credentials_expire_and_says_that_the_execution_goes_on(drctl: Drctl, fake: FakeApi) -> None:
    expired = (403, {"message": "The security token included in the request is expired"})
    fake.answers = [(200, execution("POLLING", server(1, "PENDING"))), expired]

    result = drctl("watch", "exec-1")

    assert result.exit_code == 5
    assert "expired" in result.stderr
    assert "drctl watch exec-1" in result.stderr


def test_watch_as_json_prints_the_final_document_alone_on_standard_output(drctl: Drctl, fake: FakeApi) -> None:
    final = finished("PARTIAL", server(1, "FAILED"))
    fake.executions["exec-1"] = [execution("POLLING", server(1, "STARTED")), final]

    result = drctl("watch", "exec-1", "--json")

    assert result.exit_code == 3
    assert json.loads(result.stdout) == final
    assert "STARTED -> FAILED" in result.stderr


def test_an_unknown_execution_ends_6_with_the_command_that_lists_them(drctl: Drctl) -> None:
    for command in ("watch", "status"):
        result = drctl(command, "exec-9")
        assert result.exit_code == 6
        assert "try: drctl list" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["approve", "exec-1"],
        ["resume", "exec-1"],
        ["reject", "exec-1", "--reason", "wrong plan"],
        ["pause", "exec-1"],
        ["cancel", "exec-1"],
        ["skip-wave", "exec-1", "web"],
    ],
)
def test_a_decision_whose_answer_was_lost_may_have_been_made(drctl: Drctl, fake: FakeApi, arguments: list[str]) -> None:
    fake.answers = [(200, {"ExecutionType": "DRILL"}), None]

    result = drctl(*arguments)

    assert result.exit_code == 5
    assert "It may have been decided all the same." in result.stderr
    assert "try: drctl history exec-1" in result.stderr


def test_a_decision_that_was_never_sent_has_not_been_made(drctl: Drctl, fake: FakeApi) -> None:
    fake.answers = [None]

    result = drctl("approve", "exec-1")

    assert result.exit_code == 5
    assert "all the same" not in result.stderr
    assert [request[0] for request in fake.requests] == ["GET"]


# -- list --------------------------------------------------------------------------------------------------------------


def test_list_shows_every_status_newest_first_unless_one_is_asked_for(drctl: Drctl, fake: FakeApi) -> None:
    for number, status in enumerate(["COMPLETED", "POLLING", "FAILED"]):
        name = f"exec-{number}"
        fake.executions[name] = [execution(status, ExecutionId=name, StartTime=NOW + number)]

    assert re.findall(r"^exec-\d", drctl("list").stdout, re.MULTILINE) == ["exec-2", "exec-1", "exec-0"]
    listed = json.loads(drctl("list", "--status", "polling", "--json").stdout)
    assert [each["ExecutionId"] for each in listed["executions"]] == ["exec-1"]
    assert drctl("list", "--limit", "1").stdout.startswith("exec-2\t")


def test_an_unknown_status_is_a_usage_error_that_lists_the_known_ones(drctl: Drctl) -> None:
    result = drctl("list", "--status", "poling")

    assert result.exit_code == 2
    assert "polling" in result.stderr


# -- pre-flight --------------------------------------------------------------------------------------------------------


def test_warnings_that_the_api_only_counts_are_counted(drctl: Drctl, fake: FakeApi) -> None:
    lag = {"Severity": "WARNING", "Check": "Lag", "Message": "it lags.", "Remedy": "Wait."}
    document = {
        "PlanId": "shop",
        "ExecutionType": "DRILL",
        "Ready": True,
        "Findings": [lag] * 200,
        "MoreWarnings": {"Lag": 2_800},
        "Servers": [],
        "ExpectedSeconds": 1_200,
        "ExpectedFrom": "the specification",
    }
    fake.answers = [(200, document)]

    result = drctl("plan", "preflight", "shop", "--drill")

    assert "DRILL of shop: ready, 3000 warnings" in result.stdout
    assert "WARNING Lag: 2990 more like these; --json lists all but 2800" in result.stdout


# -- the way to the API ------------------------------------------------------------------------------------------------


def test_every_request_is_signed_for_the_session_s_region_and_never_carries_the_secret(
    drctl: Drctl, fake: FakeApi
) -> None:
    drctl("plan", "put", PLAN_FILE)
    drctl("list", "--status", "POLLING", AWS_SESSION_TOKEN="token-of-the-test")

    for _, _, _, headers in fake.requests:
        assert re.search(
            r"AWS4-HMAC-SHA256 Credential=test/\d{8}/eu-west-1/execute-api/aws4_request", headers["Authorization"]
        )
        assert "secret-of-the-test" not in str(headers)
    assert fake.requests[-1][3]["X-Amz-Security-Token"] == "token-of-the-test"


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"API_URL": None}, 2, "Set API_URL or give --api-url"),
        ({"API_URL": ""}, 2, "Set API_URL or give --api-url"),
        ({"API_URL": "abc.example.com"}, 2, "is no API URL"),
        ({"API_URL": "https://[abc/v1"}, 2, "is no API URL"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 5, "No AWS credentials were found"),
        ({"AWS_SECRET_ACCESS_KEY": None}, 5, "AWS credentials can't be used"),
        ({"AWS_PROFILE": "nobody"}, 5, "nobody"),
        ({"AWS_DEFAULT_REGION": None}, 5, "No AWS Region is set"),
        ({"API_URL": "http://127.0.0.1:9/v1"}, 5, "can't be reached"),
        ({"API_URL": "http://no-such-host.invalid/v1"}, 5, "The host no-such-host.invalid can't be found"),
    ],
)
def test_a_setting_that_is_wrong_or_missing_is_one_sentence_and_an_advice(
    drctl: Drctl, changes: dict[str, str | None], code: int, sentence: str
) -> None:
    result = drctl("plan", "list", **changes)

    assert result.exit_code == code
    assert sentence in result.stderr
    assert "\n  try: " in result.stderr
    assert "Traceback" not in result.output


# As the STS API Reference has it under "Common Errors".
EXPIRED = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
</ErrorResponse>
"""


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ("credential_process = /no/such/tool", "/no/such/tool"),
        ("credential_process = echo no credentials", "AWS credentials can't be used"),
        (
            "role_arn = arn:aws:iam::123456789012:role/Recoverer\nsource_profile = base",
            "The security token included in the request is expired",
        ),
    ],
)
def test_a_profile_that_gives_no_credentials_is_one_sentence_and_no_traceback(
    drctl: Drctl, fake: FakeApi, url: str, tmp_path: Path, profile: str, sentence: str
) -> None:
    fake.answers = [(403, EXPIRED)]
    base = "[profile base]\naws_access_key_id = test\naws_secret_access_key = expired\n"
    (tmp_path / "config").write_text(f"{base}[profile dr]\n{profile}\nregion = eu-west-1\n")
    changes = {"AWS_PROFILE": "dr", "AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}

    result = drctl("list", "--json", AWS_ENDPOINT_URL_STS=url, **changes)

    assert result.exit_code == 5
    assert sentence in result.stderr
    assert "aws sso login" in result.stderr
    assert json.loads(result.stdout)["exitCode"] == 5


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((403, {"message": "The security token included in the request is expired"}), "credentials have expired"),
        (
            (403, {"message": "The security token included in the request is invalid."}),
            "does not know your credentials",
        ),
        ((403, {"message": "ExpiredTokenException: the token has expired"}), "credentials have expired"),
        ((403, {"Message": "Credential should be scoped to a valid region."}), "signed for eu-west-1"),
        ((403, {"message": "Missing Authentication Token"}), "API URL is probably not complete"),
        ((403, {"message": "The request signature we calculated does not match"}), "secret key is wrong"),
        (
            (403, {"Message": "User: x is not authorized to perform: execute-api:Invoke"}),
            "may not GET /plans: execute-api:Invoke is missing",
        ),
        ((403, {"message": "Forbidden"}), "its id, Region or stage in the API URL is probably wrong"),
        ((403, {"message": "Denied by policy"}), "Denied by policy"),
        ((404, b"<html>nginx</html>"), "is not the orchestrator's API"),
        ((200, b"<html>welcome</html>"), "is not the orchestrator's API"),
        ((500, error("InternalError", "The request failed; the function's log says why.")), "the function's log"),
        ((502, b""), "The API failed (502)"),
        ((429, {"message": "Too Many Requests"}), "busy"),
    ],
)
def test_an_answer_that_is_none_ends_5_with_a_sentence(
    drctl: Drctl, fake: FakeApi, answer: tuple[int, Any], sentence: str
) -> None:
    fake.answers = [answer]

    result = drctl("plan", "list")

    assert result.exit_code == 5
    assert sentence in result.stderr
    assert "\n  try: " in result.stderr
    assert "Traceback" not in result.output


def test_a_failure_is_data_too_when_json_is_asked_for(drctl: Drctl) -> None:
    result = drctl("status", "exec-9", "--json")

    assert json.loads(result.stdout)["exitCode"] == 6


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["start", "three-tier", "--drll"], "--drill"),
        (["approve", "exec-1", "--reson", "x"], "--reason"),
        (["aprove", "exec-1"], "did you mean approve?"),
        (["plan", "delte", "three-tier"], "'delete'"),
        (["history", "verify"], "'ID'"),
        (["reject", "exec-1"], "--reason"),
    ],
)
def test_what_is_mistyped_or_missing_on_the_command_line_is_named(drctl: Drctl, typed: list[str], meant: str) -> None:
    result = drctl(*typed)

    assert result.exit_code == 2
    sentence, command = result.stderr.splitlines()
    assert meant in sentence
    assert command.startswith("  try: drctl ")


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://abc123.execute-api.eu-central-1.amazonaws.com/v1", "eu-central-1"),
        ("https://abc123.execute-api.cn-north-1.amazonaws.com.cn/v1", "cn-north-1"),
        ("https://vpce-1.execute-api.us-gov-west-1.vpce.amazonaws.com/v1", "us-gov-west-1"),
        ("https://recovery.example.com/v1", None),
        ("http://127.0.0.1:4566/_aws/execute-api/abc123/v1", None),
    ],
)
def test_a_request_is_signed_for_the_region_that_the_url_names(url: str, region: str | None) -> None:
    assert region_named_in(url) == region


def test_what_the_server_of_these_tests_says_about_an_execution_is_what_the_api_documents() -> None:
    for document in (
        execution(),
        asking(),
        finished("FAILED", server(1, "FAILED", Error="x", NextStep="y", Phase="LAUNCH")),
    ):
        assert list(documented("Execution").iter_errors(document)) == []


# -- the terminal, the process -----------------------------------------------------------------------------------------


class Terminal:
    """A drctl process in a terminal of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str | None]) -> None:
        self._master, slave = pty.openpty()
        variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
        variables |= {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drctl", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=variables,
            # Who runs the tests in a shell's background has Ctrl-C ignored, and so would have what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(slave)
        self.text = ""

    def read_until(self, wanted: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"{wanted!r} did not appear in {self.text!r}"
            if not self._read():
                break
        assert wanted in self.text, self.text
        return self.text

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(30)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode())
        return bool(chunk)


def test_a_terminal_shows_bars_servers_and_the_outcome(fake: FakeApi, environment: dict[str, str | None]) -> None:
    fake.executions["exec-1"] = [
        execution("POLLING", server(1, "STARTED", Phase="CONVERSION"), server(2, "PENDING")),
        finished("COMPLETED", server(1, "LAUNCHED", InstanceId="i-00000000000000001"), server(2, "LAUNCHED")),
    ]
    terminal = Terminal(["watch", "exec-1"], environment)

    seen = terminal.read_until("COMPLETED after 4m 05s: 2 of 2 launched")

    assert terminal.end() == 0
    assert "converting the disks" in seen
    assert "i-00000000000000001" in terminal.text


def test_a_terminal_shows_what_is_asked_and_goes_on_watching(fake: FakeApi, environment: dict[str, str | None]) -> None:
    fake.executions["exec-1"] = [asking(), asking(), finished("COMPLETED", server(1, "LAUNCHED"))]
    terminal = Terminal(["watch", "exec-1"], environment)

    seen = terminal.read_until("drctl approve exec-1")
    assert "question: Launch wave database (1 server)?" in seen
    terminal.read_until("COMPLETED after 4m 05s: 1 of 1 launched")
    assert terminal.end() == 0


def test_ctrl_c_leaves_the_execution_running_and_ends_130(fake: FakeApi, environment: dict[str, str | None]) -> None:
    fake.executions["exec-1"] = [execution("POLLING", server(1, "STARTED"))]
    terminal = Terminal(["watch", "exec-1"], environment)
    terminal.read_until("db-1")

    terminal.process.send_signal(signal.SIGINT)

    assert terminal.end() == 130
    assert "the execution goes on" in terminal.text
    assert "drctl watch exec-1" in terminal.text
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_plan_is_printed_so_that_it_can_be_put_again_whatever_the_terminal_can_show(
    fake: FakeApi, environment: dict[str, str | None], encoding: str
) -> None:
    stored = {"PlanId": "shop", "Name": "本番 Café", "Waves": []}
    fake.plans = {"shop": stored}
    known = {name: value for name, value in (os.environ | environment).items() if value is not None}

    command = [sys.executable, "-m", "drctl", "plan", "get", "shop"]
    printed = subprocess.run(
        command, stdout=subprocess.PIPE, env=known | {"PYTHONIOENCODING": encoding}, check=True
    ).stdout

    assert yaml.safe_load(printed.decode(encoding)) == stored


@pytest.mark.parametrize("plans", [1, 2_000])
def test_output_that_nobody_reads_ends_with_a_code_of_its_own_and_not_a_word(
    fake: FakeApi, environment: dict[str, str | None], plans: int
) -> None:
    fake.plans = {f"plan-{number}": {"Name": "Web shop"} for number in range(plans)}
    reading, writing = os.pipe()
    os.close(reading)
    known = {name: value for name, value in (os.environ | environment).items() if value is not None}

    command = [sys.executable, "-m", "drctl", "plan", "list", "--json"]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=known, check=False)
    os.close(writing)

    assert (ended.returncode, ended.stderr) == (141, b"")


def test_help_loads_neither_the_aws_library_nor_the_screen() -> None:
    heavy = ("botocore", "rich", "jsonschema", "yaml")
    script = f"import sys, drctl.main; print([name for name in {heavy} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


def test_the_page_about_the_command_line_is_what_the_program_says() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == help_page(), "run `python -m drctl.help_page`"

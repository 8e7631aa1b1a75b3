"""The evidence report as a page: well-formed, safe whatever stands in it, and small enough for API Gateway."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from api.handler import handler
from drs_orchestrator.report_page.markup import Markup, element
from drs_orchestrator.report_page.page import report_page
from drs_orchestrator.report_page.picture import MOST_LANES
from drs_orchestrator.report_page.words import duration
from drs_orchestrator.tasks.show_report import show_report
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.reports import HOSTILE, enlarged, troubled_report

VOID = {"meta", "br", "hr"}
FETCHING = {"script", "link", "img", "iframe", "object", "embed", "video", "audio", "source", "base", "form", "a"}
LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024
"""The most a synchronous invocation may answer; API Gateway itself would take 10 MB."""


class Page(HTMLParser):
    """Reads a page; an element that is closed out of turn, or never, is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.texts.setdefault(tag, []).append(data)

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    def text(self, tag: str = "body") -> str:
        return "".join(self.texts.get(tag, ()))


@pytest.fixture
def report(orchestrator: Orchestrator) -> dict[str, Any]:
    return troubled_report(orchestrator)


class TestMarkup:
    def test_text_and_attributes_are_escaped_and_markup_is_not(self) -> None:
        made = element("p", "<b> & ", element("i", 'a"b'), title="\"'<>&")

        assert made == '<p title="&quot;&#x27;&lt;&gt;&amp;">&lt;b&gt; &amp; <i>a&quot;b</i></p>'

    def test_what_is_not_visible_becomes_a_blank(self) -> None:
        assert element("p", "a\x00b\x1bc\u202ed\u200be") == "<p>a b c d e</p>"

    def test_nothing_is_nothing(self) -> None:
        assert element("p", None, Markup(""), title=None) == "<p></p>"

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 00 s"),
            (3599, "59 min 59 s"),
            (3660, "1 h 01 min"),
            (90_000, "1 d 1 h"),
        ],
    )
    def test_durations_read_well(self, seconds: int, text: str) -> None:
        assert duration(seconds) == text


class TestStructure:
    def test_a_page_is_well_formed_and_has_its_parts(self, report: dict[str, Any]) -> None:
        text = report_page(report)
        page = Page(text)

        assert text.startswith('<!doctype html>\n<html lang="en">')
        assert len(page.named("h1")) == len(page.named("main")) == 1
        headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert all(after - before <= 1 for before, after in pairwise(headings))
        assert all(each.get("scope") in ("row", "col") for each in page.named("th"))
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        [picture] = [each for each in page.named("svg") if each.get("role") == "img"]
        assert set(str(picture["aria-labelledby"]).split()) <= set(ids)

    def test_it_tells_outcome_figures_failures_decisions_and_the_chains_head(self, report: dict[str, Any]) -> None:
        text = Page(report_page(report)).text()

        assert "2 of 4 servers launched, 1 failed, 1 skipped." in text
        assert "not measured" in text
        assert "2 of 4 servers were not recovered" in text
        assert report["Failures"][0]["Error"] in text
        assert "Approved: application" in text
        assert "open for 4 min 00 s" in text
        assert report["Audit"]["Hash"] in text
        assert f"drctl history verify {report['ExecutionId']}" in text

    def test_the_picture_has_a_lane_for_each_of_a_few_servers_and_an_area_for_many(
        self, report: dict[str, Any]
    ) -> None:
        few, many = (Page(report_page(enlarged(report, count))) for count in (MOST_LANES, MOST_LANES + 1))

        assert len([each for each in few.named("text") if each.get("class") == "lane"]) == MOST_LANES
        assert len([each for each in many.named("text") if each.get("class") == "lane"]) == len(report["Waves"])
        assert few.named("details") == []
        assert len(many.named("details")) == len(report["Waves"])
        assert len(many.named("tr")) >= MOST_LANES + 1, "every server is still in its table"

    def test_a_report_of_the_first_moment_is_a_page_too(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(plan(wave("web", server_id(1))))
        text = Page(report_page(show_report(orchestrator.app, execution_id))).text()

        assert "The execution has not ended" in text
        assert "The plan sets no RtoMinutes." in text
        assert "1 under way" in text

    def test_of_a_retry_it_says_from_when_the_recovery_time_counts(self, report: dict[str, Any]) -> None:
        words = "Counted from the start of this retry"

        assert words not in Page(report_page(report)).text()
        assert words in Page(report_page(report | {"RetryOf": "exec-20270115-080000-0a1b2c3d"})).text()

    def test_a_broken_chain_is_said_to_be_broken(self, report: dict[str, Any]) -> None:
        audit = report["Audit"] | {"Whole": False, "Break": "entry 3 is missing"}
        text = Page(report_page(report | {"Audit": audit})).text()

        assert "broken: entry 3 is missing" in text

    def test_overrides_and_clean_up_are_told_with_who_and_why(self, report: dict[str, Any]) -> None:
        who = {"Time": report["StartTime"], "By": "arn:jane", "Reason": "it burns", "Number": 1}
        overrides = [
            {"Override": "SkipApprovals", **who, "Waves": ["database", "web"]},
            {"Override": "ReplaceLive", **who, "Instances": [{"SourceServerId": "s-1", "InstanceId": "i-1"}]},
        ]
        left = [{"InstanceId": "i-2", "Reason": "it is protected"}]
        cleaned = [
            {**who, "Kind": "CleanUpFinished", "Data": {"Status": "INSTANCES_LEFT", "Terminated": 6, "Left": left}}
        ]
        text = Page(report_page(report | {"Overrides": overrides, "CleanUp": cleaned})).text()

        for told in ("Not waited for: database, web.", "Replaced: i-1 of s-1.", "it burns", "arn:jane"):
            assert told in text
        assert "Terminated: 6" in text
        assert "Left: i-2 it is protected" in text
        assert "Instances left" in text

    @pytest.mark.parametrize(
        ("figures", "sentence"),
        [
            ({"Wanted": True, "Protected": 2, "Unprotected": 1}, "EC2 keeps 2 of 3 instances from being terminated."),
            ({"Wanted": False, "Protected": 0, "Unprotected": 0}, "The plan leaves them unprotected"),
            ({"Wanted": True, "Protected": 0, "Unprotected": 0}, "EC2 has not been asked to protect any instance."),
        ],
    )
    def test_what_a_later_launch_may_remove_is_told(
        self, report: dict[str, Any], figures: dict[str, Any], sentence: str
    ) -> None:
        assert sentence in Page(report_page(report | {"TerminationProtection": figures})).text()

    def test_an_instance_that_is_not_protected_is_named_with_ec2s_words(self, report: dict[str, Any]) -> None:
        unprotected = {"TerminationProtection": False, "UnprotectedReason": "UnauthorizedOperation: no", "Name": "db-1"}
        server = report["Waves"][0]["Servers"][0]
        server |= unprotected
        text = Page(report_page(report)).text()

        assert "1 instance not protected" in text
        assert "UnauthorizedOperation: no" in text
        assert f"{server['InstanceId']} of db-1" in text


class TestSafety:
    def test_hostile_text_stays_text_wherever_it_stands(self, orchestrator: Orchestrator) -> None:
        report = troubled_report(orchestrator, HOSTILE)
        markup = report_page(report)
        page = Page(markup)

        assert {tag for tag, _ in page.elements}.isdisjoint(FETCHING)
        assert [name for _, each in page.elements for name in each if name.startswith("on")] == []
        assert "<script>alert(1)</script>" in page.text("h1"), "it is shown as what it is"
        assert "<script>alert(1)</script>" in page.text("blockquote")
        assert not any(char in markup for char in "\u202e\x1b")

    def test_the_page_asks_for_nothing_and_forbids_it(self, report: dict[str, Any]) -> None:
        text = report_page(report)
        page = Page(text)
        [policy] = [each["content"] for each in page.named("meta") if "http-equiv" in each]

        assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert {tag for tag, _ in page.elements}.isdisjoint(FETCHING)
        assert not {"src", "href", "srcset"} & {name for _, each in page.elements for name in each}
        assert re.findall(r"url\((?!#)|@import|https?:", text) == []


class TestSize:
    def test_the_page_of_3000_servers_that_all_say_as_much_as_they_can_is_answered(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A tag may have 256 characters, and a quotation mark becomes six when it is escaped."""
        unprotected = {"InstanceId": "i-1", "TerminationProtection": False, "UnprotectedReason": "'" * 300}
        report = enlarged(troubled_report(orchestrator, "'" * 250), 3000, Name='"' * 256, **unprotected)
        monkeypatch.setattr("api.handler.app", lambda: orchestrator.app)
        monkeypatch.setattr("api.handler.show_report", lambda *_: report)
        answer = handler(_request(report["ExecutionId"], "html"), None)

        assert (answer["statusCode"], len(Page(answer["body"]).named("tr")) >= 3000) == (200, True)
        assert len(json.dumps(answer).encode()) < LAMBDA_ANSWER_BYTES

    def test_the_json_of_3000_servers_is_answered(
        self, orchestrator: Orchestrator, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        large = enlarged(report, 3000, TerminationProtection=False, UnprotectedReason="'" * 300)
        monkeypatch.setattr("api.handler.app", lambda: orchestrator.app)
        monkeypatch.setattr("api.handler.show_report", lambda *_: large)
        answer = handler(_request(report["ExecutionId"], "json"), None)

        assert answer["statusCode"] == 200
        assert len(json.dumps(answer).encode()) < LAMBDA_ANSWER_BYTES


def _request(execution_id: str, wanted: str) -> dict[str, Any]:
    """What API Gateway passes on, as the sample in events/ has it."""
    path = f"/executions/{execution_id}/report"
    return {
        "httpMethod": "GET",
        "path": path,
        "resource": "/executions/{ExecutionId}/report",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": {"format": wanted},
        "multiValueQueryStringParameters": {"format": [wanted]},
        "requestContext": {"path": path, "stage": "v1", "httpMethod": "GET", "requestId": "1", "identity": {}},
        "body": None,
        "isBase64Encoded": False,
    }

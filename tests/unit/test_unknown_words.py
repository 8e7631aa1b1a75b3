"""What DRS says and nobody knows: kept with its job, logged once, and fatal to nothing."""

import logging
from typing import Any

import botocore.session
import pytest

from drs_orchestrator.domain.job import DrsJob, LogEvent
from drs_orchestrator.domain.vocabulary import KNOWN_WORDS, MAX_UNKNOWN_WORDS, WordKind, with_unknown_words
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

ONE, TWO = server_id(1), server_id(2)
TWO_SERVERS = plan(wave("web", ONE, TWO))


def words(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [word for each in document["Waves"] for job in each["Jobs"] for word in job.get("UnknownWords", [])]


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The log lines about unknown words."""
    return [record for record in caplog.records if hasattr(record, "word")]


def test_an_unknown_event_and_every_kind_of_unknown_status_is_kept_and_stops_nothing(
    orchestrator: Orchestrator, simulator: SimulatorControl
) -> None:
    actions = [{"name": "mount", "seconds": 30}, {"name": "audit", "seconds": 30, "optional": True}]
    orchestrator.add_servers(ONE, TWO, launchActions=actions)
    simulator.add_fault("unknown-event", event="DISK_WARMUP_START", sourceServerIDs=[TWO])
    simulator.add_fault("unknown-status", status="VERIFYING", sourceServerIDs=[ONE])
    simulator.add_fault("unknown-job-status", status="WRAPPING_UP")
    simulator.add_fault("unknown-action-status", status="WAIVED", name="audit", sourceServerIDs=[TWO])

    document = orchestrator.drive(orchestrator.start(TWO_SERVERS, "RECOVERY"))

    assert document["Status"] == "COMPLETED"
    kept = {word["Kind"]: (word["Word"], word.get("SourceServerId")) for word in words(document)}
    assert kept == {
        "LOG_EVENT": ("DISK_WARMUP_START", TWO),
        "LAUNCH_STATUS": ("VERIFYING", ONE),
        "JOB_STATUS": ("WRAPPING_UP", None),
        "LAUNCH_ACTION_STATUS": ("WAIVED", TWO),
    }
    [job] = document["Waves"][0]["Jobs"]
    [event] = [
        item
        for item in orchestrator.app.drs.at(None, "us-east-1").job_log(job["RecoveryJobId"])
        if item.event == "DISK_WARMUP_START"
    ]
    assert [word["Time"] for word in words(document) if word["Kind"] == "LOG_EVENT"] == [int(event.time)]


def test_a_word_of_two_servers_seen_at_many_polls_is_kept_once_and_logged_once(
    orchestrator: Orchestrator, simulator: SimulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    orchestrator.add_servers(ONE, TWO)
    simulator.add_fault("unknown-event", event="DISK_WARMUP_START")
    document = orchestrator.drive(orchestrator.start(TWO_SERVERS), every=15)

    assert [word["Word"] for word in words(document)] == ["DISK_WARMUP_START"]
    [line] = lines(caplog)
    assert (line.levelname, line.getMessage()) == ("WARNING", "DRS said a word nobody knows")
    assert {name: getattr(line, name) for name in ("kind", "word", "wave", "job_id", "execution_id")} == {
        "kind": "LOG_EVENT",
        "word": "DISK_WARMUP_START",
        "wave": "web",
        "job_id": document["Waves"][0]["Jobs"][0]["RecoveryJobId"],
        "execution_id": document["ExecutionId"],
    }


def test_a_word_is_logged_by_the_one_whose_record_was_saved(
    orchestrator: Orchestrator,
    simulator: SimulatorControl,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Driver and reconciler may look at the same moment; the slower one's record is refused."""
    orchestrator.add_servers(ONE)
    simulator.add_fault("unknown-event", event="DISK_WARMUP_START")
    execution_id = orchestrator.begin(plan(wave("web", ONE)))
    orchestrator.let_pass(300)
    looked = orchestrator.app.executions.active_jobs

    def overtaken(execution: Any) -> Any:
        jobs = looked(execution)
        monkeypatch.setattr(orchestrator.app.executions, "active_jobs", looked)
        orchestrator.check(execution_id)
        return jobs

    monkeypatch.setattr(orchestrator.app.executions, "active_jobs", overtaken)
    orchestrator.check(execution_id)

    assert len(lines(caplog)) == 1


def test_a_job_without_unknown_words_shows_none(orchestrator: Orchestrator) -> None:
    orchestrator.add_servers(ONE, TWO)
    document = orchestrator.drive(orchestrator.start(TWO_SERVERS))

    assert "UnknownWords" not in document["Waves"][0]["Jobs"][0]


def test_a_job_keeps_twenty_words_of_a_hundred_characters_however_many_drs_says() -> None:
    job = DrsJob("drsjob-1", "LAUNCH", "STARTED", "START_DRILL", 0.0, None, ())
    log = [LogEvent(f"{number:03d}" + "X" * 500, float(number)) for number in range(50)]

    kept = with_unknown_words((), job, log[:5], now=100)
    kept = with_unknown_words(kept, job, log, now=200)

    assert [word.word for word in kept] == [f"{number:03d}" + "X" * 97 for number in range(MAX_UNKNOWN_WORDS)]
    assert with_unknown_words(kept, job, log, now=300) == kept


def test_the_known_words_are_those_of_the_service_model_and_launch_end() -> None:
    """A newer SDK that lists more makes this fail: then it is time to decide what the new word means for a server."""
    model = botocore.session.get_session().get_service_model("drs")
    shapes = {
        WordKind.LOG_EVENT: "JobLogEvent",
        WordKind.JOB_STATUS: "JobStatus",
        WordKind.LAUNCH_STATUS: "LaunchStatus",
        WordKind.LAUNCH_ACTION_STATUS: "LaunchActionRunStatus",
    }
    listed = {kind: set(model.shape_for(shape).enum) for kind, shape in shapes.items()}
    listed[WordKind.LOG_EVENT].add("LAUNCH_END")

    assert {kind: set(known) for kind, known in KNOWN_WORDS.items()} == listed

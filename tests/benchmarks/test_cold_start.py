"""What a handler imports before its first event, counted in a fresh process: a start costs what it imports."""

import pytest

from benchmarks.cold_start import handlers, measure, modules

# Beside those that boto3 and its first client bring: Powertools' logger and metrics are 40 of them, its router 72 more.
MOST_MODULES = 100
MOST_OF_API = 220

# Needed by few events of few functions, and imported when one comes.
NEVER_AT_START = {"jsonschema", "attr", "referencing", "yaml", "httpx", "drs_orchestrator.report_page"}
NEVER_OF_TASKS = NEVER_AT_START | {"aws_lambda_powertools.event_handler", "asyncio", "drs_orchestrator.plan_document"}
OF_OTHERS = {"drs_orchestrator.adapters.topic", "drs_orchestrator.adapters.ec2"}


@pytest.mark.parametrize("handler", handlers())
def test_a_handler_imports_no_more_than_its_start_needs(handler: str) -> None:
    brought = modules(handler) - modules()

    assert f"{handler}.handler" in brought
    assert brought & ((NEVER_AT_START if handler == "api" else NEVER_OF_TASKS) | OF_OTHERS) == set()
    assert len(brought) <= (MOST_OF_API if handler == "api" else MOST_MODULES)


def test_a_handlers_start_is_measured_beside_boto3s() -> None:
    bare, row = measure(["check_drs"], runs=1)

    assert (bare["start of"], row["start of"]) == ("boto3 and its client", "check_drs")
    assert bare["median : boto3's"] == 1
    assert row["least ms"] == row["median ms"] == row["most ms"] > 0
    assert bare["modules beside boto3's"] == 0 < row["modules beside boto3's"]

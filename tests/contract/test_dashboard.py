"""Whatever the dashboard and the saved queries name is there: metrics, dimensions, log groups, alarms, fields."""

import ast
import json
import re
from itertools import pairwise
from typing import Any

import pytest
import yaml

from drs_orchestrator.adapters.metrics import NAMESPACE, Metric
from drs_orchestrator.domain.polling import PollingPhase
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from tests.contract.test_alarms import ALARMS, DOCUMENTED
from tests.helpers.template import PROJECT_ROOT, template
from tests.statemachine.functions import functions

RESOURCES = template()["Resources"]
TEXT = yaml.safe_load((PROJECT_ROOT / "observability" / "dashboard.yaml").read_text(encoding="utf-8"))["Fn::Sub"]
WIDGETS: list[dict[str, Any]] = json.loads(TEXT)["widgets"]
QUERIES = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::Logs::QueryDefinition"}

# Shown, but watched by no alarm; dimensions as the services' documentation lists them.
SHOWN = DOCUMENTED | {
    ("AWS/Lambda", "Duration"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits"): {"TableName", "GlobalSecondaryIndexName"},
}
VALUES = {
    "ExecutionType": {*ExecutionType},
    "ExecutionStatus": {status.value for status in ExecutionStatus if status.is_final},
    "ExecutionPhase": {*PollingPhase},
    "Cause": {"THROTTLING", "OTHER"},
    "FunctionName": {"${CheckDrsFunction}"},
    "TableName": {"${ExecutionTable}"},
    "GlobalSecondaryIndexName": {"StatusIndex"},
    "StateMachineArn": {"${RecoveryStateMachine}"},
    "QueueName": {"${ReconcilerDeadLetters.QueueName}", "${UndeliveredNotifications.QueueName}"},
    "ApiName": {"${AWS::StackName}"},
    "Stage": {"v1"},
}
# Built into CloudWatch Logs Insights, or made by a query itself.
NO_FIELDS = {"@timestamp", "servers", "times", "last_execution"}


def expanded(rows: list[list[Any]]) -> list[list[str]]:
    """The metrics of a widget with the abbreviations of CloudWatch's syntax written out."""
    full: list[list[str]] = []
    for row in rows:
        cells = [cell for cell in row if not isinstance(cell, dict)]
        if cells[0] == "...":
            cells = full[-1][: len(full[-1]) - len(cells) + 1] + cells[1:]
        full.append([full[-1][i] if cell == "." else cell for i, cell in enumerate(cells)])
    return full


def metrics() -> list[tuple[str, str, dict[str, str]]]:
    found = []
    for widget in WIDGETS:
        for namespace, metric, *rest in expanded(widget["properties"].get("metrics", [])):
            found.append((namespace, metric, dict(zip(rest[::2], rest[1::2], strict=True))))
    return found


def fields_of_the_log() -> set[str]:
    """The keys of the log's lines, read from the calls that write them, and those every line or exception has."""
    named = {
        keyword.arg
        for path in (PROJECT_ROOT / "functions").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger.")
        for keyword in node.keywords
        if keyword.arg
    }
    return named | {"execution_id", "plan_id", "wave", "job_id", "message", "level", "exception", "exception_name"}


def test_every_metric_shown_is_emitted_with_these_dimensions() -> None:
    ours = {(NAMESPACE, metric.title): set(metric.dimensions) for metric in Metric}
    for namespace, metric, dimensions in metrics():
        assert set(dimensions) == (ours | SHOWN)[namespace, metric], metric
        for name, value in dimensions.items():
            assert value in VALUES[name], (metric, name)


def test_every_metric_of_ours_is_shown() -> None:
    shown = {metric for namespace, metric, _ in metrics() if namespace == NAMESPACE}

    # The sweeps are what an alarm listens to; nobody has to look at them.
    assert shown == {metric.title for metric in Metric} - {Metric.RECONCILER_SWEEPS.title}


def test_every_value_of_a_dimension_is_shown_of_each_metric_that_is() -> None:
    for name in ("ExecutionType", "ExecutionPhase", "Cause"):
        for metric in (metric.title for metric in Metric if metric.dimensions == (name,)):
            assert {dims[name] for _, shown, dims in metrics() if shown == metric} == VALUES[name], metric


def test_every_name_that_cloudformation_puts_in_is_a_resource_of_the_template() -> None:
    names = {name.partition(".")[0] for name in re.findall(r"\$\{([\w.:]+)\}", TEXT)}

    assert names <= set(RESOURCES) | {"AWS::Region", "AWS::StackName"}


def test_every_alarm_is_in_the_first_row() -> None:
    [widget] = [widget for widget in WIDGETS if widget["type"] == "alarm"]

    assert widget["y"] == 0
    assert {re.fullmatch(r"\$\{(\w+)\.Arn\}", arn)[1] for arn in widget["properties"]["alarms"]} == set(ALARMS)  # type: ignore[index]


@pytest.mark.parametrize(
    "title",
    [
        "Executions in POLLING Status",
        "Poller Lambda Performance",
        "StatusIndex GSI Performance",
        "Recent Poller Errors",
    ],
)
def test_the_specifications_widgets_are_there(title: str) -> None:
    assert [widget["properties"]["title"] for widget in WIDGETS].count(title) == 1


def test_the_widgets_fill_the_screen_and_none_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in WIDGETS:
        cells = {
            (widget["x"] + dx, widget["y"] + dy) for dx in range(widget["width"]) for dy in range(widget["height"])
        }
        assert taken.isdisjoint(cells), widget["properties"]["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1

    assert taken == {(x, y) for x in range(24) for y in range(height)}


def test_the_stack_includes_the_file() -> None:
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Transform"]

    assert body == {"Name": "AWS::Include", "Parameters": {"Location": "observability/dashboard.yaml"}}


def queries() -> dict[str, tuple[set[str], str]]:
    """Every query of the dashboard and every saved one: the log groups it reads and its text."""
    shown = {
        widget["properties"]["title"]: (
            set(re.findall(r"SOURCE '\$\{(\w+)\}'", widget["properties"]["query"])),
            re.sub(r"(\| )?SOURCE '[^']+'\s*", "", widget["properties"]["query"]),
        )
        for widget in WIDGETS
        if widget["type"] == "log"
    }
    saved = {
        name: ({group["Ref"] for group in each["LogGroupNames"]}, each["QueryString"]) for name, each in QUERIES.items()
    }
    return shown | saved


@pytest.mark.parametrize("name", sorted(queries()))
class TestQueries:
    def test_its_log_groups_are_those_of_functions(self, name: str) -> None:
        groups = {each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions().values()}

        assert queries()[name][0]
        assert queries()[name][0] <= groups

    def test_its_fields_are_those_of_the_log(self, name: str) -> None:
        text = re.sub(r"\"[^\"]*\"|'[^']*'", "", queries()[name][1])
        words = set(re.findall(r"@?[a-z_]\w*", text)) - {"fields", "filter", "sort", "limit", "stats", "by", "as"}
        words -= {"in", "and", "desc", "asc", "count", "latest", "bin", "m"}

        assert words <= fields_of_the_log() | NO_FIELDS

    def test_the_messages_it_filters_by_are_logged_by_a_function_it_reads(self, name: str) -> None:
        sources = "".join(path.read_text(encoding="utf-8") for path in (PROJECT_ROOT / "functions").rglob("*.py"))
        filters = re.findall(r"message (?:=|in) (.+?)(?: and |$)", queries()[name][1], re.MULTILINE)
        for message in re.findall(r"[\"']([^\"']+)[\"']", " ".join(filters)):
            assert f'"{message}"' in sources


def test_the_steps_of_an_execution_are_looked_for_in_every_function() -> None:
    groups = {each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions().values()}

    assert queries()["ExecutionStepsQuery"][0] == groups
    assert all(each["Name"]["Fn::Sub"].startswith("${AWS::StackName}/") for each in QUERIES.values())
    assert all(RESOURCES[name]["Condition"] == "HasSavedQueries" for name in QUERIES)


def test_no_two_metrics_of_a_widget_have_the_same_label() -> None:
    for widget in WIDGETS:
        labels = sorted(row[-1]["label"] for row in widget["properties"].get("metrics", []) if "label" in str(row[-1]))
        assert all(one != other for one, other in pairwise(labels)), widget["properties"]["title"]

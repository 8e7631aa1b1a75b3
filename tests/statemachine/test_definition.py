"""The state machine's definition: clean, portable, guarded, and in step with the template and the history limit."""

import json
import re
from typing import Any

import boto3
import pytest
from statelint.cli import main as statelint

from drs_orchestrator import errors
from drs_orchestrator.domain.clean_up import LAST_ROUND
from drs_orchestrator.domain.polling import PollingPhase
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from drs_orchestrator.tasks.fence import Outcome
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.template import template
from tests.statemachine.functions import functions
from tests.statemachine.reading import (
    EVENTS,
    EXECUTION_INPUT,
    SUBSTITUTION,
    available,
    dearest_way,
    definition,
    function_of,
    needs,
    paths,
    states,
)
from tools.state_graph import DEFINITION, edges

HISTORY_LIMIT = 25_000

# Fields every interpreter we know understands in the same way; anything new has to be tried on both engines first.
PORTABLE = {
    "Task": {"Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds", "Retry", "Catch", "Next"},
    "Choice": {"Choices", "Default"},
    "Wait": {"Seconds", "SecondsPath", "Next"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
}
PORTABLE_PATH = re.compile(
    r"\$(\.[A-Za-z]\w*(\[\d+\])?)+|\$\$\.(Execution|State|Task)(\.[A-Za-z]\w*)+|States\.[A-Z]\w*\(.*\)"
)
COMPARISONS = {"StringEquals", "NumericEquals", "NumericGreaterThan", "BooleanEquals", "IsPresent"}

every_state = pytest.mark.parametrize("name", states())
every_task = pytest.mark.parametrize("name", states("Task"))
every_choice = pytest.mark.parametrize("name", states("Choice"))


def compared(variable: str, operator: str = "StringEquals") -> set[Any]:
    """What the graph compares `variable` with."""
    rules = [rule for choice in states("Choice").values() for rule in choice["Choices"]]
    tests = [test for rule in rules for test in rule.get("And", [rule])]
    return {test[operator] for test in tests if test["Variable"] == variable and operator in test}


def test_statelint_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert statelint([str(DEFINITION)]) in (None, 0), capsys.readouterr().out
    assert capsys.readouterr().out.strip() == ""


class TestPortability:
    @every_state
    def test_a_state_has_a_comment_and_only_portable_fields(self, name: str) -> None:
        state = states()[name]

        assert state["Comment"]
        assert set(state) - {"Type", "Comment"} <= PORTABLE[state["Type"]]

    @every_state
    def test_paths_are_plain(self, name: str) -> None:
        assert [path for path in paths(states()[name]) if not PORTABLE_PATH.fullmatch(path)] == []

    @every_choice
    def test_a_choice_has_a_default_and_only_portable_comparisons(self, name: str) -> None:
        choice = states()[name]
        tests = [test for rule in choice["Choices"] for test in rule.get("And", [rule])]

        assert choice["Default"] in states()
        assert {operator for test in tests for operator in test} - {"Variable", "Next"} <= COMPARISONS

    def test_the_machine_is_one_flat_loop_in_plain_jsonpath(self) -> None:
        assert set(definition()) == {"Comment", "StartAt", "States"}
        assert {state["Type"] for state in states().values()} <= set(PORTABLE)


class TestTasks:
    @every_task
    def test_a_task_is_tried_again_and_then_gives_up_to_the_reconciler(self, name: str) -> None:
        task = states()[name]
        last_retry, last_catch = task["Retry"][-1], task["Catch"][-1]

        assert task["Resource"].removesuffix(".waitForTaskToken") == "arn:aws:states:::lambda:invoke"
        assert last_retry["ErrorEquals"] == last_catch["ErrorEquals"] == ["States.ALL"]
        assert last_retry["MaxAttempts"] >= 3
        assert last_retry["BackoffRate"] > 1
        assert (last_catch["ResultPath"], last_catch["Next"]) == ("$.failure", "Driver Lost")

    @every_task
    def test_a_task_names_only_errors_that_exist(self, name: str) -> None:
        """The engine matches exact names; a name nobody raises is a rule that never applies."""
        own = {each for each in vars(errors) if isinstance(getattr(errors, each), type)}
        named = {
            error for rule in [*states()[name]["Retry"], *states()[name]["Catch"]] for error in rule["ErrorEquals"]
        }

        assert {each for each in named if not each.startswith(("States.", "Lambda."))} <= own
        assert all("States.ALL" not in rule["ErrorEquals"] for rule in states()[name]["Retry"][:-1])

    @every_task
    def test_a_task_waits_longer_than_its_function_may_run(self, name: str) -> None:
        """Otherwise a second invocation would start while the first one still works."""
        task = states()[name]

        assert task["TimeoutSeconds"] > functions()[function_of(task)]["Timeout"]


class TestData:
    @every_state
    def test_what_a_state_reads_is_there_whichever_way_it_was_reached(self, name: str) -> None:
        """One engine reads a missing path as null, another as false, and AWS fails: it must never be missing."""
        known = available()[name]
        missing = [
            path
            for path in needs(states()[name])
            if not any(path == each or path.startswith(f"{each}.") for each in known)
        ]

        assert missing == []

    @pytest.mark.parametrize("name", ["Has Every Drill Server Launched", "Has Every Launch Action Ended"])
    def test_a_drs_that_asks_to_be_left_alone_is_also_left_alone_once_an_operator_has_stopped_all(
        self, name: str
    ) -> None:
        """The first choice that holds is taken."""
        ways = [choice["Next"] for choice in states()[name]["Choices"]]

        assert ways.index("Wait For DRS To Answer") < ways.index("Wait For Jobs In Flight")

    def test_every_state_can_be_reached(self) -> None:
        assert set(available()) == set(states())

    def test_a_driver_starts_with_the_input_the_graph_relies_on(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(plan(wave("web", server_id(1))))
        arn = orchestrator.environment["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        described = boto3.client("stepfunctions").describe_execution(executionArn=f"{arn}:{execution_id}-g1")

        assert {f"$.{name}" for name in json.loads(described["input"])} == EXECUTION_INPUT

    @every_task
    def test_a_task_is_told_who_drives_and_nothing_more(self, name: str) -> None:
        """Ids and scalars: the payload does not grow with the plan, so no execution can outgrow 256 KiB."""
        expected = {"executionId.$": "$.executionId", "generation.$": "$.generation"}
        if states()[name]["Resource"].endswith(".waitForTaskToken"):
            expected["taskToken.$"] = "$$.Task.Token"

        assert states()[name]["Parameters"]["Payload"] == expected

    def test_the_graph_knows_every_status_type_and_phase_by_its_name(self) -> None:
        final = {status.value for status in ExecutionStatus if status.is_final}
        outcomes = {value for task in states("Task").values() for value in compared(f"{task['ResultPath']}.outcome")}

        assert compared("$.finish.status") == final
        assert compared("$.executionType") == set(ExecutionType)
        assert compared("$.check.phase") <= set(PollingPhase)
        assert outcomes <= set(Outcome)


class TestTemplate:
    def test_substitutions_are_those_of_the_definition_and_each_names_its_function(self) -> None:
        machine = template()["Resources"]["RecoveryStateMachine"]["Properties"]
        given = machine["DefinitionSubstitutions"]

        assert set(SUBSTITUTION.findall(DEFINITION.read_text(encoding="utf-8"))) == set(given)
        assert given == {name: {"Fn::GetAtt": [name, "Arn"]} for name in given} or given == {
            name: {"Fn::GetAtt": f"{name}.Arn"} for name in given
        }

    def test_the_role_may_invoke_exactly_the_functions_of_the_graph(self) -> None:
        policies = template()["Resources"]["RecoveryStateMachine"]["Properties"]["Policies"]
        statements = [statement for policy in policies for statement in policy["Statement"]]
        [invoke] = [each for each in statements if each["Action"] == "lambda:InvokeFunction"]
        given = template()["Resources"]["RecoveryStateMachine"]["Properties"]["DefinitionSubstitutions"]

        assert sorted(map(str, invoke["Resource"])) == sorted(map(str, given.values()))


class TestHistory:
    """A round is what the tasks that are repeated count in DriverRounds: Launch Ready Waves, Check DRS and Protect
    Instances. A clean-up, which may come after them, counts rounds of its own."""

    POLLING = frozenset({"Launch Ready Waves", "Check DRS", "Protect Instances"})
    CLEANING = "Clean Up Drill"

    def test_a_driver_hands_over_when_its_history_is_half_full(self) -> None:
        most = template()["Parameters"]["MaxPollsPerDriver"]
        rounds = max(most["Default"], most["MaxValue"])
        ends = [*states("Succeed"), *states("Fail")]
        before = 1 + dearest_way(definition()["StartAt"], self.POLLING, avoiding={self.CLEANING})
        each = max(dearest_way(name, self.POLLING, avoiding={self.CLEANING}) for name in self.POLLING)
        end = max(dearest_way(name, {self.CLEANING}, avoiding=self.POLLING) for name in self.POLLING)
        cleaning = LAST_ROUND * dearest_way(self.CLEANING, {self.CLEANING})
        last = dearest_way(self.CLEANING, ends, avoiding={self.CLEANING})
        last += max(EVENTS[states()[name]["Type"]] for name in ends)

        # The other half is for retries, three events each; a driver that needs more is replaced by the reconciler.
        assert before + rounds * each + end + cleaning + last <= HISTORY_LIMIT / 2

    def test_every_loop_passes_a_task_that_counts_rounds(self) -> None:
        uncounted = {name: {way.target for way in edges(definition()) if way.source == name} for name in states()}
        for name in (*self.POLLING, self.CLEANING):
            del uncounted[name]
        while leaves := {name for name, targets in uncounted.items() if not targets & uncounted.keys()}:
            for name in leaves:
                del uncounted[name]

        assert uncounted == {}

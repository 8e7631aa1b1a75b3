"""MockConfigFile.json is what AWS documents, what the functions return, and leads every case where it has to end.

The embedded engine reads the same file as AWS's own Step Functions Local does, which runs where a container engine is.
"""

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from embedded import engine
from embedded.processes import Server, free_port
from tests.helpers.simulator import SimulatorControl
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.paths import follows_the_graph, states_entered, tasks
from tests.statemachine.reading import EXECUTION_INPUT, SUBSTITUTION, states
from tests.stepfunctions_local.cases import CASES, KEEPS_FAILING, MOCK_CONFIG, STATE_MACHINE, mock_config, record
from tools.state_graph import DEFINITION

CONFIG = json.loads(MOCK_CONFIG.read_text(encoding="utf-8"))
TEST_CASES: dict[str, dict[str, str]] = CONFIG["StateMachines"][STATE_MACHINE]["TestCases"]
RESPONSES: dict[str, dict[str, dict[str, Any]]] = CONFIG["MockedResponses"]

PATIENCE = 120
COMPOSE = ("docker", "compose", "--file", str(PROJECT_ROOT / "docker-compose.stepfunctions-local.yml"))


class TestFile:
    """The format: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html"""

    def test_it_has_the_documented_fields_and_no_others(self) -> None:
        assert set(CONFIG) == {"StateMachines", "MockedResponses"}
        assert [set(machine) for machine in CONFIG["StateMachines"].values()] == [{"TestCases"}]
        for invocations in RESPONSES.values():
            for answer in invocations.values():
                assert set(answer) in ({"Return"}, {"Throw"})
                assert all(isinstance(text, str) for text in answer.get("Throw", {"Error": "", "Cause": ""}).values())
                assert set(answer.get("Throw", {"Error", "Cause"})) == {"Error", "Cause"}

    def test_a_case_can_be_named_behind_the_arn_and_mocks_tasks_of_the_definition(self) -> None:
        for name, mocked in TEST_CASES.items():
            assert re.fullmatch(r"[A-Za-z0-9]+", name)
            assert set(mocked) <= set(states("Task"))
        assert {response for mocked in TEST_CASES.values() for response in mocked.values()} == set(RESPONSES)

    @pytest.mark.parametrize("response", RESPONSES)
    def test_the_invocations_are_numbered_without_a_gap(self, response: str) -> None:
        numbers = [number for key in RESPONSES[response] for number in numbered(key)]

        assert numbers == list(range(len(numbers)))

    @pytest.mark.parametrize("name", CASES)
    def test_it_is_what_the_shipped_functions_return(self, name: str, simulator: SimulatorControl) -> None:
        """Should this fail, write the file anew: python -m tests.stepfunctions_local.cases"""
        recorded = record(CASES[name], simulator)
        made = mock_config({name: recorded})

        assert TEST_CASES[name] == made["StateMachines"][STATE_MACHINE]["TestCases"][name]
        for response in TEST_CASES[name].values():
            assert RESPONSES[response] == made["MockedResponses"][response]
        assert recorded.document["Status"] == CASES[name].path.status
        assert tasks(recorded.entered) == tasks(CASES[name].path.order)

    def test_the_server_of_the_timeout_case_is_marked_before_it_is_launched(self, simulator: SimulatorControl) -> None:
        document = record(CASES["TimeoutTruth"], simulator).document
        [server] = document["Waves"][0]["Servers"]

        assert server["TimeoutDetected"] is True
        assert server["Status"] == "LAUNCHED"


@pytest.fixture(scope="module")
def embedded_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of an embedded engine that has read the file and whose waits take no time."""
    folder, port = tmp_path_factory.mktemp("engine"), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = engine.environment(folder, port, wait_scale=0, lambda_concurrency=1)
    server = Server("engine", folder)
    # No permission is asked for: every task is mocked, and the machine has no role.
    server.start(engine.COMMAND, environment | {"AUTH": "false", "SFN_MOCK_CONFIG": str(MOCK_CONFIG)})
    try:
        server.wait_until(lambda: engine.is_ready(url), engine.START_SECONDS)
        yield client(url)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def stepfunctions_local() -> Iterator[Any]:
    """A client of AWS's container, as the compose file starts it."""
    subprocess.run([*COMPOSE, "up", "--detach"], check=True, timeout=600)
    url = "http://127.0.0.1:8083"
    try:
        wait_until_it_listens(url)
        yield client(url)
    finally:
        subprocess.run([*COMPOSE, "down"], check=True, timeout=120)


@pytest.mark.xdist_group("mock-config")
@pytest.mark.parametrize("name", TEST_CASES)
def test_a_case_ends_on_the_embedded_engine_where_it_has_to(name: str, embedded_engine: Any) -> None:
    ends_where_it_has_to(name, embedded_engine)


@pytest.mark.docker
@pytest.mark.parametrize("name", TEST_CASES)
def test_a_case_ends_on_step_functions_local_where_it_has_to(name: str, stepfunctions_local: Any) -> None:
    ends_where_it_has_to(name, stepfunctions_local)


def ends_where_it_has_to(name: str, stepfunctions: Any) -> None:
    status, entered = run(name, stepfunctions)

    assert follows_the_graph(entered)
    if name == KEEPS_FAILING:
        assert (status, tasks(entered)) == ("FAILED", ("Prepare Execution", "Driver Lost"))
        return
    assert (status, tasks(entered)) == (CASES[name].path.machine, tasks(CASES[name].path.order))
    # Each mocked answer was asked for, and none more.
    answers = {state: sum(len(numbered(key)) for key in RESPONSES[of]) for state, of in TEST_CASES[name].items()}
    assert {state: Counter(entered)[state] for state in states("Task") if state in entered} == answers


def run(name: str, stepfunctions: Any) -> tuple[str, list[str]]:
    """How the state machine execution ended and the states it entered, in order."""
    execution_type = CASES[name].path.execution_type if name in CASES else "DRILL"
    given = {"executionId": "exec-20261101-093000-1f2e3d4c", "executionType": execution_type, "generation": 1}
    assert {f"$.{each}" for each in given} == EXECUTION_INPUT
    arn = stepfunctions.start_execution(stateMachineArn=f"{machine(stepfunctions)}#{name}", input=json.dumps(given))
    deadline = time.monotonic() + PATIENCE
    while (found := stepfunctions.describe_execution(executionArn=arn["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{name} is still running"
        time.sleep(0.05)
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn["executionArn"])
    return found["status"], states_entered(event for page in pages for event in page["events"])


def machine(stepfunctions: Any) -> str:
    """The ARN of the shipped definition under the name the file has for it."""
    for each in stepfunctions.list_state_machines()["stateMachines"]:
        if each["name"] == STATE_MACHINE:
            return str(each["stateMachineArn"])
    definition = SUBSTITUTION.sub(lambda match: match[1], DEFINITION.read_text(encoding="utf-8"))
    role = "arn:aws:iam::123456789012:role/recovery"
    made = stepfunctions.create_state_machine(name=STATE_MACHINE, definition=definition, roleArn=role)
    return str(made["stateMachineArn"])


def numbered(key: str) -> range:
    """The invocations that `0` or `1-3` stands for."""
    first, _, last = key.partition("-")
    return range(int(first), int(last or first) + 1)


def client(url: str) -> Any:
    return boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def wait_until_it_listens(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(url, timeout=2.0, trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < deadline, f"nothing listens at {url}"
            time.sleep(0.5)
        else:
            return

"""The test cases of MockConfigFile.json: what happens in each, and the file made of what the shipped functions return.

`python -m tests.stepfunctions_local.cases` writes the file anew, after a function's result or the definition changed.
Each case is run with the functions, the simulator and an interpreter of the definition in this process; what its tasks
return there, poll by poll, is what they are mocked with. Every wait in it is a second: nothing happens meanwhile.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path as File
from typing import Any

from tests.helpers.orchestrator import aws
from tests.helpers.simulator import SimulatorControl, running_simulator
from tests.statemachine.paths import LAUNCH, ONE_SERVER, PATHS, Path, states_entered
from tests.statemachine.reading import states
from tests.statemachine.second_engine import second_engine

FOLDER = File(__file__).parent
MOCK_CONFIG = FOLDER / "MockConfigFile.json"
STATE_MACHINE = "recovery"

# Seconds between two polls while a case is recorded: few polls make a file one can read.
_COARSE = {f"{name}IntervalSeconds": "180" for name in ("Pending", "Transition", "Progress")}

_BY_TITLE = {path.title: path for path in PATHS}

_TIMEOUT_TRUTH = Path(
    "a server that is late but launched",
    ONE_SERVER,
    ("Prepare Execution", *LAUNCH, "Finish Execution", "Execution Completed"),
)

Responses = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Case:
    """`path` is what DRS and the operators do and the order of tasks it must come to."""

    path: Path
    parameters: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "HappyDrill": Case(_BY_TITLE["a drill of two waves"]),
    "HappyRecovery": Case(_BY_TITLE["a recovery with launch actions"]),
    "PartialDrill": Case(_BY_TITLE["a server that fails stops the next wave"]),
    "FailedDrill": Case(_BY_TITLE["no server is up"]),
    "ThrottledLaunch": Case(_BY_TITLE["DRS throttles the launch"]),
    "ThrottledPolls": Case(_BY_TITLE["DRS throttles the polls"]),
    # The server is marked TimeoutDetected long before DRS says LAUNCHED, and nothing is failed by the clock.
    "TimeoutTruth": Case(_TIMEOUT_TRUTH, {"ServerTimeoutSeconds": "60"}),
    "ApprovedWave": Case(_BY_TITLE["an approved wave"]),
    "RejectedWave": Case(_BY_TITLE["a rejected wave"]),
    "CleanedUpDrill": Case(_BY_TITLE["a drill that is cleaned up"], {"ProgressIntervalSeconds": "30"}),
}

# A case of its own: no function of ours answers. The first attempt and all that Retry makes of it fail.
KEEPS_FAILING = "TaskKeepsFailing"
_ATTEMPTS = 1 + states()["Prepare Execution"]["Retry"][-1]["MaxAttempts"]
_FAILURE = {"Error": "Lambda.ServiceException", "Cause": "The function can't be reached."}


@dataclass(frozen=True, slots=True)
class Recorded:
    """`entered` are the states in order, `responses` each task's results by its state's name, `document` the
    execution's in the end."""

    entered: tuple[str, ...]
    responses: Responses
    document: Mapping[str, Any]


def record(case: Case, simulator: SimulatorControl) -> Recorded:
    """Run a case with the shipped functions, in an account and a DRS of its own."""
    simulator.reset()
    with aws(), second_engine(simulator, **(_COARSE | dict(case.parameters))) as engine:
        orchestrator = engine.orchestrator
        case.path.arrange(simulator)
        execution_id = orchestrator.start(case.path.plan, case.path.execution_type)
        for decide in case.path.operator(orchestrator.app, execution_id):
            engine.at_the_next_pause(decide)
        engine.run()
        history = engine.history(f"{execution_id}-g1")
        return Recorded(tuple(states_entered(history)), _responses(history), orchestrator.show(execution_id))


def _responses(history: Sequence[Mapping[str, Any]]) -> Responses:
    found: Responses = {}
    state = ""
    for event in history:
        if "stateEnteredEventDetails" in event:
            state = event["stateEnteredEventDetails"]["name"]
        if event["type"] == "TaskSucceeded":
            found.setdefault(state, []).append(_without_waits(json.loads(event["taskSucceededEventDetails"]["output"])))
    return found


def _without_waits(output: dict[str, Any]) -> dict[str, Any]:
    """What is left of Invoke's answer, every time to wait that there is in it being one second."""
    if "Payload" not in output:
        return output
    payload = dict(output["Payload"])
    if "intervals" in payload:
        payload["intervals"] = dict.fromkeys(payload["intervals"], 1)
    for name in ("retryAfterSeconds", "cleanUpDelaySeconds"):
        if name in payload:
            payload[name] = min(payload[name], 1)
    return {"StatusCode": 200, "Payload": payload}


def mock_config(recorded: Mapping[str, Recorded]) -> dict[str, Any]:
    """The document of MockConfigFile.json."""
    cases: dict[str, dict[str, str]] = {}
    responses: dict[str, dict[str, Any]] = {}
    for name, each in recorded.items():
        cases[name] = {}
        for state, outputs in each.responses.items():
            response = name + "".join(word for word in state.title() if word.isalnum())
            cases[name][state] = response
            responses[response] = dict(_invocations(outputs))
    cases[KEEPS_FAILING] = {"Prepare Execution": KEEPS_FAILING}
    responses[KEEPS_FAILING] = {f"0-{_ATTEMPTS - 1}": {"Throw": _FAILURE}}
    return {"StateMachines": {STATE_MACHINE: {"TestCases": cases}}, "MockedResponses": responses}


def _invocations(outputs: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each invocation's number, or a range of those that are answered alike, and the answer."""
    first = 0
    for output, alike in groupby(outputs):
        last = first + len(list(alike)) - 1
        yield (str(first) if first == last else f"{first}-{last}"), {"Return": output}
        first = last + 1


def record_all(simulator: SimulatorControl) -> dict[str, Recorded]:
    return {name: record(case, simulator) for name, case in CASES.items()}


def main() -> None:
    with running_simulator() as url:
        control = SimulatorControl(url)
        document = mock_config(record_all(control))
        control.close()
    MOCK_CONFIG.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

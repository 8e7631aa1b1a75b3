"""docs/simulator.md says what the program does: nothing is missing, and no behaviour is claimed without a test."""

import ast
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from drs_simulator import Simulator, scenarios
from drs_simulator.accounts import Accounts
from drs_simulator.control import Control
from drs_simulator.faults import CALL_FAULTS, CONDITIONS, LAUNCH_FAULTS
from drs_simulator.operations import OPERATIONS
from drs_simulator.profiles import BUILT_IN
from drs_simulator.switches import Switches
from drs_simulator.timeline import STAGES

TESTS = Path(__file__).parent
PAGE = (TESTS.parents[1] / "docs" / "simulator.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def rows(section: str) -> list[list[str]]:
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def named_in(file: str) -> set[str]:
    """Functions and classes at the top of a test file, and names given to generated test cases."""
    names = set()
    for node in ast.parse((TESTS / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def test_every_behaviour_has_evidence_and_names_a_test_that_exists() -> None:
    claims = rows("What is known, and how")

    assert len(claims) > 80
    for behaviour, evidence, test in claims:
        assert behaviour
        assert set(evidence.split()) <= set("DMOS?"), behaviour
        file, _, name = test.strip("`").partition("::")
        assert name in named_in(file), behaviour


def test_no_behaviour_is_claimed_twice() -> None:
    behaviours = [row[0] for row in rows("What is known, and how")]

    assert len(behaviours) == len(set(behaviours))


def test_every_operation_is_listed_and_no_other() -> None:
    listed = SECTIONS["Operations"].split("Everything else")[0]

    assert set(re.findall(r"\w+", listed)) == set(OPERATIONS)


def test_every_route_of_the_control_api_is_described() -> None:
    described = {
        tuple(request.partition("?")[0].split(maxsplit=1))
        for row in rows("Control API")
        for request in re.findall(r"`((?:GET|POST|DELETE) [^`]+)`", row[0])
    }
    existing = {
        (method, f"/_sim{route.path}")
        for route in Control(Simulator(), Accounts()).routes()
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert described == existing
    assert set(STAGES) <= set(re.findall(r"[A-Z_]{5,}", SECTIONS["Control API"]))


@pytest.mark.parametrize(
    ("section", "existing"),
    [
        ("Profiles", set(BUILT_IN)),
        ("Faults", set(CALL_FAULTS) | set(LAUNCH_FAULTS)),
        ("Switches", {field.name for field in fields(Switches)}),
    ],
)
def test_every_profile_fault_and_switch_has_its_row(section: str, existing: set[str]) -> None:
    assert {name for row in rows(section) for name in code(row[0])} == existing


def test_every_setting_and_condition_of_a_fault_is_named() -> None:
    for fault, settings in {**CALL_FAULTS, **LAUNCH_FAULTS}.items():
        (row,) = [row for row in rows("Faults") if fault in code(row[0])]
        assert set(settings) <= code(row[1]), fault
    assert set(CONDITIONS) <= code(SECTIONS["Faults"])


def test_every_switch_shows_its_default_first() -> None:
    defaults = Switches()
    for switch, values, _ in rows("Switches"):
        default = getattr(defaults, switch.strip("`"))
        shown = f"{default:g}" if type(default) in (int, float) else json.dumps(default).strip('"')
        assert values.startswith(shown), switch


def test_every_scenario_is_named() -> None:
    assert set(scenarios.names()) <= code(SECTIONS["Scenarios"])


def test_the_python_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}

    exec(example, names)  # noqa: S102 - our own page

    simulator = names["simulator"]
    assert isinstance(simulator, Simulator)
    assert [instance.is_drill for instance in simulator.world().instances.values()] == [True]

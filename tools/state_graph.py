"""Draws the state machine as a Mermaid flowchart and keeps it in the README, between two marker lines.

`python -m tools.state_graph` writes the drawing; with `--check` it only says whether the README's is up to date.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEFINITION = ROOT / "statemachine" / "recovery.asl.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- state-graph:begin -->", "<!-- state-graph:end -->"

State = Mapping[str, Any]
Definition = Mapping[str, Any]

# One shape a type: what is done, what is decided, what is waited for, what is a fact.
_SHAPES = {
    "Task": '["{}"]',
    "Choice": '{{"{}"}}',
    "Wait": '(["{}"])',
    "Succeed": '[["{}"]]',
    "Fail": '[["{}"]]',
}
# Outlines only, so that the drawing is readable on a light and on a dark page.
_STYLES = {
    "Succeed": "stroke:#2da44e,stroke-width:2px",
    "Fail": "stroke:#cf222e,stroke-width:2px",
    "Wait": "stroke:#bf8700,stroke-dasharray:4 3",
}
_OPERATORS = {"NumericEquals": "=", "NumericGreaterThan": ">", "NumericLessThan": "<"}


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one state to the next. `label` is the condition in words, empty when there is none."""

    source: str
    target: str
    label: str = ""
    on_failure: bool = False


def read_definition(path: Path = DEFINITION) -> Definition:
    definition: Definition = json.loads(path.read_text(encoding="utf-8"))
    return definition


def edges(definition: Definition) -> Iterator[Edge]:
    """Every way the definition allows, in its own order; those of a Catch for whatever fails are `on_failure`."""
    for name, state in definition["States"].items():
        for choice in state.get("Choices", ()):
            yield Edge(name, choice["Next"], _condition(choice))
        if "Default" in state:
            yield Edge(name, state["Default"], "otherwise")
        if "Next" in state:
            yield Edge(name, state["Next"])
        for catcher in state.get("Catch", ()):
            on_failure = "States.ALL" in catcher["ErrorEquals"]
            yield Edge(name, catcher["Next"], "" if on_failure else _caught(catcher), on_failure)


def draw(definition: Definition) -> str:
    """The Mermaid source. What catches every failure is drawn once, as a note, because every task has the same."""
    states: Mapping[str, State] = definition["States"]
    lines = ["flowchart TD", f"    start((start)) --> {_id(definition['StartAt'])}"]
    lines += [f"    {_id(name)}{_SHAPES[state['Type']].format(name)}" for name, state in states.items()]
    lines += [_arrow(edge) for edge in _merged(edge for edge in edges(definition) if not edge.on_failure)]
    for target in dict.fromkeys(edge.target for edge in edges(definition) if edge.on_failure):
        lines.append(f'    failing>"a task that keeps failing"] -.-> {_id(target)}')
    for kind, style in _STYLES.items():
        members = ",".join(_id(name) for name, state in states.items() if state["Type"] == kind)
        if members:
            lines += [f"    classDef {kind.lower()} {style}", f"    class {members} {kind.lower()}"]
    return "\n".join(lines) + "\n"


def embed(page: str, drawing: str) -> str:
    """The page with the drawing between its markers. Raises ValueError when it has not one pair of them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page needs one line {BEGIN} and, after it, one line {END}")
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n```mermaid\n{drawing}```\n{END}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the page shows the definition, 1 when it does not (`--check`) or has no place for it."""
    parser = argparse.ArgumentParser(prog="python -m tools.state_graph", description="Draw the state machine.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the drawing is out of date")
    parser.add_argument("--page", type=Path, default=README, help="the Markdown page that holds the drawing")
    options = parser.parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    try:
        current = embed(page, draw(read_definition()))
    except ValueError as error:
        sys.stderr.write(f"{options.page.name}: {error}\n")
        return 1
    if page == current:
        return 0
    if options.check:
        sys.stderr.write(f"{options.page.name}: the state graph is out of date; run python -m tools.state_graph\n")
        return 1
    options.page.write_text(current, encoding="utf-8")
    return 0


def _condition(choice: State) -> str:
    """A Choice rule in words: what is compared stands in the path's last name, as `wavesOpen` → "waves open"."""
    if "And" in choice:
        return " and ".join(_condition(part) for part in choice["And"])
    subject = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", choice["Variable"].rpartition(".")[2]).lower()
    operator, value = next((key, value) for key, value in choice.items() if key not in ("Variable", "Next"))
    if operator in _OPERATORS:
        return f"{subject} {_OPERATORS[operator]} {value}"
    if operator == "BooleanEquals":
        return subject if value else f"no {subject}"
    if operator == "StringEquals":
        return str(value)
    raise ValueError(f"no words are known for the comparison {operator}")


def _caught(catcher: State) -> str:
    """An error that is expected, in words."""
    return " or ".join({"States.Timeout": "time-out"}.get(name, name) for name in catcher["ErrorEquals"])


def _merged(found: Iterator[Edge]) -> Iterator[Edge]:
    """One arrow where several conditions lead the same way."""
    labels: dict[tuple[str, str], list[str]] = {}
    for edge in found:
        labels.setdefault((edge.source, edge.target), []).append(edge.label)
    for (source, target), conditions in labels.items():
        # A way that is always taken needs no other condition.
        yield Edge(source, target, ", or ".join(conditions) if all(conditions) else "")


def _arrow(edge: Edge) -> str:
    label = f'|"{edge.label}"|' if edge.label else ""
    return f"    {_id(edge.source)} -->{label} {_id(edge.target)}"


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name.lower())


if __name__ == "__main__":
    sys.exit(main())

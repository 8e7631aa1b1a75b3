"""The drawing in the README is that of the shipped definition, and it shows what a reader looks for."""

import re
from pathlib import Path

import pytest

from tests.statemachine.reading import definition, states
from tools.state_graph import BEGIN, END, README, draw, edges, main


def test_the_readme_shows_the_shipped_definition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_every_state_is_drawn_and_every_way_but_failures() -> None:
    drawing = draw(definition())
    arrows = [line.split() for line in drawing.splitlines() if " -->" in line and not line.strip().startswith("start")]
    ways = {(way.source, way.target) for way in edges(definition()) if not way.on_failure}

    assert all(f'"{name}"' in drawing for name in states())
    assert {(line[0], line[-1]) for line in arrows} == {
        tuple(re.sub(r"[ -]", "_", name.lower()) for name in way) for way in ways
    }
    assert len(arrows) == len(ways)


def test_the_branch_on_drill_or_recovery_is_named() -> None:
    drawing = draw(definition())

    assert 'drill_or_recovery -->|"DRILL"| has_every_drill_server_launched' in drawing
    assert 'drill_or_recovery -->|"RECOVERY"| has_every_launch_action_ended' in drawing


@pytest.mark.parametrize(
    "way",
    [
        'what_was_launched -->|"awaits decision"| wait_for_a_decision',
        'what_was_launched -->|"jobs waiting > 0"| wait_for_drs_capacity',
        'what_was_launched -->|"stopping"| wait_for_jobs_in_flight',
        'outcome -->|"CANCELLED"| execution_cancelled',
        'is_a_clean_up_due -->|"clean up"| clean_up_drill',
        'is_a_clean_up_due -->|"clean up and clean up delay seconds > 0"| wait_before_clean_up',
    ],
)
def test_approval_capacity_cancellation_and_clean_up_are_places_that_the_readme_points_at(way: str) -> None:
    place = way.split()[-1]
    _, told = README.read_text(encoding="utf-8").split(END)

    assert way in draw(definition())
    assert f"*{next(name for name in states() if re.sub(r'[ -]', '_', name.lower()) == place)}*" in told.split("##")[0]


def test_failing_tasks_are_one_note_and_not_an_arrow_each() -> None:
    assert draw(definition()).count("-.->") == 1


def test_a_page_is_written_once_and_is_then_up_to_date(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nan old drawing\n{END}\nafter\n", encoding="utf-8")

    assert main(["--check", "--page", str(page)]) == 1
    assert main(["--page", str(page)]) == 0
    assert main(["--check", "--page", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n```mermaid\n{draw(definition())}```\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_a_place_for_the_drawing_is_left_alone_and_the_tool_says_so(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")

    assert main(["--page", str(page)]) == 1
    assert "state-graph:begin" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == text


def test_a_comparison_nobody_has_words_for_is_refused() -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "A"}], "Default": "A"}
    unknown = {"StartAt": "C", "States": {"C": choice, "A": {"Type": "Succeed"}}}

    with pytest.raises(ValueError, match="IsNull"):
        draw(unknown)

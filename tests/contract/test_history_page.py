"""docs/history.md is the truth about the history: every Kind, every field of its Data, and how to verify it by hand."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drs_orchestrator.domain.history import Kind
from tests.helpers.every_kind import histories_of_every_kind
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave
from tests.helpers.template import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "history.md").read_text(encoding="utf-8")


def documented() -> dict[str, set[str]]:
    """The fields of every kind's Data, those inside of its lists included."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", PAGE, re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", fields)) for kind, fields in rows}


def fields_of(data: dict[str, Any]) -> set[str]:
    inner = (each for value in data.values() if isinstance(value, list) for each in value if isinstance(each, dict))
    return set(data).union(*inner)


def test_the_page_describes_every_kind() -> None:
    assert set(documented()) == {kind.value for kind in Kind}


def test_the_page_names_every_field_that_is_written(orchestrator: Orchestrator) -> None:
    entries = [entry for history in histories_of_every_kind(orchestrator) for entry in history]
    written: dict[str, set[str]] = {}
    for entry in entries:
        written.setdefault(entry["Kind"], set()).update(fields_of(entry["Data"]))

    assert {kind.value for kind in Kind} == set(written)
    assert {kind: fields - documented()[kind] for kind, fields in written.items() if fields - documented()[kind]} == {}


class TestByHand:
    @pytest.fixture
    def files(self, orchestrator: Orchestrator, tmp_path: Path) -> tuple[Path, Path]:
        """The two answers of the API that the page's program is given."""
        orchestrator.add_servers(server_id(1))
        execution_id = orchestrator.start(plan(wave("Büro", server_id(1))), Reason="Übung")
        document = orchestrator.drive(execution_id)
        entries = list(orchestrator.app.executions.history(execution_id))
        paths = tmp_path / "execution.json", tmp_path / "history.json"
        paths[0].write_text(json.dumps(document), encoding="utf-8")
        paths[1].write_text(json.dumps({"history": entries}), encoding="utf-8")
        return paths

    def run(self, files: tuple[Path, Path]) -> subprocess.CompletedProcess[str]:
        [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        return subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=False)

    def test_the_page_s_program_finds_a_history_whole(self, files: tuple[Path, Path]) -> None:
        assert self.run(files).returncode == 0

    def test_and_names_an_entry_that_was_changed(self, files: tuple[Path, Path]) -> None:
        files[1].write_text(files[1].read_text(encoding="utf-8").replace("LAUNCHED", "FAILED", 1), encoding="utf-8")
        result = self.run(files)

        assert result.returncode == 1
        assert re.fullmatch(r"entry \d+ was changed\n", result.stderr)

    def test_and_one_that_is_missing_at_the_end(self, files: tuple[Path, Path]) -> None:
        history = json.loads(files[1].read_text(encoding="utf-8"))["history"]
        files[1].write_text(json.dumps({"history": history[:-1]}), encoding="utf-8")

        assert self.run(files).stderr == "the history does not end as the execution says\n"

"""docs/runbook.md has an entry for every alarm, and the commands it prints are commands."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.template import PROJECT_ROOT, template

RUNBOOK = (PROJECT_ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))
BLOCKS = [block.strip() for block in re.findall(r"^```\n(.*?)^```$", RUNBOOK, re.DOTALL | re.MULTILINE)]
DEFINITIONS, COMMANDS = BLOCKS[0], [line for block in BLOCKS[1:] for line in block.splitlines()]

# The AWS CLI's exit code for what it does not understand, and the shell's for a command there is not.
NOT_UNDERSTOOD = (127, 252)

# What somebody puts in for the names in capitals, where the CLI itself looks at it.
PUT_IN = {"DRS_JOB_ID": "drsjob-0123456789abcdef0"}


def resources(of_type: str) -> dict[str, Any]:
    return {name: each for name, each in template()["Resources"].items() if each["Type"] == of_type}


def test_every_alarm_has_an_entry_and_every_entry_is_an_alarm() -> None:
    assert set(ENTRIES) == set(resources("AWS::CloudWatch::Alarm"))


@pytest.mark.parametrize("alarm", sorted(ENTRIES))
def test_an_entry_says_what_it_means_where_to_look_and_what_to_do(alarm: str) -> None:
    parts = ["**It means:**", "**Look:**", "**Do:**"]

    assert re.findall(r"^\*\*[\w ]+:\*\*", ENTRIES[alarm], re.MULTILINE) == parts
    assert "```" in ENTRIES[alarm].partition("**Look:**")[2], "a command to look with"


def test_what_the_commands_name_is_in_the_template() -> None:
    named = set(re.findall(r"\$\(resource (\w+)\)", RUNBOOK)) | set(re.findall(r"^logs (\w+)", RUNBOOK, re.MULTILINE))

    assert named <= set(template()["Resources"])
    assert set(re.findall(r"OutputKey=='(\w+)'", RUNBOOK)) <= set(template()["Outputs"])


def test_every_command_of_drctl_is_one() -> None:
    pages = (PROJECT_ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^## drctl ([a-z -]+)$", pages, re.MULTILINE))

    assert {name.strip() for name in re.findall(r"drctl ((?:plan )?[a-z-]+)", RUNBOOK)} <= known


def test_every_link_within_the_page_leads_to_an_entry() -> None:
    assert set(re.findall(r"\]\(#(\w+)\)", RUNBOOK)) <= {name.lower() for name in ENTRIES}


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith("drctl")])
def test_a_command_is_understood_by_the_aws_cli(command: str, tmp_path: Path) -> None:
    """Typed as it stands, with nobody there to answer: the CLI must come as far as calling."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    definitions = "export STACK=a-name MACHINE=arn:aws:states:us-east-1:123456789012:stateMachine:a-name\n" + "\n".join(
        line for line in DEFINITIONS.splitlines() if not line.startswith("export")
    )
    for name, value in PUT_IN.items():
        command = command.replace(name, value)
    script = f"{definitions}\nresource() {{ echo a-name; }}\n{command}"
    typed = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)

    assert typed.returncode not in NOT_UNDERSTOOD, typed.stderr
    assert "Could not connect" in typed.stderr, typed.stderr

"""Mistakes in the command line itself: one sentence, and the command that was probably meant."""

import pytest
from typer.testing import CliRunner

from drctl.main import app


@pytest.mark.parametrize(
    ("typed", "sentence", "meant"),
    [
        ("start shop --dril", "No such option: --dril; did you mean --drill?", "drctl start shop --drill"),
        (
            "approve exec-1 --raeson ok",
            "No such option: --raeson; did you mean --reason?",
            "drctl approve exec-1 --reason ok",
        ),
        ("strat shop", "No such command: strat; did you mean start?", "drctl start shop"),
        ("frobnicate", "No such command: frobnicate.", "drctl -h"),
        ("start", "Missing argument 'PLAN'.", "drctl start -h"),
        ("plan pu shop.yaml", "No such command 'pu'. Did you mean 'put'?", "drctl plan -h"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_command(typed: str, sentence: str, meant: str) -> None:
    result = CliRunner().invoke(app, typed.split())

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"drctl: {sentence}\n  try: {meant}\n"


@pytest.mark.parametrize("typed", ["plan", "plan -h", "start -h"])
def test_help_stays_help(typed: str) -> None:
    result = CliRunner().invoke(app, typed.split())

    assert "Usage:" in result.output
    assert "drctl:" not in result.output

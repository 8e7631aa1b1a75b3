"""The project's own rules of cfn-lint, which `make template` runs, find what they are for."""

from pathlib import Path

import pytest
from cfnlint.rules import CloudFormationLintRule
from cfnlint.template import Template

from tests.helpers.template import PROJECT_ROOT
from tools.cfn_rules.house_rules import LogsAreKeptAsLongAsSaid, NoWholeService, ReasonForEveryStar

TEMPLATE = (PROJECT_ROOT / "template.yaml").read_text(encoding="utf-8")
RULES = [NoWholeService, ReasonForEveryStar, LogsAreKeptAsLongAsSaid]


def found(rule: type[CloudFormationLintRule], template: Path) -> list[str]:
    return [match.message for match in rule().match(Template(str(template), {}))]


@pytest.mark.parametrize(
    ("rule", "written", "instead", "said"),
    [
        (
            NoWholeService,
            "              Action: states:StartExecution\n",
            "              Action: states:*\n",
            "StartDriver of ApiFunction allows states:*",
        ),
        (
            ReasonForEveryStar,
            "            # Nor does X-Ray.\n",
            "",
            "Tracing of RecoveryStateMachine has a * and no reason",
        ),
        (
            LogsAreKeptAsLongAsSaid,
            "      LoggingConfig: { LogGroup: !Ref ApiLogs, LogFormat: JSON }\n",
            "",
            "ApiFunction logs to no group whose retention is a parameter",
        ),
    ],
)
def test_a_rule_that_is_broken_says_where(
    rule: type[CloudFormationLintRule], written: str, instead: str, said: str, tmp_path: Path
) -> None:
    assert written in TEMPLATE
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.replace(written, instead, 1), encoding="utf-8")

    assert found(rule, template) == [said]


@pytest.mark.parametrize("rule", RULES)
def test_the_template_keeps_every_rule(rule: type[CloudFormationLintRule]) -> None:
    assert found(rule, PROJECT_ROOT / "template.yaml") == []

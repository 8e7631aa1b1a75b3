"""drctl after an execution's end: retry and clean-up, against the API's own function, on the simulator."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from drctl.main import app
from tests.helpers.http_api import HttpApi, served
from tests.helpers.orchestrator import Orchestrator, plan, server_id, wave

ONE, TWO = server_id(1), server_id(2)
PLAN = plan(wave("database", ONE), wave("web", TWO))

type Drctl = Callable[..., Result]


@pytest.fixture
def api(orchestrator: Orchestrator) -> Iterator[HttpApi]:
    orchestrator.add_servers(ONE, TWO)
    with served(orchestrator) as api:
        yield api


@pytest.fixture
def drctl(api: HttpApi) -> Drctl:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"API_URL": api.url})


def ended(orchestrator: Orchestrator, document: dict[str, Any] = PLAN, execution_type: str = "DRILL") -> str:
    execution_id = orchestrator.start(document, execution_type)
    orchestrator.drive(execution_id)
    return execution_id


class TestRetry:
    @pytest.fixture
    def failed(self, orchestrator: Orchestrator, api: HttpApi) -> str:
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        execution_id = ended(orchestrator)
        orchestrator.simulator.remove_faults()
        return execution_id

    def test_it_names_the_new_execution_and_how_to_watch_it(
        self, drctl: Drctl, orchestrator: Orchestrator, failed: str
    ) -> None:
        result = drctl("retry", failed, "--reason", "the subnet is fixed")

        assert result.exit_code == 0
        execution_id = result.stdout.split()[-1]
        assert result.stdout == f"{failed} is retried: {execution_id}\n"
        assert f"try: drctl watch {execution_id}" in result.stderr
        document = orchestrator.drive(execution_id)
        assert [wave["WaveName"] for wave in document["Waves"]] == ["web"]
        assert (document["Status"], document["RetryOf"], document["Reason"]) == (
            "COMPLETED",
            failed,
            "the subnet is fixed",
        )

    def test_status_says_what_it_is_a_retry_of(self, drctl: Drctl, failed: str) -> None:
        execution_id = json.loads(drctl("retry", failed, "--json").stdout)["executionId"]

        assert f"retry of {failed}" in drctl("status", execution_id).stdout

    def test_the_same_token_retries_once(self, drctl: Drctl, failed: str) -> None:
        first, second = (drctl("retry", failed, "--client-token", "once").stdout for _ in range(2))

        assert first == second

    def test_when_every_server_is_up_there_is_nothing_to_retry(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = ended(orchestrator)
        result = drctl("retry", execution_id)

        assert result.exit_code != 0
        assert f"drctl: Every server of {execution_id} is up: there is nothing to retry." in result.stderr
        assert f"try: drctl status {execution_id}" in result.stderr

    def test_a_drill_can_not_be_retried_over_living_instances(self, drctl: Drctl, failed: str) -> None:
        result = drctl("retry", failed, "--replace-live", "shop")

        assert result.exit_code != 0
        assert "A DRILL never replaces what a recovery launched" in result.stderr

    def test_an_unknown_execution_is_named(self, drctl: Drctl) -> None:
        result = drctl("retry", "exec-x")

        assert "drctl: There is no execution exec-x.\n  try: drctl list" in result.stderr


class TestCleanup:
    def test_status_shows_its_progress_and_its_end(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = ended(orchestrator)
        result = drctl("cleanup", execution_id, "--reason", "signed off")
        assert (result.exit_code, f"try: drctl status {execution_id}" in result.stderr) == (0, True)
        assert "clean-up CLEANING_UP, not before" in drctl("status", execution_id).stdout

        orchestrator.clean_up(execution_id, 2)
        assert "clean-up CLEANED_UP, 2 of 2 instances terminated" in drctl("status", execution_id).stdout

    def test_what_is_left_is_listed_with_the_command_that_removes_it(
        self, drctl: Drctl, orchestrator: Orchestrator
    ) -> None:
        execution_id = ended(orchestrator)
        orchestrator.simulator.add_fault("error", operation="TerminateRecoveryInstances", code="AccessDeniedException")
        drctl("cleanup", execution_id)
        orchestrator.clean_up(execution_id, 2)
        shown = drctl("status", execution_id).stdout

        assert "clean-up INSTANCES_LEFT, 0 of 2 instances terminated" in shown
        for instance in orchestrator.show(execution_id)["CleanUp"]["Instances"]:
            command = (
                f"aws drs terminate-recovery-instances --recovery-instance-ids {instance['InstanceId']} "
                "--region us-east-1"
            )
            assert f"left {instance['InstanceId']} of {instance['SourceServerId']}: DRS refused" in shown
            assert f"remove it with: {command}" in shown

    def test_a_recovery_is_refused_in_one_sentence(self, drctl: Drctl, orchestrator: Orchestrator) -> None:
        execution_id = ended(orchestrator, execution_type="RECOVERY")
        result = drctl("cleanup", execution_id)

        assert result.exit_code != 0
        assert "is a RECOVERY: what it launched may be production and is never cleaned up." in result.stderr


class TestProtection:
    def test_status_names_each_recovered_instance_that_is_not_protected_and_the_command(
        self, drctl: Drctl, orchestrator: Orchestrator, api: HttpApi
    ) -> None:
        orchestrator.ec2.fail("UnauthorizedOperation", "You are not authorized to perform this operation.", status=403)
        execution_id = ended(orchestrator, execution_type="RECOVERY")
        shown = drctl("status", execution_id).stdout

        for server in (orchestrator.server(execution_id, each) for each in (ONE, TWO)):
            assert f"unprotected {server['InstanceId']} of " in shown
            assert f"protect it from termination with: {server['ProtectCommand']}" in shown

    def test_where_all_are_protected_status_says_nothing_of_it(
        self, drctl: Drctl, orchestrator: Orchestrator, api: HttpApi
    ) -> None:
        execution_id = ended(orchestrator, execution_type="RECOVERY")

        assert "unprotected" not in drctl("status", execution_id).stdout

"""Plans whose waves name other accounts and Regions: how those are entered, what is asked where, and what happens while
one of them can't be entered."""

import re
import shlex
from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import botocore.session
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from drctl.wording import changes
from drs_orchestrator.adapters.accounts import KEPT, Accounts
from drs_orchestrator.adapters.drs import DrsAccounts
from drs_orchestrator.bootstrap import App
from drs_orchestrator.errors import Conflict
from drs_orchestrator.tasks.manage_plans import put_plan
from drs_orchestrator.tasks.preflight import preflight_plan
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from tests.helpers.network import OWN_ACCOUNT, Network, Sent, network
from tests.helpers.observed import ObservedOrchestrator
from tests.helpers.orchestrator import HOME, REGION, Orchestrator, keep_tables_at_moto, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl
from tests.helpers.template import PROJECT_ROOT, allows, target_account, template

ONE, TWO, THREE, FOUR = (server_id(number) for number in range(1, 5))
OTHER, THIRD = "111111111111", "222222222222"
EXTERNAL_ID = "known-to:both/of.us"
SAMPLE = yaml.safe_load((PROJECT_ROOT / "plans" / "several-accounts.yaml").read_text(encoding="utf-8"))


def accounts_plan(**fields: Any) -> dict[str, Any]:
    first, second = wave("first", ONE, AccountId=OTHER), wave("second", TWO, AccountId=THIRD)
    return plan(first, second) | fields


def add_servers(simulator: SimulatorControl) -> None:
    for server, account in ((ONE, OTHER), (TWO, THIRD)):
        simulator.add_servers([{"sourceServerID": server}], account=account)


@pytest.fixture
def seen(orchestrator: Orchestrator) -> Iterator[Network]:
    """Two other accounts with a server each, and what is sent to them."""
    add_servers(orchestrator.simulator)
    with network(orchestrator.simulator) as seen:
        yield seen


class TestSessions:
    def test_a_session_bears_the_name_of_its_execution_and_no_other(
        self, orchestrator: Orchestrator, seen: Network
    ) -> None:
        first = orchestrator.start(accounts_plan())
        before_start = {each["RoleSessionName"] for each in seen.assumed}
        orchestrator.drive(first)
        of_first = {each["RoleSessionName"] for each in seen.assumed} - before_start
        second = orchestrator.start(accounts_plan())
        seen.assumed.clear()
        orchestrator.drive(second)

        assert before_start == {"drs-orchestrator"}
        assert of_first == {first}
        assert {(each["RoleArn"], each["RoleSessionName"]) for each in seen.assumed} == {
            (f"arn:aws:iam::{account}:role/drs-orchestrator-target", second) for account in (OTHER, THIRD)
        }

    def test_an_executions_id_is_a_name_that_sts_takes(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        name = botocore.session.get_session().get_service_model("sts").shape_for("roleSessionNameType").metadata
        execution_id = orchestrator.start(plan(wave("web", ONE)))

        assert name["min"] <= len(execution_id) <= name["max"]
        assert re.fullmatch(r"[\w+=,.@-]*", execution_id)

    def test_clients_are_kept_for_the_latest_executions_only(self, no_aws: None) -> None:
        accounts = DrsAccounts(None, Accounts(HOME, "role"))
        first = accounts.at(OTHER, REGION, "exec-0")
        assert accounts.at(OTHER, REGION, "exec-0") is first
        for number in range(1, KEPT + 1):
            assert accounts.at(OTHER, REGION, f"exec-{number}") is not first

        assert accounts.at(OTHER, REGION, "exec-0") is not first

    @pytest.mark.parametrize(("parameter", "sent"), [(EXTERNAL_ID, EXTERNAL_ID), ("", None)])
    def test_the_external_id_is_the_templates_parameter(
        self, no_aws: None, simulator: SimulatorControl, parameter: str, sent: str | None
    ) -> None:
        orchestrator = Orchestrator(simulator, TargetExternalId=parameter)
        add_servers(simulator)
        with network(simulator) as seen:
            orchestrator.drive(orchestrator.start(accounts_plan()))

        assert {each.get("ExternalId") for each in seen.assumed} == {sent}

    def test_the_external_id_stands_in_no_log(self, no_aws: None, simulator: SimulatorControl) -> None:
        orchestrator = ObservedOrchestrator(simulator, TargetExternalId=EXTERNAL_ID)
        add_servers(simulator)
        with network(simulator) as seen:
            execution_id = orchestrator.start(accounts_plan())
            seen.close(OTHER)
            orchestrator.prepare(execution_id)
            orchestrator.launch(execution_id)
            seen.open(OTHER)
            orchestrator.drive(execution_id)

        assert seen.assumed
        assert [line for line in orchestrator.lines if EXTERNAL_ID in line.text] == []


class TestNotEntered:
    def test_preflight_tells_the_command_that_opens_the_account(
        self, orchestrator: Orchestrator, seen: Network
    ) -> None:
        seen.close(THIRD)
        put_plan(orchestrator.app, "shop", accounts_plan())
        answer = preflight_plan(orchestrator.app, "shop", "DRILL")
        [error] = [each for each in answer["Findings"] if each["Severity"] == "ERROR"]
        sentence, _, command = error["Remedy"].partition(": aws ")
        words = shlex.split(command)
        given = dict(each.split("=", 1) for each in words if "=" in each)
        parameters = target_account()["Parameters"]

        assert (answer["Ready"], error["Check"], error["WaveName"]) == (False, "Account", "second")
        assert f"account {THIRD} can't be entered: AccessDenied" in error["Message"]
        assert f"one of account {THIRD}" in sentence
        assert words[:2] == ["cloudformation", "deploy"]
        assert (PROJECT_ROOT / words[words.index("--template-file") + 1]).is_file()
        assert words[words.index("--region") + 1] == REGION
        assert {
            "OrchestratorAccountId": OWN_ACCOUNT,
            "TargetRoleName": "drs-orchestrator-target",
        }.items() <= given.items()
        assert {name for name, each in parameters.items() if "Default" not in each} <= set(given)
        assert [name for name, value in given.items() if not allows(parameters[name], value)] == []

    @pytest.mark.parametrize(("external_id", "is_told"), [("", True), (EXTERNAL_ID, False)])
    def test_an_orchestrator_without_external_id_is_told_that_it_needs_one_first(
        self, no_aws: None, simulator: SimulatorControl, external_id: str, is_told: bool
    ) -> None:
        orchestrator = Orchestrator(simulator, TargetExternalId=external_id)
        with network(simulator) as seen:
            seen.close(OTHER)
            seen.close(THIRD)
            with pytest.raises(Conflict) as refused:
                orchestrator.start(accounts_plan())
        told = str(refused.value.details)

        assert ("has to be deployed with first" in told) is is_told
        assert EXTERNAL_ID not in told

    def test_preflight_answers_in_time_whatever_sts_does(self, orchestrator: Orchestrator, seen: Network) -> None:
        put_plan(orchestrator.app, "shop", accounts_plan())
        ticks = count(0, 6)
        app = App(orchestrator.app.settings, clock=lambda: orchestrator.now, timer=lambda: next(ticks))
        unchecked = [each["Message"] for each in preflight_plan(app, "shop", "DRILL")["Findings"]]

        assert [each["RoleArn"].split(":")[4] for each in seen.assumed] == [OTHER]
        assert any(f"{REGION} of account {THIRD}" in each and "no time left" in each for each in unchecked)

    def test_a_start_is_refused_with_the_command(self, orchestrator: Orchestrator, seen: Network) -> None:
        seen.close(THIRD)
        with pytest.raises(Conflict) as refused:
            orchestrator.start(accounts_plan())

        assert "--template-file target-account.yaml" in str(refused.value.details)
        assert orchestrator.drivers() == []

    def test_servers_that_only_tags_name_are_refused_with_the_command(
        self, orchestrator: Orchestrator, seen: Network
    ) -> None:
        seen.close(OTHER)
        tagged = {"WaveName": "web", "Region": REGION, "AccountId": OTHER, "ServerTags": {"tier": "web"}}
        with pytest.raises(Conflict, match="wave web") as refused:
            orchestrator.start(plan(tagged))

        assert "--template-file target-account.yaml" in refused.value.details[0]["message"]

    def test_a_launch_waits_and_says_for_what(self, orchestrator: Orchestrator, seen: Network) -> None:
        execution_id = orchestrator.start(accounts_plan())
        orchestrator.prepare(execution_id)
        seen.close(OTHER)
        orchestrator.app = orchestrator.another_app()
        waiting = orchestrator.launch(execution_id)
        document = orchestrator.show(execution_id)
        seen.open(OTHER)

        assert (waiting["jobsLaunched"], waiting["jobsWaiting"]) == (0, 1)
        assert document["Status"] == "POLLING"
        assert f"account {OTHER} can't be entered: AccessDenied" in document["Waves"][0]["StatusReason"]
        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_a_poll_is_counted_and_the_execution_goes_on_polling(
        self, orchestrator: Orchestrator, seen: Network
    ) -> None:
        execution_id = orchestrator.begin(accounts_plan())
        before = orchestrator.show(execution_id)
        seen.close(OTHER)
        orchestrator.app = orchestrator.another_app()
        checks = [orchestrator.check(execution_id, after=3600) for _ in range(3)]
        waiting = orchestrator.show(execution_id)
        seen.open(OTHER)
        document = orchestrator.drive(execution_id)

        assert [check["outcome"] for check in checks] == ["CHECKED"] * 3
        assert all("AccessDenied" in check["trouble"] and check["retryAfterSeconds"] > 0 for check in checks)
        assert (waiting["Status"], waiting["PollCount"]) == ("POLLING", before["PollCount"] + 3)
        assert list(changes(before, waiting)) == [f"execution POLLING ({waiting['StatusReason']})"]
        assert waiting["StatusReason"].startswith("waiting: ")
        assert f"account {OTHER} can't be entered: AccessDenied" in waiting["StatusReason"]
        assert [each["Status"] for each in waiting["Waves"][0]["Servers"]] == ["PENDING"]
        assert (document["Status"], document.get("StatusReason")) == ("COMPLETED", None)


# -- Regions -----------------------------------------------------------------------------------------------------------

# Deployed in Ireland for servers whose source is in N. Virginia, which is also where AWS's global endpoints are.
RECOVERY, SECOND_RECOVERY, SOURCE = "eu-west-1", "eu-north-1", "us-east-1"
PLACES = [
    (ONE, None, RECOVERY),
    (TWO, OTHER, RECOVERY),
    (THREE, OTHER, SECOND_RECOVERY),
    (FOUR, THIRD, SECOND_RECOVERY),
]


def strays(sent: list[Sent], home: str) -> list[Sent]:
    """What was sent where nothing may be needed: DRS and EC2 are asked where a wave is, all else in the home Region."""
    waves = {(account or OWN_ACCOUNT, region) for _, account, region in PLACES}

    def is_wanted(each: Sent) -> bool:
        is_of_a_wave = (each.account, each.region) in waves
        wanted = is_of_a_wave if each.service in ("drs", "ec2") else each.region == home
        return wanted and each.host.endswith(f".{each.region}.amazonaws.com")

    return [each for each in sent if not is_wanted(each)]


@pytest.fixture
def far(no_aws: None, simulator: SimulatorControl, monkeypatch: pytest.MonkeyPatch) -> Orchestrator:
    """An orchestrator in the recovery Region that finds every endpoint as it does on AWS."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", RECOVERY)
    orchestrator = Orchestrator(simulator)
    keep_tables_at_moto()
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", variables["AWS_STS_REGIONAL_ENDPOINTS"])
    orchestrator.environment["DRS_ENDPOINT_URL"] = ""
    orchestrator.app = orchestrator.another_app()
    for server, account, region in PLACES:
        simulator.add_servers([{"sourceServerID": server}], region=region, **({"account": account} if account else {}))
    return orchestrator


def far_plan() -> dict[str, Any]:
    return plan(
        *(
            wave(f"wave {number}", server, Region=region, **({"AccountId": account} if account else {}))
            for number, (server, account, region) in enumerate(PLACES)
        )
    )


class TestRegions:
    @pytest.mark.parametrize("execution_type", ["DRILL", "RECOVERY"])
    def test_nothing_is_needed_but_the_recovery_regions(self, far: Orchestrator, execution_type: str) -> None:
        with network(far.simulator, regions=(RECOVERY, SECOND_RECOVERY)) as seen:
            execution_id = far.start(far_plan() | {"Cleanup": "IMMEDIATE"}, execution_type)
            document = far.drive(execution_id, polls=40)
            if execution_type == "DRILL":
                far.clean_up(execution_id)
            reconcile_executions(far.app)
        asked = {(each.account, each.region) for each in seen.sent if each.service == "drs"}
        protected = {(each.account, each.region) for each in seen.sent if each.service == "ec2"}

        assert document["Status"] == "COMPLETED"
        assert strays(seen.sent, RECOVERY) == []
        assert asked == {(account or OWN_ACCOUNT, region) for _, account, region in PLACES}
        assert protected == (asked if execution_type == "RECOVERY" else set())
        assert {each.host for each in seen.sent if each.service == "sts"} == {f"sts.{RECOVERY}.amazonaws.com"}
        assert {"dynamodb", "events", "states"} <= {each.service for each in seen.sent}

    @pytest.mark.parametrize(
        ("service", "region", "legacy"),
        [("drs", SOURCE, False), ("dynamodb", SECOND_RECOVERY, False), ("sts", SOURCE, False), ("sts", RECOVERY, True)],
    )
    def test_a_client_of_another_region_does_not_go_unnoticed(
        self, far: Orchestrator, monkeypatch: pytest.MonkeyPatch, service: str, region: str, legacy: bool
    ) -> None:
        if legacy:
            monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
        client: Any = boto3.Session().client(
            service, region_name=region, config=Config(retries={"total_max_attempts": 1})
        )
        call = {"drs": "describe_jobs", "dynamodb": "list_tables", "sts": "get_caller_identity"}[service]
        with network(far.simulator, regions=(RECOVERY,)) as seen, pytest.raises(EndpointConnectionError):
            getattr(client, call)()

        assert strays(seen.sent, RECOVERY) == seen.sent != []


@pytest.mark.parametrize("execution_type", ["DRILL", "RECOVERY"])
def test_the_sample_of_three_accounts_and_two_regions_runs(
    orchestrator: Orchestrator, simulator: SimulatorControl, execution_type: str
) -> None:
    simulator.load_scenario("several-accounts")
    simulator.step(orchestrator.now)
    with network(simulator):
        document = orchestrator.drive(orchestrator.start(SAMPLE, execution_type))
    launched = {(call["account"], call["region"]) for call in simulator.calls("StartRecovery")}

    assert document["Status"] == "COMPLETED"
    assert launched == {(wave["AccountId"], wave["Region"]) for wave in SAMPLE["Waves"]}
    assert len(launched) == 6

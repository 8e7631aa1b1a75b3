"""Starting an execution: what is refused, what is repeated, and what the execution then knows."""

import itertools
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from drs_orchestrator.adapters.execution_store import ClientToken
from drs_orchestrator.adapters.server_locks import UNRECORDED_OWNER_SECONDS
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound, ServiceBusy
from drs_orchestrator.tasks import start_execution as task
from drs_orchestrator.tasks.dry_run import dry_run
from drs_orchestrator.tasks.manage_plans import delete_plan, put_plan
from drs_orchestrator.tasks.start_request import read_start_request
from tests.helpers.orchestrator import CALLER, REGION, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl
from tests.statemachine.functions import functions

ONE = server_id(1)
SHOP = plan(wave("web", ONE))
REQUEST = {"PlanId": "shop", "ExecutionType": "DRILL"}
BY_TAGS = plan({"WaveName": "web", "Region": REGION, "ServerTags": {"tier": "web", "site": "berlin"}})


@pytest.fixture
def app(orchestrator: Orchestrator) -> App:
    orchestrator.add_servers(ONE, server_id(2))
    put_plan(orchestrator.app, "shop", SHOP)
    return orchestrator.app


def start_execution(app: App, body: object) -> dict[str, str]:
    return task.start_execution(app, read_start_request(body))


def faults(error: InvalidRequest | Conflict) -> dict[str, str]:
    return {detail["pointer"]: detail["message"] for detail in error.details}


class TestRequest:
    @pytest.mark.parametrize(
        ("request_body", "pointers"),
        [
            pytest.param({}, {"/PlanId", "/ExecutionType"}, id="nothing"),
            pytest.param({"PlanId": "shop", "ExecutionType": "REHEARSAL"}, {"/ExecutionType"}, id="unknown type"),
            pytest.param({"PlanId": "shop", "ExecutionType": ["DRILL"]}, {"/ExecutionType"}, id="type in a list"),
            pytest.param(REQUEST | {"PlanId": "no good"}, {"/PlanId"}, id="malformed plan id"),
            pytest.param(REQUEST | {"PlanID": "shop"}, {"/PlanID"}, id="unknown field"),
            pytest.param(REQUEST | {"ClientToken": ""}, {"/ClientToken"}, id="empty token"),
            pytest.param(REQUEST | {"ClientToken": "x" * 65}, {"/ClientToken"}, id="long token"),
            pytest.param(REQUEST | {"ClientToken": None}, {"/ClientToken"}, id="null token"),
            pytest.param(REQUEST | {"SkipApprovals": "yes"}, {"/SkipApprovals"}, id="approvals skipped by a word"),
            pytest.param(REQUEST | {"SkipApprovals": True, "Reason": "x"}, {"/SkipApprovals"}, id="drill unapproved"),
            pytest.param(
                {"PlanId": "shop", "ExecutionType": "RECOVERY", "SkipApprovals": True}, {"/Reason"}, id="no reason"
            ),
            pytest.param(
                {"Extra": 1, "ClientToken": 7}, {"/Extra", "/PlanId", "/ExecutionType", "/ClientToken"}, id="all"
            ),
        ],
    )
    def test_every_fault_of_a_request_is_listed(self, app: App, request_body: object, pointers: set[str]) -> None:
        with pytest.raises(InvalidRequest) as caught:
            start_execution(app, request_body)

        assert set(faults(caught.value)) == pointers

    @pytest.mark.parametrize("request_body", [None, [], "DRILL", 3])
    def test_a_body_that_is_no_object_is_refused(self, app: App, request_body: object) -> None:
        with pytest.raises(InvalidRequest, match="must be a JSON object with PlanId and ExecutionType"):
            start_execution(app, request_body)

    def test_an_unknown_plan_is_not_found(self, app: App) -> None:
        with pytest.raises(NotFound, match="There is no plan other"):
            start_execution(app, REQUEST | {"PlanId": "other"})


class TestClientToken:
    def test_the_same_token_with_the_same_request_gives_the_same_execution(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        first = start_execution(app, REQUEST | {"ClientToken": "once"})
        orchestrator.prepare(first["executionId"])

        assert start_execution(app, REQUEST | {"ClientToken": "once"}) == first
        assert orchestrator.drivers() == [f"{first['executionId']}-g1"]

    def test_the_same_token_with_another_request_is_a_conflict_that_names_the_first(self, app: App) -> None:
        first = start_execution(app, REQUEST | {"ClientToken": "once"})

        with pytest.raises(Conflict, match=first["executionId"]):
            start_execution(app, {"PlanId": "shop", "ExecutionType": "RECOVERY", "ClientToken": "once"})

    def test_a_repeat_is_answered_even_after_the_plan_is_gone(self, app: App) -> None:
        first = start_execution(app, REQUEST | {"ClientToken": "once"})
        delete_plan(app, "shop")

        assert start_execution(app, REQUEST | {"ClientToken": "once"}) == first

    def test_a_repeat_starts_the_driver_its_first_caller_did_not_come_to_start(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        orchestrator.stepfunctions.delete_state_machine(stateMachineArn=orchestrator.environment["STATE_MACHINE_ARN"])
        first = start_execution(app, REQUEST | {"ClientToken": "once"})
        orchestrator._state_machine()
        start_execution(app, REQUEST | {"ClientToken": "once"})

        assert orchestrator.drivers() == [f"{first['executionId']}-g1"]

    def test_without_a_token_each_request_is_another_execution(self, app: App, orchestrator: Orchestrator) -> None:
        put_plan(app, "other", plan(wave("web", server_id(2)), plan_id="other"))
        first = start_execution(app, REQUEST)
        second = start_execution(app, REQUEST | {"PlanId": "other"})

        assert first["executionId"] != second["executionId"]


class TestDeathAndRaces:
    """A start that died, and starts with one token at the same time: one execution, and its locks are its own."""

    @pytest.fixture
    def dead_start(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request with the token "once" that died when it had locked its server and not recorded its execution."""
        with monkeypatch.context() as patch:
            patch.setattr(app.executions, "create", self.die)
            with pytest.raises(RuntimeError, match="killed"):
                start_execution(app, REQUEST | {"ClientToken": "once"})

    @staticmethod
    def die(*_: object) -> None:
        raise RuntimeError("killed")

    @pytest.mark.usefixtures("dead_start")
    def test_the_repeat_of_a_start_that_died_is_carried_out_at_once(self, app: App, orchestrator: Orchestrator) -> None:
        started = start_execution(app, REQUEST | {"ClientToken": "once"})

        assert orchestrator.drivers() == [f"{started['executionId']}-g1"]
        with pytest.raises(Conflict, match=started["executionId"]):
            start_execution(app, REQUEST)

    @pytest.mark.usefixtures("dead_start")
    def test_the_servers_of_a_start_that_died_are_free_after_a_minute(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        with pytest.raises(Conflict):
            start_execution(app, REQUEST)
        orchestrator.let_pass(UNRECORDED_OWNER_SECONDS + 1)

        assert start_execution(app, REQUEST)["status"] == "PENDING"
        assert functions()["ApiFunction"]["Timeout"] < UNRECORDED_OWNER_SECONDS / 2

    @pytest.mark.usefixtures("dead_start")
    def test_a_token_whose_start_died_may_be_used_for_another_request(self, app: App) -> None:
        put_plan(app, "other", plan(wave("web", server_id(2)), plan_id="other"))
        start_execution(app, REQUEST | {"PlanId": "other", "ClientToken": "once"})

        assert start_execution(app, REQUEST)["status"] == "PENDING"

    @pytest.mark.parametrize("step", ["claim", "create"])
    def test_a_request_overtaken_by_its_repeat_gives_the_repeats_answer(
        self, app: App, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        """The repeat comes just before the first request takes the token, or when it is about to record."""
        put_plan(app, "other", plan(wave("web", ONE, server_id(2)), plan_id="other"))
        answers = []
        carry_out = getattr(app.executions, step)

        def overtaken(*arguments: object) -> bool:
            answers.append(start_execution(orchestrator.another_app(), REQUEST | {"ClientToken": "once"}))
            return bool(carry_out(*arguments))

        monkeypatch.setattr(app.executions, step, overtaken)
        answers.append(start_execution(app, REQUEST | {"ClientToken": "once"}))

        assert answers[0] == answers[1]
        assert orchestrator.drivers() == [f"{answers[0]['executionId']}-g1"]
        with pytest.raises(Conflict, match=answers[0]["executionId"]):
            start_execution(orchestrator.another_app(), REQUEST | {"PlanId": "other"})

    def test_a_request_whose_repeat_is_still_under_way_is_told_to_come_again(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def taken(execution: Execution, *_: object) -> bool:
            app.executions.claim("exec-later", ClientToken("once", "digest", execution.start_time))
            return False

        monkeypatch.setattr(app.executions, "create", taken)

        with pytest.raises(Conflict, match="is being carried out; send the request again"):
            start_execution(app, REQUEST | {"ClientToken": "once"})


class TestWhatTheExecutionKnows:
    def test_the_document_is_complete_from_its_first_moment(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = start_execution(app, REQUEST)["executionId"]
        before = orchestrator.show(execution_id)

        assert (before["Status"], before["Waves"][0]["Status"]) == ("PENDING", "PENDING")
        assert before["Waves"][0]["Servers"][0]["SourceServerId"] == ONE

        orchestrator.prepare(execution_id)
        after = orchestrator.show(execution_id)
        del after["Waves"][0]["Servers"][0]["Name"]  # people's names for servers are asked of DRS when it is prepared
        assert after == before | {"Status": "POLLING"}

    def test_the_plan_is_kept_as_it_was_at_the_start(self, app: App, orchestrator: Orchestrator) -> None:
        execution_id = start_execution(app, REQUEST)["executionId"]
        put_plan(app, "shop", plan(wave("other", server_id(2))))
        orchestrator.prepare(execution_id)

        assert [each["WaveName"] for each in orchestrator.show(execution_id)["Waves"]] == ["web"]

    def test_servers_are_shown_with_the_names_people_know_them_by(self, app: App, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, name="web-1")
        execution_id = start_execution(app, REQUEST)["executionId"]
        orchestrator.prepare(execution_id)

        assert orchestrator.server(execution_id, ONE)["Name"] == "web-1"

    def test_a_drs_that_does_not_tell_names_stops_nothing(
        self, app: App, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("server-error", operation="DescribeSourceServers")
        execution_id = start_execution(app, REQUEST)["executionId"]

        assert orchestrator.prepare(execution_id)["outcome"] == "READY"
        assert "Name" not in orchestrator.server(execution_id, ONE)

    def test_an_execution_without_a_driver_is_recorded_all_the_same(self, app: App, orchestrator: Orchestrator) -> None:
        """The reconciler starts what nobody drives."""
        orchestrator.stepfunctions.delete_state_machine(stateMachineArn=orchestrator.environment["STATE_MACHINE_ARN"])
        started = start_execution(app, REQUEST)

        assert orchestrator.show(started["executionId"])["Status"] == "PENDING"


class TestBreakGlass:
    """A recovery that waits for no approvals: only with a reason, and nothing hides who decided it."""

    UNAPPROVED: ClassVar = {"PlanId": "guarded", "ExecutionType": "RECOVERY", "Reason": "nobody can be reached"}

    @pytest.fixture(autouse=True)
    def plan_with_an_approval(self, app: App) -> None:
        put_plan(app, "guarded", plan(wave("web", ONE, ApprovalBefore=True), plan_id="guarded"))

    def test_it_launches_what_would_have_waited(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.request(**self.fields(SkipApprovals=True))["executionId"]

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

    def test_without_it_the_wave_waits(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.request(**self.fields(SkipApprovals=False))["executionId"]
        orchestrator.prepare(execution_id)

        assert orchestrator.launch(execution_id)["awaitsDecision"] is True

    def test_document_and_history_say_who_skipped_the_approvals_and_why(self, orchestrator: Orchestrator) -> None:
        execution_id = orchestrator.request(**self.fields(SkipApprovals=True))["executionId"]
        document = orchestrator.show(execution_id)
        [entry] = orchestrator.app.executions.history(execution_id)

        assert (document["SkipApprovals"], document["StartedBy"]) == (True, CALLER)
        assert (entry["Data"]["SkipApprovals"], entry["By"], entry["Reason"]) == (
            True,
            CALLER,
            "nobody can be reached",
        )

    def test_a_dry_run_of_it_shows_no_approval(self, app: App) -> None:
        request = read_start_request(self.UNAPPROVED | {"SkipApprovals": True, "DryRun": True})

        assert dry_run(app, request)["Waves"][0]["ApprovalBefore"] is False

    def test_a_token_means_only_one_of_both(self, app: App) -> None:
        start_execution(app, self.UNAPPROVED | {"ClientToken": "once"})

        with pytest.raises(Conflict, match="used for another request"):
            start_execution(app, self.UNAPPROVED | {"ClientToken": "once", "SkipApprovals": True})

    def fields(self, **fields: Any) -> dict[str, Any]:
        named = {"plan_id": "guarded", "execution_type": "RECOVERY"}
        return named | {"Reason": self.UNAPPROVED["Reason"]} | fields


class TestServerTags:
    def test_servers_are_selected_from_every_page_when_the_plan_is_started(
        self, app: App, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.switch(defaultPageSize=2)
        chosen = [server_id(n) for n in range(10, 15)]
        orchestrator.add_servers(*chosen, tags={"tier": "web", "site": "berlin", "more": "x"})
        orchestrator.add_servers(server_id(20), tags={"tier": "web"})
        orchestrator.add_servers(server_id(21), tags={"tier": "web", "site": "rome"})
        execution_id = orchestrator.start(BY_TAGS)
        [wave] = orchestrator.show(execution_id)["Waves"]

        assert [server["SourceServerId"] for server in wave["Servers"]] == chosen
        without_ids = [call for call in simulator.calls("DescribeSourceServers") if not call["request"].get("filters")]
        assert len(without_ids) == 5  # nine servers, two a page

    def test_servers_that_are_tagged_later_do_not_join_a_running_execution(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE, tags={"tier": "web", "site": "berlin"})
        execution_id = orchestrator.start(BY_TAGS)
        orchestrator.add_servers(server_id(2), tags={"tier": "web", "site": "berlin"})
        orchestrator.prepare(execution_id)

        assert len(orchestrator.show(execution_id)["Waves"][0]["Servers"]) == 1

    def test_tags_that_select_nothing_are_a_conflict_that_names_the_wave(self, orchestrator: Orchestrator) -> None:
        with pytest.raises(Conflict, match="wave web select no source server") as caught:
            orchestrator.start(BY_TAGS)

        assert set(faults(caught.value)) == {"/Waves/0/ServerTags"}

    def test_tags_that_select_one_server_for_two_waves_are_a_conflict(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, tags={"tier": "web"})
        tagged: dict[str, Any] = {"Region": REGION, "ServerTags": {"tier": "web"}}
        with pytest.raises(Conflict) as caught:
            orchestrator.start(plan({"WaveName": "a", **tagged}, {"WaveName": "b", **tagged}))

        assert set(faults(caught.value)) == {"/Waves/1/Servers/0/SourceServerId"}

    def test_a_region_is_listed_once_however_many_waves_choose_from_it(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        for number in range(1, 4):
            orchestrator.add_servers(server_id(number), tags={"tier": f"t{number}"})
        waves = [
            {"WaveName": f"w{number}", "Region": REGION, "ServerTags": {"tier": f"t{number}"}} for number in range(1, 4)
        ]
        execution_id = orchestrator.start(plan(*waves))

        listings = [call for call in simulator.calls("DescribeSourceServers") if not call["request"].get("filters")]
        assert len(listings) == 1
        chosen = [
            [each["SourceServerId"] for each in one["Servers"]] for one in orchestrator.show(execution_id)["Waves"]
        ]
        assert chosen == [[server_id(number)] for number in range(1, 4)]

    def test_a_drs_that_is_too_slow_in_listing_is_busy_in_one_sentence(self, orchestrator: Orchestrator) -> None:
        put_plan(orchestrator.app, "shop", BY_TAGS)
        ticks = itertools.count(step=11)
        app = replace(orchestrator.app, timer=lambda: next(ticks))
        orchestrator.add_servers(ONE, tags={"tier": "web", "site": "berlin"})

        with pytest.raises(ServiceBusy) as caught:
            start_execution(app, REQUEST)
        assert caught.value.message == (
            "DRS in us-east-1 could not be asked for wave web's servers: "
            "it has not listed its source servers within 10 seconds"
        )

    def test_a_drs_that_cannot_be_asked_for_tags_is_busy_and_nothing_is_started(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        simulator.add_fault("throttle", operation="DescribeSourceServers")

        with pytest.raises(ServiceBusy, match="wave web's servers"):
            orchestrator.start(BY_TAGS)
        assert orchestrator.drivers() == []


class TestServersInUse:
    def test_a_server_of_an_execution_that_has_not_ended_is_not_started_again(
        self, app: App, orchestrator: Orchestrator
    ) -> None:
        first = start_execution(app, REQUEST)["executionId"]
        put_plan(app, "other", plan(wave("web", ONE, server_id(2)), plan_id="other"))

        with pytest.raises(Conflict, match=first) as caught:
            start_execution(app, REQUEST | {"PlanId": "other"})
        assert set(faults(caught.value)) == {f"/{ONE}"}

    def test_one_that_was_locked_since_pre_flight_names_the_commands_that_free_it(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = start_execution(app, REQUEST)["executionId"]
        monkeypatch.setattr(app.locks, "held", lambda *_: [])

        with pytest.raises(Conflict) as caught:
            start_execution(app, REQUEST)
        [detail] = caught.value.details
        assert detail["remedy"] == f"Wait for its end: drctl watch {first}; or end it: drctl cancel {first}"

    def test_servers_are_free_again_when_their_execution_has_ended(self, app: App, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.drive(start_execution(app, REQUEST)["executionId"])
        again = start_execution(app, REQUEST)["executionId"]

        with pytest.raises(Conflict, match=again):
            start_execution(app, REQUEST)

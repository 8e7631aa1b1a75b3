"""Retry: a linked execution of only the servers that are not up, in the order of the same plan."""

from itertools import product

import pytest

from drs_orchestrator.domain.plan import Plan, Server, Wave, find_faults, plan_to_document
from drs_orchestrator.domain.retry import retry_plan
from drs_orchestrator.errors import Conflict, InvalidRequest, NotFound
from drs_orchestrator.tasks.manage_plans import delete_plan, put_plan
from drs_orchestrator.tasks.retry_execution import read_retry_request
from drs_orchestrator.tasks.start_execution import start_execution
from tests.helpers.orchestrator import CALLER, Orchestrator, plan, server_id, wave

A, B, C, D = (server_id(number) for number in (0xA, 0xB, 0xC, 0xD))


def retried(orchestrator: Orchestrator, execution_id: str, body: object = None) -> str:
    request = read_retry_request(orchestrator.app, execution_id, body)
    return start_execution(orchestrator.app, request, CALLER)["executionId"]


def launched_servers(orchestrator: Orchestrator) -> list[set[str]]:
    calls = orchestrator.simulator.calls("StartRecovery")
    return [{each["sourceServerID"] for each in call["request"]["sourceServers"]} for call in calls]


class TestExecutions:
    PLAN = plan(wave("database", A, B), wave("app", C), wave("web", D), plan_id="shop")

    @pytest.fixture
    def failed(self, orchestrator: Orchestrator) -> str:
        """B fails, which stops the plan: A is up, B failed, C and D were never launched."""
        orchestrator.add_servers(A, B, C, D)
        fault = orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[B])
        execution_id = orchestrator.start(self.PLAN)
        assert orchestrator.drive(execution_id)["Status"] == "PARTIAL"
        orchestrator.simulator.remove_faults(fault)
        orchestrator.simulator.clear_calls()
        return execution_id

    def test_only_what_is_not_up_is_launched_in_the_order_of_the_plan(
        self, orchestrator: Orchestrator, failed: str
    ) -> None:
        again = retried(orchestrator, failed, {"Reason": "the quota was raised"})
        document = orchestrator.drive(again)

        assert launched_servers(orchestrator) == [{B}, {C}, {D}]
        assert (document["Status"], document["RetryOf"], document["Reason"]) == (
            "COMPLETED",
            failed,
            "the quota was raised",
        )
        assert document["ExecutionType"] == "DRILL"

    def test_the_plan_is_that_of_the_first_start_whatever_became_of_it(
        self, orchestrator: Orchestrator, failed: str
    ) -> None:
        put_plan(orchestrator.app, "shop", plan(wave("other", A), plan_id="shop"))
        delete_plan(orchestrator.app, "shop")
        document = orchestrator.show(retried(orchestrator, failed))

        assert [wave["WaveName"] for wave in document["Waves"]] == ["database", "app", "web"]

    def test_a_retry_can_be_retried(self, orchestrator: Orchestrator, failed: str) -> None:
        fault = orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[C])
        second = retried(orchestrator, failed)
        assert orchestrator.drive(second)["Status"] == "PARTIAL"
        orchestrator.simulator.remove_faults(fault)
        orchestrator.simulator.clear_calls()
        third = retried(orchestrator, second)

        assert orchestrator.drive(third)["Status"] == "COMPLETED"
        assert launched_servers(orchestrator) == [{C}, {D}]
        assert orchestrator.show(third)["RetryOf"] == second

    def test_the_history_says_what_it_retries(self, orchestrator: Orchestrator, failed: str) -> None:
        [first, *_] = orchestrator.app.executions.history(retried(orchestrator, failed))

        assert (first["Kind"], first["Data"]["RetryOf"]) == ("ExecutionStarted", failed)

    def test_the_same_client_token_gives_the_same_retry(self, orchestrator: Orchestrator, failed: str) -> None:
        body = {"ClientToken": "once"}

        assert retried(orchestrator, failed, body) == retried(orchestrator, failed, body)
        with pytest.raises(Conflict, match="was used for another request"):
            start_execution(orchestrator.app, read_retry_request(orchestrator.app, failed, body | {"Reason": "x"}))

    def test_a_running_execution_is_not_retried(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(A, B, C, D)
        execution_id = orchestrator.start(self.PLAN)

        with pytest.raises(Conflict, match=f"retry it once it has ended. drctl watch {execution_id}"):
            read_retry_request(orchestrator.app, execution_id, None)

    def test_nor_is_one_whose_servers_are_all_up(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(A, B, C, D)
        execution_id = orchestrator.start(self.PLAN)
        orchestrator.drive(execution_id)

        with pytest.raises(Conflict, match="there is nothing to retry"):
            retried(orchestrator, execution_id)

    def test_nor_one_that_does_not_exist(self, orchestrator: Orchestrator) -> None:
        with pytest.raises(NotFound, match="There is no execution exec-x"):
            read_retry_request(orchestrator.app, "exec-x", None)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [({"PlanId": "other"}, "/PlanId"), ({"Reason": ""}, "/Reason"), ({"ReplaceLive": "shop"}, "/ReplaceLive")],
    )
    def test_a_wrong_field_is_named(
        self, orchestrator: Orchestrator, failed: str, body: dict[str, str], pointer: str
    ) -> None:
        with pytest.raises(InvalidRequest) as raised:
            read_retry_request(orchestrator.app, failed, body)
        assert [fault["pointer"] for fault in raised.value.details] == [pointer]

    def test_the_remedy_of_a_refused_retry_removes_nothing_but_what_failed(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(A)
        orchestrator.add_servers(B, launchActions=[{"name": "audit", "seconds": 60, "status": "FAILED"}])
        execution_id = orchestrator.start(plan(wave("web", A, B), plan_id="shop"), "RECOVERY")
        assert orchestrator.drive(execution_id)["Status"] == "PARTIAL"
        with pytest.raises(Conflict) as refused:
            retried(orchestrator, execution_id)
        [detail] = refused.value.details
        orchestrator.simulator.clear_calls()
        again = retried(orchestrator, execution_id, {"ReplaceLive": "shop"})
        orchestrator.drive(again)

        assert detail["remedy"] == (
            f"If it may be replaced, with all its data: drctl retry {execution_id} --replace-live shop"
        )
        assert launched_servers(orchestrator) == [{B}]


def waves_of(*waves: Wave) -> Plan:
    return Plan("p", "P", "", waves)


def simple(name: str, *servers: str, after: tuple[str, ...] = (), minimum: int | str | None = None) -> Wave:
    return Wave(name, after, "us-east-1", servers=tuple(Server(each) for each in servers), minimum_launched=minimum)


class TestPlan:
    def test_a_wave_of_which_nothing_is_left_leaves_its_dependencies_to_those_after_it(self) -> None:
        whole = waves_of(simple("a", A), simple("b", B, after=("a",)), simple("c", C, after=("b",)))
        rest = retry_plan(whole, {B})

        assert rest is not None
        assert [(wave.name, wave.depends_on) for wave in rest.waves] == [("a", ()), ("c", ("a",))]

    def test_thirty_waves_that_each_wait_for_all_before_them_are_planned(self) -> None:
        """Each way to the first one counted, there would be a thousand million."""
        names = [f"w{number}" for number in range(30)]
        waves = [simple(name, server_id(n), after=tuple(names[:n])) for n, name in enumerate(names)]
        left = retry_plan(waves_of(*waves), {server_id(n) for n in range(1, 29)})

        assert left
        assert [(wave.name, wave.depends_on) for wave in left.waves] == [("w0", ()), ("w29", ("w0",))]

    def test_nothing_is_left_when_all_are_up(self) -> None:
        assert retry_plan(waves_of(simple("a", A, B)), {A, B}) is None

    def test_a_skip_of_the_first_start_is_forgotten(self) -> None:
        whole = waves_of(Wave("a", (), "us-east-1", servers=(Server(A, skip_reason="was busy"),)))
        rest = retry_plan(whole, set())

        assert rest is not None
        assert rest.waves[0].servers[0].skip_reason is None

    @pytest.mark.parametrize(
        ("minimum", "up", "left"),
        [(3, {A}, 2), (3, {A, B}, 1), (2, {A, B}, None), ("75%", {A}, 2), ("50%", {A, B}, None)],
    )
    def test_what_is_up_already_counts_for_the_minimum(
        self, minimum: int | str, up: set[str], left: int | None
    ) -> None:
        rest = retry_plan(waves_of(simple("a", A, B, C, D, minimum=minimum)), up)

        assert rest is not None
        assert rest.waves[0].minimum_launched == left

    @pytest.mark.parametrize("up", list(product([False, True], repeat=4)))
    def test_whatever_is_up_the_rest_is_a_valid_plan(self, up: tuple[bool, ...]) -> None:
        whole = waves_of(
            simple("a", A),
            simple("b", B, after=("a",)),
            simple("c", C, after=("a",)),
            simple("d", D, after=("b", "c"), minimum=1),
        )
        launched = {server for server, is_up in zip((A, B, C, D), up, strict=True) if is_up}
        rest = retry_plan(whole, launched)

        if rest is None:
            assert len(launched) == 4
        else:
            assert find_faults(plan_to_document(rest)) == []
            assert {each.source_server_id for wave in rest.waves for each in wave.servers} == {A, B, C, D} - launched

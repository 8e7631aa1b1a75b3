"""Announcing an execution: nothing is lost, nothing holds up a recovery, and a poll without news costs nothing."""

from collections.abc import Sequence
from typing import Any

import boto3
import pytest

from drs_orchestrator.adapters.event_bus import Delivery
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.notices import Notice
from drs_orchestrator.tasks.ask_operator import wait_for_decision
from drs_orchestrator.tasks.finish_execution import finish_execution
from drs_orchestrator.tasks.publish_events import publish_events
from drs_orchestrator.tasks.reconcile_executions import reconcile_executions
from drs_orchestrator.tasks.request_clean_up import request_clean_up
from drs_orchestrator.tasks.steer_execution import approve, cancel, pause
from tests.helpers.announcements import STUCK_SECONDS, Subscriber, hold_until_stuck
from tests.helpers.orchestrator import CALLER, EVENT_BUS, EXECUTION_TABLE, Orchestrator, plan, server_id, wave

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)


class UnsteadyBus:
    """A bus that takes as many events as it is told to, and says why it takes no more."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.taken: list[Notice] = []
        self.asked = 0

    def put(self, notices: Sequence[Notice]) -> Delivery:
        self.asked += 1
        taken = notices[: self.capacity]
        self.capacity -= len(taken)
        self.taken += taken
        return Delivery(len(taken), None if len(taken) == len(notices) else "the bus is full")


def give_bus(app: App, bus: Any) -> Any:
    """The app with this bus in place of EventBridge's."""
    app.__dict__["bus"] = bus
    return bus


def numbers(events: Sequence[dict[str, Any]]) -> list[int]:
    """Which entries of the history were announced, in order."""
    return [int(event["detail"]["id"].rpartition("/")[2]) for event in events]


def unpublished(orchestrator: Orchestrator) -> list[str]:
    return list(orchestrator.app.executions.ids_of_unpublished())


class TestAnnouncements:
    def test_start_waves_and_end_are_announced_once_and_in_order(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        subscriber = Subscriber()
        execution_id = orchestrator.start(plan(wave("a", ONE), wave("b", TWO)))
        orchestrator.drive(execution_id)

        assert subscriber.told() == ["Execution Started", "Wave Up", "Wave Up", "Execution Finished"]
        history = list(orchestrator.app.executions.history(execution_id))
        kinds = [history[number - 1]["Kind"] for number in numbers(subscriber.events())]
        assert kinds == ["ExecutionStarted", "WaveChanged", "WaveChanged", "ExecutionFinished"]
        assert {event["source"] for event in subscriber.events()} == {"drs-orchestrator"}
        assert unpublished(orchestrator) == []

    def test_a_failed_wave_names_its_servers_in_the_words_of_drs(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO, THREE)
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        subscriber = Subscriber()
        execution_id = orchestrator.start(plan(wave("a", ONE, TWO), wave("b", THREE)))
        orchestrator.drive(execution_id)
        failed, finished = (event["detail"] for event in subscriber.events()[-2:])
        error = orchestrator.server(execution_id, TWO)["Error"]

        assert subscriber.told() == ["Execution Started", "Wave Failed", "Execution Finished"]
        assert (failed["status"], failed["consequence"], failed["launched"]) == ("PARTIAL", "STOP", 1)
        assert [(each["sourceServerId"], each["error"]) for each in failed["failedServers"]] == [(TWO, error)]
        assert (finished["status"], finished["launched"], finished["failed"]) == ("PARTIAL", 1, 1)
        assert finished["failedServers"] == failed["failedServers"]

    def test_of_many_failed_servers_some_are_named_and_all_are_counted(self, orchestrator: Orchestrator) -> None:
        servers = [server_id(number) for number in range(1, 31)]
        orchestrator.add_servers(*servers)
        orchestrator.simulator.add_fault("launch-failure")
        subscriber = Subscriber()
        orchestrator.drive(orchestrator.start(plan(wave("a", *servers))))

        assert subscriber.last()["failed"] == 30
        assert len(subscriber.last()["failedServers"]) == 10

    def test_an_approval_is_asked_for_with_its_command_and_without_the_driver_s_token(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        execution_id = orchestrator.begin(plan(wave("a", ONE, ApprovalBefore=True)))
        wait_for_decision(orchestrator.app, execution_id, 1, "the-callback-token")
        asked = subscriber.last()
        approve(orchestrator.app, execution_id, {"Reason": "go"}, CALLER)
        orchestrator.drive(execution_id)

        assert subscriber.told() == ["Execution Started", "Approval Needed", "Wave Up", "Execution Finished"]
        assert asked["nextCommand"] == f"drctl approve {execution_id}"
        assert asked["waveNames"] == ["a"]
        assert "the-callback-token" not in str(subscriber.events())

    def test_a_failure_that_pauses_the_plan_asks_to_resume(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[ONE])
        subscriber = Subscriber()
        execution_id = orchestrator.begin(plan(wave("a", ONE, OnFailure="PAUSE"), wave("b", TWO)))
        for _ in range(10):
            orchestrator.check(execution_id, after=120)
        orchestrator.launch(execution_id)

        assert subscriber.told() == ["Execution Started", "Wave Failed", "Approval Needed"]
        assert subscriber.last()["questionKind"] == "FAILURE"
        assert subscriber.last()["nextCommand"] == f"drctl resume {execution_id}"

    def test_a_cancelled_execution_is_announced_with_who_cancelled_it(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        execution_id = orchestrator.start(plan(wave("a", ONE)))
        cancel(orchestrator.app, execution_id, {"Reason": "wrong plan"}, CALLER)
        orchestrator.drive(execution_id)

        assert subscriber.last()["status"] == "CANCELLED"
        assert subscriber.last()["statusReason"] == f"cancelled by {CALLER}: wrong plan"

    def test_that_the_glass_was_broken_stands_in_every_event(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        document = plan(wave("a", ONE, ApprovalBefore=True))
        subscriber = Subscriber()
        orchestrator.drive(
            orchestrator.start(document, "RECOVERY", SkipApprovals=True, ReplaceLive="shop", Reason="nobody answers")
        )
        details = [event["detail"] for event in subscriber.events()]

        assert [(each["skipApprovals"], each["replaceLive"]) for each in details] == [(True, True)] * 3

    @pytest.mark.parametrize("document", [{"Cleanup": "IMMEDIATE"}, {}], ids=["by its plan", "by hand"])
    def test_the_end_of_a_clean_up_is_announced(self, orchestrator: Orchestrator, document: dict[str, Any]) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        execution_id = orchestrator.start(plan(wave("a", ONE)) | document)
        orchestrator.drive(execution_id)
        if not document:
            request_clean_up(orchestrator.app, execution_id, {"Reason": "signed off"}, CALLER)
        orchestrator.clean_up(execution_id, 1 if document else 2)

        assert subscriber.told()[-2:] == ["Execution Finished", "Clean-Up Finished"]
        assert (subscriber.last()["status"], subscriber.last()["terminated"]) == ("CLEANED_UP", 1)
        assert subscriber.last()["leftInstances"] == []
        assert unpublished(orchestrator) == []


class TestStuck:
    def test_an_execution_in_which_nothing_moves_is_announced_now_and_again(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.simulator.hold(True)
        subscriber = Subscriber()
        execution_id = orchestrator.begin(plan(wave("a", ONE)))
        hold_until_stuck(orchestrator, execution_id)
        reconcile_executions(orchestrator.app)

        assert subscriber.told() == ["Execution Started", "Execution Stuck"]
        assert (subscriber.last()["cause"], subscriber.last()["openWaves"]) == ("NO_PROGRESS", ["a"])
        hold_until_stuck(orchestrator, execution_id)
        assert subscriber.told() == ["Execution Started", "Execution Stuck", "Execution Stuck"]

    def test_that_a_server_takes_too_long_is_no_progress(self, orchestrator: Orchestrator) -> None:
        """TimeoutDetected is noted after 30 minutes; what is stuck is so all the same after 35."""
        orchestrator.add_servers(ONE)
        orchestrator.simulator.hold(True)
        subscriber = Subscriber()
        execution_id = orchestrator.begin(plan(wave("a", ONE)))
        hold_until_stuck(orchestrator, execution_id)

        assert orchestrator.server(execution_id, ONE)["TimeoutDetected"]
        assert subscriber.told()[-1] == "Execution Stuck"

    def test_one_that_waits_for_an_operator_is_not_stuck(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        execution_id = orchestrator.begin(plan(wave("a", ONE, ApprovalBefore=True)))
        wait_for_decision(orchestrator.app, execution_id, 1, "token")
        orchestrator.let_pass(2 * STUCK_SECONDS)
        reconcile_executions(orchestrator.app)

        assert subscriber.told() == ["Execution Started", "Approval Needed"]

    def test_a_driver_that_was_replaced_is_announced(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        orchestrator.begin(plan(wave("a", ONE)))
        orchestrator.let_pass(1_000)
        reconcile_executions(orchestrator.app)

        assert subscriber.told() == ["Execution Started", "Execution Stuck"]
        assert subscriber.last()["cause"] == "DRIVER_REPLACED"
        assert subscriber.last()["explanation"] == "the driver gave no sign of life for too long"


class TestTrouble:
    @pytest.mark.parametrize("capacity", range(5))
    def test_what_the_bus_did_not_take_is_published_later_and_the_rest_is_not_repeated(
        self, orchestrator: Orchestrator, capacity: int
    ) -> None:
        """The bus takes so many events and no more; the execution ends as if nothing had happened."""
        orchestrator.add_servers(ONE, TWO)
        bus = give_bus(orchestrator.app, UnsteadyBus(capacity))
        execution_id = orchestrator.start(plan(wave("a", ONE), wave("b", TWO)))

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert unpublished(orchestrator) == ([execution_id] if capacity < 4 else [])
        bus.capacity = 100
        reconcile_executions(orchestrator.app)
        assert [notice.type for notice in bus.taken] == [
            "Execution Started",
            "Wave Up",
            "Wave Up",
            "Execution Finished",
        ]
        assert unpublished(orchestrator) == []

    def test_the_end_of_a_clean_up_is_published_later_when_the_bus_is_down(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.start(plan(wave("a", ONE)) | {"Cleanup": "IMMEDIATE"})
        orchestrator.drive(execution_id)
        bus = give_bus(orchestrator.app, UnsteadyBus(0))

        assert orchestrator.clean_up(execution_id)["outcome"] == "CLEANED_UP"
        assert unpublished(orchestrator) == [execution_id]
        bus.capacity = 100
        reconcile_executions(orchestrator.app)
        assert [notice.type for notice in bus.taken] == ["Clean-Up Finished"]
        assert unpublished(orchestrator) == []

    def test_a_bus_that_is_gone_delays_nothing_but_the_announcement(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        boto3.client("events").delete_event_bus(Name=EVENT_BUS)
        execution_id = orchestrator.start(plan(wave("a", ONE)))

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert unpublished(orchestrator) == [execution_id]

    def test_the_reconciler_asks_a_bus_that_takes_nothing_only_once(self, orchestrator: Orchestrator) -> None:
        bus = give_bus(orchestrator.app, UnsteadyBus(0))
        for number in range(1, 4):
            orchestrator.add_servers(server_id(number))
            orchestrator.start(plan(wave("a", server_id(number)), plan_id=f"plan-{number}"))
        reconcile_executions(orchestrator.app)

        assert bus.asked == 1

    def test_an_entry_that_cannot_be_told_holds_up_neither_the_recovery_nor_the_others(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        execution_id = orchestrator.start(plan(wave("a", ONE)))
        orchestrator.dynamodb.update_item(
            TableName=EXECUTION_TABLE,
            Key={"ExecutionId": {"S": execution_id}, "Record": {"S": "HISTORY#000001"}},
            UpdateExpression="REMOVE #Data",
            ExpressionAttributeNames={"#Data": "Data"},
        )

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"
        assert subscriber.told() == ["Wave Up", "Execution Finished"]

    def test_a_finish_that_is_repeated_announces_nothing_twice(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        subscriber = Subscriber()
        execution_id = orchestrator.start(plan(wave("a", ONE)))
        orchestrator.drive(execution_id)
        finish_execution(orchestrator.app, execution_id, 1)

        assert subscriber.told().count("Execution Finished") == 1

    def test_who_read_the_execution_before_its_end_does_not_publish_the_end(self, orchestrator: Orchestrator) -> None:
        """Else the end would be published, and the outbox of the execution left open for ever."""
        orchestrator.add_servers(ONE)
        give_bus(orchestrator.app, UnsteadyBus(0))
        execution_id = orchestrator.start(plan(wave("a", ONE)))
        early = orchestrator.app.executions.get(execution_id)
        orchestrator.drive(execution_id)
        bus = give_bus(orchestrator.app, UnsteadyBus(100))
        assert early
        publish_events(orchestrator.app, early)

        assert [notice.type for notice in bus.taken] == ["Execution Started"]
        assert unpublished(orchestrator) == [execution_id]
        reconcile_executions(orchestrator.app)
        assert unpublished(orchestrator) == []

    def test_who_comes_second_never_takes_back_what_the_first_has_noted(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        give_bus(orchestrator.app, UnsteadyBus(0))
        execution_id = orchestrator.start(plan(wave("a", ONE)))
        early = orchestrator.app.executions.get(execution_id)
        give_bus(orchestrator.app, UnsteadyBus(100))
        pause(orchestrator.app, execution_id, None, CALLER)
        late = orchestrator.app.executions.get(execution_id)
        assert early
        assert late
        publish_events(orchestrator.app, late)
        publish_events(orchestrator.app, early)
        now = orchestrator.app.executions.get(execution_id)

        assert now
        assert now.published == 2


class TestCost:
    def test_a_poll_without_news_asks_neither_the_bus_nor_the_history(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orchestrator.add_servers(ONE)
        orchestrator.simulator.hold(True)
        bus = give_bus(orchestrator.app, UnsteadyBus(100))
        execution_id = orchestrator.begin(plan(wave("a", ONE)))
        asked = bus.asked

        def unwanted(*_: Any) -> None:
            raise AssertionError("nothing is new")

        monkeypatch.setattr(orchestrator.app.executions, "history", unwanted)
        monkeypatch.setattr(orchestrator.app.executions, "mark_published", unwanted)
        for _ in range(3):
            orchestrator.check(execution_id, after=45)

        assert bus.asked == asked

    def test_what_nobody_is_told_of_is_published_with_its_own_write(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orchestrator.add_servers(ONE)
        bus = give_bus(orchestrator.app, UnsteadyBus(100))
        execution_id = orchestrator.begin(plan(wave("a", ONE)))
        before = orchestrator.app.executions.get(execution_id)
        asked = bus.asked

        def unwanted(*_: Any) -> None:
            raise AssertionError("nobody is to be told that a server has STARTED")

        monkeypatch.setattr(orchestrator.app.executions, "mark_published", unwanted)
        orchestrator.check(execution_id, after=15)
        after = orchestrator.app.executions.get(execution_id)

        assert before
        assert after
        assert after.head.count == before.head.count + 1
        assert after.published == after.head.count
        assert bus.asked == asked

    def test_what_is_not_announced_yet_is_not_passed_over_for_what_nobody_is_told_of(
        self, orchestrator: Orchestrator
    ) -> None:
        orchestrator.add_servers(ONE)
        bus = give_bus(orchestrator.app, UnsteadyBus(0))
        execution_id = orchestrator.begin(plan(wave("a", ONE)))
        orchestrator.check(execution_id, after=15)
        waiting = orchestrator.app.executions.get(execution_id)
        bus.capacity = 100
        orchestrator.check(execution_id, after=45)

        assert waiting
        assert waiting.published < waiting.head.count
        assert [notice.number for notice in bus.taken] == [1]

    def test_several_entries_of_one_task_are_written_at_the_first_attempt(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each attempt behind an entry that is not the last one any more would be refused, and paid for."""
        orchestrator.add_servers(ONE, TWO, THREE)
        waves = [wave(name, server, DependsOn=[]) for name, server in (("a", ONE), ("b", TWO), ("c", THREE))]
        execution_id = orchestrator.begin(plan(*waves))
        table = orchestrator.app.executions._dynamodb
        attempts = []

        def counting(operation: str) -> Any:
            call = getattr(table, operation)

            def counted(**arguments: Any) -> Any:
                record = arguments.get("Item", {}).get("Record", {"S": ""})["S"]
                if operation == "transact_write_items" or record.startswith("HISTORY#"):
                    attempts.append(operation)
                return call(**arguments)

            return counted

        for operation in ("transact_write_items", "put_item"):
            monkeypatch.setattr(table, operation, counting(operation))
        before = orchestrator.app.executions.get(execution_id)
        # All at once: what became of the servers, and the end of each wave.
        orchestrator.check(execution_id, after=3600)
        after = orchestrator.app.executions.get(execution_id)

        assert before
        assert after
        assert attempts == ["put_item", "transact_write_items"] * 3
        assert after.head.count - before.head.count == len(attempts)

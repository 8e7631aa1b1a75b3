"""SecondApproverForRecovery: a RECOVERY is launched by nobody alone."""

import pytest

from drs_orchestrator.domain.second_approver import are_two_people
from drs_orchestrator.errors import Conflict
from drs_orchestrator.tasks.dry_run import dry_run
from drs_orchestrator.tasks.retry_execution import read_retry_request
from drs_orchestrator.tasks.start_execution import start_execution
from drs_orchestrator.tasks.start_request import read_start_request
from drs_orchestrator.tasks.steer_execution import approve, cancel, pause, reject, resume, skip_wave
from tests.helpers.orchestrator import CALLER, Orchestrator, plan, server_id, wave

ONE, TWO, THREE = server_id(1), server_id(2), server_id(3)
PLAIN = plan(wave("database", ONE), wave("web", TWO))
SECOND = "arn:aws:sts::123456789012:assumed-role/approver/john"

JANE_OPERATES = "arn:aws:sts::1:assumed-role/AWSReservedSSO_Recoverer_0a1b/jane@example.com"
JANE_APPROVES = "arn:aws:sts::1:assumed-role/AWSReservedSSO_Approver_2c3d/Jane@example.com"
JOHN_OPERATES = "arn:aws:sts::1:assumed-role/AWSReservedSSO_Recoverer_0a1b/john@example.com"


@pytest.fixture
def guarded(orchestrator: Orchestrator) -> Orchestrator:
    """Deployed with the parameter."""
    orchestrator.environment["SECOND_APPROVER_FOR_RECOVERY"] = "true"
    orchestrator.app = orchestrator.another_app()
    orchestrator.add_servers(ONE, TWO, THREE)
    return orchestrator


def launches(orchestrator: Orchestrator) -> int:
    return len(orchestrator.simulator.calls("StartRecovery"))


class TestPeople:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param("arn:aws:iam::1:user/jane", "arn:aws:iam::1:user/john", id="users"),
            pytest.param("arn:aws:iam::1:user/jane", "arn:aws:iam::1:root", id="a user and root"),
            pytest.param("arn:aws:sts::1:assumed-role/a/x", "arn:aws:sts::1:assumed-role/b/x", id="roles"),
            pytest.param("arn:aws:sts::1:assumed-role/a/x", "arn:aws:sts::2:assumed-role/a/x", id="roles of accounts"),
            pytest.param(JANE_OPERATES, JOHN_OPERATES, id="Identity Center, the same permission set"),
        ],
    )
    def test_two_people(self, one: str, other: str) -> None:
        assert are_two_people(one, other)
        assert are_two_people(other, one)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param("arn:aws:iam::1:user/jane", "arn:aws:iam::1:user/jane", id="the same user"),
            pytest.param(
                "arn:aws:sts::1:assumed-role/a/jane", "arn:aws:sts::1:assumed-role/a/john", id="one role, two names"
            ),
            pytest.param(JANE_OPERATES, JANE_APPROVES, id="Identity Center, another permission set"),
            pytest.param("unknown", "arn:aws:iam::1:user/jane", id="nobody knows who began"),
            pytest.param("unknown", "unknown", id="nobody knows either"),
            pytest.param("arn:aws:iam::1:user/jane", "", id="no name"),
            pytest.param(
                "arn:aws:iam::1:user/jane", "arn:aws:sts::1:federated-user/john", id="a name of the caller's choice"
            ),
        ],
    )
    def test_perhaps_the_same_person(self, one: str, other: str) -> None:
        assert not are_two_people(one, other)
        assert not are_two_people(other, one)


class TestARecovery:
    def test_waits_for_an_approval_though_its_plan_asks_for_none(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        document = guarded.show(execution_id)

        assert document["Question"]["Waves"] == ["database"]
        assert launches(guarded) == 0

    def test_is_approved_by_another_and_goes_on_as_its_plan_says(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        approve(guarded.app, execution_id, None, SECOND)

        assert guarded.drive(execution_id)["Status"] == "COMPLETED"

    def test_who_started_it_can_not_approve_it(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        before = guarded.show(execution_id)
        with pytest.raises(Conflict) as refusal:
            approve(guarded.app, execution_id, None, CALLER)

        assert refusal.value.message == (
            f"{execution_id} was started by {CALLER}; a RECOVERY has to be approved by a second person, and "
            f"{CALLER} may be the same."
        )
        assert guarded.show(execution_id) == before
        assert guarded.launch(execution_id)["jobsLaunched"] == 0

    def test_nor_can_they_by_a_pause_that_they_take_back(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        pause(guarded.app, execution_id, None, CALLER)
        resume(guarded.app, execution_id, None, CALLER)
        guarded.launch(execution_id)

        assert guarded.show(execution_id)["Question"]["Kind"] == "APPROVAL"
        assert launches(guarded) == 0

    @pytest.mark.parametrize("decide", [reject, cancel])
    def test_who_started_it_may_stop_it(self, guarded: Orchestrator, decide: object) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        decide(guarded.app, execution_id, {"Reason": "a mistake"}, CALLER)  # type: ignore[operator]

        assert guarded.drive(execution_id)["Status"] == "CANCELLED"

    def test_waves_that_begin_at_once_wait_together_and_later_ones_as_their_plan_says(
        self, guarded: Orchestrator
    ) -> None:
        waves = (wave("a", ONE, DependsOn=[]), wave("b", TWO, DependsOn=[]), wave("c", THREE, ApprovalBefore=True))
        execution_id = guarded.begin(plan(*waves), "RECOVERY")
        assert guarded.show(execution_id)["Question"]["Waves"] == ["a", "b"]
        approve(guarded.app, execution_id, None, SECOND)
        guarded.until_asked(execution_id)

        assert guarded.show(execution_id)["Question"]["Waves"] == ["c"]
        with pytest.raises(Conflict, match="by a second person"):
            approve(guarded.app, execution_id, None, CALLER)

    def test_silence_is_no_approval_whatever_its_plan_says(self, guarded: Orchestrator) -> None:
        hasty = PLAIN | {"ApprovalTimeoutMinutes": 1, "OnApprovalTimeout": "CONTINUE"}
        execution_id = guarded.begin(hasty, "RECOVERY")
        guarded.let_pass(61)
        guarded.launch(execution_id)

        assert guarded.drive(execution_id)["Status"] == "CANCELLED"
        assert launches(guarded) == 0

    def test_approvals_can_not_be_skipped(self, guarded: Orchestrator) -> None:
        with pytest.raises(Conflict, match="SkipApprovals is switched off here: the stack's SecondApproverForRecovery"):
            guarded.start(PLAIN, "RECOVERY", SkipApprovals=True, Reason="nobody can be reached")

        assert guarded.drivers() == []

    def test_a_retry_needs_one_who_did_not_ask_for_the_retry(self, guarded: Orchestrator) -> None:
        guarded.simulator.add_fault("launch-failure", sourceServerIDs=[TWO])
        first = guarded.begin(plan(wave("web", ONE, TWO)), "RECOVERY")
        approve(guarded.app, first, None, SECOND)
        assert guarded.drive(first)["Status"] == "PARTIAL"
        again = start_execution(guarded.app, read_retry_request(guarded.app, first, None), SECOND)["executionId"]
        guarded.prepare(again)
        guarded.launch(again)

        with pytest.raises(Conflict, match="by a second person"):
            approve(guarded.app, again, None, SECOND)
        assert approve(guarded.app, again, None, CALLER)["message"].startswith("Approved: web")

    def test_a_dry_run_shows_the_approval_and_refuses_what_a_start_would(self, guarded: Orchestrator) -> None:
        guarded.start(PLAIN, "DRILL")
        request = {"PlanId": "shop", "ExecutionType": "RECOVERY", "DryRun": True}
        walked = dry_run(guarded.app, read_start_request(request))

        assert [each["ApprovalBefore"] for each in walked["Waves"]] == [True, False]
        with pytest.raises(Conflict, match="SkipApprovals is switched off"):
            dry_run(guarded.app, read_start_request(request | {"SkipApprovals": True, "Reason": "x"}))


class TestAWaveThatComesFirstBecauseOthersAreSkipped:
    """Nothing is launched before somebody else has approved, whatever becomes of the waves before it."""

    def test_who_started_it_can_not_skip_what_waits_for_approval(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        with pytest.raises(Conflict, match="by a second person"):
            skip_wave(guarded.app, execution_id, {"WaveName": "database"}, CALLER)
        guarded.launch(execution_id)

        assert guarded.show(execution_id)["Question"]["Waves"] == ["database"]
        assert launches(guarded) == 0

    def test_a_skip_by_another_is_no_approval_of_what_comes_next(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(PLAIN, "RECOVERY")
        skip_wave(guarded.app, execution_id, {"WaveName": "database"}, SECOND)
        guarded.launch(execution_id)

        assert guarded.show(execution_id)["Question"]["Waves"] == ["web"]
        assert launches(guarded) == 0
        with pytest.raises(Conflict, match="by a second person"):
            approve(guarded.app, execution_id, None, CALLER)
        approve(guarded.app, execution_id, None, SECOND)
        guarded.drive(execution_id)
        assert launches(guarded) == 1

    def test_a_wave_that_pre_flight_leaves_out_gives_no_way_round(self, guarded: Orchestrator) -> None:
        guarded.simulator.replicate([ONE], "INITIAL_SYNC")
        optional = plan(wave("database", {"SourceServerId": ONE, "Impact": "OPTIONAL"}), wave("web", TWO))
        execution_id = guarded.begin(optional, "RECOVERY")

        assert guarded.show(execution_id)["Question"]["Kind"] == "APPROVAL"
        assert launches(guarded) == 0
        approve(guarded.app, execution_id, None, SECOND)
        guarded.drive(execution_id)
        assert launches(guarded) == 1

    def test_once_approved_the_rest_goes_on_though_a_wave_is_skipped(self, guarded: Orchestrator) -> None:
        execution_id = guarded.begin(plan(wave("a", ONE), wave("b", TWO), wave("c", THREE)), "RECOVERY")
        skip_wave(guarded.app, execution_id, {"WaveName": "b"}, CALLER)
        approve(guarded.app, execution_id, None, SECOND)
        guarded.drive(execution_id)

        assert [each["Status"] for each in guarded.show(execution_id)["Waves"]] == ["COMPLETED", "SKIPPED", "COMPLETED"]


class TestWhatStaysAsItWas:
    def test_without_the_parameter_who_started_a_recovery_may_skip_what_waits(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE, TWO)
        execution_id = orchestrator.begin(plan(wave("a", ONE, ApprovalBefore=True), wave("b", TWO)), "RECOVERY")
        skip_wave(orchestrator.app, execution_id, {"WaveName": "a"}, CALLER)
        orchestrator.drive(execution_id)

        assert launches(orchestrator) == 1

    def test_a_drill_is_approved_by_whoever_may(self, guarded: Orchestrator) -> None:
        asking = plan(wave("database", ONE, ApprovalBefore=True))
        execution_id = guarded.begin(asking)
        approve(guarded.app, execution_id, None, CALLER)

        assert guarded.drive(execution_id)["Status"] == "COMPLETED"

    def test_without_the_parameter_who_started_a_recovery_may_approve_it(self, orchestrator: Orchestrator) -> None:
        orchestrator.add_servers(ONE)
        execution_id = orchestrator.begin(plan(wave("database", ONE, ApprovalBefore=True)), "RECOVERY")
        approve(orchestrator.app, execution_id, None, CALLER)

        assert orchestrator.drive(execution_id)["Status"] == "COMPLETED"

"""DRS's quotas: who has to wait says for what, and whoever waits longest is launched first."""

import pytest

from drs_orchestrator.domain.capacity import quota_reason, whose_job
from drs_orchestrator.domain.job import DrsJob, ParticipatingServer
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from tests.helpers.orchestrator import EXECUTION_TABLE, REGION, Orchestrator, plan, server_id, wave
from tests.helpers.simulator import SimulatorControl

OTHERS = [server_id(n) for n in range(100, 120)]


def job(number: int, *servers: str, **tags: str) -> DrsJob:
    return DrsJob(
        job_id=f"drsjob-{number:017x}",
        type="LAUNCH",
        status="STARTED",
        initiated_by="START_RECOVERY",
        created=0.0,
        ended=None,
        servers=tuple(ParticipatingServer(server, "PENDING") for server in servers),
        tags=tags,
    )


class TestReasons:
    def test_twenty_jobs_are_all_there_may_be(self) -> None:
        jobs = [job(n, server_id(n)) for n in range(20)]

        assert quota_reason(jobs, "full") == "waiting: 20 of 20 DRS jobs in use"

    def test_below_twenty_jobs_it_is_the_servers_in_them(self) -> None:
        jobs = [job(n, *(server_id(100 * n + each) for each in range(100))) for n in range(5)]

        assert quota_reason(jobs, "full") == "waiting: 500 of 500 servers in 5 of 20 DRS jobs"

    def test_what_cannot_be_counted_is_told_in_drs_own_words(self) -> None:
        assert quota_reason([], "ServiceQuotaExceededException: full") == "waiting: ServiceQuotaExceededException: full"

    def test_a_server_in_another_job_is_named_with_the_job_and_its_owner(self) -> None:
        record = Job(JobKey(0, 0), "web", REGION, None, {server_id(1): ServerProgress()})
        theirs = job(7, server_id(1), **{"drs-orchestrator:execution-id": "exec-7"})
        somebodys = job(8, server_id(1))

        assert "started by execution exec-7" in whose_job([theirs], record, "in use")
        assert "started by START_RECOVERY, not by DRS Orchestrator" in whose_job([somebodys], record, "in use")
        assert server_id(1) in whose_job([somebodys], record, "in use")
        assert whose_job([job(9, server_id(2))], record, "in use") == "waiting: in use"


class TestQueue:
    @pytest.fixture
    def no_room(self, orchestrator: Orchestrator) -> None:
        """Twenty jobs of somebody else, which end in nine minutes."""
        orchestrator.add_servers(*OTHERS, server_id(1), server_id(2))
        drs = orchestrator.app.drs.at(None, REGION)
        for server in OTHERS:
            drs.start_recovery({server: None}, is_drill=True, tags={})
        orchestrator.let_pass(61)

    def begin(self, orchestrator: Orchestrator, number: int) -> str:
        execution_id = orchestrator.begin(plan(wave("web", server_id(number)), plan_id=f"plan-{number}"))
        orchestrator.let_pass(1)
        return execution_id

    @pytest.mark.usefixtures("no_room")
    def test_a_wave_without_room_is_queued_and_says_why(self, orchestrator: Orchestrator) -> None:
        execution_id = self.begin(orchestrator, 1)
        [waiting] = orchestrator.show(execution_id)["Waves"]

        assert waiting["Status"] == "QUEUED"
        assert waiting["StatusReason"] == "waiting: 20 of 20 DRS jobs in use"
        assert waiting["Servers"][0]["Status"] == "PENDING"

    @pytest.mark.usefixtures("no_room")
    def test_the_younger_execution_lets_the_older_one_go_first(
        self, orchestrator: Orchestrator, simulator: SimulatorControl
    ) -> None:
        older, younger = self.begin(orchestrator, 1), self.begin(orchestrator, 2)
        simulator.clear_calls()
        orchestrator.launch(younger)

        assert f"after {older}" in orchestrator.show(younger)["Waves"][0]["StatusReason"]
        assert simulator.calls("StartRecovery") == []

        orchestrator.let_pass(600)
        assert orchestrator.launch(older)["jobsLaunched"] == 1
        assert orchestrator.launch(younger)["jobsLaunched"] == 1

    @pytest.mark.usefixtures("no_room")
    def test_room_taken_by_nobody_any_more_is_used_by_all_who_wait(self, orchestrator: Orchestrator) -> None:
        executions = [self.begin(orchestrator, number) for number in (1, 2)]
        documents = [orchestrator.drive(execution_id) for execution_id in executions]

        assert [document["Status"] for document in documents] == ["COMPLETED", "COMPLETED"]

    @pytest.mark.usefixtures("no_room")
    def test_a_ticket_that_could_not_be_given_back_after_the_launch_is_given_back_by_the_repeated_task(
        self, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execution_id = self.begin(orchestrator, 1)
        orchestrator.let_pass(600)
        with monkeypatch.context() as broken:
            broken.setattr(orchestrator.app.queue, "leave", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                orchestrator.launch(execution_id)
        assert len(self.tickets(orchestrator)) == 1

        orchestrator.launch(execution_id)
        assert self.tickets(orchestrator) == []

    @staticmethod
    def tickets(orchestrator: Orchestrator) -> list[object]:
        items = orchestrator.dynamodb.scan(TableName=EXECUTION_TABLE)["Items"]
        return [item for item in items if item["ExecutionId"]["S"].startswith("QUEUE#")]

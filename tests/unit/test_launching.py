"""Recognising the DRS job that an earlier StartRecovery call created, so that it is never called twice."""

from dataclasses import replace

import pytest

from drs_orchestrator.domain.job import DrsJob, ParticipatingServer
from drs_orchestrator.domain.launching import find_own_job, find_unlisted_job, job_tags, may_call_again
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress
from drs_orchestrator.domain.source import LastLaunch
from drs_orchestrator.domain.statuses import ExecutionType

INTENT = 1_000_000
SERVERS = ("s-00000000000000001", "s-00000000000000002")
RECORD = Job(
    key=JobKey(2, 1),
    wave_name="web",
    region="us-east-1",
    account_id=None,
    servers={server: ServerProgress() for server in SERVERS},
    intent_time=INTENT,
    called_time=INTENT,
)
OURS = DrsJob(
    job_id="drsjob-00000000000000001",
    type="LAUNCH",
    status="PENDING",
    initiated_by="START_DRILL",
    created=INTENT + 1.0,
    ended=None,
    servers=tuple(ParticipatingServer(server, "PENDING") for server in SERVERS),
    tags=job_tags("exec-1", RECORD),
)
UNTAGGED = replace(OURS, tags={"Owner": "somebody"})


def found(*seen: DrsJob, execution_type: ExecutionType = ExecutionType.DRILL) -> DrsJob | None:
    return find_own_job("exec-1", execution_type, RECORD, seen)


def test_a_job_carries_its_execution_wave_and_chunk_in_few_plain_tags() -> None:
    assert job_tags("exec-1", RECORD) == {
        "drs-orchestrator:execution-id": "exec-1",
        "drs-orchestrator:wave": "2",
        "drs-orchestrator:chunk": "1",
    }


def test_a_job_is_found_by_its_tags_whatever_else_it_carries() -> None:
    assert found(UNTAGGED, replace(OURS, tags={**OURS.tags, "aws:extra": "x"}, servers=())) is not None


def test_a_job_whose_tags_were_lost_is_found_by_servers_initiator_and_time() -> None:
    assert found(UNTAGGED) is UNTAGGED


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(OURS, tags=job_tags("exec-2", RECORD)), id="another execution"),
        pytest.param(replace(OURS, tags=OURS.tags | {"drs-orchestrator:chunk": "0"}), id="another chunk"),
        pytest.param(replace(UNTAGGED, created=INTENT - 6.0), id="older than the call"),
        pytest.param(replace(UNTAGGED, initiated_by="START_RECOVERY"), id="a recovery, not our drill"),
        pytest.param(replace(UNTAGGED, servers=OURS.servers[:1]), id="other servers"),
        pytest.param(replace(OURS, type="TERMINATE"), id="a termination"),
        pytest.param(replace(OURS, type="CREATE_CONVERTED_SNAPSHOT"), id="a snapshot conversion"),
    ],
)
def test_a_job_that_is_not_the_result_of_our_call_is_never_adopted(other: DrsJob) -> None:
    assert found(other) is None


def test_clocks_that_disagree_a_little_do_not_hide_a_job() -> None:
    early = replace(UNTAGGED, created=INTENT - 5.0)

    assert found(early) is early


def test_somebody_elses_job_from_just_before_our_call_is_never_adopted() -> None:
    assert found(replace(UNTAGGED, created=INTENT - 13.0)) is None


def test_a_job_without_tags_is_not_ours_when_no_call_of_ours_can_have_taken_effect() -> None:
    uncalled = replace(RECORD, called_time=None)

    assert find_own_job("exec-1", ExecutionType.DRILL, uncalled, [UNTAGGED]) is None
    assert find_own_job("exec-1", ExecutionType.DRILL, uncalled, [OURS]) is OURS


def test_a_recovery_is_recognised_by_its_own_initiator() -> None:
    recovery = replace(UNTAGGED, initiated_by="START_RECOVERY")

    assert found(recovery, execution_type=ExecutionType.RECOVERY) is recovery


UNLISTED = LastLaunch("drsjob-00000000000000001", INTENT + 1.0, "DRILL")


def test_a_job_that_drs_does_not_list_is_ours_when_it_launched_all_our_servers_last() -> None:
    launches = dict.fromkeys((*SERVERS, "s-00000000000000003"), UNLISTED)

    assert find_unlisted_job(ExecutionType.DRILL, RECORD, launches) is UNLISTED


@pytest.mark.parametrize(
    ("job", "launch", "servers"),
    [
        pytest.param(RECORD, UNLISTED, SERVERS[:1], id="only some of our servers"),
        pytest.param(RECORD, replace(UNLISTED, called=INTENT - 6.0), SERVERS, id="older than the call"),
        pytest.param(RECORD, replace(UNLISTED, type="RECOVERY"), SERVERS, id="a recovery, not our drill"),
        pytest.param(RECORD, replace(UNLISTED, type=""), SERVERS, id="nobody says what it is"),
        pytest.param(replace(RECORD, called_time=None), UNLISTED, SERVERS, id="no call of ours can have taken effect"),
    ],
)
def test_an_unlisted_job_that_may_be_somebody_elses_is_never_adopted(
    job: Job, launch: LastLaunch, servers: tuple[str, ...]
) -> None:
    assert find_unlisted_job(ExecutionType.DRILL, job, dict.fromkeys(servers, launch)) is None


def test_two_unlisted_jobs_are_not_one_of_ours() -> None:
    launches = {SERVERS[0]: UNLISTED, SERVERS[1]: replace(UNLISTED, job_id="drsjob-00000000000000002")}

    assert find_unlisted_job(ExecutionType.DRILL, RECORD, launches) is None


def test_a_call_may_be_repeated_only_when_it_can_no_longer_take_effect() -> None:
    uncalled = replace(RECORD, called_time=None)

    assert not may_call_again(RECORD, settle_seconds=120, now=INTENT + 119)
    assert may_call_again(RECORD, settle_seconds=120, now=INTENT + 120)
    assert may_call_again(uncalled, settle_seconds=120, now=INTENT)

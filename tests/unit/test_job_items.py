"""A job's two items: nothing of a job is lost in them, and the one that is written most often stays small."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.adapters import job_items
from drs_orchestrator.adapters.table import pack, unpack
from drs_orchestrator.domain.choices import Impact
from drs_orchestrator.domain.records import Job, JobKey, News, ServerProgress, UnknownWord
from drs_orchestrator.domain.statuses import LaunchActionsStatus, ServerStatus
from tests.helpers.orchestrator import server_id

ID = "exec-20261126-120000-0123abcd"
LAUNCHED = 1_800_000_000
TIMES = st.none() | st.integers(LAUNCHED - 100, LAUNCHED + 100_000)
TEXTS = st.none() | st.text(min_size=1, max_size=10)
SERVERS = st.builds(
    ServerProgress,
    status=st.sampled_from(ServerStatus),
    impact=st.sampled_from(Impact),
    snapshot_id=st.none() | st.just("pit-00000000000000001"),
    name=TEXTS,
    phase=st.sampled_from([None, "SNAPSHOT", "CONVERSION", "LAUNCH", "LAUNCH_ACTIONS"]),
    named=st.booleans(),
    launched_time=TIMES,
    launch_actions=st.none() | st.sampled_from(LaunchActionsStatus),
    detailed=st.booleans(),
    timeout_detected=st.booleans(),
    expects_actions=st.none() | st.booleans(),
    actions_began=TIMES,
    skip_reason=TEXTS,
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "Status": st.sampled_from([status.value for status in ServerStatus]),
        "InstanceId": st.just("i-00000000000000001"),
        "Error": st.text(min_size=1, max_size=10),
        "PostLaunchActionsStatus": st.sampled_from([status.value for status in LaunchActionsStatus]),
        "TimeoutDetected": st.just(True),
    },
)


def news(version: int, servers: dict[str, dict[str, Any]], time: int = LAUNCHED + 60) -> News:
    changed = [{"SourceServerId": server} | change for server, change in servers.items()]
    return News(version, job_items.servers_changed("web", "drsjob-00000000000000001", changed, time))


def through_the_table(job: Job) -> Job:
    stored = [unpack(pack(make(ID, job))) for make in (job_items.job, job_items.servers)]
    [read] = job_items.read_jobs(stored)
    return read


@given(st.lists(SERVERS, max_size=5), st.none() | st.just(LAUNCHED), st.lists(CHANGES, max_size=5))
def test_every_field_survives(servers: list[ServerProgress], launched: int | None, changes: list[Any]) -> None:
    members = {server_id(number): server for number, server in enumerate(servers)}
    told = dict(zip(members, changes, strict=False))
    job = Job(
        key=JobKey(12, 3),
        wave_name="web",
        region="us-east-1",
        account_id="012345678901",
        servers=members,
        version=7,
        intent_time=LAUNCHED - 2,
        called_time=LAUNCHED - 1,
        job_id="drsjob-00000000000000001",
        launch_time=launched,
        polls_at_launch=4,
        drs_status="STARTED",
        end_time=LAUNCHED + 600,
        missing_since=LAUNCHED + 601,
        finished=True,
        status_reason="why",
        refusal="no",
        queued=True,
        queued_since=LAUNCHED - 50,
        unknown_words=(UnknownWord("Event", "NEW_WORD", LAUNCHED, server_id(1)), UnknownWord("Status", "X", LAUNCHED)),
        replaces=("i-1", "i-2"),
        protection={"i-3": "", "i-4": "denied"},
        protection_rounds=2,
        untold=(news(6, told), news(7, told, LAUNCHED + 75)),
    )

    assert through_the_table(job) == job


def test_a_job_of_which_nothing_is_known_survives_too() -> None:
    job = Job(JobKey(0, 0), "web", "us-east-1", None, {server_id(1): ServerProgress()})

    assert through_the_table(job) == job


def test_jobs_are_read_in_their_order_whatever_else_is_among_the_records() -> None:
    jobs = [Job(JobKey(0, chunk), "web", "us-east-1", None, {server_id(chunk): ServerProgress()}) for chunk in range(3)]
    records = [unpack(pack(make(ID, job))) for job in reversed(jobs) for make in (job_items.job, job_items.servers)]
    other = {"ExecutionId": ID, "Record": "WAVE#0000"}

    assert [job.key for job in job_items.read_jobs([other, *records])] == [job.key for job in jobs]

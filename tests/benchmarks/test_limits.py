"""Nothing comes within half of a limit of AWS's, measured on small executions and reckoned up to the largest plan, or
with the fullest record that may be written."""

import pytest

from benchmarks.growth import ANSWER_LIMIT, ITEM_LIMIT, PAYLOAD_LIMIT, largest_payload
from benchmarks.metering import Load, MeteredWorld, executed, item_size
from drs_orchestrator.adapters import execution_items as items
from drs_orchestrator.adapters import job_items
from drs_orchestrator.adapters.table import pack
from drs_orchestrator.domain.plan import MAX_SERVERS_PER_JOB, MAX_SERVERS_PER_PLAN
from drs_orchestrator.domain.progress import to_keep
from drs_orchestrator.domain.records import Job, JobKey, News, ServerProgress, UnknownWord, Wave
from drs_orchestrator.domain.statuses import ExecutionType, LaunchActionsStatus, ServerStatus, WaveStatus
from drs_orchestrator.domain.vocabulary import MAX_UNKNOWN_WORDS

FEW, MANY = 10, 40
MAX_WAVES = 100
LAUNCHED = 1_800_000_000
ID = "exec-20270115-080000-43e56215"
# As long as any text of DRS's that was seen, several times over.
LONG = "An error occurred (UnauthorizedOperation) when calling the RunInstances operation: no. " * 10
# Records of which there is one for each job hold at most the servers of a job; the others may grow with the plan.
OF_A_JOB = ("JOB", "HISTORY", "SERVER")


@pytest.fixture(scope="module")
def worlds() -> dict[int, MeteredWorld]:
    """One execution with few servers and one with many."""
    found = {}
    for servers in (FEW, MANY):
        with executed(Load(servers, 1, profile="fast-mode")) as world:
            world.show(next(iter(world.records.executions)))
            found[servers] = world
    return found


def at(servers: int, few: int, many: int) -> float:
    """What grows evenly from few to many, at so many servers."""
    return many + (servers - MANY) * (many - few) / (MANY - FEW)


def test_no_tasks_input_or_output_grows_with_the_servers(worlds: dict[int, MeteredWorld]) -> None:
    few, many = largest_payload(worlds[FEW]), largest_payload(worlds[MANY])

    assert many <= few + 10
    assert 2 * at(MAX_SERVERS_PER_PLAN, few, many) < PAYLOAD_LIMIT


def test_no_item_comes_near_its_limit_with_the_largest_plan(worlds: dict[int, MeteredWorld]) -> None:
    few, many = (worlds[servers].largest_items for servers in (FEW, MANY))
    most = {
        kind: at(MAX_SERVERS_PER_JOB if kind in OF_A_JOB else MAX_SERVERS_PER_PLAN, few[kind], many[kind])
        for kind in many
    }

    # The plan is kept in pieces of 16,000 characters.
    assert min(most.pop("PLAN"), 16_500) < ITEM_LIMIT / 2
    assert {kind: size for kind, size in most.items() if 2 * size >= ITEM_LIMIT} == {}


def test_the_answer_with_the_largest_execution_stays_below_half_of_lambdas_limit(
    worlds: dict[int, MeteredWorld],
) -> None:
    few, many = (worlds[servers].largest_outputs["ApiFunction"] for servers in (FEW, MANY))

    assert 2 * at(MAX_SERVERS_PER_PLAN, few, many) < ANSWER_LIMIT


def test_a_check_makes_calls_in_proportion_to_what_moved(worlds: dict[int, MeteredWorld]) -> None:
    quiet = {servers: min(poll["calls"] for poll in world.polls) for servers, world in worlds.items()}
    units = {servers: min(poll["write units"] for poll in world.polls) for servers, world in worlds.items()}

    assert units == {FEW: 1, MANY: 1}
    # Header, active jobs and waves together, DescribeJobs, the job's log, the header's sign of life.
    assert quiet[FEW] == 4
    # The log has pages of a hundred events.
    assert quiet[MANY] <= quiet[FEW] + MANY * 8 // 100


def test_the_fullest_record_of_a_job_stays_below_half_of_its_limit() -> None:
    servers = {
        f"s-{number:017x}": ServerProgress(
            ServerStatus.IN_PROGRESS,
            snapshot_id=f"pit-{number:017x}",
            phase="LAUNCH_ACTIONS",
            instance_id=f"i-{number:017x}",
            launched_time=1_800_000_000,
            launch_actions=LaunchActionsStatus.IN_PROGRESS,
            detailed=True,
            timeout_detected=True,
            expects_actions=True,
            actions_began=1_800_000_000,
            name="n" * 255,
            # A server is skipped or fails.
            skip_reason=LONG if number % 2 else None,
        )
        for number in range(MAX_SERVERS_PER_JOB)
    }
    failed = [{"SourceServerId": server, "Status": "FAILED", "Error": LONG} for server in list(servers)[::2]]
    news = [News(version, job_items.servers_changed("w", "d", failed, 1_800_000_000)) for version in range(2)]
    words = [UnknownWord("Event", "X" * 128, 1_800_000_000, f"s-{number:017x}") for number in range(MAX_UNKNOWN_WORDS)]
    job = Job(
        JobKey(99, 29),
        "w" * 128,
        "ap-southeast-1",
        "1" * 12,
        servers,
        job_id="drsjob-" + "0" * 17,
        status_reason=LONG,
        refusal=LONG,
        unknown_words=tuple(words),
        replaces=tuple(f"i-{number:017x}" for number in range(MAX_SERVERS_PER_JOB)),
        protection={f"i-{number:017x}": LONG[:300] for number in range(MAX_SERVERS_PER_JOB)},
        untold=tuple(news),
    )

    assert 2 * item_size(pack(job_items.job(ID, job))) < ITEM_LIMIT
    assert 2 * item_size(pack(job_items.servers(ID, job))) < ITEM_LIMIT


def test_fifty_servers_in_launch_take_one_write_unit_with_their_news() -> None:
    """At its fullest: a recovery, half of whose servers wait for launch actions and half for their launch."""
    waits = ServerProgress(
        ServerStatus.LAUNCHED,
        phase="LAUNCH_ACTIONS",
        named=True,
        instance_id="i-0123456789abcdef0",
        launched_time=LAUNCHED + 1234,
        launch_actions=LaunchActionsStatus.IN_PROGRESS,
        detailed=True,
        actions_began=LAUNCHED + 1300,
    )
    launching = ServerProgress(ServerStatus.IN_PROGRESS, phase="LAUNCH")
    change = {"SourceServerId": f"s-{1:017x}", "Status": "LAUNCHED", "InstanceId": "i-0123456789abcdef0"}
    news = News(99, job_items.servers_changed("web", "drsjob-00000000000000001", [change], LAUNCHED + 1400))
    job = Job(
        JobKey(2, 0),
        "web",
        "us-east-1",
        None,
        {f"s-{number:017x}": waits if number % 2 else launching for number in range(50)},
        version=99,
        intent_time=LAUNCHED - 2,
        called_time=LAUNCHED - 1,
        job_id="drsjob-00000000000000001",
        launch_time=LAUNCHED,
        polls_at_launch=60,
        drs_status="STARTED",
        untold=(news,),
    )

    assert item_size(pack(job_items.job(ID, to_keep(job, ExecutionType.RECOVERY)))) <= 1024


def test_the_fullest_record_of_a_wave_stays_below_half_of_its_limit() -> None:
    names = tuple("w" * 125 + f"{number:03d}" for number in range(MAX_WAVES - 1))
    wave = Wave(99, "w" * 128, names, "ap-southeast-1", "1" * 12, 3000, 30, WaveStatus.FAILED, status_reason=LONG)

    assert 2 * item_size(pack(items.wave(ID, wave))) < ITEM_LIMIT

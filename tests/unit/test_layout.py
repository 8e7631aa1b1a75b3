"""From a plan to records: one job for every hundred servers of a wave."""

from drs_orchestrator.domain.choices import Impact
from drs_orchestrator.domain.layout import lay_out
from drs_orchestrator.domain.plan import Plan, Server, Wave
from drs_orchestrator.domain.records import JobKey


def servers(first: int, count: int) -> tuple[Server, ...]:
    return tuple(Server(f"s-{number:017x}") for number in range(first, first + count))


def test_a_wave_of_more_than_a_hundred_servers_becomes_several_jobs() -> None:
    plan = Plan(
        "p",
        "P",
        "",
        (
            Wave("big", (), "us-east-1", servers=servers(0, 201)),
            Wave("small", ("big",), "eu-west-1", "012345678901", servers=servers(1000, 1)),
        ),
    )
    waves, jobs = lay_out(plan)

    assert [(wave.index, wave.server_count, wave.job_count) for wave in waves] == [(0, 201, 3), (1, 1, 1)]
    assert [(job.key, len(job.servers)) for job in jobs] == [
        (JobKey(0, 0), 100),
        (JobKey(0, 1), 100),
        (JobKey(0, 2), 1),
        (JobKey(1, 0), 1),
    ]
    assert (jobs[3].region, jobs[3].account_id) == ("eu-west-1", "012345678901")
    assert waves[1].depends_on == ("big",)


def test_every_server_keeps_its_impact_and_pinned_snapshot() -> None:
    pinned = Server("s-00000000000000001", Impact.OPTIONAL, "pit-00000000000000001")
    _, [job] = lay_out(Plan("p", "P", "", (Wave("w", (), "us-east-1", servers=(pinned,)),)))
    progress = job.servers[pinned.source_server_id]

    assert (progress.impact, progress.snapshot_id) == (Impact.OPTIONAL, "pit-00000000000000001")


def test_laying_out_twice_gives_the_same_records() -> None:
    plan = Plan("p", "P", "", (Wave("w", (), "us-east-1", servers=servers(0, 150)),))

    assert lay_out(plan) == lay_out(plan)

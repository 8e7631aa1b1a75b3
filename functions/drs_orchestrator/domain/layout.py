"""From a plan to the wave and job records of a new execution: one job for every 100 servers of a wave.

Servers that the start decided not to launch are SKIPPED from the beginning; a job of nothing else is finished.
"""

from dataclasses import replace

from drs_orchestrator.domain import plan as plans
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress, Wave
from drs_orchestrator.domain.statuses import ServerStatus


def lay_out(plan: plans.Plan) -> tuple[list[Wave], list[Job]]:
    """Deterministic: the same plan always gives the same records, whoever lays them out and however often."""
    waves = [_wave(index, wave) for index, wave in enumerate(plan.waves)]
    jobs = [job for index, wave in enumerate(plan.waves) for job in _jobs(index, wave)]
    return waves, jobs


def _wave(index: int, wave: plans.Wave) -> Wave:
    return Wave(
        index=index,
        name=wave.name,
        depends_on=wave.depends_on,
        region=wave.region,
        account_id=wave.account_id,
        server_count=len(wave.servers),
        job_count=len(plans.chunk(wave.servers)),
        approval_before=wave.approval_before,
        on_failure=wave.on_failure,
        minimum_launched=_minimum(wave),
    )


def _minimum(wave: plans.Wave) -> int | None:
    return None if wave.minimum_launched is None else plans.launches_needed(wave.minimum_launched, len(wave.servers))


def _jobs(index: int, wave: plans.Wave) -> list[Job]:
    return [
        Job(
            key=JobKey(index, number),
            wave_name=wave.name,
            region=wave.region,
            account_id=wave.account_id,
            servers={server.source_server_id: _server(server) for server in servers},
            finished=all(server.skip_reason is not None for server in servers),
        )
        for number, servers in enumerate(plans.chunk(wave.servers))
    ]


def _server(server: plans.Server) -> ServerProgress:
    progress = ServerProgress(impact=server.impact, snapshot_id=server.recovery_snapshot_id)
    if server.skip_reason is None:
        return progress
    return replace(progress, status=ServerStatus.SKIPPED, detailed=True, skip_reason=server.skip_reason)

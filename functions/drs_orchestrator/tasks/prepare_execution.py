"""Lay out the execution's records from its plan and make it POLLING. Safe to repeat: existing records stay."""

from typing import Any

from drs_orchestrator.adapters.drs import DrsUnavailable
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain import plan as plans
from drs_orchestrator.domain.records import Job, JobKey, ServerProgress, Wave
from drs_orchestrator.observability import logger
from drs_orchestrator.tasks.fence import Outcome, driven_execution


def prepare_execution(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": READY|SUPERSEDED, "intervals": {"pending", "transition", "progress"}}`, intervals in seconds."""
    execution = driven_execution(app, execution_id, generation)
    if execution is None:
        return {"outcome": Outcome.SUPERSEDED, "intervals": {}}
    if not execution.prepared:
        plan = app.executions.plan(execution_id)
        waves = [_wave(index, wave) for index, wave in enumerate(plan.waves)]
        jobs = [job for index, wave in enumerate(plan.waves) for job in _jobs(index, wave)]
        app.executions.lay_out(execution_id, waves, jobs, _names(app, plan))
        if app.executions.begin_polling(execution) is None and driven_execution(app, execution_id, generation) is None:
            return {"outcome": Outcome.SUPERSEDED, "intervals": {}}
    intervals = app.settings.intervals
    return {
        "outcome": Outcome.READY,
        "intervals": {
            "pending": intervals.pending,
            "transition": intervals.transition,
            "progress": intervals.progress,
        },
    }


def _wave(index: int, wave: plans.Wave) -> Wave:
    return Wave(
        index=index,
        name=wave.name,
        depends_on=wave.depends_on,
        region=wave.region,
        account_id=wave.account_id,
        server_count=len(wave.servers),
        job_count=len(list(plans.chunk(wave.servers))),
    )


def _jobs(index: int, wave: plans.Wave) -> list[Job]:
    return [
        Job(
            key=JobKey(index, number),
            wave_name=wave.name,
            region=wave.region,
            account_id=wave.account_id,
            servers={
                server.source_server_id: ServerProgress(impact=server.impact, snapshot_id=server.recovery_snapshot_id)
                for server in servers
            },
        )
        for number, servers in enumerate(plans.chunk(wave.servers))
    ]


def _names(app: App, plan: plans.Plan) -> dict[str, str]:
    """The servers' names, for people. Without them the execution is as good, so a silent DRS stops nothing."""
    names: dict[str, str] = {}
    for wave in plan.waves:
        try:
            found = app.drs.at(wave.account_id, wave.region).names(server.source_server_id for server in wave.servers)
        except DrsUnavailable as error:
            logger.warning("names unavailable", plan_id=plan.plan_id, wave=wave.name, reason=str(error))
        else:
            names |= found
    return names

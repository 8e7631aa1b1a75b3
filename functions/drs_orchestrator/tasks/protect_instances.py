"""One round of protecting what a RECOVERY launched from being terminated.

Safe to repeat, late or beside itself: protecting an instance twice changes nothing, and what EC2 has decided about is
in the job's record.
"""

from collections import defaultdict
from typing import Any

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.history import Event, Kind
from drs_orchestrator.domain.protection import after_round, next_jobs, told, undecided
from drs_orchestrator.domain.records import Execution, Job
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.fence import Outcome, driven_execution

# After this no call to EC2 is begun: the function has five minutes, and what is decided has to be written.
_SECONDS = 150


def protect_instances(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": PROTECTED|SUPERSEDED, "instancesOpen", "handOver"}`: how many instances EC2 has to be asked about
    again. What can't be protected fails neither the execution nor a server."""
    execution = driven_execution(app, execution_id, generation)
    if execution is None:
        return _result(Outcome.SUPERSEDED)
    if not _is_wanted(app, execution):
        return _result(Outcome.PROTECTED)
    jobs = {job.key: job for job in app.executions.jobs_with_instances(execution_id)}
    for job in _protect(app, execution, next_jobs(jobs.values())):
        jobs[job.key] = _save(app, execution, job)
    unsettled = sum(len(undecided(job)) for job in jobs.values())
    if unsettled == 0:
        return _result(Outcome.PROTECTED)
    current = app.executions.heartbeat(execution, now=app.clock(), polled=False)
    if current is None:
        return _result(Outcome.SUPERSEDED)
    hand_over = current.driver_rounds >= app.settings.max_polls_per_driver
    return _result(Outcome.PROTECTED, unsettled, hand_over=hand_over)


def _is_wanted(app: App, execution: Execution) -> bool:
    if execution.execution_type is not ExecutionType.RECOVERY:
        return False
    return app.executions.plan(execution.execution_id).termination_protection


def _protect(app: App, execution: Execution, jobs: list[Job]) -> list[Job]:
    """The jobs after this round. One call of EC2's is about one instance, so those of a place are asked together."""
    deadline = app.timer() + _SECONDS
    places: dict[tuple[str | None, str], list[Job]] = defaultdict(list)
    for job in jobs:
        places[(job.account_id, job.region)].append(job)
    after = []
    for place, there in places.items():
        wanted = [instance_id for job in there for instance_id in undecided(job)]
        outcomes = app.ec2.at(*place, execution.execution_id).protect(wanted, lambda: app.timer() < deadline)
        after += [after_round(job, {each: outcomes[each] for each in undecided(job)}) for job in there]
    return after


def _save(app: App, execution: Execution, job: Job) -> Job:
    """The job as it is recorded now, by this driver or by one that was faster."""
    event = None if undecided(job) else Event(Kind.INSTANCES_PROTECTED, app.clock(), data=told(job))
    saved = app.executions.save_job(execution, job, event)
    if saved is None:
        recorded = app.executions.jobs_with_instances(execution.execution_id)
        return next(each for each in recorded if each.key == job.key)
    if event:
        logger.info(
            "instances protected",
            **about(execution, job.wave_name, job.job_id),
            protected=event.data["Protected"],
            unprotected=event.data["Unprotected"],
        )
    return saved


def _result(outcome: Outcome, unsettled: int = 0, *, hand_over: bool = False) -> dict[str, Any]:
    return {"outcome": outcome, "instancesOpen": unsettled, "handOver": hand_over}

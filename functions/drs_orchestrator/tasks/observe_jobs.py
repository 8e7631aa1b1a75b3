"""Ask DRS about every active job of an execution and record what it says. Used by the check and the reconciler."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from drs_orchestrator.adapters.drs import Drs, DrsUnavailable
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.job import DrsJob, JobObservation
from drs_orchestrator.domain.progress import Limits, asks_for_instances, observe, unknown_launch_actions
from drs_orchestrator.domain.records import Execution, Job, JobKey, JobUpdate
from drs_orchestrator.observability import about, logger

# No question is begun after so many seconds. A hanging one takes a minute, and the check has three for everything.
_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Observation:
    """The active jobs as they now stand, what was seen of those DRS was asked about, and what kept it from being asked
    (if anything)."""

    jobs: tuple[Job, ...]
    seen: Mapping[JobKey, JobObservation]
    trouble: DrsUnavailable | None


def observe_jobs(app: App, execution: Execution, jobs: Sequence[Job]) -> Observation:
    """One DescribeJobs per account and Region for these active jobs of the execution; a throttled, failing or hanging
    DRS is trouble to report, never an error. What is found stands in the records; the history is still to be told.

    Places and their jobs come in a drawn order: what one of them takes all the time for is not the same in each round.
    """
    deadline = app.timer() + _SECONDS
    by_place: dict[tuple[str | None, str], list[Job]] = defaultdict(list)
    for job in jobs:
        if job.job_id and not job.finished:
            by_place[(job.account_id, job.region)].append(job)
    current = {job.key: job for job in jobs}
    looks: dict[JobKey, JobObservation] = {}
    trouble: DrsUnavailable | None = None
    for account_id, region in sorted(by_place, key=lambda _: app.draw()):
        asked = by_place[account_id, region]
        if app.timer() > deadline:
            trouble = trouble or DrsUnavailable(f"there was no time left to ask DRS in {region}")
            continue
        drs = app.drs.at(account_id, region, execution.execution_id)
        try:
            known = drs.describe_jobs(job.job_id for job in asked if job.job_id)
        except DrsUnavailable as error:
            trouble = DrsUnavailable(f"DRS in {region} could not be asked: {error}", error.retry_after)
            app.metrics.drs_unavailable(throttled=error.throttled)
            logger.warning("DRS unavailable", **about(execution), region=region, reason=str(error))
            continue
        details = _Details(app, drs, execution, deadline)
        for job in sorted(asked, key=lambda _: app.draw()):
            looks[job.key] = look = details.look(job, known.get(job.job_id or ""))
            update = observe(job, look, execution.execution_type, _limits(app, execution), app.clock())
            if not update.changed:
                continue
            # A lost race is no loss: whoever was faster saw the same DRS, and the next poll reads its record.
            saved = app.executions.note_observation(execution, update, app.clock())
            current[job.key] = saved or app.executions.job(execution, job.key)
            if saved:
                _tell(app, execution, job, update)
    return Observation(tuple(current.values()), looks, trouble)


@dataclass
class _Details:
    """What DRS is asked besides the list of jobs, in one account and Region. Each question is for itself: what one
    operation can't answer now, another may; but what it has not answered for one job, it isn't asked for the next."""

    app: App
    drs: Drs
    execution: Execution
    deadline: float
    unanswered: set[str] = field(default_factory=set)

    def look(self, job: Job, seen: DrsJob | None) -> JobObservation:
        execution_type, limits = self.execution.execution_type, _limits(self.app, self.execution)
        log = instances = None
        denied = False
        expects_actions: dict[str, bool | None] = {}
        with self._asking("log", job) as may_ask:
            if may_ask and seen and seen.status != "PENDING":
                log = self.drs.job_log(seen.job_id)
            elif may_ask and seen is None:
                denied = not self.drs.has_log(job.job_id or "")
        with self._asking("instances", job) as may_ask:
            if may_ask and asks_for_instances(job, seen, log, execution_type):
                instances = self.drs.instances_of_job(job.job_id or "", job.servers)
        for server_id in unknown_launch_actions(job, seen, execution_type, limits, self.app.clock()):
            with self._asking("launch actions", job) as may_ask:
                if may_ask:
                    expects_actions[server_id] = self.drs.expects_launch_actions(server_id)
        return JobObservation(seen, log, instances, expects_actions, denied)

    @contextmanager
    def _asking(self, what: str, job: Job) -> Iterator[bool]:
        """Whether it may be asked now; a DRS that does not answer is noted."""
        try:
            yield what not in self.unanswered and self.app.timer() <= self.deadline
        except DrsUnavailable as error:
            self.unanswered.add(what)
            self.app.metrics.drs_unavailable(throttled=error.throttled)
            keys = about(self.execution, job.wave_name, job.job_id)
            logger.warning("details unavailable", **keys, reason=str(error))


def _limits(app: App, execution: Execution) -> Limits:
    limits = app.settings.limits
    if execution.launch_actions_timeout is not None:
        limits = replace(limits, launch_actions=execution.launch_actions_timeout)
    return limits


def _tell(app: App, execution: Execution, before: Job, update: JobUpdate) -> None:
    """What this look found, told by whoever's record is saved. Each unknown word has one line, by its first finder."""
    job = update.job
    app.metrics.servers_changed(execution, update.changes)
    if before.end_time is None and job.end_time is not None:
        app.metrics.job_ended(app.clock() - job.end_time)
    for word in job.unknown_words[len(before.unknown_words) :]:
        logger.warning(
            "DRS said a word nobody knows",
            **about(execution, job.wave_name, job.job_id),
            source_server_id=word.source_server_id,
            kind=word.kind,
            word=word.word,
        )

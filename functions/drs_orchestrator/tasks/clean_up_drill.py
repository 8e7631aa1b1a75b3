"""One round of a drill's clean-up: see in DRS what is left of it, and ask DRS to terminate that.

Safe to repeat, late or beside itself: every round begins with what DRS says, and an instance that is being terminated
is not asked to go again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from drs_orchestrator.adapters.drs import Drs, DrsUnavailable, StartResult
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain import clean_up as domain
from drs_orchestrator.domain.clean_up import CleanUp, DrillInstance, Fate
from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.records import Execution, Job
from drs_orchestrator.domain.source import RecoveryInstance
from drs_orchestrator.domain.statuses import ServerStatus
from drs_orchestrator.observability import about, logger
from drs_orchestrator.tasks.fence import Outcome
from drs_orchestrator.tasks.publish_events import publish_events

# The history's entry about the end has to fit a record; the document names every instance.
_MAX_LEFT_IN_HISTORY = 500

# No job is looked at after so many seconds: one whose DRS hangs takes minutes, and the function has five.
_SECONDS = 100


def clean_up_drill(app: App, execution_id: str, generation: int) -> dict[str, Any]:
    """`{"outcome": CLEANED_UP|CLEANING_UP|SUPERSEDED, "instancesOpen", "instancesLeft"}`."""
    execution = app.executions.get(execution_id)
    if execution is None:
        raise LookupError(f"there is no execution {execution_id}")
    clean_up = app.clean_ups.get(execution_id)
    if execution.generation != generation or clean_up is None:
        return _result(Outcome.SUPERSEDED)
    if not clean_up.is_open:
        return _result(Outcome.CLEANED_UP, left=clean_up.left)
    begun = app.clean_ups.count_round(execution, clean_up, app.clock())
    if begun is None:
        return _result(Outcome.SUPERSEDED)
    return _Round(app, execution, begun).run()


@dataclass
class _Round:
    app: App
    execution: Execution
    clean_up: CleanUp
    places: dict[tuple[str | None, str], "_Place"] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        execution_id = self.execution.execution_id
        known = self.app.clean_ups.instances(execution_id)
        jobs = [job for job in self.app.executions.jobs_with_instances(execution_id) if job.job_id]
        everything: dict[str, tuple[Job, DrillInstance]] = {}
        unfinished = unknown = 0
        deadline = self.app.timer() + _SECONDS
        # In a drawn order: those that take all the time are not the same in each round.
        for job in sorted(jobs, key=lambda _: self.app.draw()):
            before = known.get(job.key, {})
            if self.app.timer() <= deadline:
                after, unsure = self._job(job, before)
            else:
                after, unsure = domain.unasked(before, job, "there was no time left to ask DRS for it"), 1
            if self.clean_up.is_at_its_last_round:
                still = [each for each, instance in after.items() if not instance.fate.is_final]
                after = domain.left(after, still, "DRS has not said in time that it is terminated")
                unknown += _without_instance(job, after) if unsure else 0
                unsure = 0
            if after != before:
                self.app.clean_ups.save_instances(execution_id, job.key, after)
            unfinished += unsure + sum(not instance.fate.is_final for instance in after.values())
            everything |= {instance_id: (job, instance) for instance_id, instance in after.items()}
        if unfinished:
            return _result(Outcome.CLEANING_UP, unfinished)
        return self._end(everything, unknown)

    def _job(self, job: Job, known: Mapping[str, DrillInstance]) -> tuple[dict[str, DrillInstance], int]:
        """The job's instances after this round, and how many of its servers are not known to have none."""
        place = self._place(job)
        looked = self.app.clock()
        try:
            seen = {each.instance_id: each for each in place.drs.recovery_instances(job.servers)}
            grace = self.app.settings.limits.completion_grace
            instances = domain.look(known, job, seen.values(), self.app.clock(), grace)
            if any(instance.fate is Fate.LIVING for instance in instances.values()):
                instances = domain.watch(instances, place.jobs_in_use)
                instances = self._terminate(place, job, instances, seen)
            instances = self._give_up(place, instances, looked)
            if self.clean_up.is_overdue:
                instances = domain.left(instances, domain.unmoved(instances), "DRS did not terminate it in time")
        except DrsUnavailable as error:
            logger.warning("clean-up waits for DRS", **self._about(job), reason=str(error))
            return domain.unasked(known, job, str(error)), 1
        return instances, self._unseen(job, instances)

    def _terminate(
        self, place: "_Place", job: Job, instances: dict[str, DrillInstance], seen: Mapping[str, RecoveryInstance]
    ) -> dict[str, DrillInstance]:
        ready = domain.ready(instances)
        if not ready:
            return instances
        outcome = place.drs.terminate([seen[instance_id] for instance_id in ready])
        logger.info(
            "drill instances terminated",
            **about(self.execution),
            instances=ready,
            result=outcome.result.value,
            reason=outcome.reason or None,
        )
        if outcome.job:
            return domain.asked(instances, ready, outcome.job.job_id)
        if outcome.result is StartResult.REFUSED and _live_on(ready, place.drs.recovery_instances(job.servers)):
            return domain.left(instances, ready, f"DRS refused to terminate it: {outcome.reason}")
        # Busy, a quota, a conflict, one of them is gone, or nobody knows: the next round sees what has come of it.
        return instances

    def _give_up(self, place: "_Place", instances: dict[str, DrillInstance], looked: int) -> dict[str, DrillInstance]:
        """What lives on although DRS has finished the job that was to terminate it stays; DRS's log says why.

        `looked` is when the instances were looked at: between that and now the job may have done its work.
        """
        listed = [each for each in instances.values() if each.fate is Fate.TERMINATING and each.missing_since is None]
        open_jobs = {each.job_id for each in listed if each.job_id}
        if not open_jobs:
            return instances
        grace = self.app.settings.limits.completion_grace
        for job_id, job in place.drs.describe_jobs(open_jobs).items():
            if job.is_completed and looked - (job.ended or job.created) >= grace:
                log = place.drs.job_log(job_id)
                for instance in listed:
                    if instance.job_id == job_id:
                        server = instance.source_server_id
                        words = [each.raw_error for each in log if each.source_server_id == server and each.raw_error]
                        reason = words[-1] if words else f"it outlived DRS job {job_id}, which was to terminate it"
                        instances = domain.left(instances, [instance.instance_id], reason)
        return instances

    def _unseen(self, job: Job, instances: Mapping[str, DrillInstance]) -> int:
        """Launched servers of which DRS lists no instance of this job: it may only be late, for a moment."""
        if self.app.clock() - self.clean_up.due_time >= self.app.settings.limits.completion_grace:
            return 0
        return _without_instance(job, instances)

    def _end(self, everything: Mapping[str, tuple[Job, DrillInstance]], unknown: int) -> dict[str, Any]:
        instances = [instance for _, instance in everything.values()]
        ended = domain.ended(self.clean_up, instances, self.app.clock(), unknown=unknown)
        left = [
            {
                "InstanceId": instance.instance_id,
                "SourceServerId": instance.source_server_id,
                "Region": job.region,
                "Reason": instance.reason,
            }
            for job, instance in everything.values()
            if instance.fate is Fate.LEFT
        ]
        if not self.app.clean_ups.end(self.execution, ended, left[:_MAX_LEFT_IN_HISTORY]):
            return _result(Outcome.SUPERSEDED)
        logger.info(
            "drill cleaned up",
            **about(self.execution),
            terminated=ended.terminated,
            left=ended.left,
        )
        execution = self.app.executions.get(self.execution.execution_id)
        publish_events(self.app, execution or self.execution)
        return _result(Outcome.CLEANED_UP, left=ended.left)

    def _place(self, job: Job) -> "_Place":
        key = (job.account_id, job.region)
        if key not in self.places:
            self.places[key] = _Place(self.app, self.app.drs.at(*key, self.execution.execution_id))
        return self.places[key]

    def _about(self, job: Job) -> dict[str, Any]:
        return about(self.execution, job.wave_name, job.job_id)


def _without_instance(job: Job, instances: Mapping[str, DrillInstance]) -> int:
    """How many launched servers of the job none of these instances is of."""
    seen = {instance.source_server_id for instance in instances.values()}
    return sum(
        server.status is ServerStatus.LAUNCHED and server_id not in seen for server_id, server in job.servers.items()
    )


def _live_on(instance_ids: Collection[str], seen: Iterable[RecoveryInstance]) -> bool:
    """Whether all of them live. DRS refuses a call that names one which has gone since it was looked at, by whatever
    error, for the others as well."""
    return {each.instance_id for each in seen if each.is_living}.issuperset(instance_ids)


@dataclass
class _Place:
    """DRS of one account and Region during one round."""

    app: App
    drs: Drs

    @cached_property
    def jobs_in_use(self) -> list[DrsJob]:
        return self.drs.jobs_in_use(self.app.clock())


def _result(outcome: Outcome, unfinished: int = 0, left: int = 0) -> dict[str, Any]:
    return {"outcome": outcome, "instancesOpen": unfinished, "instancesLeft": left}

"""Whose turn it is at DRS's quotas in one account and Region.

The oldest execution that waits there asks DRS, however full it looks: DRS's own answer is the only true one. A
younger one asks when DRS's unfinished jobs leave room for all that wait before it, and for itself: so everything that
is free is taken within one round of waiting, and still nobody is overtaken.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from drs_orchestrator.adapters.drs import DrsUnavailable
from drs_orchestrator.adapters.launch_queue import Place, Waiting
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.capacity import MAX_JOBS, Room, room_behind, room_of
from drs_orchestrator.domain.records import Execution, Job
from drs_orchestrator.tasks.launch_job import Attempt, Launch, place_of


class Turn:
    """One execution's turn there, in one invocation."""

    def __init__(self, app: App, execution: Execution, place: Place) -> None:
        self._app = app
        self._execution = execution
        self._place = place
        self._taken = Room(0, 0)
        self._no_room: str | None = None

    @cached_property
    def _ahead(self) -> list[Waiting]:
        execution = self._execution
        return self._app.queue.ahead_of(self._place, execution.execution_id, execution.start_time, self._app.clock())

    @cached_property
    def _room(self) -> Room:
        """What is free for this execution. Nobody behind twenty others can find room, so DRS is not asked; nor is
        anything concluded from its silence."""
        app, place = self._app, self._place
        if len(self._ahead) >= MAX_JOBS:
            return Room(0, 0)
        try:
            drs = app.drs.at(place.account_id, place.region, self._execution.execution_id)
            in_use = drs.jobs_in_use(app.clock())
        except DrsUnavailable:
            return Room(0, 0)
        return room_behind(in_use, (each.needs for each in self._ahead))

    def reason_to_wait(self, job: Job) -> str | None:
        """Why DRS may not be asked to launch the job now; None when it may."""
        if self._no_room or not self._ahead or (self._room - self._taken).holds(room_of(job)):
            return self._no_room
        return f"waiting: place {len(self._ahead) + 1} in the queue, after {self._ahead[-1].execution_id}"

    def note(self, job: Job, attempt: Attempt) -> None:
        """What came of the job: the next one finds less room, or needn't ask at all."""
        self._no_room = self._no_room or attempt.no_room
        if attempt.queued:
            self._app.metrics.job_queued(len(self._ahead) + 1)
        if attempt.launch is Launch.LAUNCHED:
            self._taken += room_of(job)


def keep_places(app: App, execution: Execution, open_jobs: Iterable[Job], places: Iterable[Place]) -> None:
    """Renew the execution's ticket where jobs of it wait for the quotas, give it back at the other `places`."""
    needs: dict[Place, Room] = defaultdict(lambda: Room(0, 0))
    for job in open_jobs:
        if job.queued:
            needs[place_of(app, job)] += room_of(job)
    for place, room in needs.items():
        app.queue.wait(place, execution.execution_id, execution.start_time, room, app.clock())
    for place in set(places) - needs.keys():
        app.queue.leave(place, execution.execution_id, execution.start_time)

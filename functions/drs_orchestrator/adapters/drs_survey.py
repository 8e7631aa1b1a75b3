"""Everything pre-flight wants to know of DRS, asked side by side and within a limit of time.

What could not be asked, in time or because DRS throttles or fails, is a gap that says so: on the worst night DRS may be
slow, and a plan must be startable all the same. An operation that fails once in an account and Region is not asked
again there: the launches that follow need its rate more.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from typing import Any

from drs_orchestrator.adapters.drs import SERVER_IDS_PER_CALL, Drs, DrsAccounts, DrsUnavailable
from drs_orchestrator.domain.choices import Impact
from drs_orchestrator.domain.facts import Gap, PlaceFacts, ServerFacts
from drs_orchestrator.domain.job import DrsJob
from drs_orchestrator.domain.plan import Server
from drs_orchestrator.domain.source import RecoveryInstance, SourceServer

_PARALLEL_QUESTIONS = 8

type Place = tuple[str | None, str]
"""Account (None: the orchestrator's own) and Region."""


def survey(
    accounts: DrsAccounts,
    wanted: Mapping[Place, Sequence[Server]],
    jobs_since: float,
    seconds: float,
    timer: Callable[[], float],
) -> dict[Place, PlaceFacts]:
    """The facts about these servers, by account and Region.

    `jobs_since` (epoch seconds): older jobs have certainly ended. No question is begun `seconds` after the call;
    `timer` gives seconds, from any origin.
    """
    inquiries = [_Inquiry(place, servers, accounts.briefly_at(*place)) for place, servers in wanted.items()]
    deadline = timer() + seconds
    in_time = _InTime(timer, deadline, seconds)
    for inquiry in inquiries:
        inquiry.enter(in_time)
    with ThreadPoolExecutor(_PARALLEL_QUESTIONS) as pool:
        # First what one call answers for many servers, which decides nearly everything.
        for questions in (_Inquiry.about_many, _Inquiry.about_each):
            asked = [question for inquiry in inquiries for question in questions(inquiry, jobs_since)]
            for question, answer in zip(asked, pool.map(in_time.put, asked), strict=True):
                question.take(answer)
    return {inquiry.place: inquiry.facts() for inquiry in inquiries}


@dataclass(frozen=True, slots=True)
class _Question:
    """`subject`: what it is about, in words; `keep` takes the answer."""

    inquiry: "_Inquiry"
    subject: str
    server_ids: Sequence[str]
    ask: Callable[[], Any]
    keep: Callable[[Any], None]

    def take(self, answer: Any) -> None:
        if isinstance(answer, DrsUnavailable) or answer is None:
            reason = str(answer or "DRS refuses to tell")
            self.inquiry.unanswered[self.subject, reason] += len(self.server_ids)
        else:
            self.keep(answer)


@dataclass(frozen=True, slots=True)
class _InTime:
    timer: Callable[[], float]
    deadline: float
    seconds: float

    def check(self) -> None:
        """Raises DrsUnavailable when nothing more may be begun."""
        if self.timer() >= self.deadline:
            raise DrsUnavailable(f"there was no time left of {self.seconds:.0f} seconds")

    def put(self, question: _Question) -> Any:
        """The answer, or the DrsUnavailable that kept it from being given."""
        failures = question.inquiry.failures
        if question.subject in failures:
            return failures[question.subject]
        try:
            self.check()
        except DrsUnavailable as error:
            return error
        try:
            return question.ask()
        except DrsUnavailable as error:
            failures[question.subject] = error
            return error


@dataclass(slots=True)
class _Inquiry:
    """What is being learned in one account and Region. `refused`: what a launch there would wait for in vain."""

    place: Place
    servers: Sequence[Server]
    drs: Drs
    learned: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    jobs: tuple[DrsJob, ...] | None = None
    failures: dict[str, DrsUnavailable] = field(default_factory=dict)
    unanswered: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    closed: bool = False
    refused: DrsUnavailable | None = None

    def enter(self, in_time: _InTime) -> None:
        try:
            in_time.check()
            self.drs.connect()
        except DrsUnavailable as error:
            self.closed = True
            self.refused = error if error.refusal else None
            self.unanswered["everything", str(error)] = len(self.servers)

    def about_many(self, jobs_since: float) -> Iterator[_Question]:
        if self.closed:
            return
        yield _Question(self, "jobs", (), partial(self.drs.jobs_since, jobs_since), self._keep_jobs)
        for ids in batched((server.source_server_id for server in self.servers), SERVER_IDS_PER_CALL):
            ask, keep = partial(self.drs.describe_source_servers, ids), partial(self._keep_sources, ids)
            yield _Question(self, "source servers", ids, ask, keep)
            look, note = partial(self.drs.recovery_instances, ids), partial(self._keep_instances, ids)
            yield _Question(self, "recovery instances", ids, look, note)

    def about_each(self, _jobs_since: float) -> Iterator[_Question]:
        # Jobs and recovery instances are what a launch asks for itself; the rest only pre-flight wants to know.
        needed = (self.failures.get(subject) for subject in ("jobs", "recovery instances"))
        self.refused = self.refused or next((failure for failure in needed if failure and failure.refusal), None)
        if self.closed or self.refused:
            return
        known = [server for server in self.servers if self.learned[server.source_server_id].get("is_known", True)]
        # A pinned point that is gone is an error, and errors of CRITICAL servers refuse the start: these go first.
        known.sort(key=lambda server: (server.recovery_snapshot_id is None, server.impact is Impact.OPTIONAL))
        for server in known:
            server_id = server.source_server_id
            ask = partial(self.drs.recovery_points, server_id, server.recovery_snapshot_id)
            yield _Question(self, "recovery points", (server_id,), ask, partial(self._keep, server_id, "points"))
        for server in known:
            server_id = server.source_server_id
            look, note = (
                partial(self.drs.launch_configuration, server_id),
                partial(self._keep, server_id, "configuration"),
            )
            yield _Question(self, "launch configurations", (server_id,), look, note)

    def facts(self) -> PlaceFacts:
        account_id, region = self.place
        ids = [server.source_server_id for server in self.servers]
        return PlaceFacts(
            account_id=account_id,
            region=region,
            servers={server_id: ServerFacts(**self.learned[server_id]) for server_id in ids},
            jobs=self.jobs,
            refusal=self.refused.refusal if self.refused else None,
            reason=str(self.refused) if self.refused else "",
            gaps=tuple(Gap(subject, reason, count) for (subject, reason), count in self.unanswered.items()),
        )

    def _keep(self, server_id: str, name: str, answer: Any) -> None:
        self.learned[server_id][name] = answer

    def _keep_jobs(self, jobs: Iterable[DrsJob]) -> None:
        self.jobs = tuple(job for job in jobs if not job.is_completed)

    def _keep_sources(self, ids: Sequence[str], found: Mapping[str, SourceServer]) -> None:
        for server_id in ids:
            self.learned[server_id] |= {"is_known": server_id in found, "source": found.get(server_id)}

    def _keep_instances(self, ids: Sequence[str], found: Iterable[RecoveryInstance]) -> None:
        theirs = {server_id: tuple[RecoveryInstance, ...]() for server_id in ids}
        for instance in found:
            if instance.source_server_id in theirs:
                theirs[instance.source_server_id] += (instance,)
        for server_id, instances in theirs.items():
            self.learned[server_id]["instances"] = instances

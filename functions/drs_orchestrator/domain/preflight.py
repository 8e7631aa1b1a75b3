"""Pre-flight: from what is known before a start to findings, each with a remedy. Pure: no clock, no I/O.

An ERROR is what can't be launched, or would destroy something: it refuses the start of a CRITICAL server and skips an
OPTIONAL one. Everything else is a WARNING. In a real disaster the source Region is gone: nothing replicates any more,
every lag grows, and all of it must be startable from the points there are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from drs_orchestrator.domain.capacity import MAX_JOBS, MAX_SERVERS_IN_JOBS
from drs_orchestrator.domain.choices import Impact
from drs_orchestrator.domain.cutting import cut
from drs_orchestrator.domain.facts import PlaceFacts, ServerFacts
from drs_orchestrator.domain.guard import live_instance_remedy
from drs_orchestrator.domain.plan import Plan, Server, Wave, chunk, launch_order
from drs_orchestrator.domain.source import RecoveryInstance, Refusal
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.domain.target_role import TargetRole

SPECIFIED_SECONDS = {ExecutionType.DRILL: 1200, ExecutionType.RECOVERY: 1800}
"""How long an execution typically takes, where this plan has none of its own to go by."""

# A plan may skip 3,000 servers, and all their reasons have to fit the transaction that records the start.
_REASON_BYTES = 250

# States in which there is no recovery point yet; and those in which all is well.
_FIRST_SYNC = frozenset({"INITIATING", "INITIAL_SYNC"})
_HEALTHY = frozenset({"CONTINUOUS", "CREATING_SNAPSHOT"})


class Severity(StrEnum):
    ERROR = "ERROR"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True)
class Finding:
    """Message: one sentence. Remedy: what to do, by which command if there is one. It is about a server, else all of a
    wave, else the whole plan."""

    severity: Severity
    check: str
    message: str
    remedy: str
    wave_name: str | None = None
    source_server_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The execution a server is locked by; `is_recorded` False: its start is not through yet, or never will be."""

    execution_id: str
    is_recorded: bool


@dataclass(frozen=True, slots=True)
class PastRun:
    """How many seconds an earlier execution took, and each of its waves, by name."""

    seconds: int
    wave_seconds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known before a start. `holders`: by source server id. `now`: epoch seconds. `retry_of`: the execution
    whose failed and skipped servers are to be launched again."""

    plan: Plan
    execution_type: ExecutionType
    replace_live: bool
    places: Mapping[tuple[str | None, str], PlaceFacts]
    holders: Mapping[str, Holder]
    past: Sequence[PastRun]
    role: TargetRole
    now: float
    retry_of: str | None = None

    def facts_of(self, wave: Wave) -> PlaceFacts:
        return self.places[wave.account_id, wave.region]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusing`: the findings for which the start is refused. `skips`: source server id → why it is skipped."""

    refusing: tuple[Finding, ...]
    skips: Mapping[str, str]


def judge(situation: Situation) -> list[Finding]:
    """Every finding, ERRORs first, else in the order of the plan."""
    found = [
        *_places(situation),
        *(
            finding
            for wave in situation.plan.waves
            for server in wave.servers
            for finding in _Look(situation, wave, server).findings()
        ),
        *_quotas(situation),
        *_duration(situation),
    ]
    return sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)


def verdict(plan: Plan, findings: Sequence[Finding]) -> Verdict:
    """What the findings mean for a start: an ERROR that touches anything CRITICAL refuses it."""
    members = {wave.name: wave.servers for wave in plan.waves}
    servers = {server.source_server_id: server for wave in plan.waves for server in wave.servers}
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    refusing, skips = [], dict[str, str]()
    for error in errors:
        touched: Sequence[Server] = tuple(servers.values())
        if error.source_server_id is not None:
            touched = (servers[error.source_server_id],)
        elif error.wave_name is not None:
            touched = members[error.wave_name]
        if any(server.impact is Impact.CRITICAL for server in touched):
            refusing.append(error)
        else:
            for server in touched:
                skips.setdefault(server.source_server_id, cut(f"not launched: {error.message}", _REASON_BYTES))
    if len(skips) == len(servers):
        # With nothing left to launch there is nothing to start.
        refusing = errors
    return Verdict(tuple(refusing), skips)


def with_skips(plan: Plan, skips: Mapping[str, str]) -> Plan:
    """The plan as an execution records it: the servers it does not launch say why."""

    def marked(server: Server) -> Server:
        reason = skips.get(server.source_server_id)
        return replace(server, skip_reason=reason) if reason else server

    waves = (replace(wave, servers=tuple(map(marked, wave.servers))) for wave in plan.waves)
    return replace(plan, waves=tuple(waves))


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long it will take, in seconds, and what says so."""

    seconds: int
    source: str


def expectation(execution_type: ExecutionType, past: Sequence[PastRun]) -> Expectation:
    """The median of the plan's own executions of this type, else the specification's figure."""
    if not past:
        return Expectation(SPECIFIED_SECONDS[execution_type], "the specification's figures")
    executions = "1 execution" if len(past) == 1 else f"{len(past)} executions"
    return Expectation(round(median(run.seconds for run in past)), f"history of {executions}")


def timeline(plan: Plan, execution_type: ExecutionType, past: Sequence[PastRun]) -> dict[str, tuple[int, int]]:
    """Wave name → when it is expected to begin and to end, in seconds after the start.

    A wave takes as long as it usually took; one that has never run, an even share of the whole by the launch order.
    """
    order = launch_order(plan)
    share = expectation(execution_type, past).seconds / len(order)
    waves = {wave.name: wave for wave in plan.waves}
    spans: dict[str, tuple[int, int]] = {}
    for name in (name for stage in order for name in stage):
        took = [run.wave_seconds[name] for run in past if name in run.wave_seconds]
        begin = max((spans[needed][1] for needed in waves[name].depends_on), default=0)
        spans[name] = (begin, begin + round(median(took) if took else share))
    return spans


def lock_remedy(holder_id: str) -> str:
    """What to do about the execution that a server belongs to: one that waits for an operator never ends by itself."""
    return f"Wait for its end: drctl watch {holder_id}; or end it: drctl cancel {holder_id}"


def _places(situation: Situation) -> Iterator[Finding]:
    for facts in situation.places.values():
        where = _where(facts)
        if facts.refusal:
            check, message, remedy = refused_place(facts, situation.role)
            for wave in situation.plan.waves:
                if (wave.account_id, wave.region) == (facts.account_id, facts.region):
                    yield Finding(Severity.ERROR, check, message, remedy, wave.name)
            continue
        for gap in facts.gaps:
            whose = f" of {_counted(gap.servers, 'server')}" if gap.servers else ""
            yield Finding(
                Severity.WARNING,
                "Unchecked",
                f"DRS in {where} could not be asked for {gap.subject}{whose}: {_sentence(gap.reason)}",
                "Check again, or start all the same: what could destroy something is asked again before each launch.",
            )


def refused_place(facts: PlaceFacts, role: TargetRole) -> tuple[str, str, str]:
    """Check, message and remedy where DRS of an account and Region can't be used."""
    where, said = _where(facts), _sentence(facts.reason)
    match facts.refusal:
        case Refusal.NOT_ENTERED:
            remedy = role.remedy(facts.account_id or role.trusted_account)
            return "Account", f"The role {role.name} can't be assumed: {said}", remedy
        case Refusal.NOT_INITIALISED:
            remedy = (
                "Correct the wave's Region in the plan, or initialise DRS there: "
                f"aws drs initialize-service --region {facts.region}"
            )
            return "Region", f"DRS is not initialised in {where}: nothing can be launched there.", remedy
        case _:
            return (
                "Permission",
                f"DRS in {where} refuses to be asked: {said}",
                "Give the role that asks (the functions' own, or the target account's) the DRS action named there.",
            )


@dataclass(frozen=True, slots=True)
class _Look:
    """One server under examination."""

    situation: Situation
    wave: Wave
    server: Server

    def findings(self) -> Iterator[Finding]:
        facts = self._facts
        if self.situation.facts_of(self.wave).refusal:
            return
        if facts.is_known is False:
            yield self._error(
                "SourceServer",
                f"DRS in {_where(self.situation.facts_of(self.wave))} has no source server {self._id}.",
                "Correct the id, the Region or the account in the plan, or install the replication agent there.",
            )
            return
        yield from self._lock()
        yield from self._live_instances(facts.living)
        yield from self._replication()
        yield from self._recovery_points()
        yield from self._active_jobs()
        if facts.configuration and facts.configuration.disposition == "STOPPED":
            yield self._warning(
                "LaunchConfiguration",
                f"{self._label} is launched STOPPED: LAUNCHED will not mean that it runs.",
                "Set the launch disposition to STARTED in its DRS launch settings, or start the instance by hand.",
            )

    @property
    def _id(self) -> str:
        return self.server.source_server_id

    @property
    def _facts(self) -> ServerFacts:
        return self.situation.facts_of(self.wave).servers[self._id]

    @property
    def _name(self) -> str | None:
        return self._facts.source.name if self._facts.source else None

    @property
    def _label(self) -> str:
        return f"{self._name} ({self._id})" if self._name else self._id

    def _lock(self) -> Iterator[Finding]:
        holder = self.situation.holders.get(self._id)
        if holder and holder.is_recorded:
            yield self._error(
                "Lock",
                f"{self._label} belongs to execution {holder.execution_id}, which has not ended.",
                lock_remedy(holder.execution_id),
            )
        elif holder:
            yield self._warning(
                "Lock",
                f"{self._label} is named by another start that is just being recorded.",
                "Start again in two minutes.",
            )

    def _live_instances(self, living: Sequence[RecoveryInstance]) -> Iterator[Finding]:
        drills = [instance for instance in living if instance.is_drill]
        recovered = [instance for instance in living if not instance.is_drill]
        is_recovery = self.situation.execution_type is ExecutionType.RECOVERY
        if recovered and self.situation.replace_live and is_recovery:
            yield self._warning(
                "LiveInstance",
                f"The launch removes {_listed(recovered)}, which {self._label} was recovered to, as you allow.",
                "Save what is still needed of it first.",
            )
        elif recovered:
            yield self._error(
                "LiveInstance",
                f"{self._label} was recovered to {_listed(recovered)}, and a new launch removes that instance.",
                live_instance_remedy(
                    self.situation.execution_type, self.situation.plan.plan_id, self.situation.retry_of
                ),
            )
        if drills:
            yield self._warning(
                "LiveInstance",
                f"The launch removes {_listed(drills)}, left by an earlier drill of {self._label}.",
                "Save what is still needed of it first.",
            )

    def _replication(self) -> Iterator[Finding]:
        source, rpo = self._facts.source, self.situation.plan.rpo_minutes
        if source is None:
            return
        state = source.replication_state or "in a state DRS does not name"
        if state in _FIRST_SYNC:
            yield self._error(
                "Replication",
                f"{self._label} is still copied for the first time ({state}): it has no recovery point yet.",
                "Wait until DRS shows it as CONTINUOUS, then start again.",
            )
        elif state not in _HEALTHY:
            point = "the pinned point" if self.server.recovery_snapshot_id else "the newest point there is"
            yield self._warning(
                "Replication",
                f"{self._label} does not replicate as it should ({state}): it is launched from {point}.",
                "In a disaster go on; else mend its replication in DRS first.",
            )
        if rpo is not None and source.lag_seconds is not None and source.lag_seconds > rpo * 60:
            yield self._warning(
                "Lag",
                f"{self._label} lags {_span(source.lag_seconds)} behind; RpoMinutes is {rpo}.",
                "In a disaster go on; else wait until it has caught up, or give its replication more bandwidth.",
            )

    def _recovery_points(self) -> Iterator[Finding]:
        points, source, rpo = self._facts.points, self._facts.source, self.situation.plan.rpo_minutes
        pinned = self.server.recovery_snapshot_id
        if points is None or (source and source.replication_state in _FIRST_SYNC):
            return
        if pinned and points.pinned is None:
            yield self._error(
                "RecoveryPoint",
                f"The recovery point {pinned} that the plan pins for {self._label} does not exist.",
                "Remove RecoverySnapshotId from the plan, or pin one of these: aws drs describe-recovery-snapshots "
                f"--source-server-id {self._id} --region {self.wave.region}",
            )
            return
        used = points.pinned or points.newest
        if used is None:
            yield self._error(
                "RecoveryPoint",
                f"{self._label} has no recovery point: there is nothing to launch it from.",
                "Mend its replication in DRS until a first point is there, then start again.",
            )
        elif rpo is not None and self.situation.now - used.time > rpo * 60:
            which = "pinned" if pinned else "newest"
            yield self._warning(
                "RecoveryPoint",
                f"The {which} recovery point of {self._label} is {_span(self.situation.now - used.time)} old; "
                f"RpoMinutes is {rpo}.",
                "Remove RecoverySnapshotId from the plan, or pin a newer point, unless this one is meant."
                if pinned
                else "In a disaster go on; else look at the server's replication and point-in-time policy in DRS.",
            )

    def _active_jobs(self) -> Iterator[Finding]:
        for job in self.situation.facts_of(self.wave).jobs or ():
            if any(server.source_server_id == self._id for server in job.servers):
                yield self._warning(
                    "ActiveJob",
                    f"DRS job {job.job_id} ({job.initiated_by or job.type}) works on {self._label} at the moment.",
                    "Wait for its end, or start all the same: the launch follows by itself.",
                )

    def _error(self, check: str, message: str, remedy: str) -> Finding:
        return Finding(Severity.ERROR, check, message, remedy, self.wave.name, self._id, self._name)

    def _warning(self, check: str, message: str, remedy: str) -> Finding:
        return Finding(Severity.WARNING, check, message, remedy, self.wave.name, self._id, self._name)


def _quotas(situation: Situation) -> Iterator[Finding]:
    waves = {wave.name: wave for wave in situation.plan.waves}
    for position, stage in enumerate(launch_order(situation.plan)):
        together: dict[tuple[str | None, str], list[Wave]] = defaultdict(list)
        for name in stage:
            together[waves[name].account_id, waves[name].region].append(waves[name])
        for place, members in together.items():
            facts = situation.places[place]
            # What is in use now will be free again when a later stage begins.
            in_use = facts.jobs or () if position == 0 else ()
            jobs = sum(len(chunk(wave.servers)) for wave in members) + len(in_use)
            servers = sum(len(wave.servers) for wave in members) + sum(len(job.servers) for job in in_use)
            if jobs > MAX_JOBS or servers > MAX_SERVERS_IN_JOBS:
                names = " and ".join(wave.name for wave in members)
                busy = f", {_counted(len(in_use), 'job')} in use now included" if in_use else ""
                yield Finding(
                    Severity.WARNING,
                    "Quota",
                    f"{names} want {jobs} DRS jobs with {servers} servers in {_where(facts)}{busy}; DRS allows "
                    f"{MAX_JOBS} and {MAX_SERVERS_IN_JOBS} at once.",
                    "Nothing has to be done: what has no room is QUEUED until it has; expect it to take longer.",
                    members[0].name if len(members) == 1 else None,
                )


def _duration(situation: Situation) -> Iterator[Finding]:
    rto, expected = situation.plan.rto_minutes, expectation(situation.execution_type, situation.past)
    if rto is not None and expected.seconds > rto * 60:
        yield Finding(
            Severity.WARNING,
            "Duration",
            f"It is expected to take {_span(expected.seconds)} ({expected.source}); RtoMinutes is {rto}.",
            "Let waves that need not wait for each other run at once (DependsOn), or agree on another RtoMinutes.",
        )


def _where(facts: PlaceFacts) -> str:
    return f"{facts.region} of account {facts.account_id}" if facts.account_id else facts.region


def _listed(instances: Sequence[RecoveryInstance]) -> str:
    return " and ".join(
        f"{instance.instance_id} ({instance.job_id})" if instance.job_id else instance.instance_id
        for instance in instances
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _sentence(reason: str) -> str:
    return f"{reason.rstrip('.')}."


def _span(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"

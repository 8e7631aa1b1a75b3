"""The whole service without a socket: worlds, clock, faults, switches and the record of calls."""

from dataclasses import dataclass, field
from typing import Any

from drs_simulator import fleet
from drs_simulator.calls import CallLog
from drs_simulator.clock import Clock
from drs_simulator.ec2 import Ec2, InMemory
from drs_simulator.engine import Engine
from drs_simulator.errors import ConnectionDropped, ControlError, DrsError, throttled, uninitialized
from drs_simulator.events import EventBus
from drs_simulator.faults import ACTION_FAULTS, LAUNCH_FAULTS, CallVerdict, Faults, Occasion, Rule, check_operations
from drs_simulator.limits import TokenBuckets
from drs_simulator.operations import OPERATIONS, Ask
from drs_simulator.profiles import BUILT_IN, LINUX_2, Profile
from drs_simulator.switches import Switches
from drs_simulator.timeline import STAGES
from drs_simulator.worlds import Job, SourceServer, World

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose world a call is about, from the request's signature."""

    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION


@dataclass(slots=True)
class Outcome:
    """What came of a call: a document or an error, after `delay` seconds; or nothing at all (`dropped`)."""

    document: dict[str, Any] | None = None
    error: DrsError | None = None
    dropped: bool = False
    delay: float = 0.0
    took_effect: bool = False
    faults: list[str] = field(default_factory=list)


class Simulator:
    """DRS in every account and Region. Not thread-safe: one thread calls it at a time."""

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        clock: Clock | None = None,
        events: EventBus | None = None,
        ec2: Ec2 | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.ec2: Ec2 = ec2 or InMemory()
        self.events = events or EventBus()
        self._own_seed = seed
        self._resets = 0
        self._start_over(seed)

    def reset(self, seed: int | None = None) -> None:
        """Forget servers, jobs, faults, switches, profiles and calls; the clock and the event bus stay as they are.

        Without a seed it is the simulator's own again, and the ids of what comes are others than before: who still asks
        for a forgotten job is told that it is unknown, as the service would.
        """
        self._resets += 1
        if seed is None:
            self._start_over(self._own_seed, generation=self._resets)
        else:
            self._start_over(seed)

    def _start_over(self, seed: int, generation: int = 0) -> None:
        self.seed = seed
        self.generation = generation
        self.worlds: dict[tuple[str, str], World] = {}
        self.switches = Switches()
        self.faults = Faults(str(seed), self.now, OPERATIONS)
        self.calls = CallLog()
        self.buckets = TokenBuckets()
        self.profiles: dict[str, Profile] = dict(BUILT_IN)
        self.default_profile = LINUX_2.name
        self.hold = False
        self.engine = Engine(self.clock, lambda: self.switches, self._launch_result, self.ec2)

    def now(self) -> float:
        return self.clock.now()

    def world(self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> World:
        """The world of an account and Region, up to date."""
        key = (account, region)
        if key not in self.worlds:
            self.worlds[key] = World(account, region, self.seed, self.generation)
        world = self.worlds[key]
        self.engine.settle(world)
        return world

    def settle(self) -> None:
        """Bring every world up to date (a call does it for its own)."""
        for world in self.worlds.values():
            self.engine.settle(world)

    def call(self, operation: str, params: dict[str, Any], caller: Caller | None = None) -> dict[str, Any]:
        """Perform an operation with checked parameters; raises DrsError, or ConnectionDropped if a fault says so."""
        outcome = self.perform(operation, params, caller or Caller())
        if outcome.dropped:
            raise ConnectionDropped(operation)
        if outcome.error:
            raise outcome.error
        return outcome.document or {}

    def perform(self, operation: str, params: dict[str, Any], caller: Caller) -> Outcome:
        """Perform an operation and report all that came of it, trouble by rule included."""
        world = self.world(caller.account, caller.region)
        verdict = self.faults.verdict(_occasion(operation, params, world))
        outcome = Outcome(dropped=verdict.drop_before, delay=verdict.delay, faults=verdict.rules)
        if not self.buckets.take(self.switches.requestRates, caller.account, caller.region, operation, self.now()):
            outcome.error = throttled()
        outcome.error = outcome.error or verdict.before
        if outcome.error or outcome.dropped:
            return outcome
        self._take_effect(operation, params, world, verdict, outcome)
        outcome.error = outcome.error or verdict.after
        outcome.dropped = verdict.drop_after
        return outcome

    def _take_effect(
        self, operation: str, params: dict[str, Any], world: World, verdict: CallVerdict, outcome: Outcome
    ) -> None:
        if not world.initialized and operation != "InitializeService":
            outcome.error = uninitialized(world.account, world.region)
            return
        try:
            outcome.document = OPERATIONS[operation](Ask(self, world, params, verdict))
        except DrsError as error:
            outcome.error = error
            return
        outcome.took_effect = True
        if operation == "StartRecovery":
            outcome.delay += self.switches.startRecoverySecondsPerServer * len(params["sourceServers"])

    def profile_for(self, server: SourceServer) -> Profile:
        return self.profiles[server.profile or self.default_profile]

    def add_servers(
        self, servers: list[dict[str, Any]], account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION
    ) -> list[SourceServer]:
        """Create source servers; see ``fleet.add_server`` for what may be said of one."""
        world = self.world(account, region)
        return [fleet.add_server(world, server, self.now(), set(self.profiles)) for server in servers]

    def use_profile(self, profile: str | dict[str, Any], servers: list[str] | None = None) -> Profile:
        """New jobs follow this profile: those of the named servers, or all whose server has none of its own."""
        if isinstance(profile, dict):
            chosen = Profile.from_document(profile)
            self.profiles[chosen.name] = chosen
        elif profile in self.profiles:
            chosen = self.profiles[profile]
        else:
            raise ControlError(f"unknown profile {profile!r}: choose from {', '.join(sorted(self.profiles))}")
        if servers is None:
            self.default_profile = chosen.name
        else:
            for _, server in self._find_servers(servers):
                server.profile = chosen.name
        return chosen

    def set_switches(self, values: dict[str, Any]) -> Switches:
        """Throw switches; what is due by now happens by the old ones."""
        self.settle()
        changed = self.switches.changed(values)
        check_operations(set(changed.requestRates or ()) - {"*"}, OPERATIONS)
        self.switches = changed
        return changed

    def add_fault(self, document: dict[str, Any]) -> Rule:
        """Put a fault rule in force; one about launches also reaches the launches that are under way."""
        self.settle()
        rule = self.faults.add(document)
        if rule.fault in LAUNCH_FAULTS:
            for world in self.worlds.values():
                for job in world.running_jobs():
                    if job.type == "LAUNCH":
                        self._strike(world, job, rule)
        return rule

    def _strike(self, world: World, job: Job, rule: Rule) -> None:
        for participant in job.participants.values():
            # Everything but what spoils a launch action can only befall a server that is not done.
            if participant.status[-1][1] in ("LAUNCHED", "FAILED") and rule.fault not in ACTION_FAULTS:
                continue
            server = frozenset([participant.server_id])
            occasion = Occasion(world.account, world.region, "StartRecovery", server, job.tags)
            for twist in self.faults.twists(occasion, only=rule):
                self.engine.rewrite(world, job, participant.server_id, twist)

    def push_jobs(self, target: str, job_ids: list[str] | None = None) -> list[Job]:
        """Push running jobs to a stage now (see ``timeline.STAGES``); returns the jobs that were meant."""
        if target not in STAGES:
            raise ControlError(f"to must be one of {', '.join(STAGES)}, got {target!r}")
        self.settle()
        meant = [
            (world, job)
            for world in self.worlds.values()
            for job in world.jobs.values()
            if (job_ids is None or job.id in job_ids) and job.done < len(job.steps)
        ]
        for world, job in meant:
            self.engine.push(world, job, target)
        return [job for _, job in meant]

    def set_hold(self, hold: bool) -> None:
        """With `hold`, new jobs stay PENDING until pushed; without, those held back go on by themselves."""
        self.hold = hold
        if not hold:
            for world in self.worlds.values():
                for job in world.running_jobs():
                    self.engine.release(world, job)

    def protect(self, instance_id: str, protected: bool) -> None:
        """Set EC2's termination protection of a recovery instance."""
        self.settle()
        for world in self.worlds.values():
            if instance := world.instances.get(instance_id):
                self.ec2.protect(world, instance, protected)
                return
        raise ControlError(f"no recovery instance has the id {instance_id!r}")

    def set_replication(
        self, account: str, region: str, servers: list[str], replication_state: str, lag: str | None = None
    ) -> list[SourceServer]:
        """Change how source servers replicate; entering or leaving STALLED is an event, STOPPED deletes their points in
        time."""
        if replication_state not in fleet.REPLICATION_STATES:
            raise ControlError(f"state must be one of {', '.join(fleet.REPLICATION_STATES)}, got {replication_state!r}")
        if lag is not None:
            fleet.lag_seconds(lag)
        world = self.world(account, region)
        changed = [server for owner, server in self._find_servers(servers) if owner is world]
        for server in changed:
            was_stalled, is_stalled = server.replication_state == "STALLED", replication_state == "STALLED"
            server.replication_state = replication_state
            server.lag = server.lag if lag is None else lag
            if replication_state == "STOPPED":
                server.snapshots.clear()
            if was_stalled != is_stalled:
                self.events.stalled_change(world, server.id, is_stalled)
        return changed

    def _find_servers(self, wanted: list[str]) -> list[tuple[World, SourceServer]]:
        found = [
            (world, world.servers[server_id])
            for world in self.worlds.values()
            for server_id in wanted
            if server_id in world.servers
        ]
        if missing := set(wanted) - {server.id for _, server in found}:
            raise ControlError(f"no source server has the id {sorted(missing)[0]!r}")
        return found

    def _launch_result(self, world: World, job: Job, server_id: str, succeeded: bool) -> None:
        self.events.launch_result(world, job, server_id, succeeded)


def _occasion(operation: str, params: dict[str, Any], world: World) -> Occasion:
    servers = {item["sourceServerID"] for item in params.get("sourceServers", ())}
    if isinstance(params.get("sourceServerID"), str):
        servers.add(params["sourceServerID"])
    filters = params.get("filters")
    if isinstance(filters, dict):
        servers.update(filters.get("sourceServerIDs") or ())
    tags = params.get("tags") if operation == "StartRecovery" else None
    return Occasion(world.account, world.region, operation, frozenset(servers), tags or {})

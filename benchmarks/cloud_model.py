"""A discrete-event model of many executions in one account and Region: what they draw from AWS's quotas, second by
second, and what becomes of them when AWS is away. Seeded; nothing in it is a call.

One execution is a start and a row of polls, whose distances and write units are those of a real one that was counted.
A task takes its state transitions, then runs as a Lambda function and writes. What AWS refuses is repeated as the
shipped code and state machine repeat it: the SDK within a task, the state machine's Retry around it, the reconciler.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

BIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Quotas:
    """Buckets are (size, refill a second); DynamoDB's are units a second. All per account and Region, as published."""

    start_execution: tuple[float, float] = (1300, 300)
    state_transition: tuple[float, float] = (5000, 1500)
    lambda_concurrency: int = 1000
    table_writes: float = 4000


@dataclass(frozen=True, slots=True)
class Profile:
    """A counted execution: seconds before each poll, write units of each, of its start, and its state transitions."""

    gaps: tuple[float, ...]
    units: tuple[int, ...]
    start_units: int
    start_transitions: int
    poll_transitions: int


@dataclass(frozen=True, slots=True)
class Policy:
    """How the state machine repeats a failed task, and whether waits are spread."""

    attempts: int
    jitter: bool = True
    first: float = 2
    longest: float = 60

    def delay(self, failures: int, random: Random) -> float:
        longest = min(self.longest, self.first * float(2 ** (failures - 1)))
        return longest * random.random() if self.jitter else longest


@dataclass(frozen=True, slots=True)
class Outage:
    """`service`: "drs" or "dynamodb"; `run_seconds`: how long a task runs until it gives the service up."""

    service: str
    begin: float
    end: float
    run_seconds: float


@dataclass(frozen=True, slots=True)
class Scenario:
    executions: int
    within: float
    profile: Profile
    policy: Policy
    quotas: Quotas = field(default_factory=Quotas)
    outage: Outage | None = None
    seed: int = 1


# Assumed, not measured: seconds that a task runs, and that the reconciler takes for one lost execution.
RUN_SECONDS = 1.0
LOOK_SECONDS = 0.5
# The reconciler's, see tasks/reconcile_executions.py; the rounds a driver may miss, see settings.quiet_seconds.
SWEEP_SECONDS, SWEEP_BUDGET, LOOKS_A_RUN, QUIET_SECONDS = 60, 50, 600, 90
# Boto3's standard mode, as adapters/table.py asks for it: five more tries, after up to 1, 2, 4, 8 and 16 s.
SDK_RETRIES = 5


class Bucket:
    """A token bucket whose takers wait: `reserve` says for how long, `take` refuses instead."""

    def __init__(self, size: float, refill: float) -> None:
        self._size, self._refill = size, refill
        self._tokens, self._time = size, 0.0
        self.taken = 0.0

    def take(self, count: float, now: float) -> bool:
        self._fill(now)
        if self._tokens < min(count, self._size):
            return False
        self._tokens -= count
        self.taken += count
        return True

    def reserve(self, count: float, now: float) -> float:
        self._fill(now)
        self._tokens -= count
        self.taken += count
        return max(0.0, -self._tokens / self._refill)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._size, self._tokens + (now - self._time) * self._refill)
        self._time = now


@dataclass(slots=True)
class Execution:
    start: float
    step: int = 0
    failures: int = 0
    sdk_failures: int = 0
    troubles: int = 0
    # Since when it has had no driver.
    lost: float | None = None
    end: float | None = None


class Cloud:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.random, self.now = scenario, Random(scenario.seed), 0.0
        quotas = scenario.quotas
        self.starts = Bucket(*quotas.start_execution)
        self.transitions = Bucket(*quotas.state_transition)
        self.writes = Bucket(quotas.table_writes, quotas.table_writes)
        self.running = self.most_running = 0
        self.drivers_lost = self.throttled_runs = self.throttled_writes = self.throttled_starts = 0
        self.most_without_driver = 0
        self.longest_wait_for_transition = 0.0
        # By bins of so many seconds, the sum; of what runs, the most.
        self.series: dict[str, Counter[int]] = {
            name: Counter() for name in ("starts", "transitions", "write units", "running", "lost", "polls")
        }
        self.executions = [
            Execution(scenario.within * number / scenario.executions) for number in range(scenario.executions)
        ]
        self._agenda: list[tuple[float, int, Callable[[Execution], None], Execution]] = []
        self._number = 0
        self._unfinished = len(self.executions)
        self._without: dict[int, Execution] = {}

    def run(self) -> "Cloud":
        """Until every execution has ended. Raises RuntimeError when that takes more than two days."""
        for execution in self.executions:
            self._at(execution.start, self._start, execution)
        sweep = float(SWEEP_SECONDS)
        while self._unfinished:
            while self._agenda and self._agenda[0][0] < sweep and self._unfinished:
                self.now, _, act, execution = heapq.heappop(self._agenda)
                act(execution)
            self.now = max(self.now, min(sweep, self._agenda[0][0] if self._agenda else sweep))
            if self._unfinished:
                self.now = sweep
                self._sweep()
                sweep += SWEEP_SECONDS
            if self.now > 2 * 24 * 3600:
                raise RuntimeError(f"{self._unfinished} executions have not ended")
        return self

    # -- an execution's way --------------------------------------------------------------------------------------------

    def _start(self, execution: Execution) -> None:
        """StartExecution: refused ones are tried again by the SDK, then left to the reconciler: they are recorded."""
        if not self.starts.take(1, self.now):
            self.throttled_starts += 1
            execution.sdk_failures += 1
            if execution.sdk_failures > SDK_RETRIES:
                self._lose(execution)
            else:
                self._later(self._sdk_delay(execution), self._start, execution)
            return
        execution.sdk_failures = execution.failures = execution.troubles = 0
        self._note("starts", 1)
        self._enter(execution, self.scenario.profile.start_transitions)

    def _enter(self, execution: Execution, transitions: int) -> None:
        """The state machine goes on as soon as it has its transitions; Step Functions delays them, it loses none."""
        wait = self.transitions.reserve(transitions, self.now)
        self.longest_wait_for_transition = max(self.longest_wait_for_transition, wait)
        self.series["transitions"][int(self.now + wait) // BIN_SECONDS] += transitions
        self._later(wait, self._invoke, execution)

    def _invoke(self, execution: Execution) -> None:
        if self.running >= self.scenario.quotas.lambda_concurrency:
            self.throttled_runs += 1
            self._fail(execution)
            return
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        bin_ = int(self.now) // BIN_SECONDS
        self.series["running"][bin_] = max(self.series["running"][bin_], self.running)
        execution.sdk_failures = 0
        if self._away("dynamodb"):
            self._later(self._outage_seconds(), self._end_failed, execution)
        elif execution.step > 0 and self._away("drs"):
            self._later(self._outage_seconds(), self._end_in_trouble, execution)
        else:
            self._write(execution)

    def _write(self, execution: Execution) -> None:
        profile = self.scenario.profile
        units = profile.units[execution.step - 1] if execution.step else profile.start_units
        if self.writes.take(units, self.now):
            self._note("write units", units)
            self._later(RUN_SECONDS, self._end_run, execution)
            return
        self.throttled_writes += 1
        execution.sdk_failures += 1
        if execution.sdk_failures > SDK_RETRIES:
            self._end_failed(execution)
        else:
            self._later(self._sdk_delay(execution), self._write, execution)

    def _end_run(self, execution: Execution) -> None:
        self.running -= 1
        execution.failures = execution.troubles = 0
        if execution.step:
            self._note("polls", 1)
        execution.step += 1
        if execution.step > len(self.scenario.profile.gaps):
            execution.end = self.now
            self._unfinished -= 1
            return
        self._later(self.scenario.profile.gaps[execution.step - 1], self._poll, execution)

    def _poll(self, execution: Execution) -> None:
        self._enter(execution, self.scenario.profile.poll_transitions)

    def _end_in_trouble(self, execution: Execution) -> None:
        """DRS gave no answer: no failure; asked again after 15 to 60 s, see domain/backoff.py."""
        self.running -= 1
        execution.failures = 0
        execution.troubles += 1
        longest = min(60, 15 << min(execution.troubles - 1, 10))
        share = self.random.random() if self.scenario.policy.jitter else 1.0
        self._later(longest * (0.5 + share / 2), self._poll, execution)

    def _end_failed(self, execution: Execution) -> None:
        self.running -= 1
        self._fail(execution)

    def _fail(self, execution: Execution) -> None:
        """The state machine's Retry; after the last one the driver is lost."""
        execution.failures += 1
        if execution.failures > self.scenario.policy.attempts:
            self.drivers_lost += 1
            self._note("lost", 1)
            self._lose(execution)
            return
        execution.sdk_failures = 0
        self._later(self.scenario.policy.delay(execution.failures, self.random), self._retry, execution)

    def _retry(self, execution: Execution) -> None:
        self._enter(execution, 1)

    # -- the reconciler ------------------------------------------------------------------------------------------------

    def _lose(self, execution: Execution) -> None:
        """Its driver's end is announced to the reconciler at once, which can do nothing without its table."""
        execution.lost = self.now
        self._without[id(execution)] = execution
        self.most_without_driver = max(self.most_without_driver, len(self._without))
        if not self._away("dynamodb") and self.running < self.scenario.quotas.lambda_concurrency:
            self._later(1 + LOOK_SECONDS, self._replace, execution)

    def _replace(self, execution: Execution) -> None:
        if self._without.pop(id(execution), None) is not None:
            execution.lost, execution.sdk_failures = None, 0
            self._start(execution)

    def _sweep(self) -> None:
        if self._away("dynamodb"):
            return
        missed = [
            each for each in self._without.values() if self.now - (each.lost or 0) > QUIET_SECONDS or not each.step
        ]
        looks = min(LOOKS_A_RUN, int(SWEEP_BUDGET / LOOK_SECONDS))
        for number, execution in enumerate(sorted(missed, key=lambda each: each.lost or 0)[:looks]):
            self._later(number * LOOK_SECONDS, self._replace, execution)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _away(self, service: str) -> bool:
        outage = self.scenario.outage
        return outage is not None and outage.service == service and outage.begin <= self.now < outage.end

    def _outage_seconds(self) -> float:
        return self.scenario.outage.run_seconds if self.scenario.outage else 0.0

    def _sdk_delay(self, execution: Execution) -> float:
        longest = float(2 ** (execution.sdk_failures - 1))
        return longest * self.random.random() if self.scenario.policy.jitter else longest

    def _note(self, name: str, count: float) -> None:
        self.series[name][int(self.now) // BIN_SECONDS] += int(count)

    def _later(self, seconds: float, act: Callable[[Execution], None], execution: Execution) -> None:
        self._at(self.now + seconds, act, execution)

    def _at(self, time: float, act: Callable[[Execution], None], execution: Execution) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (time, self._number, act, execution))

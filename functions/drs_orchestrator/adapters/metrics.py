"""CloudWatch metrics in the embedded metric format: what the tasks tell is gathered and printed as one line.

CloudWatch Logs makes the metrics of the line, so nothing is called and nothing can fail. Every metric stands in
docs/metrics.md. No dimension names an execution, a plan or a server: their number has no bound, and each would be a
metric of its own.
"""

import json
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from drs_orchestrator.domain.records import Execution, ServerChange, Wave
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType, ServerStatus

if TYPE_CHECKING:
    from drs_orchestrator.domain.pulse import Pulse

NAMESPACE = "DRS-Orchestration"

_SECONDS_A_DAY = 24 * 3600


class Metric(Enum):
    """Name, unit and dimensions of every metric."""

    POLLING_DURATION = ("PollingDuration", MetricUnit.Milliseconds, "ExecutionPhase")
    ACTIVE_POLLING_EXECUTIONS = ("ActivePollingExecutions", MetricUnit.Count, "ExecutionType")
    EXECUTIONS_STARTED = ("ExecutionsStarted", MetricUnit.Count, "ExecutionType")
    EXECUTIONS_FINISHED = ("ExecutionsFinished", MetricUnit.Count, "ExecutionType", "ExecutionStatus")
    EXECUTION_DURATION = ("ExecutionDuration", MetricUnit.Seconds, "ExecutionType")
    WAVE_DURATION = ("WaveDuration", MetricUnit.Seconds, "ExecutionType")
    JOBS_LAUNCHED = ("JobsLaunched", MetricUnit.Count, "ExecutionType")
    SERVERS_LAUNCHED = ("ServersLaunched", MetricUnit.Count, "ExecutionType")
    SERVERS_FAILED = ("ServersFailed", MetricUnit.Count, "ExecutionType")
    LAG_AT_LAUNCH = ("LagAtLaunch", MetricUnit.Seconds, "ExecutionType")
    COMPLETION_LAG = ("CompletionLag", MetricUnit.Seconds)
    QUEUE_LENGTH = ("QueueLength", MetricUnit.Count)
    QUEUE_WAIT = ("QueueWait", MetricUnit.Seconds)
    DRS_UNAVAILABLE = ("DrsUnavailable", MetricUnit.Count, "Cause")
    EXECUTIONS_IN_POLLING = ("ExecutionsInPolling", MetricUnit.Count)
    OLDEST_EXECUTION_AGE = ("OldestExecutionAge", MetricUnit.Seconds)
    EXECUTIONS_STUCK = ("ExecutionsStuck", MetricUnit.Count)
    EXECUTIONS_RECONCILED = ("ExecutionsReconciled", MetricUnit.Count)
    EXECUTIONS_NOT_RECONCILED = ("ExecutionsNotReconciled", MetricUnit.Count)
    EXECUTIONS_LEFT = ("ExecutionsLeft", MetricUnit.Count)
    RECONCILER_SWEEPS = ("ReconcilerSweeps", MetricUnit.Count)
    DAYS_SINCE_SUCCESSFUL_DRILL = ("DaysSinceSuccessfulDrill", MetricUnit.NoUnit)

    def __init__(self, title: str, unit: MetricUnit, *dimensions: str) -> None:
        self.title = title
        self.unit = unit
        self.dimensions = dimensions


class Metrics:
    """What happened since the last flush; one object a Lambda environment."""

    def __init__(self) -> None:
        self._gathered: dict[tuple[tuple[str, str], ...], AmazonCloudWatchEMFProvider] = {}

    # -- what tasks tell -------------------------------------------------------------------------------------------

    def execution_started(self, execution: Execution) -> None:
        self._add(Metric.EXECUTIONS_STARTED, 1, execution.execution_type)

    def polled(self, execution: Execution, phase: str, seconds: float) -> None:
        """One poll of the execution, which took so long."""
        self._add(Metric.POLLING_DURATION, seconds * 1000, phase)
        self._add(Metric.ACTIVE_POLLING_EXECUTIONS, 1, execution.execution_type)

    def drs_unavailable(self, *, throttled: bool) -> None:
        """DRS refused to answer, or could not be asked."""
        self._add(Metric.DRS_UNAVAILABLE, 1, "THROTTLING" if throttled else "OTHER")

    def job_queued(self, length: int) -> None:
        """A job waits for DRS's quotas; `length`: how many executions wait there up to this one."""
        self._add(Metric.QUEUE_LENGTH, length)

    def job_launched(self, execution: Execution, waited_seconds: int | None) -> None:
        """DRS has the job; `waited_seconds` since its quotas first had no room for it, if they ever had none."""
        self._add(Metric.JOBS_LAUNCHED, 1, execution.execution_type)
        if waited_seconds is not None:
            self._add(Metric.QUEUE_WAIT, waited_seconds)

    def servers_changed(self, execution: Execution, changes: Sequence[ServerChange]) -> None:
        fates = {ServerStatus.LAUNCHED: Metric.SERVERS_LAUNCHED, ServerStatus.FAILED: Metric.SERVERS_FAILED}
        for status, metric in fates.items():
            if count := sum(change.status is status for change in changes):
                self._add(metric, count, execution.execution_type)
        for change in changes:
            if change.status is ServerStatus.LAUNCHED and change.launch_time and change.recovery_point_time:
                self._add(
                    Metric.LAG_AT_LAUNCH, change.launch_time - change.recovery_point_time, execution.execution_type
                )

    def job_ended(self, lag_seconds: int) -> None:
        """DRS's end of a job was seen, so many seconds after it."""
        self._add(Metric.COMPLETION_LAG, lag_seconds)

    def wave_ended(self, execution: Execution, wave: Wave) -> None:
        if wave.start_time is not None and wave.end_time is not None:
            self._add(Metric.WAVE_DURATION, wave.end_time - wave.start_time, execution.execution_type)

    def execution_finished(self, execution: Execution, status: ExecutionStatus, now: int) -> None:
        self._add(Metric.EXECUTIONS_FINISHED, 1, execution.execution_type, status)
        self._add(Metric.EXECUTION_DURATION, now - execution.start_time, execution.execution_type)

    def reconciled(self, *, reconciled: int, failed: int) -> None:
        """So many executions got a new driver, so many could not be reconciled."""
        self._add(Metric.EXECUTIONS_RECONCILED, reconciled)
        self._add(Metric.EXECUTIONS_NOT_RECONCILED, failed)

    def swept(self, pulse: "Pulse", seconds_since_drill: int | None, *, left: int) -> None:
        """All executions were looked at but those that are `left` to the next run; `seconds_since_drill` None: no drill
        has ever succeeded."""
        self._add(Metric.RECONCILER_SWEEPS, 1)
        self._add(Metric.EXECUTIONS_LEFT, left)
        self._add(Metric.EXECUTIONS_IN_POLLING, pulse.in_polling)
        self._add(Metric.OLDEST_EXECUTION_AGE, pulse.oldest_seconds)
        self._add(Metric.EXECUTIONS_STUCK, pulse.stuck)
        if seconds_since_drill is not None:
            self._add(Metric.DAYS_SINCE_SUCCESSFUL_DRILL, seconds_since_drill / _SECONDS_A_DAY)

    # -- how ---------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Print what was gathered: one line, or more only where a dimension has several values."""
        line: dict[str, Any] = {}
        for emf in (provider.serialize_metric_set() for provider in self._gathered.values()):
            document: dict[str, Any] = {**emf}
            if any(line.get(name, value) != value for name, value in document.items() if name != "_aws"):
                _print(line)
                line = {}
            if line:
                document["_aws"]["CloudWatchMetrics"] += line["_aws"]["CloudWatchMetrics"]
            line |= document
        if line:
            _print(line)
        self._gathered.clear()

    def _add(self, metric: Metric, value: float, *dimensions: ExecutionType | ExecutionStatus | str) -> None:
        named = tuple(zip(metric.dimensions, map(str, dimensions), strict=True))
        if named not in self._gathered:
            self._gathered[named] = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, dimension_set=dict(named))
        self._gathered[named].add_metric(metric.title, metric.unit, value)


def _print(line: dict[str, Any]) -> None:
    # CloudWatch reads metrics from lines that are nothing but their JSON, which the logger's are not.
    print(json.dumps(line))  # noqa: T201

"""Everything the template decides, read once from the function's environment.

Each name is a template parameter or resource; the defaults of the numbers stand in `template.yaml` only, so that
a missing variable is an error and not a silent default.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from drs_orchestrator.domain.polling import Intervals
from drs_orchestrator.domain.progress import Limits


@dataclass(frozen=True, slots=True)
class Home:
    """Where the orchestrator itself runs, as the ARN of its state machine tells."""

    partition: str
    region: str
    account_id: str
    stack_name: str


@dataclass(frozen=True, slots=True)
class Settings:
    execution_table: str
    plan_table: str
    state_machine_arn: str
    drs_endpoint_url: str | None
    target_role_name: str
    target_external_id: str | None
    event_bus_name: str
    notification_topic_arn: str
    intervals: Intervals
    limits: Limits
    launch_settle_seconds: int
    driver_silence_seconds: int
    stuck_after_seconds: int
    max_polls_per_driver: int
    second_approver_for_recovery: bool

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> "Settings":
        """Raises KeyError naming the variable that is missing, ValueError for a number that is none."""

        def seconds(name: str) -> int:
            return int(environment[name])

        return Settings(
            execution_table=environment["EXECUTION_TABLE_NAME"],
            plan_table=environment["PLAN_TABLE_NAME"],
            state_machine_arn=environment["STATE_MACHINE_ARN"],
            drs_endpoint_url=environment["DRS_ENDPOINT_URL"] or None,
            target_role_name=environment["TARGET_ROLE_NAME"],
            target_external_id=environment["TARGET_EXTERNAL_ID"] or None,
            event_bus_name=environment["EVENT_BUS_NAME"],
            notification_topic_arn=environment["NOTIFICATION_TOPIC_ARN"],
            intervals=Intervals(
                pending=seconds("PENDING_INTERVAL_SECONDS"),
                transition=seconds("TRANSITION_INTERVAL_SECONDS"),
                progress=seconds("PROGRESS_INTERVAL_SECONDS"),
            ),
            limits=Limits(
                server_timeout=seconds("SERVER_TIMEOUT_SECONDS"),
                completion_grace=seconds("COMPLETION_GRACE_SECONDS"),
                launch_actions=seconds("LAUNCH_ACTIONS_TIMEOUT_SECONDS"),
            ),
            launch_settle_seconds=seconds("LAUNCH_SETTLE_SECONDS"),
            driver_silence_seconds=seconds("DRIVER_SILENCE_SECONDS"),
            stuck_after_seconds=seconds("STUCK_AFTER_SECONDS"),
            max_polls_per_driver=int(environment["MAX_POLLS_PER_DRIVER"]),
            second_approver_for_recovery=environment["SECOND_APPROVER_FOR_RECOVERY"] == "true",
        )

    @property
    def quiet_seconds(self) -> int:
        """How long after its last sign of life a driver is taken to be alive without asking Step Functions: two of the
        longest rounds, and never longer than its silence is borne."""
        intervals = self.intervals
        return min(2 * max(intervals.pending, intervals.transition, intervals.progress), self.driver_silence_seconds)

    @property
    def home(self) -> Home:
        _, partition, _, region, account_id, _, name = self.state_machine_arn.split(":")
        # The template names the state machine after its stack.
        return Home(partition, region, account_id, name.removesuffix("-recovery"))

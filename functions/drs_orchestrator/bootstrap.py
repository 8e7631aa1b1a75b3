"""The one place where settings, adapters and the clock are put together; tasks get the result and nothing else."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from drs_orchestrator.settings import Settings

if TYPE_CHECKING:
    from drs_orchestrator.adapters.accounts import Accounts
    from drs_orchestrator.adapters.clean_up_store import CleanUpStore
    from drs_orchestrator.adapters.drivers import Drivers
    from drs_orchestrator.adapters.drs import DrsAccounts
    from drs_orchestrator.adapters.ec2 import Ec2Accounts
    from drs_orchestrator.adapters.event_bus import EventBus
    from drs_orchestrator.adapters.execution_store import ExecutionStore
    from drs_orchestrator.adapters.launch_queue import LaunchQueue
    from drs_orchestrator.adapters.ledger import Ledger
    from drs_orchestrator.adapters.metrics import Metrics
    from drs_orchestrator.adapters.plan_store import PlanStore
    from drs_orchestrator.adapters.server_locks import ServerLocks
    from drs_orchestrator.adapters.topic import Topic
    from drs_orchestrator.domain.target_role import TargetRole


def _now() -> int:
    return int(time.time())


@dataclass(frozen=True)
class App:
    """What a task works with; each adapter is imported and made on first use, so that the start of a function
    costs only what it needs."""

    settings: Settings
    clock: Callable[[], int] = _now
    # Spreads waits, so that executions which were put off together don't come back together.
    draw: Callable[[], float] = random.random
    # Seconds that pass while somebody waits for an answer; unlike the clock it never jumps.
    timer: Callable[[], float] = time.monotonic

    @cached_property
    def ledger(self) -> "Ledger":
        from drs_orchestrator.adapters.ledger import Ledger

        return Ledger(self.settings.execution_table)

    @cached_property
    def executions(self) -> "ExecutionStore":
        from drs_orchestrator.adapters.execution_store import ExecutionStore

        return ExecutionStore(self.ledger)

    @cached_property
    def clean_ups(self) -> "CleanUpStore":
        from drs_orchestrator.adapters.clean_up_store import CleanUpStore

        return CleanUpStore(self.ledger)

    @cached_property
    def locks(self) -> "ServerLocks":
        from drs_orchestrator.adapters.server_locks import ServerLocks

        executions = self.executions
        return ServerLocks(
            self.settings.execution_table, executions.ended_among, executions.is_over, executions.has_lost
        )

    @cached_property
    def queue(self) -> "LaunchQueue":
        from drs_orchestrator.adapters.launch_queue import LaunchQueue

        # A driver that has been silent for so long is replaced; until it tries again, its turn is another's.
        silence = self.settings.driver_silence_seconds
        return LaunchQueue(self.settings.execution_table, self.executions.ended_among, silence)

    @cached_property
    def plans(self) -> "PlanStore":
        from drs_orchestrator.adapters.plan_store import PlanStore

        return PlanStore(self.settings.plan_table)

    @cached_property
    def accounts(self) -> "Accounts":
        from drs_orchestrator.adapters.accounts import Accounts

        return Accounts(self.settings.home, self.settings.target_role_name, self.settings.target_external_id)

    @cached_property
    def drs(self) -> "DrsAccounts":
        from drs_orchestrator.adapters.drs import DrsAccounts

        return DrsAccounts(self.settings.drs_endpoint_url, self.accounts)

    @cached_property
    def ec2(self) -> "Ec2Accounts":
        from drs_orchestrator.adapters.ec2 import Ec2Accounts

        return Ec2Accounts(self.accounts)

    @cached_property
    def drivers(self) -> "Drivers":
        from drs_orchestrator.adapters.drivers import Drivers

        return Drivers(self.settings.state_machine_arn)

    @cached_property
    def bus(self) -> "EventBus":
        from drs_orchestrator.adapters.event_bus import EventBus

        return EventBus(self.settings.event_bus_name)

    @cached_property
    def topic(self) -> "Topic":
        from drs_orchestrator.adapters.topic import Topic

        return Topic(self.settings.notification_topic_arn)

    @cached_property
    def metrics(self) -> "Metrics":
        from drs_orchestrator.adapters.metrics import Metrics

        return Metrics()

    @property
    def account_id(self) -> str:
        """The account the orchestrator runs in: what a wave without AccountId means."""
        return self.settings.home.account_id

    @property
    def target_role(self) -> "TargetRole":
        """What every other account has to have before it can be entered."""
        from drs_orchestrator.domain.target_role import TargetRole

        settings = self.settings
        return TargetRole(
            name=settings.target_role_name,
            has_external_id=settings.target_external_id is not None,
            trusted_account=settings.home.account_id,
            trusted_stack=settings.home.stack_name,
            region=settings.home.region,
        )


@cache
def app() -> App:
    """One per Lambda environment."""
    return App(Settings.from_environment())

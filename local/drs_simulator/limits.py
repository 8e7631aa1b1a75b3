"""The service's quotas, and its request rates."""

from collections.abc import Collection

from drs_simulator.errors import conflict, quota_exceeded
from drs_simulator.worlds import World

MAX_JOBS = 20
MAX_SERVERS_PER_JOB = 100
MAX_SERVERS_IN_JOBS = 500


def check_new_job(world: World, servers: Collection[str]) -> None:
    """Raise what the service raises if a job for `servers` may not begin now.

    ConflictException: one of them is in a running job. ServiceQuotaExceededException: see the constants above.
    """
    if busy := next((server for server in servers if server in world.busy), None):
        raise conflict(busy)
    if len(servers) > MAX_SERVERS_PER_JOB:
        raise quota_exceeded(
            f"A job can include at most {MAX_SERVERS_PER_JOB} source servers", world.account, "JOB", "SERVERS_PER_JOB"
        )
    if len(world.running_jobs()) >= MAX_JOBS:
        raise quota_exceeded(
            f"At most {MAX_JOBS} jobs can be in progress at the same time", world.account, "JOB", "CONCURRENT_JOBS"
        )
    if len(world.busy) + len(servers) > MAX_SERVERS_IN_JOBS:
        raise quota_exceeded(
            f"At most {MAX_SERVERS_IN_JOBS} source servers can be in jobs at the same time",
            world.account,
            "SOURCE_SERVER",
            "SERVERS_IN_JOBS",
        )


class TokenBuckets:
    """Request rates of each account, Region and operation. AWS publishes none: they are a parameter."""

    def __init__(self) -> None:
        self._filled: dict[tuple[str, str, str], tuple[float, float]] = {}

    def take(self, rates: dict[str, list[float]] | None, account: str, region: str, operation: str, now: float) -> bool:
        """Whether the call may pass. `rates` maps an operation, or ``*`` for the others, to [per second, burst]."""
        rate = (rates or {}).get(operation) or (rates or {}).get("*")
        if rate is None:
            return True
        per_second, burst = rate
        key = (account, region, operation)
        level, since = self._filled.get(key, (burst, now))
        level = min(burst, level + (now - since) * per_second)
        passes = level >= 1
        self._filled[key] = (level - 1 if passes else level, now)
        return passes

"""Entries of a history for tests that write records themselves."""

from drs_orchestrator.domain.history import RECONCILER, Event, Kind

STARTED = Event(Kind.EXECUTION_STARTED, 1_800_000_000, "arn:aws:sts::123456789012:assumed-role/operator/operator")


def replacement(now: int) -> Event:
    """What a reconciler notes when it replaces a driver."""
    return Event(Kind.DRIVER_REPLACED, now, RECONCILER)

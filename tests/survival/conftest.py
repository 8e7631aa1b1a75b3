"""Executions that outlive what runs them, on embedded stacks. Nothing here is for an AWS account: it breaks things."""

from collections.abc import Iterator

import pytest

from tests.helpers import disable_eventbridge_rule, enable_eventbridge_rule, stack


@pytest.fixture(autouse=True)
def embedded_only(real_drs: bool) -> None:
    if real_drs:
        pytest.skip("engine, schedule and drivers are broken here: that is for the embedded stack")


@pytest.fixture
def steady_drs(deployed_stack: None) -> Iterator[None]:
    """The shared stack; no held job is left to the next test."""
    yield
    stack.control().hold(False)


@pytest.fixture
def nothing_reconciles(steady_drs: None) -> Iterator[None]:
    """The shared stack with both of the reconciler's rules off, until the end of the test at the latest."""
    for rule in ("execution-poller", "driver-ended"):
        disable_eventbridge_rule(rule)
    yield
    for rule in ("execution-poller", "driver-ended"):
        enable_eventbridge_rule(rule)

"""Executions that outlive what runs them, on embedded stacks. Nothing here is for an AWS account: it breaks things."""

import os
from collections.abc import Iterator

import pytest

from embedded.engine import set_wait_scale
from tests.helpers import stack
from tests.survival.reconciler import WAIT_SCALE


@pytest.fixture(autouse=True)
def embedded_only(real_drs: bool) -> None:
    if real_drs:
        pytest.skip("engine, schedule and drivers are broken here: that is for the embedded stack")


@pytest.fixture
def steady_drs(deployed_stack: None) -> Iterator[None]:
    """The shared stack, with Waits long enough for drivers to outlast a moment without a free Lambda: a Task's
    retries are scaled with them. No held job is left to the next test."""
    set_wait_scale(os.environ["AWS_ENDPOINT_URL"], WAIT_SCALE)
    yield
    set_wait_scale(os.environ["AWS_ENDPOINT_URL"], stack.SHARED["wait_scale"])
    stack.control().hold(False)

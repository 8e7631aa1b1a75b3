"""Reliability tests run in virtual time, in one process; SOAK=1 in the environment makes them run everything."""

from collections.abc import Iterator

import pytest

from tests.reliability.world import virtual_aws


@pytest.fixture(autouse=True)
def _virtual_aws() -> Iterator[None]:
    with virtual_aws():
        yield

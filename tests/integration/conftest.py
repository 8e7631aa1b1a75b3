"""Every test here works on the one stack of the run and leaves DRS as it found it."""

from collections.abc import Iterator

import pytest

from tests.helpers import stack


@pytest.fixture(autouse=True)
def drs_as_usual(deployed_stack: None) -> Iterator[None]:
    """Whatever a test did to DRS ends with it: no fault rule and no held job is left to the next one."""
    yield
    if not stack.is_real():
        simulator = stack.control()
        simulator.remove_faults()
        simulator.hold(False)

"""Load tests: many executions at once, on a stack of their own whose polls are further apart."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.helpers import stack

DEFAULT_CONCURRENCY = 50


@pytest.fixture(scope="session")
def deployed_stack(real_drs: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As elsewhere, but with Waits that let one machine poll a hundred executions."""
    folder = tmp_path_factory.mktemp("stack")
    with (
        stack.named_stack()
        if real_drs
        else stack.embedded_stack(folder, wait_scale=0.1, speed=300, lambda_concurrency=8)
    ):
        yield


@pytest.fixture(autouse=True)
def drs_as_usual(deployed_stack: None) -> Iterator[None]:
    """No fault rule and no held job is left to the next test."""
    yield
    if not stack.is_real():
        stack.control().remove_faults()
        stack.control().hold(False)


@pytest.fixture(scope="session")
def concurrency() -> int:
    """How many executions the larger tests start: LOAD_TEST_CONCURRENCY, or 50."""
    return int(os.environ.get("LOAD_TEST_CONCURRENCY", DEFAULT_CONCURRENCY))


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str]) -> Callable[[str, list[float], float | None], None]:
    """Print how long something took, in seconds; on AWS it must not take longer than `limit` on average.

    The figures are those of AWS's services: what an engine on this machine needs says nothing about them.
    """

    def measured(what: str, seconds: list[float], limit: float | None = None) -> None:
        average, slowest = sum(seconds) / len(seconds), max(seconds)
        p99 = sorted(seconds)[max(0, round(len(seconds) * 0.99) - 1)]
        with capsys.disabled():
            print(f"\n{what}: {average:.3f} s on average, {p99:.3f} s p99, {slowest:.3f} s at most ({len(seconds)})")
        if limit is not None and stack.is_on_aws():
            assert average < limit, f"{what} took {average:.3f} s on average, not less than {limit} s"

    return measured

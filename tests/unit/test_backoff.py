"""How long DRS is left alone after it could not answer."""

import pytest

from drs_orchestrator.domain.backoff import retry_after, spread


def test_waits_double_up_to_a_minute_and_are_spread() -> None:
    assert [retry_after(troubles, None, 1.0) for troubles in (1, 2, 3, 4, 100)] == [15, 30, 60, 60, 60]
    assert retry_after(3, None, 0.0) == 30


@pytest.mark.parametrize(("asked", "waited"), [(None, 30), (7, 30), (120, 120), (10**9, 300)])
def test_drs_is_left_alone_as_long_as_it_asks_but_not_for_ever(asked: int | None, waited: int) -> None:
    assert retry_after(2, asked, 1.0) == waited
    assert spread(30, asked, 0.5) == waited

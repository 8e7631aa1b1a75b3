"""Words that are too long for where they are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drs_orchestrator.domain.cutting import cut


@pytest.mark.parametrize(
    ("text", "kept"), [("abcdefgh", "abcdefgh"), ("abcdefghi", "abcde…"), ("äöüß", "äöüß"), ("äöüßä", "äö…")]
)
def test_a_text_keeps_what_fits_and_shows_that_there_was_more(text: str, kept: str) -> None:
    assert cut(text, 8) == kept


@given(st.text(), st.integers(min_value=3, max_value=40))
def test_it_never_has_more_bytes_than_it_may(text: str, size: int) -> None:
    assert len(cut(text, size).encode()) <= size

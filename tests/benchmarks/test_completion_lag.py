"""The benchmark of the completion lag on a few timelines; all of it is virtual time, so its figures are compared."""

from benchmarks.completion_lag import FIXED, measure, section


def test_every_wave_is_recorded_within_a_step_of_its_end_with_fewer_polls_than_every_15_s() -> None:
    shipped, *others, gap = measure(timelines=6)

    assert (shipped["waves"], gap["waves"]) == (6, 3)
    assert 0 <= shipped["lag, mean s"] <= shipped["lag, p95 s"] <= shipped["lag, longest s"] <= 15.5
    assert shipped["polls : fixed 15 s"] < 1
    assert gap["lag, longest s"] < 1
    assert [each["lag, longest s"] <= seconds for each, seconds in zip(others, FIXED, strict=False)] == [True] * 4
    assert sum(each["waves"] for each in others if each["policy"].startswith("shipped, ")) == 6


def test_its_section_holds_the_table_and_says_what_is_virtual() -> None:
    made = section(timelines=2)

    assert "| policy | waves |" in made.text
    assert "Virtual time" in made.basis

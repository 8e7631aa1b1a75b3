"""The model of many executions in one Region, on few of them and quotas as much smaller."""

import re
from dataclasses import replace
from itertools import accumulate

import pytest

from benchmarks.cloud_model import BIN_SECONDS, Cloud, Outage, Policy, Profile, Quotas, Scenario
from benchmarks.metering import Load
from benchmarks.scaling import DOCUMENT, FOLDER, SHIPPED, cases, profile, row

SMALL = Load(2, 1, profile="fast-mode")
COUNTED = Profile((15.0, *[45.0] * 9), (10, *[5] * 9), start_units=20, start_transitions=8, poll_transitions=4)
# A hundredth of the quotas for a hundredth of the executions.
QUOTAS = Quotas((13, 3), (50, 15), lambda_concurrency=10, table_writes=40)
BASE = Scenario(100, 180, COUNTED, SHIPPED, QUOTAS)
OUTAGES = [None, Outage("dynamodb", 200, 500, 7.5), Outage("drs", 200, 500, 3), Outage("drs", 200, 500, 46)]


def within(cloud: Cloud, series: str, size: float, refill: float) -> bool:
    """Whether never more came of it than was in the bucket and flowed in."""
    bins = range(max(cloud.series[series], default=0) + 1)
    sums = accumulate(cloud.series[series][number] for number in bins)
    return all(total <= size + refill * BIN_SECONDS * (number + 1) for number, total in enumerate(sums))


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("policy", [SHIPPED, Policy(6), Policy(2, jitter=False)])
def test_every_execution_ends_and_no_more_is_admitted_than_the_quotas_give(
    outage: Outage | None, policy: Policy
) -> None:
    cloud = Cloud(replace(BASE, outage=outage, policy=policy)).run()

    assert all(each.end is not None and each.end > each.start for each in cloud.executions)
    assert cloud.running == 0
    assert cloud.most_running <= QUOTAS.lambda_concurrency
    assert within(cloud, "starts", *QUOTAS.start_execution)
    assert within(cloud, "transitions", *QUOTAS.state_transition)
    assert within(cloud, "write units", QUOTAS.table_writes, QUOTAS.table_writes)
    assert cloud.series["polls"].total() >= BASE.executions * len(COUNTED.gaps)
    assert cloud.series["starts"].total() >= BASE.executions


def test_without_quotas_in_the_way_nothing_is_late() -> None:
    wide = Quotas((1e6, 1e6), (1e6, 1e6), lambda_concurrency=10**6, table_writes=1e6)
    cloud = Cloud(replace(BASE, quotas=wide)).run()

    assert {round(each.end - each.start) for each in cloud.executions if each.end} == {sum(COUNTED.gaps) + 11}
    assert cloud.drivers_lost == cloud.throttled_runs == cloud.throttled_writes == 0


def test_the_shipped_retries_outlast_what_few_do_not() -> None:
    away = replace(BASE, quotas=replace(QUOTAS, table_writes=400), outage=OUTAGES[1])
    few, shipped = (Cloud(replace(away, policy=policy)).run() for policy in (Policy(6), SHIPPED))

    assert few.drivers_lost > BASE.executions / 2
    assert shipped.drivers_lost == 0


def test_the_same_seed_gives_the_same_figures() -> None:
    first, second = (Cloud(replace(BASE, outage=OUTAGES[3])).run() for _ in range(2))

    assert first.series == second.series


def test_what_is_counted_is_the_shipped_codes() -> None:
    counted = profile(SMALL)

    assert len(counted.gaps) == len(counted.units) > 5
    assert {round(gap) for gap in counted.gaps} <= {15, 30, 45}
    assert counted.poll_transitions == 4


def test_the_page_has_every_case_of_the_model_and_its_pictures() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    pictures = re.findall(r"\(scaling/(\w+)\.svg\)", text)

    assert [each.name for each in cases(1, COUNTED)] == re.findall(r"^\| (.+?) \| [\d,]+ \|", text, re.MULTILINE)
    assert {path.stem for path in FOLDER.iterdir()} == set(pictures)
    for name in pictures:
        assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8").count("<polyline") >= 2
    assert f"has {SHIPPED.attempts} retries" in text


def test_a_row_says_how_much_later_the_last_one_was() -> None:
    [case] = [each for each in cases(20, COUNTED) if each.name.startswith("within an hour")]

    assert row(case, Cloud(case.scenario).run())["longest delay, min"] == 0

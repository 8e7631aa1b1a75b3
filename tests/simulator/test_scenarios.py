"""Scenario files: each one loads, and each says what it promises."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from drs_simulator import Simulator, scenarios
from drs_simulator.errors import ControlError
from drs_simulator.faults import CALL_FAULTS, LAUNCH_FAULTS
from drs_simulator.in_process import connect
from drs_simulator.limits import MAX_SERVERS_IN_JOBS, MAX_SERVERS_PER_JOB

PLANS = Path(__file__).parents[2] / "plans"


@pytest.mark.parametrize("name", scenarios.names())
def test_a_scenario_fits_its_schema_and_loads(simulator: Simulator, name: str) -> None:
    loaded = scenarios.apply(simulator, scenarios.load(name))

    assert loaded["name"] == name
    assert loaded["servers"] == sum(len(world.servers) for world in simulator.worlds.values())


@pytest.mark.parametrize(
    ("name", "count", "worlds"),
    [
        ("three-tier", 6, 1),
        ("100-servers", 100, 1),
        ("hundreds-of-servers", 250, 1),
        ("region-failover", 3000, 6),
        ("several-accounts", 12, 6),
    ],
)
def test_a_scenario_has_the_fleet_it_is_named_for(simulator: Simulator, name: str, count: int, worlds: int) -> None:
    assert scenarios.apply(simulator, scenarios.load(name))["servers"] == count
    assert len(simulator.worlds) == worlds


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("three-tier", "three-tier"),
        ("supervised", "three-tier"),
        ("quarterly-drill", "three-tier"),
        ("parallel-sites", "parallel-sites"),
        ("hundreds-of-servers", "hundreds-of-servers"),
        ("several-accounts", "several-accounts"),
    ],
)
def test_the_scenario_of_a_sample_plan_has_that_plans_servers(simulator: Simulator, name: str, scenario: str) -> None:
    plan = yaml.safe_load((PLANS / f"{name}.yaml").read_text(encoding="utf-8"))
    scenarios.apply(simulator, scenarios.load(scenario))

    for wave in plan["Waves"]:
        known = simulator.world(wave.get("AccountId", "000000000000"), wave["Region"]).servers
        assert {server["SourceServerId"] for server in wave["Servers"]} <= set(known)


def test_the_three_tiers_can_be_told_by_their_tags(simulator: Simulator) -> None:
    scenarios.apply(simulator, scenarios.load("three-tier"))

    items = connect(simulator).describe_source_servers()["items"]
    assert [item["tags"]["tier"] for item in items] == ["database"] * 2 + ["application"] * 2 + ["web"] * 2
    assert {item["tags"]["application"] for item in items} == {"web-shop"}


def test_a_bad_night_has_every_kind_of_trouble(simulator: Simulator) -> None:
    scenarios.apply(simulator, scenarios.load("bad-night"))

    kinds = {rule.fault for rule in simulator.faults.rules.values()}
    assert kinds == (set(CALL_FAULTS) | set(LAUNCH_FAULTS)) - {"error"}


def test_a_whole_region_fails_over_within_the_quotas(simulator: Simulator) -> None:
    scenarios.apply(simulator, scenarios.load("region-failover"))
    launched = 0
    for (account, region), world in list(simulator.worlds.items()):
        ids = list(world.servers)
        assert len(ids) == MAX_SERVERS_IN_JOBS
        drs = connect(simulator, account, region)
        for start in range(0, len(ids), MAX_SERVERS_PER_JOB):
            chunk = ids[start : start + MAX_SERVERS_PER_JOB]
            drs.start_recovery(sourceServers=[{"sourceServerID": server} for server in chunk])
    simulator.clock.advance(2000)

    for account, region in list(simulator.worlds):
        jobs = connect(simulator, account, region).describe_jobs()["items"]
        assert {job["status"] for job in jobs} == {"COMPLETED"}
        launched += sum(item["launchStatus"] == "LAUNCHED" for job in jobs for item in job["participatingServers"])
    assert launched == 3000


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"worlds": [{}]}, "'name' is a required property"),
        ({"name": "x", "worlds": []}, "worlds"),
        ({"name": "x", "worlds": [{"servers": [{"sourceServerID": "db"}]}]}, "sourceServerID"),
        ({"name": "x", "worlds": [{"servers": [{"colour": "red"}]}]}, "colour"),
        ({"name": "x", "worlds": [{"account": "12"}]}, "account"),
        ({"name": "x", "worlds": [{"fleets": [{"count": 5}]}]}, "idPrefix"),
        ({"name": "x", "worlds": [{}], "plans": []}, "plans"),
    ],
)
def test_a_malformed_scenario_is_refused_with_the_place_of_the_mistake(
    document: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ControlError, match=complaint):
        scenarios.check(document)


def test_a_scenario_can_bring_its_own_profiles_and_switches(simulator: Simulator) -> None:
    scenarios.apply(
        simulator,
        {
            "name": "own",
            "profile": "quick",
            "profiles": [{"name": "quick", "conversion": None, "launch": 1}],
            "switches": {"launchEndInLog": False},
            "worlds": [{"servers": [{}]}],
        },
    )

    assert simulator.default_profile == "quick"
    assert simulator.switches.launchEndInLog is False


def test_a_scenario_file_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nworlds: [{servers: [{name: a}]}]\n", encoding="utf-8")
    assert scenarios.load(str(path))["name"] == "mine"

    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(ControlError, match="not YAML"):
        scenarios.load(str(path))

"""The domain of plans: reading, writing, the order of waves, and the faults a JSON Schema cannot see."""

from typing import Any

import pytest

from drs_orchestrator.domain.choices import Impact, OnApprovalTimeout, OnFailure
from drs_orchestrator.domain.plan import (
    Plan,
    Server,
    Wave,
    chunk,
    find_faults,
    launch_order,
    launches_needed,
    plan_from_document,
    plan_to_document,
)


def server(number: int) -> dict[str, Any]:
    return {"SourceServerId": f"s-{number:017x}"}


def wave(name: str, *numbers: int, **fields: Any) -> dict[str, Any]:
    return {"WaveName": name, "Region": "us-east-1", "Servers": [server(number) for number in numbers], **fields}


def plan(*waves: dict[str, Any]) -> dict[str, Any]:
    return {"PlanId": "shop", "Name": "Web shop", "Waves": list(waves)}


def faults(*waves: dict[str, Any]) -> dict[str, str]:
    return {fault.pointer: fault.message for fault in find_faults(plan(*waves))}


def test_a_wave_without_depends_on_waits_for_the_wave_before_it_and_an_empty_list_waits_for_none() -> None:
    read = plan_from_document(plan(wave("a", 1), wave("b", 2), wave("c", 3, DependsOn=[])))

    assert [(w.name, w.depends_on) for w in read.waves] == [("a", ()), ("b", ("a",)), ("c", ())]


def test_every_field_of_a_document_is_read() -> None:
    document = {
        "PlanId": "shop",
        "Name": "Web shop",
        "Description": "all of it",
        "LaunchActionsTimeoutMinutes": 20,
        "RpoMinutes": 15,
        "RtoMinutes": 240,
        "TerminationProtection": False,
        "Cleanup": 60,
        "ApprovalTimeoutMinutes": 30,
        "OnApprovalTimeout": "CONTINUE",
        "Waves": [
            {
                "WaveName": "database",
                "ApprovalBefore": True,
                "OnFailure": "PAUSE",
                "MinimumLaunched": "60%",
                "Region": "eu-west-1",
                "AccountId": "012345678901",
                "Servers": [
                    {
                        "SourceServerId": "s-00000000000000001",
                        "Impact": "OPTIONAL",
                        "RecoverySnapshotId": "pit-00000000000000001",
                    }
                ],
            },
            {"WaveName": "rest", "DependsOn": ["database"], "Region": "us-east-1", "ServerTags": {"tier": "web"}},
        ],
    }

    assert plan_from_document(document) == Plan(
        plan_id="shop",
        name="Web shop",
        description="all of it",
        waves=(
            Wave(
                name="database",
                depends_on=(),
                region="eu-west-1",
                account_id="012345678901",
                servers=(Server("s-00000000000000001", Impact.OPTIONAL, "pit-00000000000000001"),),
                approval_before=True,
                on_failure=OnFailure.PAUSE,
                minimum_launched="60%",
            ),
            Wave(name="rest", depends_on=("database",), region="us-east-1", server_tags={"tier": "web"}),
        ),
        launch_actions_timeout_minutes=20,
        rpo_minutes=15,
        rto_minutes=240,
        termination_protection=False,
        cleanup_minutes=60,
        approval_timeout_minutes=30,
        on_approval_timeout=OnApprovalTimeout.CONTINUE,
    )


def test_a_written_plan_spells_out_its_defaults_and_reads_back_as_the_same_plan() -> None:
    original = plan_from_document(
        plan(wave("a", 1), wave("b", 2), {"WaveName": "c", "Region": "us-east-1", "ServerTags": {"tier": "web"}})
    )

    written = plan_to_document(original)

    assert (written["TerminationProtection"], written["Cleanup"]) == (True, "MANUAL")
    assert written["Waves"][1]["DependsOn"] == ["a"]
    assert (written["Waves"][1]["ApprovalBefore"], written["Waves"][1]["OnFailure"]) == (False, "STOP")
    assert written["Waves"][0]["Servers"][0]["Impact"] == "CRITICAL"
    assert plan_from_document(written) == original


@pytest.mark.parametrize(("cleanup", "minutes"), [("MANUAL", None), ("IMMEDIATE", 0), (1, 1), (43200, 43200)])
def test_a_clean_up_is_by_hand_at_once_or_after_minutes(cleanup: str | int, minutes: int | None) -> None:
    read = plan_from_document(plan(wave("a", 1)) | {"Cleanup": cleanup})

    assert read.cleanup_minutes == minutes
    assert plan_to_document(read)["Cleanup"] == cleanup


def test_what_an_approval_counts_as_that_nobody_gave_in_time_is_spelled_out_beside_its_limit() -> None:
    written = plan_to_document(plan_from_document(plan(wave("a", 1)) | {"ApprovalTimeoutMinutes": 5}))

    assert written["OnApprovalTimeout"] == "REJECT"
    assert find_faults(written) == []


def test_numbers_that_json_spells_with_a_fraction_of_zero_are_read_as_whole_numbers() -> None:
    read = plan_from_document(
        plan(wave("a", 1, MinimumLaunched=1.0))
        | {"RpoMinutes": 15.0, "Cleanup": 60.0, "LaunchActionsTimeoutMinutes": 5.0}
    )

    numbers = (read.rpo_minutes, read.cleanup_minutes, read.launch_actions_timeout_minutes)
    assert [type(number) for number in (*numbers, read.waves[0].minimum_launched)] == [int] * 4


def test_why_a_server_is_skipped_survives_in_an_executions_own_copy_of_the_plan() -> None:
    skipped = Server("s-00000000000000001", Impact.OPTIONAL, skip_reason="DRS has no such source server")
    original = Plan("shop", "Web shop", "", (Wave("a", (), "us-east-1", servers=(skipped,)),))

    assert plan_from_document(plan_to_document(original)) == original


@pytest.mark.parametrize(
    ("minimum", "servers", "needed"),
    [(3, 5, 3), ("3 of 5", 5, 3), ("60%", 5, 3), ("60%", 3, 2), ("1%", 3, 1), ("7%", 100, 7), ("100%", 7, 7)],
)
def test_a_minimum_is_a_number_of_servers_or_a_share_rounded_up(minimum: int | str, servers: int, needed: int) -> None:
    assert launches_needed(minimum, servers) == needed


def test_waves_that_may_run_side_by_side_stand_together_in_the_launch_order() -> None:
    read = plan_from_document(
        plan(
            wave("portal", 1, DependsOn=["north", "south"]),
            wave("south", 2, DependsOn=[]),
            wave("north", 3, DependsOn=[]),
            wave("reports", 4, DependsOn=["portal"]),
        )
    )

    assert launch_order(read) == [["south", "north"], ["portal"], ["reports"]]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_a_wave_is_cut_into_jobs_of_at_most_a_hundred_servers(count: int, sizes: list[int]) -> None:
    servers = [Server(f"s-{number:017x}") for number in range(count)]

    chunks = chunk(servers)

    assert [len(part) for part in chunks] == sizes
    assert [one for part in chunks for one in part] == servers


def test_a_sound_plan_has_no_faults() -> None:
    assert faults(wave("a", 1), wave("b", 2), wave("c", 3, DependsOn=["a"])) == {}


def test_a_cycle_is_told_with_the_waves_that_form_it() -> None:
    found = faults(wave("a", 1, DependsOn=["c"]), wave("b", 2), wave("c", 3), wave("d", 4))

    assert list(found) == ["/Waves/0/DependsOn"]
    assert '"a" -> "b" -> "c" -> "a"' in found["/Waves/0/DependsOn"]


def test_a_wave_that_waits_for_itself_is_a_cycle() -> None:
    assert '"a" -> "a"' in faults(wave("a", 1, DependsOn=["a"]))["/Waves/0/DependsOn"]


def test_two_separate_cycles_are_both_told() -> None:
    found = faults(
        wave("a", 1, DependsOn=["b"]),
        wave("b", 2, DependsOn=["a"]),
        wave("c", 3, DependsOn=["d"]),
        wave("d", 4, DependsOn=["c"]),
    )

    assert list(found) == ["/Waves/0/DependsOn", "/Waves/2/DependsOn"]


def test_an_unknown_wave_is_told_with_the_nearest_known_one() -> None:
    found = faults(wave("database", 1), wave("web", 2, DependsOn=["databse"]))

    assert found == {"/Waves/1/DependsOn/0": 'this plan has no wave "databse"; did you mean "database"?'}


def test_a_wave_named_twice_in_one_depends_on_is_refused() -> None:
    assert "twice" in faults(wave("a", 1), wave("b", 2, DependsOn=["a", "a"]))["/Waves/1/DependsOn/1"]


def test_two_waves_of_one_name_are_refused() -> None:
    found = faults(wave("a", 1), wave("a", 2))

    assert "/Waves/0 is already called" in found["/Waves/1/WaveName"]


def test_a_server_twice_in_one_wave_or_in_two_waves_is_refused_with_the_first_place() -> None:
    found = faults(wave("a", 1, 1), wave("b", 1, Region="eu-west-1"))

    assert list(found) == ["/Waves/0/Servers/1/SourceServerId", "/Waves/1/Servers/0/SourceServerId"]
    assert all("/Waves/0/Servers/0/SourceServerId" in message for message in found.values())


def test_a_plan_has_at_most_three_thousand_servers_in_all_its_waves() -> None:
    assert faults(wave("a", *range(1500)), wave("b", *range(1500, 3000))) == {}
    assert "at most 3000" in faults(wave("a", *range(1500)), wave("b", *range(1500, 3001)))["/Waves"]


def test_a_wave_cannot_need_more_launched_servers_than_it_lists() -> None:
    found = faults(wave("a", 1, 2, MinimumLaunched=2), wave("b", 3, MinimumLaunched=2.0), wave("c", MinimumLaunched=9))

    assert found == {"/Waves/1/MinimumLaunched": "asks for 2 launched servers; this wave has 1 server"}


def test_a_count_out_of_all_servers_has_to_name_all_servers() -> None:
    found = faults(
        wave("a", *range(5), MinimumLaunched="3 of 5"),
        wave("b", *range(10, 14), MinimumLaunched="3 of 5"),
        wave("c", 20, 21, MinimumLaunched="3 of 2"),
        wave("d", MinimumLaunched="3 of 5"),
    )

    assert found == {
        "/Waves/1/MinimumLaunched": "is out of 5; this wave has 4 servers",
        "/Waves/2/MinimumLaunched": "asks for 3 launched servers; this wave has 2 servers",
    }


def test_what_an_approval_that_came_too_late_counts_as_needs_a_limit() -> None:
    alone = plan(wave("a", 1)) | {"OnApprovalTimeout": "CONTINUE"}

    assert [fault.pointer for fault in find_faults(alone)] == ["/OnApprovalTimeout"]
    assert find_faults(alone | {"ApprovalTimeoutMinutes": 5}) == []


def test_parts_of_the_wrong_shape_are_left_to_the_schema() -> None:
    misshapen: dict[str, Any] = {
        "Waves": [7, {"WaveName": [], "DependsOn": "a", "Servers": [None, {}], "MinimumLaunched": []}, None]
    }

    assert find_faults(misshapen) == []
    assert find_faults({"Waves": "none"}) == []

"""A plan document of any shape gets every one of its faults told, each in one sentence at its JSON pointer."""

import datetime as dt
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from drs_orchestrator.domain.plan import launch_order, plan_from_document, plan_to_document
from drs_orchestrator.plan_document import MAX_FAULTS, plan_schema, validate_plan

PLANS = sorted((Path(__file__).parents[2] / "plans").glob("*.yaml"))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=20,
)


# A machine that is busy with other things is no fault of the code.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plan(**fields: Any) -> dict[str, Any]:
    return {"PlanId": "shop", "Name": "Web shop", "Waves": [wave()], **fields}


def wave(**fields: Any) -> dict[str, Any]:
    return {"WaveName": "web", "Region": "us-east-1", "Servers": [server()], **fields}


def tagged(name: str) -> dict[str, Any]:
    return {"WaveName": name, "Region": "us-east-1", "ServerTags": {"tier": "web"}}


def server(**fields: Any) -> dict[str, Any]:
    return {"SourceServerId": "s-0123456789abcdef0", **fields}


def messages(document: object) -> dict[str, str]:
    return {fault.pointer: fault.message for fault in validate_plan(document)}


def test_the_schema_is_a_valid_draft_2020_12_schema_in_which_every_part_says_what_is_expected() -> None:
    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    parts = [schema, *schema["$defs"].values()]
    for part in parts:
        assert part["description"]
        for described in part.get("properties", {}).values():
            assert described.get("description") or "$ref" in described


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_sample_plan_is_valid_and_named_as_its_file(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert validate_plan(document) == []
    assert document["PlanId"] == path.stem
    assert launch_order(plan_from_document(document))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_written_plan_is_a_valid_document(path: Path) -> None:
    written = plan_to_document(plan_from_document(yaml.safe_load(path.read_text(encoding="utf-8"))))

    assert validate_plan(written) == []


def test_a_plan_with_every_optional_field_is_valid() -> None:
    document = plan(
        Description="two\nlines",
        LaunchActionsTimeoutMinutes=20,
        RpoMinutes=15,
        RtoMinutes=240,
        TerminationProtection=False,
        Cleanup="IMMEDIATE",
        ApprovalTimeoutMinutes=30,
        OnApprovalTimeout="CONTINUE",
        Waves=[
            wave(
                ApprovalBefore=True,
                OnFailure="CONTINUE",
                MinimumLaunched="100%",
                AccountId="012345678901",
                DependsOn=[],
                Servers=[server(Impact="OPTIONAL", RecoverySnapshotId="pit-0123456789abcdef0")],
            ),
            {"WaveName": "Büro 東京", "Region": "us-gov-west-1", "ServerTags": {"tier": "", "owner": "it"}},
        ],
    )

    assert validate_plan(document) == []


@pytest.mark.parametrize(
    ("document", "pointer", "expected"),
    [
        (plan(PlanId="-shop"), "/PlanId", "begins with a letter or digit"),
        (plan(PlanId="a" * 65), "/PlanId", "1 to 64"),
        (plan(PlanId="shop\n"), "/PlanId", "letters, digits"),
        (plan(Name=""), "/Name", "1 to 128"),
        (plan(Name="n" * 129), "/Name", "1 to 128"),
        (plan(Name=" "), "/Name", "blanks"),
        (plan(Name="a\x1b[2Jb"), "/Name", "control characters"),
        (plan(Description="d" * 1025), "/Description", "1024"),
        (plan(Waves=[]), "/Waves", "an empty list"),
        (plan(Waves=[tagged(f"w{n}") for n in range(101)]), "/Waves", "1 to 100 waves; got a list of 101"),
        (plan(Waves=[wave(WaveName="a#b")]), "/Waves/0/WaveName", "without '#'"),
        (plan(Waves=[wave(WaveName="w" * 65)]), "/Waves/0/WaveName", "1 to 64"),
        (plan(Waves=[wave(Region="us-east1")]), "/Waves/0/Region", 'got "us-east1"'),
        (plan(Waves=[wave(AccountId="12345")]), "/Waves/0/AccountId", "12 digits"),
        (plan(Waves=[wave(AccountId=123456789012)]), "/Waves/0/AccountId", "put it in quotes"),
        (plan(Waves=[wave(Servers=[])]), "/Waves/0/Servers", "1 to 3000 servers; got an empty list"),
        (plan(Waves=[wave(ServerTags={"a": "b"})]), "/Waves/0", "exactly one of Servers"),
        (plan(Waves=[{"WaveName": "w", "Region": "us-east-1"}]), "/Waves/0", "got neither"),
        (plan(Waves=[wave(Servers=[server(SourceServerId="s-12")])]), "/Waves/0/Servers/0/SourceServerId", "17 hex"),
        (
            plan(Waves=[wave(Servers=[server(SourceServerId="s-0123456789ABCDEF0")])]),
            "/Waves/0/Servers/0/SourceServerId",
            "lower case",
        ),
        (plan(Waves=[wave(Servers=[server(Impact="optional")])]), "/Waves/0/Servers/0/Impact", "CRITICAL"),
        (
            plan(Waves=[wave(Servers=[server(RecoverySnapshotId="snap-1")])]),
            "/Waves/0/Servers/0/RecoverySnapshotId",
            "pit-",
        ),
        (plan(Waves=[wave(Servers=["s-0123456789abcdef0"])]), "/Waves/0/Servers/0", "an object with SourceServerId"),
        (plan(RpoMinutes=0), "/RpoMinutes", "from 1 to 525600"),
        (plan(RtoMinutes="4h"), "/RtoMinutes", 'got "4h"'),
        (plan(TerminationProtection="yes"), "/TerminationProtection", "true (the default"),
        (plan(Cleanup="immediate"), "/Cleanup", "MANUAL (the default), IMMEDIATE"),
        (plan(Cleanup=43201), "/Cleanup", "1 to 43200"),
        (plan(Cleanup=True), "/Cleanup", "got true"),
        (plan(ApprovalTimeoutMinutes=0), "/ApprovalTimeoutMinutes", "from 1 to 43200"),
        (plan(OnApprovalTimeout="APPROVE", ApprovalTimeoutMinutes=1), "/OnApprovalTimeout", "or CONTINUE"),
        (plan(OnApprovalTimeout="REJECT"), "/OnApprovalTimeout", "needs ApprovalTimeoutMinutes"),
        (plan(Waves=[wave(ApprovalBefore="true")]), "/Waves/0/ApprovalBefore", "true (somebody has to approve"),
        (plan(Waves=[wave(OnFailure="ABORT")]), "/Waves/0/OnFailure", "CONTINUE or PAUSE"),
        (plan(Waves=[wave(MinimumLaunched=0)]), "/Waves/0/MinimumLaunched", "a number from 1"),
        (plan(Waves=[wave(MinimumLaunched="0%")]), "/Waves/0/MinimumLaunched", 'such as "60%"'),
        (plan(Waves=[wave(MinimumLaunched="101%")]), "/Waves/0/MinimumLaunched", 'got "101%"'),
        (plan(Waves=[wave(MinimumLaunched="3 out of 5")]), "/Waves/0/MinimumLaunched", 'got "3 out of 5"'),
        (plan(Waves=[wave(MinimumLaunched="0 of 1")]), "/Waves/0/MinimumLaunched", '"3 of 5"'),
        (
            plan(Waves=[wave(MinimumLaunched="1 of 2")]),
            "/Waves/0/MinimumLaunched",
            "is out of 2; this wave has 1 server",
        ),
        (plan(Waves=[wave(MinimumLaunched=2)]), "/Waves/0/MinimumLaunched", "this wave has 1 server"),
        (plan(SkipReason="x"), "/SkipReason", "unknown field"),
        (plan(Waves=[wave(Servers=[server(SkipReason="x")])]), "/Waves/0/Servers/0/SkipReason", "unknown field"),
        (plan(Waves=[wave(DependsOn="database")]), "/Waves/0/DependsOn", "names of waves"),
        (plan(Wave=[]), "/Wave", 'unknown field; did you mean "Waves"?'),
        (plan(Waves=[wave(Sevrers=[])]), "/Waves/0/Sevrers", 'did you mean "Servers"?'),
        (plan(Waves=[wave(Servers=[server(zzz=1)])]), "/Waves/0/Servers/0/zzz", '"SourceServerId", "Impact"'),
        ({"Name": "n", "Waves": [wave()]}, "/PlanId", "is missing; expected a plan id"),
        (
            plan(Waves=[{"Region": "us-east-1", "Servers": [server()]}]),
            "/Waves/0/WaveName",
            "is missing; expected a wave's",
        ),
        (plan(Name=None), "/Name", "got nothing (null)"),
        (plan(Name=dt.date(2026, 11, 1)), "/Name", "got a date; put it in quotes"),
        (plan(Name=math.nan), "/Name", "got the number nan"),
        (plan(Name=True), "/Name", "got true"),
        (plan(Name="half \ud83d of a smile"), "/Name", "whole Unicode characters"),
    ],
)
def test_a_fault_is_told_at_its_pointer_with_what_is_expected(document: object, pointer: str, expected: str) -> None:
    found = messages(document)

    assert list(found) == [pointer]
    assert expected in found[pointer]


@pytest.mark.parametrize(
    ("tags", "pointer"),
    [
        ({}, "/Waves/0/ServerTags"),
        ({str(n): "x" for n in range(11)}, "/Waves/0/ServerTags"),
        ({"": "x"}, "/Waves/0/ServerTags"),
        ({"k" * 129: "x"}, "/Waves/0/ServerTags"),
        ({"tier": "x" * 257}, "/Waves/0/ServerTags/tier"),
        ({"tier": 3}, "/Waves/0/ServerTags/tier"),
        ({"a/b~c": None}, "/Waves/0/ServerTags/a~1b~0c"),
    ],
)
def test_server_tags_are_one_to_ten_pairs_of_texts(tags: dict[str, object], pointer: str) -> None:
    assert list(messages(plan(Waves=[{"WaveName": "w", "Region": "us-east-1", "ServerTags": tags}]))) == [pointer]


def test_faults_of_shape_and_of_meaning_are_told_together_in_the_order_of_the_document() -> None:
    document = plan(
        Name="",
        Waves=[
            wave(DependsOn=["nowhere"]),
            *(wave(WaveName=f"w{n}", Servers=[{"SourceServerId": f"s-{n:017x}"}]) for n in range(8)),
            wave(Region="mars"),
            wave(WaveName="last", Servers=[server(Impact="none")]),
        ],
    )

    assert list(messages(document)) == [
        "/Name",
        "/Waves/0/DependsOn/0",
        "/Waves/9/Region",
        "/Waves/9/Servers/0/SourceServerId",
        "/Waves/9/WaveName",
        "/Waves/10/Servers/0/Impact",
        "/Waves/10/Servers/0/SourceServerId",
    ]


def test_a_long_value_is_cut_in_its_message() -> None:
    [fault] = validate_plan(plan(PlanId="x" * 100_000))

    assert len(fault.message) < 300
    assert "(100000 characters)" in fault.message


def test_nonsense_without_end_is_told_up_to_a_limit() -> None:
    found = validate_plan(plan(Waves=[0] * 20_000))

    assert len(found) == MAX_FAULTS + 1
    assert f"more than {MAX_FAULTS} faults" in found[-1].message


MEGABYTES = {
    "waves that wait for themselves": plan(Waves=[wave(WaveName=f"a{n}", DependsOn=[f"a{n}"]) for n in range(8_000)]),
    "two long names": plan(
        Waves=[
            wave(WaveName="".join(chr(0x4E00 + n % 3000) for n in range(80_000))),
            wave(WaveName="b", DependsOn=["".join(chr(0x4E00 + n * 7 % 3000) for n in range(80_000))]),
        ]
    ),
    "references that are nearly right": plan(
        Waves=[
            *(wave(WaveName=f"{'a' * 61}{n:03}") for n in range(99)),
            wave(DependsOn=[f"{'a' * 60}{n:04}" for n in range(10_000)]),
        ]
    ),
}


@pytest.mark.parametrize("document", MEGABYTES.values(), ids=MEGABYTES)
def test_a_megabyte_of_plan_is_refused_before_api_gateway_gives_up(document: object) -> None:
    begun = time.monotonic()

    assert len(messages(document)) > 0
    assert time.monotonic() - begun < 29


def test_nesting_deeper_than_the_stack_is_refused_like_any_other_wrong_type() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]

    found = messages(plan(Name=nested, Waves=[wave(Servers=nested, DependsOn=nested, Region=nested)], Extra=nested))

    assert list(found) == [
        "/Extra",
        "/Name",
        "/Waves/0/DependsOn/0",
        "/Waves/0/Region",
        "/Waves/0/Servers/0",
    ]


@pytest.mark.parametrize(
    "document",
    [None, True, 3, math.inf, pytest.param(10**6000, id="huge"), "plan", [], [plan()], b"plan", dt.date.max],
)
def test_what_is_no_object_is_no_plan(document: object) -> None:
    [fault] = validate_plan(document)

    assert fault.pointer == ""
    assert "expected a recovery plan" in fault.message


@unhurried
@given(json_values)
def test_any_json_value_gets_an_answer_that_can_be_written(value: object) -> None:
    for document in (value, plan(Waves=value), plan(Waves=[value]), plan(Waves=[wave(Servers=value, DependsOn=value)])):
        for fault in validate_plan(document):
            assert fault.message
            json.dumps([fault.pointer, fault.message], ensure_ascii=False).encode("utf-8")


@unhurried
@given(json_values)
def test_a_document_without_faults_can_be_read_and_ordered(value: object) -> None:
    document = plan(
        Waves=[wave(), wave(WaveName="second", Servers=[server(SourceServerId="s-" + "1" * 17)])], Name=value
    )

    if not validate_plan(document):
        assert launch_order(plan_from_document(document)) == [["web"], ["second"]]

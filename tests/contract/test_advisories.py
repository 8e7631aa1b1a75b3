"""`make audit` without a way to PyPI: pip-audit on a copy of the advisory database, by the rules of OSV's format."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.helpers.template import PROJECT_ROOT
from tools.advisories import Database, UnusableDatabase, extent

# All that an advisory has to have in the PyPA's database; the versions are as bare as they stand there.
ADVISORY = """\
id: PYSEC-2026-1
details: Lets anybody in.
aliases:
- CVE-2026-0001
modified: "2026-11-20T08:00:00.123456Z"
published: "2026-11-19T08:00:00Z"
affected:
- package:
    name: {name}
    ecosystem: {ecosystem}
  ranges:
  - type: {type}
    events:
{events}
  versions:
{versions}
"""
WRITTEN = datetime(2026, 11, 20, 8, tzinfo=UTC)


def advisory(
    events: tuple[str, ...] = (),
    versions: tuple[str, ...] = (),
    name: str = "some-package",
    ecosystem: str = "PyPI",
    type: str = "ECOSYSTEM",  # noqa: A002 - the format's word
) -> str:
    lists = {
        "events": "\n".join(f"    - {event}" for event in events),
        "versions": "\n".join(f"  - {v}" for v in versions),
    }
    return ADVISORY.format(name=name, ecosystem=ecosystem, type=type, **lists)


def database(folder: Path, text: str) -> Path:
    (folder / "vulns" / "some-package").mkdir(parents=True)
    (folder / "vulns" / "some-package" / "PYSEC-2026-1.yaml").write_text(text, encoding="utf-8")
    return folder


FIXED = ("introduced: '0'", "fixed: 1.10")


class TestMatching:
    @pytest.mark.parametrize(
        ("events", "affected", "not_affected"),
        [
            (FIXED, ["0.dev1", "1.2", "1.9.9", "1.10rc1"], ["1.10", "1.10.post1", "2"]),
            (("introduced: 1.2", "last_affected: 1.10"), ["1.2.0", "1.9", "1.10"], ["1.1", "1.10.1", "1.11"]),
            (("introduced: 2.0",), ["2", "2.0.1", "3"], ["2.0rc1", "1.9"]),
            (
                ("fixed: 2.5", "introduced: 2.0", "fixed: 1.4", "introduced: 1.0"),
                ["1.0", "1.3", "2.0", "2.4"],
                ["0.9", "1.4", "1.9", "2.5"],
            ),
            # Those from before PEP 440 are older than all others.
            (("introduced: '0'", "fixed: 2019-09-12"), [], ["1.0"]),
        ],
    )
    def test_a_range_goes_from_introduced_to_before_fixed_or_to_last_affected(
        self, tmp_path: Path, events: tuple[str, ...], affected: list[str], not_affected: list[str]
    ) -> None:
        known = Database(database(tmp_path, advisory(events)))

        assert [version for version in affected + not_affected if known.about("some-package", version)] == affected

    def test_a_version_that_is_listed_is_affected_whatever_the_ranges_say(self, tmp_path: Path) -> None:
        known = Database(database(tmp_path, advisory(("introduced: 3.0",), versions=("1.10", "0.1-doduo"))))

        assert [v for v in ("1.1", "1.10", "1.10.0", "1.11", "3.1") if known.about("some-package", v)] == [
            "1.10",
            "1.10.0",
            "3.1",
        ]

    @pytest.mark.parametrize(("written", "asked"), [("Some_Package", "some-package"), ("some-package", "Some.Package")])
    def test_names_are_the_same_however_they_are_written(self, tmp_path: Path, written: str, asked: str) -> None:
        known = Database(database(tmp_path, advisory(FIXED, name=written)))

        assert [found["id"] for found in known.about(asked, "1.0")] == ["PYSEC-2026-1"]

    @pytest.mark.parametrize(
        "text",
        [
            advisory(FIXED) + 'withdrawn: "2026-11-21T08:00:00Z"\n',
            advisory(FIXED, ecosystem="npm"),
            advisory(FIXED, type="GIT"),
            advisory(FIXED, name="some-package-too"),
        ],
        ids=["withdrawn", "of another ecosystem", "of commits only", "of another package"],
    )
    def test_an_advisory_that_does_not_speak_of_the_package_s_versions_is_not_found(
        self, tmp_path: Path, text: str
    ) -> None:
        assert not Database(database(tmp_path, text)).about("some-package", "1.0")


class TestAudit:
    """With the real pip-audit, as `make audit` calls it."""

    def audit(self, folder: Path, pinned: str) -> "subprocess.CompletedProcess[str]":
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{pinned} --hash=sha256:{'0' * 64}\n", encoding="utf-8")
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "tools.advisories",
                str(folder),
                "--strict",
                "--disable-pip",
                "-r",
                str(requirements),
            ],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
        )

    def test_a_pinned_package_in_the_range_is_reported_with_the_version_that_is_fixed(self, tmp_path: Path) -> None:
        ended = self.audit(database(tmp_path, advisory(FIXED)), "some-package==1.9")

        assert ended.returncode == 1
        assert ["some-package", "1.9", "PYSEC-2026-1", "1.10"] in [line.split() for line in ended.stdout.splitlines()]

    def test_a_pinned_package_outside_the_range_passes(self, tmp_path: Path) -> None:
        ended = self.audit(database(tmp_path, advisory(FIXED)), "some-package==1.10")

        assert ended.returncode == 0
        assert "the newest of 2026-11-20." in ended.stderr

    def test_a_folder_without_advisories_is_refused_in_one_sentence(self, tmp_path: Path) -> None:
        ended = self.audit(tmp_path, "some-package==1.10")

        assert ended.returncode == 2
        assert ended.stderr == (
            f"{tmp_path} has no vulns/PACKAGE/*.yaml: name a checkout of https://github.com/pypa/advisory-database.\n"
        )


class TestDatabase:
    @pytest.mark.parametrize("text", ["", "a: [", advisory(FIXED).replace("2026-11-20T", "yesterday ")])
    def test_a_file_that_is_no_advisory_is_named(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(UnusableDatabase, match=r"PYSEC-2026-1\.yaml is no advisory"):
            Database(database(tmp_path, text))

    @pytest.mark.parametrize(("days", "is_stale"), [(0, False), (30, False), (31, True)])
    def test_what_an_old_copy_can_t_know_is_said(self, tmp_path: Path, days: int, is_stale: bool) -> None:
        said = extent(Database(database(tmp_path, advisory(FIXED))), WRITTEN + timedelta(days=days, hours=1))

        assert "1 advisories, the newest of 2026-11-20" in said
        assert (f"{days} days ago: what became known since is not found." in said) is is_stale

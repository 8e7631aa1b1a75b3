"""What `sam build` packages for each function: what it needs at run time and no more, small, the same every time."""

import hashlib
import io
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from shutil import copytree, ignore_patterns
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from embedded.sam import Project
from tests.helpers.template import PROJECT_ROOT
from tests.statemachine.functions import functions

MAX_ZIP_BYTES = 3_000_000

pytestmark = pytest.mark.xdist_group("package")

# Brought by Lambda's own runtime; a second copy would only slow the cold start down.
FROM_THE_RUNTIME = {"boto3", "botocore", "s3transfer", "pip", "setuptools"}


def built(root: Path, logs: Path) -> dict[str, Path]:
    """Each function's package by its logical id, as `sam build` leaves it."""
    project = Project(root)
    with project.built(logs / "sam-build.log", lambda _line: None):
        pass
    return {name: project.build_dir / name for name in functions()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    logs = tmp_path_factory.mktemp("logs")
    (logs / "tmp").mkdir()
    return built(PROJECT_ROOT, logs)


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def contents(package: Path) -> dict[str, tuple[str, int]]:
    """Each file's digest and mode by its path: all that the zip of a package is made of, but the time of the build."""
    return {
        str(path.relative_to(package)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
        for path in files(package)
    }


def pinned() -> set[str]:
    """The names in the lock file of what is packaged."""
    lines = (PROJECT_ROOT / "functions" / "requirements.txt").read_text().splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if line[0].isalnum()}


def test_a_package_is_the_functions_folder_and_the_locked_requirements_and_nothing_else(
    packages: dict[str, Path],
) -> None:
    own = {path.name for path in (PROJECT_ROOT / "functions").iterdir() if path.name != "__pycache__"}
    for package in packages.values():
        installed = list(distributions(path=[str(package)]))
        brought = {file.parts[0] for each in installed for file in each.files or ()}

        assert {canonicalize_name(each.name) for each in installed} == pinned()
        assert {path.name for path in package.iterdir()} == own | brought


def test_a_package_holds_no_bytecode_and_nothing_the_runtime_brings(packages: dict[str, Path]) -> None:
    for package in packages.values():
        assert [path for path in files(package) if path.suffix == ".pyc"] == []
        assert {path.name for path in package.iterdir()} & FROM_THE_RUNTIME == set()


def test_every_zip_stays_small(packages: dict[str, Path]) -> None:
    for name, package in packages.items():
        zipped = io.BytesIO()
        with ZipFile(zipped, "w", ZIP_DEFLATED) as archive:
            for path in files(package):
                archive.write(path, path.relative_to(package))
        size = len(zipped.getvalue())

        print(f"{name}: {size:,} bytes")
        assert size <= MAX_ZIP_BYTES, name


def test_every_handler_can_be_imported_with_nothing_but_python_and_boto3(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for each in with_what_it_requires("boto3"):
        for part in {file.parts[0] for file in each.files or () if file.parts[0] not in ("..", "__pycache__")}:
            (runtime / part).symlink_to(each.locate_file(part))
    for name, properties in functions().items():
        module, _, function = properties["Handler"].rpartition(".")
        # -I and -S: no environment, no site-packages, not this folder.
        program = (
            f"import sys; sys.path[:0] = [{str(packages[name])!r}, {str(runtime)!r}]; sys.dont_write_bytecode = True; "
            f"import {module} as shipped; assert callable(shipped.{function}); "
            "print(*{getattr(each, '__file__', None) for each in sys.modules.values()} - {None}, sep='\\n')"
        )
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program], env={}, cwd=tmp_path, capture_output=True, text=True
        )

        assert ended.returncode == 0, ended.stderr
        homes = [*map(str, (packages[name], runtime)), sysconfig.get_path("stdlib")]
        assert [line for line in ended.stdout.splitlines() if not line.startswith(tuple(homes))] == []


def with_what_it_requires(name: str) -> list[Distribution]:
    """A distribution of this environment and all it needs to run."""
    found: dict[str, Distribution] = {}
    wanted = [name]
    while wanted:
        each = canonicalize_name(wanted.pop())
        if each not in found:
            found[each] = distribution(each)
            needs = map(Requirement, found[each].requires or ())
            wanted += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    return list(found.values())


def test_another_checkout_is_built_to_the_same_packages(packages: dict[str, Path], tmp_path: Path) -> None:
    checkout = tmp_path / "elsewhere"
    for folder in ("functions", "statemachine"):
        copytree(PROJECT_ROOT / folder, checkout / folder, ignore=ignore_patterns("__pycache__"))
    for name in ("template.yaml", "samconfig.toml"):
        (checkout / name).write_bytes((PROJECT_ROOT / name).read_bytes())
    (tmp_path / "tmp").mkdir()
    again = built(checkout, tmp_path)

    for name, package in packages.items():
        assert contents(package) == contents(again[name]), name

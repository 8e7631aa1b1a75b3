"""pip-audit where neither PyPI's advisories nor OSV's can be reached: OSV's query, answered from a copy of a database.

`python -m tools.advisories FOLDER ARGUMENT...` runs pip-audit with these arguments and ends with its exit code, or with
2 when FOLDER is no checkout of https://github.com/pypa/advisory-database, from which PyPI has its advisories. Their
format is OSV's (https://ossf.github.io/osv-schema), and they are matched as it says there under "Evaluation".
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

STALE_DAYS = 30
SOURCE = "https://github.com/pypa/advisory-database"
_ECOSYSTEM = "PyPI"

Advisory = Mapping[str, Any]


class UnusableDatabase(Exception):
    """A sentence that says what is wrong with the folder and what to do."""


class Database:
    """The advisories of a folder, read once. Raises UnusableDatabase when there are none or one can't be read."""

    def __init__(self, folder: Path) -> None:
        self._by_package: defaultdict[str, list[Advisory]] = defaultdict(list)
        modified = [self._add(path) for path in sorted((folder / "vulns").glob("*/*.yaml"))]
        if not modified:
            raise UnusableDatabase(f"{folder} has no vulns/PACKAGE/*.yaml: name a checkout of {SOURCE}.")
        self.size = len(modified)
        self.newest = max(modified)

    def about(self, package: str, version: str) -> list[Advisory]:
        """The advisories that affect this version of a package and were not withdrawn."""
        name = canonicalize_name(package)
        known = self._by_package.get(name, ())
        return [advisory for advisory in known if any(_affects(each, name, version) for each in advisory["affected"])]

    def _add(self, path: Path) -> datetime:
        """When the advisory in this file was last modified. Every scalar stays a string: 1.10 is no number."""
        try:
            advisory = yaml.load(path.read_text(encoding="utf-8"), yaml.CBaseLoader)  # noqa: S506 - makes strings only
            modified = datetime.fromisoformat(advisory["modified"])
            if "withdrawn" not in advisory:
                for package in {canonicalize_name(each["package"]["name"]) for each in advisory["affected"]}:
                    self._by_package[package].append(advisory)
        except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
            raise UnusableDatabase(f"{path} is no advisory in OSV's format: get {SOURCE} anew.") from error
        return modified


def _affects(affected: Mapping[str, Any], name: str, version: str) -> bool:
    package = affected["package"]
    if package["ecosystem"] != _ECOSYSTEM or canonicalize_name(package["name"]) != name:
        return False
    wanted = _order(version)
    return any(_order(each) == wanted for each in affected.get("versions", ())) or any(
        _includes(each["events"], wanted) for each in affected.get("ranges", ()) if each["type"] == "ECOSYSTEM"
    )


_Order = tuple[int, Version, str]
_NO_VERSION = Version("0")


def _order(version: str) -> _Order:
    """What versions are sorted by: "0" is before all others, then come those from before PEP 440, as OSV has them."""
    if version == "0":
        return 0, _NO_VERSION, ""
    try:
        return 2, Version(version), ""
    except InvalidVersion:
        return 1, _NO_VERSION, version


def _includes(events: Sequence[Mapping[str, str]], wanted: _Order) -> bool:
    """Whether a range's events, which stand in any order, leave this version affected."""
    included = False
    dated = ((_order(at), kind) for each in events for kind, at in each.items())
    for at, kind in sorted(dated, key=lambda event: event[0]):
        if kind == "introduced" and wanted >= at:
            included = True
        elif (kind == "fixed" and wanted >= at) or (kind == "last_affected" and wanted > at):
            included = False
    return included


@contextmanager
def served(database: Database) -> Iterator[str]:
    """The URL at which the database answers OSV's query (https://google.github.io/osv.dev/post-v1-query)."""

    class Query(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = database.about(query["package"]["name"], query["version"])
            answer = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so by http.server
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Query) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


def extent(database: Database, now: datetime) -> str:
    """How much the database knows, and since when nothing more, in a sentence or two."""
    days = (now - database.newest).days
    known = f"{database.size:,} advisories, the newest of {database.newest:%Y-%m-%d}"
    if days <= STALE_DAYS:
        return f"{known}."
    return f"{known}, {days} days ago: what became known since is not found. Get {SOURCE} anew."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: pip-audit's, or 2 without a database."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.advisories", description="Run pip-audit on a database's copy."
    )
    parser.add_argument("folder", type=Path, help=f"a checkout of {SOURCE}")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="pip-audit's own")
    options = parser.parse_args(arguments)
    try:
        database = Database(options.folder)
    except UnusableDatabase as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"{extent(database, datetime.now(UTC))}\n")
    with served(database) as url:
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--osv-url", url]
        environment = os.environ | {"no_proxy": "127.0.0.1"}
        return subprocess.run([*command, *options.arguments], env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())

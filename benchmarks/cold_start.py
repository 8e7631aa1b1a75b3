"""How much longer does a handler take to start than boto3 and its first client, which no function can do without?

Each start is a fresh process that does what Lambda does before the first event: it imports the handler and makes the
client of DynamoDB that every handler needs; beside it one that imports boto3 and makes that client. They take turns,
so that a busy machine is busy for all of them, and what is counted is the processor's time (user and system).

Compiling is counted apart. What `sam build` makes holds no bytecode, and Lambda's file system can't be written to: a
function compiles what its package brings at each cold start. The columns "from source" have it do so, boto3 alone
being compiled, as a runtime that brings it may have it; the others find bytecode of everything. Fetching the package
and starting the runtime are in no figure.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Section, about, print_section, table
from tests.helpers.template import function_environment

RUNS = 15
# At most so many times boto3 and its first client.
WANTED = {"check_drs": 1.25, "api": 1.6}

_BARE = "import boto3; boto3.client('dynamodb')"
_FUNCTIONS = Path(__file__).parents[1] / "functions"
_MODULES = "import sys; print(*sys.modules)"
_AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_STATE_MACHINE = {"STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:drs-orchestrator-recovery"}


def handlers() -> list[str]:
    """The packages of functions/ that hold a handler."""
    return sorted(path.parent.name for path in _FUNCTIONS.glob("*/handler.py"))


def environment() -> dict[str, str]:
    """What a function finds in its environment, and credentials of nobody."""
    return function_environment({}, TargetExternalId="") | _STATE_MACHINE | {"TARGET_EXTERNAL_ID": ""} | _AWS


def started(handler: str) -> str:
    """The program that starts a handler as Lambda does, up to its first client."""
    return f"import {handler}.handler\nfrom drs_orchestrator.bootstrap import app\napp().ledger, app().executions"


@cache
def modules(handler: str | None = None) -> frozenset[str]:
    """The modules that are there after a handler's start; without a handler, after that of boto3 and its client."""
    program = f"{started(handler) if handler else _BARE}\n{_MODULES}"
    return frozenset(_run(program, environment(), stdout=subprocess.PIPE).split())


def measure(names: Sequence[str], runs: int = RUNS) -> list[dict[str, Any]]:
    """A row for boto3 alone and for each of these handlers."""
    with TemporaryDirectory() as compiled, TemporaryDirectory() as boto3_compiled:
        warm = environment() | {"PYTHONPYCACHEPREFIX": compiled}
        from_source = environment() | {"PYTHONPYCACHEPREFIX": boto3_compiled}
        _run(_BARE, warm)
        _run(_BARE, from_source)
        from_source["PYTHONDONTWRITEBYTECODE"] = "1"
        for name in names:
            _run(started(name), warm)
        bare: list[float] = []
        starts: dict[str, list[float]] = {name: [] for name in names}
        compiling: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(runs):
            bare.append(_seconds(_BARE, warm))
            for name in names:
                starts[name].append(_seconds(started(name), warm))
                compiling[name].append(_seconds(started(name), from_source))
    first = _row("boto3 and its client", bare, bare, bare, 0)
    return [first] + [_row(name, starts[name], compiling[name], bare, len(modules(name) - modules())) for name in names]


def _row(
    name: str, start: Sequence[float], compiling: Sequence[float], bare: Sequence[float], more: int
) -> dict[str, Any]:
    return {
        "start of": name,
        "median ms": round(1000 * median(start)),
        "least ms": round(1000 * min(start)),
        "most ms": round(1000 * max(start)),
        "median : boto3's": round(median(start) / median(bare), 2),
        "least : boto3's": round(min(start) / min(bare), 2),
        "wanted": WANTED.get(name, ""),
        "from source, median ms": round(1000 * median(compiling)),
        "from source, median : boto3's": round(median(compiling) / median(bare), 2),
        "modules beside boto3's": more,
    }


def _seconds(program: str, variables: dict[str, str]) -> float:
    """The processor's time that the program takes in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(program, variables)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(program: str, variables: dict[str, str], stdout: int | None = None) -> str:
    # Without what the caller's own Python was told, such as to write no bytecode.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    done = subprocess.run([sys.executable, "-c", program], env=kept | variables, stdout=stdout, text=True, check=True)
    return done.stdout or ""


def section(runs: int = RUNS) -> Section:
    """What docs/performance.md says of it."""
    rows = measure(tuple(WANTED), runs)
    good = all(row["median : boto3's"] <= WANTED[row["start of"]] for row in rows[1:])
    return Section(
        name="cold_start",
        title="Cold start",
        basis=f"Processor time, medians of {runs} interleaved runs.",
        text="\n\n".join([about(__doc__, 3), table(rows), _WORDS]),
        good=good,
    )


_WORDS = """\
Wanted: the check of DRS in at most 1.25 times, the API in at most 1.6 times what boto3 takes, by the medians. The least
of the runs is the figure a busy machine disturbs least, so it is beside them.

An adapter is imported when a task first asks for it, jsonschema when somebody brings a plan, the report's page when
somebody wants it. The other tasks import about what the check does. What is left is Powertools, of which the API takes
its router, and the domain's dataclasses. `tests/benchmarks/test_cold_start.py` names the modules that must not be there
at a start and bounds their number. The ratios of single runs of this differ by a tenth: it takes many."""


def main() -> int:
    """Measure and print; 0 when the handlers start as fast as is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each start is measured")
    return print_section(section(parser.parse_args().runs))


if __name__ == "__main__":
    sys.exit(main())

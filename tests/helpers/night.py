"""The night of docs/operating.md: a shop, an operator who types, and what happens to both meanwhile.

`python -m tests.helpers.night` acts the page out and writes what is printed into it; with `--check` it only says
whether the page is up to date. Nothing is left to chance: time is the orchestrator's, which stands still between two
events, and ids come from seeds, so that the page is the same every time.
"""

import argparse
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from typer.testing import CliRunner, Result

from drctl.main import app
from drs_orchestrator.domain.statuses import ExecutionStatus
from drs_orchestrator.tasks.ask_operator import wait_for_decision
from drs_orchestrator.tasks.clean_up_drill import clean_up_drill
from tests.helpers.console_page import acted_out
from tests.helpers.http_api import HttpApi, served
from tests.helpers.orchestrator import Orchestrator, aws
from tests.helpers.simulator import SimulatorControl, running_simulator
from tests.helpers.template import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "operating.md"

_EVENING = datetime(2027, 1, 16, 2, 30, tzinfo=UTC)
_SEED = 3
_ROUND_SECONDS = 60
_LOOKS = 60
_API_ON_THE_PAGE = "https://abc123.execute-api.us-east-1.amazonaws.com/v1"
_NOWHERE = "http://127.0.0.1:9"
_WIDTH = "132"

_SERVERS = {
    f"shop-{name}": f"s-3a7e{number:013d}"
    for number, name in enumerate(("db-1", "db-2", "app-1", "app-2", "web-1", "web-2"), 1)
}


class Night:
    """To be used inside `quiet_night`."""

    def __init__(self, orchestrator: Orchestrator, api: HttpApi) -> None:
        self._orchestrator = orchestrator
        self._simulator = orchestrator.simulator
        self._api = api
        self._api_url = api.url
        self._drivers: dict[str, _Driver] = {}
        self._events: Mapping[str, Callable[[], object]] = {
            "shop-db-1 lives on an earlier recovery": partial(self._recover, "shop-db-1"),
            "the Region fails": self._lose_the_region,
            "the key of shop-db-2 is gone": partial(self._fail, "shop-db-2"),
            "the key is back": self._simulator.remove_faults,
            "the shop has failed back": self._fail_back,
            "DRS refuses to terminate": self._refuse_to_terminate,
            "the API is away": partial(self._reach_the_api, False),
            "the API is back": partial(self._reach_the_api, True),
            "DRS terminates again": self._simulator.remove_faults,
        }
        orchestrator.now = int(_EVENING.timestamp())
        self._simulator.step(orchestrator.now)
        self._simulator.reset(seed=_SEED)
        self._simulator.add_servers([{"sourceServerID": each, "name": name} for name, each in _SERVERS.items()])

    def happen(self, event: str) -> None:
        """`at 2027-01-16 03:12`: what runs goes on until then; else one of the events by name."""
        if event.startswith("at "):
            moment = datetime.fromisoformat(event.removeprefix("at ")).replace(tzinfo=UTC)
            self._pass_until(int(moment.timestamp()))
        else:
            self._events[event]()

    def run(self, command: str) -> str:
        """What a terminal shows when this is typed there, without colours; in front of a pipe there is no terminal."""
        return self._output(command).replace(self._api_url, _API_ON_THE_PAGE)

    def _output(self, command: str) -> str:
        command, _, filtered = command.partition(" | ")
        together = command.endswith(" 2>&1")
        program, *arguments = shlex.split(command.removesuffix(" 2>&1"))
        if program != "drctl":
            return self._shell([program, *arguments])
        result = self._drctl(arguments, is_terminal=not filtered)
        if not filtered:
            return result.output
        shown = self._shell(shlex.split(filtered), result.output if together else result.stdout)
        return shown if together else result.stderr + shown

    def _drctl(self, arguments: Sequence[str], *, is_terminal: bool) -> Result:
        environment = {"API_URL": self._api_url, "COLUMNS": _WIDTH}
        if "watch" in arguments:
            looks = count()
            self._api.before = lambda _method, _path: self._while_watching(next(looks))
        with mock.patch("drctl.views.is_terminal", return_value=is_terminal):
            result = CliRunner().invoke(app, arguments, env=environment)
        self._api.before = lambda _method, _path: None
        return result

    def _while_watching(self, look: int) -> None:
        self._pass(_ROUND_SECONDS)
        if look == _LOOKS:
            # Ctrl-C: on this page nobody watches what waits for an answer.
            os.kill(os.getpid(), signal.SIGINT)

    def _shell(self, command: Sequence[str], given: str | None = None) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "AWS_ENDPOINT_URL_DRS": self._simulator.url}
        result = subprocess.run(
            command,
            env=environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return result.stdout

    def _pass_until(self, moment: int) -> None:
        if moment < self._orchestrator.now:
            raise ValueError(f"it is later than {moment} already: {self._orchestrator.now}")
        while left := moment - self._orchestrator.now:
            self._pass(min(left, _ROUND_SECONDS) if self._at_work() else left)

    def _pass(self, seconds: int) -> None:
        self._orchestrator.let_pass(seconds)
        for driver in self._at_work():
            driver.go_on()

    def _at_work(self) -> list["_Driver"]:
        for name in self._orchestrator.drivers():
            self._drivers.setdefault(name, _Driver(self._orchestrator, name))
        return [driver for driver in self._drivers.values() if not driver.has_ended]

    def _recover(self, name: str) -> None:
        self._drs.start_recovery(sourceServers=[{"sourceServerID": _SERVERS[name]}], isDrill=False)
        self._simulator.push_jobs("COMPLETED")

    def _lose_the_region(self) -> None:
        self._simulator.replicate(list(_SERVERS.values()), "DISCONNECTED")

    def _fail(self, name: str) -> None:
        self._simulator.add_fault("launch-failure", sourceServerIDs=[_SERVERS[name]])

    def _fail_back(self) -> None:
        self._simulator.replicate(list(_SERVERS.values()), "CONTINUOUS")
        instances = [each["recoveryInstanceID"] for each in self._drs.describe_recovery_instances()["items"]]
        for instance in instances:
            self._simulator.protect(instance, protected=False)
        self._drs.terminate_recovery_instances(recoveryInstanceIDs=instances)
        self._simulator.push_jobs("COMPLETED")

    def _refuse_to_terminate(self) -> None:
        self._simulator.add_fault(
            "error",
            operation="TerminateRecoveryInstances",
            code="AccessDeniedException",
            message="not authorized to perform: ec2:TerminateInstances",
            count=1,
        )

    def _reach_the_api(self, is_there: bool) -> None:
        self._api_url = self._api.url if is_there else _NOWHERE

    @property
    def _drs(self) -> Any:
        return boto3.client("drs", endpoint_url=self._simulator.url)


class _Driver:
    """One execution of the state machine."""

    def __init__(self, orchestrator: Orchestrator, name: str) -> None:
        self._orchestrator = orchestrator
        self._execution_id, _, generation = name.rpartition("-g")
        self._generation = int(generation)
        self.has_ended = False

    def go_on(self) -> None:
        """Once round the state machine's loop."""
        here, execution_id, generation = self._orchestrator, self._execution_id, self._generation
        if here.prepare(execution_id, generation)["outcome"] == "READY":
            if self._awaits_decision():
                return
            here.check(execution_id, generation)
            launch = here.launch(execution_id, generation)
            if launch["awaitsDecision"]:
                wait_for_decision(here.app, execution_id, generation, "the driver's token")
            if launch["wavesOpen"]:
                return
        here.protect(execution_id, generation)
        finished = here.finish(execution_id, generation)
        if finished["cleanUp"] and finished["cleanUpDelaySeconds"] == 0:
            finished = clean_up_drill(here.app, execution_id, generation)
        self.has_ended = finished["outcome"] != "CLEANING_UP"

    def _awaits_decision(self) -> bool:
        execution = self._orchestrator.app.executions.get(self._execution_id)
        return execution is not None and execution.status is ExecutionStatus.PAUSED and execution.question is not None


@contextmanager
def quiet_night(orchestrator: Orchestrator) -> Iterator[Night]:
    """The night before anything has happened, in a folder of its own that holds nothing but the plans."""
    draw = Random(_SEED)
    with ExitStack() as stack:
        stack.callback(time.tzset)
        stack.enter_context(mock.patch.dict(os.environ, {"TZ": "UTC"}))
        time.tzset()
        ids = SimpleNamespace(token_hex=lambda size: draw.randbytes(size).hex())
        clock = SimpleNamespace(time=lambda: orchestrator.now)
        stack.enter_context(mock.patch("drs_orchestrator.tasks.start_execution.secrets", ids))
        for module in ("drctl.views", "drctl.execution_commands"):
            stack.enter_context(mock.patch(f"{module}.time", clock))
        for pause in ("_SHORTEST_PAUSE", "_LONGEST_PAUSE"):
            stack.enter_context(mock.patch(f"drctl.watching.{pause}", 0.0))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        shutil.copytree(PROJECT_ROOT / "plans", folder / "plans")
        stack.enter_context(chdir(folder))
        yield Night(orchestrator, stack.enter_context(served(orchestrator)))


def up_to_date(orchestrator: Orchestrator, page: str) -> str:
    """The page with what is printed today."""
    with quiet_night(orchestrator) as night:
        return acted_out(page, night.happen, night.run)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the page shows what is printed, 1 when it does not (`--check`)."""
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.night", description="Act docs/operating.md out.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if an output is out of date")
    options = parser.parse_args(arguments)
    page = PAGE.read_text(encoding="utf-8")
    # The page is what counts; what the functions log is for CloudWatch.
    logging.disable()
    with running_simulator() as url, aws():
        current = up_to_date(Orchestrator(SimulatorControl(url)), page)
    if page == current:
        return 0
    if options.check:
        sys.stderr.write(f"{PAGE.name}: an output is out of date; run python -m tests.helpers.night\n")
        return 1
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

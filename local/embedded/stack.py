"""One embedded stack: the engine, the DRS simulator and the deployed template, described by a state directory."""

import fcntl
import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from embedded import engine, sam
from embedded.errors import EmbeddedError
from embedded.processes import Server, free_port

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_STATE_DIR = PROJECT_ROOT / ".local"
DEFAULT_WAIT_SCALE = 0.05
DEFAULT_SPEED = 60.0
SIMULATOR_START_SECONDS = 30.0

# Parameters of the template that are compared with the clock. The engine scales Wait states only; we scale these.
THRESHOLDS = (
    "ServerTimeoutSeconds",
    "CompletionGraceSeconds",
    "LaunchSettleSeconds",
    "DriverSilenceSeconds",
    "LaunchActionsTimeoutSeconds",
    "StuckAfterSeconds",
)
# What takes real time whatever the scale: a cold Lambda up to five seconds, before which no driver is silent and no
# execution stuck; a few writes up to two, a third of the time after which a launch may be repeated.
SHORTEST_SECONDS = {"DriverSilenceSeconds": 15, "StuckAfterSeconds": 15, "LaunchSettleSeconds": 6}

# Parameters that keep out what the engine's CloudFormation refuses: it has no AWS::Logs::QueryDefinition.
UNSUPPORTED = {"SavedQueries": "OMIT"}


@dataclass(frozen=True)
class Settings:
    """What a stack is started with.

    `wait_scale`: real seconds that one second of a Wait state takes. `speed`: how many times faster than life the
    simulator's jobs run. `drs_endpoint`: a DRS endpoint to use in place of an own simulator. `scenario`: a name in
    local/scenarios whose servers the simulator holds from the start. `parameters`: template parameters that replace the
    scaled ones.
    """

    wait_scale: float = DEFAULT_WAIT_SCALE
    speed: float = DEFAULT_SPEED
    drs_endpoint: str | None = None
    scenario: str | None = None
    lambda_concurrency: int = 4
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.wait_scale <= 0:
            raise EmbeddedError(f"WAIT_SCALE is {self.wait_scale:g}: give a number above 0, such as 0.05.")
        if self.speed <= 0:
            raise EmbeddedError(f"SPEED is {self.speed:g}: give a number above 0, such as 60.")
        if self.drs_endpoint is not None and not self.drs_endpoint.startswith(("http://", "https://")):
            raise EmbeddedError(
                f"DRS_ENDPOINT is {self.drs_endpoint!r}: give a URL that begins with http:// or https://."
            )

    def template_parameters(self, defaults: Mapping[str, Any], drs_endpoint: str) -> dict[str, str]:
        """What the template is deployed with, given its own `defaults`."""
        scaled = {
            name: str(max(SHORTEST_SECONDS.get(name, 1), round(int(defaults[name]) * self.wait_scale)))
            for name in THRESHOLDS
            if name in defaults
        }
        omitted = {name: value for name, value in UNSUPPORTED.items() if name in defaults}
        return {"DrsEndpointUrl": drs_endpoint, **scaled, **omitted, **self.parameters}


class Stack:
    """A stack in `state_dir`: `with Stack(folder, speed=600) as stack: ... stack.env["API_URL"]`.

    Inside `with`, the stack cannot outlive the process. `up` then `release` leaves it running for `down`, in this
    process or a later one. Several stacks may be up at once, each in a state directory of its own.
    """

    def __init__(
        self,
        state_dir: Path = DEFAULT_STATE_DIR,
        *,
        wait_scale: float = DEFAULT_WAIT_SCALE,
        speed: float = DEFAULT_SPEED,
        drs_endpoint: str | None = None,
        scenario: str | None = None,
        lambda_concurrency: int = 4,
        parameters: Mapping[str, str] | None = None,
        project_root: Path = PROJECT_ROOT,
        engine_command: Sequence[str] = engine.COMMAND,
        report: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.settings = Settings(wait_scale, speed, drs_endpoint, scenario, lambda_concurrency, dict(parameters or {}))
        self.state_dir = state_dir.resolve()
        self.env: dict[str, str] = {}
        self._project = sam.Project(project_root)
        self._report = report
        self._engine_command = engine_command
        self._engine = Server("engine", self.state_dir)
        self._simulator = Server("simulator", self.state_dir)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Start, deploy and fill `env`; a stack that is up with the same settings is used as it is, or deployed anew.

        Raises EmbeddedError, with nothing left behind, when a part fails; or, with the running stack untouched, when
        one is up with other settings.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with self._exclusively():
            if self._engine.is_running():
                self._reuse()
                return
            self._remove_leftovers()
            try:
                self._start()
            except BaseException:
                self._stop()
                raise

    def release(self) -> None:
        """Let the stack live on after this process."""
        self._engine.release()
        self._simulator.release()

    def down(self) -> bool:
        """Stop the stack and remove its state; False when there was nothing to stop."""
        if not self.state_dir.is_dir():
            return False
        with self._exclusively():
            was_up = self._engine.is_running() or self._simulator.is_running()
            self._stop()
        return was_up

    def is_up(self) -> bool:
        """Whether the engine runs and the template was deployed; fills `env` when so."""
        if not (self._engine.is_running() and self._env_json.is_file()):
            return False
        self.env = json.loads(self._env_json.read_text())
        return True

    def set_wait_scale(self, wait_scale: float) -> None:
        """Make Waits that begin from now on last `wait_scale` real seconds a second; thresholds stay as deployed."""
        engine.set_wait_scale(self.env["AWS_ENDPOINT_URL"], wait_scale)

    def kill_engine(self) -> None:
        """End the engine and its Lambdas with SIGKILL, as if their machine lost power; the simulator runs on."""
        self._engine.kill()

    def restart_engine(self) -> None:
        """Start a killed engine again where it was.

        ministack itself knows nothing any more then: what outlives it is up to the `engine_command` of this stack.
        """
        self._start_engine(int(self.env["AWS_ENDPOINT_URL"].rpartition(":")[2]))

    def _start(self) -> None:
        (self.state_dir / "tmp").mkdir(exist_ok=True)
        with self._building():
            engine_url = self._start_engine(free_port())
            drs_endpoint = self.settings.drs_endpoint or self._start_simulator(engine_url)
        self._deploy(engine_url, drs_endpoint)

    def _building(self) -> AbstractContextManager[None]:
        return self._project.built(self.state_dir / "sam-build.log", self._report)

    def _start_engine(self, port: int) -> str:
        began = time.monotonic()
        url = f"http://127.0.0.1:{port}"
        environment = engine.environment(
            self.state_dir,
            port,
            wait_scale=self.settings.wait_scale,
            lambda_concurrency=self.settings.lambda_concurrency,
        )
        self._engine.start(self._engine_command, environment)
        self._engine.wait_until(lambda: engine.is_ready(url), engine.START_SECONDS)
        self._report(f"engine     ready at {url} ({_since(began)})")
        return url

    def _start_simulator(self, engine_url: str) -> str:
        """The simulator: its launch results become events on the engine's bus, its instances are the engine's, and so
        are the accounts of whoever calls it with an assumed role's key."""
        began = time.monotonic()
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        options = ["--port", str(port), "--speed", f"{self.settings.speed:g}", "--bus-endpoint", engine_url]
        options += ["--ec2-endpoint", engine_url, "--sts-endpoint", engine_url]
        self._simulator.start(
            [sys.executable, "-m", "drs_simulator", *options], engine.server_environment(self.state_dir)
        )
        self._simulator.wait_until(lambda: _simulator_is_ready(url), SIMULATOR_START_SECONDS)
        self._report(f"simulator  ready at {url} ({_since(began)}), {self.settings.speed:g} times faster than life")
        if self.settings.scenario is not None:
            load_scenario(url, self.settings.scenario)
        return url

    def _deploy(self, engine_url: str, drs_endpoint: str) -> None:
        began = time.monotonic()
        fingerprint = self._project.deployed_fingerprint()
        parameters = self.settings.template_parameters(self._project.parameter_defaults(), drs_endpoint)
        self._project.deploy(engine_url, parameters, self.state_dir / "sam-deploy.log")
        self._report(f"deploy     stack {sam.STACK_NAME} ({_since(began)})")
        outputs = sam.outputs(engine_url)
        self.env = {
            **engine.CREDENTIALS,
            "AWS_ENDPOINT_URL": engine_url,
            "AWS_ENDPOINT_URL_DRS": drs_endpoint,
            # The engine answers on one host name; SDKs would put `sync-` or an account in front of it.
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "API_URL": outputs.get("ApiUrl", ""),
            "STATE_MACHINE_ARN": outputs.get("StateMachineArn", ""),
            "EXECUTION_TABLE_NAME": outputs.get("ExecutionTableName", ""),
            "PLAN_TABLE_NAME": outputs.get("PlanTableName", ""),
            "RECONCILER_FUNCTION_NAME": outputs.get("ReconcilerFunctionName", ""),
            "EVENT_BUS_NAME": outputs.get("EventBusName", ""),
            "NOTIFICATION_TOPIC_ARN": outputs.get("NotificationTopicArn", ""),
            "STACK_NAME": sam.STACK_NAME,
            "DRS_SIMULATOR_URL": "" if self.settings.drs_endpoint else drs_endpoint,
        }
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.env.items())
        (self.state_dir / "env.sh").write_text(exports)
        self._env_json.write_text(json.dumps(self.env, indent=2) + "\n")
        self._stack_json.write_text(json.dumps({"settings": asdict(self.settings), "deployed": fingerprint}))

    def _reuse(self) -> None:
        if not (self.is_up() and self._stack_json.is_file()):
            raise EmbeddedError(f"A stack that never came up is in the way in {self.state_dir}: run `make down` first.")
        running = json.loads(self._stack_json.read_text())
        for name, wanted in asdict(self.settings).items():
            if running["settings"].get(name) != wanted:
                there = running["settings"].get(name)
                raise EmbeddedError(
                    f"A stack is up already with {name} {there or 'unset'}, not {wanted or 'unset'}: "
                    "run `make down` first."
                )
        if running["deployed"] == self._project.deployed_fingerprint():
            self._report(f"stack      up already at {self.env['AWS_ENDPOINT_URL']}, nothing has changed")
            return
        with self._building():
            pass
        self._deploy(self.env["AWS_ENDPOINT_URL"], self.env["AWS_ENDPOINT_URL_DRS"])

    def _stop(self) -> None:
        self._simulator.stop()
        self._engine.stop()
        self._remove_leftovers()
        (self.state_dir / "lock").unlink(missing_ok=True)
        with suppress(OSError):
            self.state_dir.rmdir()

    def _remove_leftovers(self) -> None:
        """Remove what a stack writes, by name: the state directory may be somebody's folder with other things in it."""
        shutil.rmtree(self.state_dir / "tmp", ignore_errors=True)
        for name in ("env.sh", "env.json", "stack.json", "sam-build.log", "sam-deploy.log"):
            (self.state_dir / name).unlink(missing_ok=True)
        for server in (self._engine, self._simulator):
            server.pid_file.unlink(missing_ok=True)
            server.log.unlink(missing_ok=True)

    def _exclusively(self) -> "_Lock":
        return _Lock(self.state_dir / "lock")

    @property
    def _env_json(self) -> Path:
        return self.state_dir / "env.json"

    @property
    def _stack_json(self) -> Path:
        return self.state_dir / "stack.json"


class _Lock:
    """One command at a time in a state directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise EmbeddedError(
                f"Another command is starting or stopping the stack in {self._path.parent}: wait for it."
            ) from None

    def __exit__(self, *_: object) -> None:
        self._file.close()


def up(
    state_dir: Path = DEFAULT_STATE_DIR,
    *,
    wait_scale: float = DEFAULT_WAIT_SCALE,
    speed: float = DEFAULT_SPEED,
    drs_endpoint: str | None = None,
    scenario: str | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> Stack:
    """Start a stack that stays up after this process."""
    stack = Stack(
        state_dir, wait_scale=wait_scale, speed=speed, drs_endpoint=drs_endpoint, scenario=scenario, report=report
    )
    stack.up()
    stack.release()
    return stack


def down(state_dir: Path = DEFAULT_STATE_DIR) -> bool:
    """Stop the stack of `state_dir`; False when none was up."""
    return Stack(state_dir).down()


def load_scenario(simulator_url: str, scenario: str | Mapping[str, Any]) -> None:
    """Put a scenario's servers into the simulator: a name in local/scenarios, or the document itself."""
    document = {"file": scenario} if isinstance(scenario, str) else scenario
    answer = httpx.post(f"{simulator_url}/_sim/scenario", json=document, timeout=30.0, trust_env=False)
    if answer.is_error:
        raise EmbeddedError(f"The simulator refused the scenario: {answer.text}")


def _simulator_is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_sim/health", timeout=2.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"

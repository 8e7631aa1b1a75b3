"""`python -m embedded up|down|status|demo`; the Makefile's targets of the same names call these."""

import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from embedded import demo as demonstration
from embedded.errors import EmbeddedError
from embedded.stack import DEFAULT_SPEED, DEFAULT_STATE_DIR, DEFAULT_WAIT_SCALE, PROJECT_ROOT, Stack

DEFAULT_SCENARIO = "three-tier"

app = typer.Typer(
    help="The whole product on one machine: AWS engine, DRS simulator and the deployed template.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StateDir = Annotated[Path, typer.Option(envvar="EMBEDDED_STATE_DIR", help="Folder of the stack's own files.")]
WaitScale = Annotated[
    float, typer.Option(envvar="WAIT_SCALE", help="Real seconds that one second of a Wait state takes.")
]
Speed = Annotated[float, typer.Option(envvar="SPEED", help="How many times faster than life simulated jobs run.")]


@app.command()
def up(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    wait_scale: WaitScale = DEFAULT_WAIT_SCALE,
    speed: Speed = DEFAULT_SPEED,
    drs_endpoint: Annotated[
        str, typer.Option(envvar="DRS_ENDPOINT", help="A DRS endpoint to use; no simulator is started then.")
    ] = "",
    scenario: Annotated[
        str, typer.Option(envvar="SCENARIO", help="Servers the simulator holds: a name in local/scenarios.")
    ] = DEFAULT_SCENARIO,
) -> None:
    """Start engine and simulator, deploy the template, write env.sh; the stack stays up."""
    stack = Stack(
        state_dir,
        wait_scale=wait_scale,
        speed=speed,
        drs_endpoint=drs_endpoint or None,
        scenario=None if drs_endpoint else scenario or None,
        report=_say,
    )
    stack.up()
    stack.release()
    _say(f"\nAPI        {stack.env['API_URL']}")
    _say(f"next       . {_shown(state_dir)}/env.sh && .venv/bin/drctl plan put {_plan_for(scenario)}")


@app.command()
def down(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Stop everything that `up` started and remove the stack's files."""
    _say("stopped" if Stack(state_dir).down() else "nothing was up")


@app.command()
def status(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Say whether a stack is up and where; exit code 1 when not."""
    stack = Stack(state_dir)
    if not stack.is_up():
        _say("no stack is up; `make up` starts one")
        raise typer.Exit(1)
    for name, value in stack.env.items():
        _say(f"{name}={value}")


@app.command()
def demo() -> None:
    """Deploy, watch a drill and a recovery of three waves, show what happened, and stop everything again."""
    raise typer.Exit(demonstration.run(_say))


def main() -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        app()
    except EmbeddedError as error:
        sys.exit(f"error: {error}")
    sys.exit(0)


def _leave(number: int, _frame: object) -> NoReturn:
    # Once is enough: what follows is the way out through every `finally`, which a second signal must not cut short.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    print(f"\n{signal.Signals(number).name}: stopping everything", file=sys.stderr)
    sys.exit(128 + number)


def _say(line: str) -> None:
    print(line, flush=True)


def _plan_for(scenario: str) -> str:
    """The sample plan of the scenario's servers; the first one where it has none."""
    plan = f"plans/{scenario}.yaml"
    return plan if (PROJECT_ROOT / plan).is_file() else f"plans/{DEFAULT_SCENARIO}.yaml"


def _shown(state_dir: Path) -> Path:
    absolute = state_dir.resolve()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute


if __name__ == "__main__":
    main()

"""``python -m drs_simulator``: the simulator on a port, until it is interrupted."""

import argparse
import asyncio
import logging
import os
import signal
import sys

from drs_simulator import scenarios
from drs_simulator.accounts import Accounts
from drs_simulator.clock import Clock
from drs_simulator.ec2 import Endpoint
from drs_simulator.errors import ControlError
from drs_simulator.server import listen, make_server
from drs_simulator.simulator import DEFAULT_SEED, Simulator


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="drs-simulator: %(message)s", stream=sys.stderr)
    try:
        ec2 = Endpoint(options.ec2_endpoint) if options.ec2_endpoint else None
        simulator = Simulator(seed=options.seed, clock=Clock(options.speed), ec2=ec2)
        if options.scenario:
            document = scenarios.load(options.scenario)
            loaded = scenarios.apply(simulator, document | {"speed": options.speed} if options.speed != 1 else document)
            print(f"scenario {loaded['name']}: {loaded['servers']} source servers", file=sys.stderr)
        simulator.events.use(options.bus_endpoint)
    except ControlError as error:
        print(f"drs-simulator: {error}", file=sys.stderr)
        return 2
    try:
        listener = listen(options.port, options.host)
    except OSError as error:
        print(f"drs-simulator: cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]
    print(f"http://{host}:{port}", flush=True)
    server = make_server(simulator, Accounts(sts_endpoint=options.sts_endpoint))
    asyncio.run(server.serve([listener]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m drs_simulator", description="A simulator of AWS DRS.")
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one; the URL is printed")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--speed", type=float, default=1.0, help="timelines run this many times faster (1 to 3600)")
    parser.add_argument("--scenario", help=f"{', '.join(scenarios.names())}, or a path ending in .yaml")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the same seed gives the same run")
    parser.add_argument("--bus-endpoint", help="where to put EventBridge events (off if left out)")
    parser.add_argument("--ec2-endpoint", help="where launched servers are EC2 instances (in memory if left out)")
    parser.add_argument(
        "--sts-endpoint",
        default=os.environ.get("AWS_ENDPOINT_URL_STS"),
        help="whom to ask for the account of an assumed role's key",
    )
    return parser


if __name__ == "__main__":
    # A stop asked for by signal is an ordinary end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)

"""The engine as a program: ministack, with what `ec2_protection` adds to it, behind uvicorn and uvloop.

ministack's own server parses HTTP in Python and waits on Python's event loop. The engine is one process that everything
on a stack waits for, and these two in C take half off what a call to it costs: `benchmarks/concurrency.py`. What is
served is ministack's, and so are the settings.
"""

import gc
import os

import uvicorn
from ministack import app

from embedded import ec2_protection


def main() -> None:
    """Serve where the environment says, until a signal ends it."""
    ec2_protection.install()
    _collect_seldom()
    uvicorn.run(
        app.app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level=os.environ["LOG_LEVEL"].lower(),
        access_log=False,
        # As ministack has it: AWS's endpoints name no server, and the app sends the date.
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        # A Lambda in the middle of its work does not hold up the end.
        timeout_graceful_shutdown=2,
    )


def _collect_seldom() -> None:
    """Tables and histories live as long as the engine: to look through all of them for garbage, as Python does each
    time they have grown by a quarter, stops everybody for half a second in which next to nothing is found."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 500)


if __name__ == "__main__":
    main()

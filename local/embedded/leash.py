"""Run a server for as long as its owner lives: `python leash.py COMMAND...`.

The owner holds the other end of standard input. Writing `STAY` sets the server free of its owner; a pipe that closes
without it, however the owner died, ends the server. So does SIGTERM. Either way the whole process group goes, with the
workers the server started itself. Only the standard library is imported: this runs before anything is known to work.
"""

import os
import signal
import subprocess
import sys
import threading

STAY = b"stay"
GRACE_SECONDS = 3.0
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def main(command: list[str]) -> None:
    # Without a handler some systems drop SIGCHLD before sigwait() sees it.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # The server inherits the lock on its pid file (close_fds=False): the lock is free exactly when both are gone.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    # Blocked only after the server was started, which would inherit the mask and never see a SIGTERM.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    threading.Thread(target=_watch_owner, daemon=True).start()
    if server.poll() is None:
        signal.sigwait(ENDINGS)
    server.terminate()
    try:
        server.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _watch_owner() -> None:
    if sys.stdin.buffer.read() != STAY:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])

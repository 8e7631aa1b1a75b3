"""Servers that outlive the command that started them, and tools that must not."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from embedded import leash
from embedded.errors import EmbeddedError

STOP_SECONDS = 10.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One background server of a stack: `NAME.pid` and `NAME.log` in the state directory.

    The server keeps a lock on its pid file for as long as it lives, so a pid that the system has given to somebody
    else in the meantime is never signalled.
    """

    def __init__(self, name: str, state_dir: Path) -> None:
        self.name = name
        self.pid_file = state_dir / f"{name}.pid"
        self.log = state_dir / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start `command` on a leash: it ends with this process unless `release` is called."""
        with self.pid_file.open("w") as pid_file, self.log.open("ab") as log:
            fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", leash.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(env),
                pass_fds=[pid_file.fileno()],
                start_new_session=True,
            )
            pid_file.write(str(self._process.pid))

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready`; raise EmbeddedError when the server ends before that or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process is not None and self._process.poll() is not None:
                raise EmbeddedError(f"The {self.name} stopped while it was starting. The end of its log:", self.log)
            if time.monotonic() > deadline:
                raise EmbeddedError(f"The {self.name} gave no answer for {seconds:g} s. The end of its log:", self.log)
            time.sleep(0.05)

    def release(self) -> None:
        """Let the server live on after this process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(leash.STAY)
            self._process.stdin.close()

    def is_running(self) -> bool:
        """Whether the server, started by this process or by an earlier one, is alive."""
        if not self.pid_file.exists():
            return False
        with self.pid_file.open() as pid_file:
            try:
                fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def stop(self) -> None:
        """End the server and all that it started; nothing to do when it is not running."""
        if self.is_running():
            # Empty when the server's start was interrupted: its leash has lost its owner and ends by itself.
            leader = self.pid_file.read_text()
            with suppress(ProcessLookupError):
                if leader:
                    os.kill(int(leader), signal.SIGTERM)
                if not self._gone_within(STOP_SECONDS) and leader:
                    os.killpg(int(leader), signal.SIGKILL)
                    self._gone_within(STOP_SECONDS)
        self._reap()

    def kill(self) -> None:
        """End the server and all that it started with SIGKILL: none of them gets to finish or save anything."""
        if self.is_running():
            with suppress(ProcessLookupError):
                os.killpg(int(self.pid_file.read_text()), signal.SIGKILL)
            self._gone_within(STOP_SECONDS)
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


@contextmanager
def tool(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, failure: str, seconds: float = 600.0
) -> Iterator[None]:
    """Run a tool beside the body of the `with`, its output in `log`, and wait for its end after the body.

    When the body raises, or the wait is interrupted, the tool ends with everything it started. Raises EmbeddedError
    with the sentence `failure` and the end of the log when the tool fails or takes longer than `seconds`.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise EmbeddedError(f"{failure} (no end after {seconds:g} s)", log) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise EmbeddedError(failure, log)
